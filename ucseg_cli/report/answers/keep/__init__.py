"""Answers that check a project against its budgets and its lock."""
