"""Formats that a CI job or a code host reads."""
