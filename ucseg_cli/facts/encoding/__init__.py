"""Traces and parts as JSON can hold them, and what is refused when they are read."""
