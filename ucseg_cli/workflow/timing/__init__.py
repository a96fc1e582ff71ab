"""Measured time: from references to rounds of blocks, and to what they say."""
