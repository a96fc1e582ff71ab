"""The only door to torch: the cache, its fingerprints, and the child process of a user's code."""
