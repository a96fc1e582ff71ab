"""Fixtures of the gate's tests: children that are forks."""

from support.forked_python import forked_children

__all__ = ["forked_children"]
