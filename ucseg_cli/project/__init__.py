"""What a repository says of itself: [tool.ucseg], and the lock file."""
