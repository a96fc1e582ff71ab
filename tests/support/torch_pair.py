"""Which torch runs the tests: the one of constraints.txt, or a pair that is tried."""

from __future__ import annotations

import sys
from pathlib import Path

PAIR = Path(sys.prefix, "pair.txt")
"""Releases that go before those of constraints.txt, in an environment of `make test-oldest`."""
