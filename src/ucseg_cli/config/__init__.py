"""What a project says of itself in ``[tool.ucseg]``: found, read, and every mistake reported at once with its line."""
