"""Commands that help to choose."""
