"""Commands that hold a project to what was agreed."""
