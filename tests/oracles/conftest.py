"""Traces here are what the engine records now."""

from support.engine_fixtures import trace_of

__all__ = ["trace_of"]
