"""Answers that help to choose between models."""
