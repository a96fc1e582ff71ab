"""Answers that hold a project to its budgets and its lock."""
