"""Answers about one model: what it is and what it costs."""
