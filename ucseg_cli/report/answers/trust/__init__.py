"""Answers about ucseg itself: other counters, terms, the cache."""
