"""The difference between two models, and its causes."""
