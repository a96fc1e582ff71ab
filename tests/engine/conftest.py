"""These tests check what the engine records now, not stored traces."""

from support.engine_fixtures import trace_of

__all__ = ["trace_of"]
