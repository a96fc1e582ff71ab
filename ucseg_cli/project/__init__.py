"""A repository's own words: [tool.ucseg], and the lock file."""
