"""Judging: the linter's rules and budgets."""
