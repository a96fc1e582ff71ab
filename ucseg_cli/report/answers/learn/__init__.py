"""Answers about trained weights."""
