"""Recognising the built-in family in shapes and traces."""
