"""The other counters' figures for v2, as data: running them takes torch, fvcore and seconds."""

from __future__ import annotations

import json
from collections.abc import Sequence

from support.stored_traces import DATA
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.count import Count
from ucseg_cli.gate.tracing import Request
from ucseg_cli.references.variants import CATALOGUE

COUNTS = DATA / "other_counts.json"
COUNTED = Request(CATALOGUE["v2"], Conditions(Size(16, 16)))


def read_counts() -> tuple[Count, ...]:
    """The counts of *COUNTED* as they are stored."""
    return tuple(Count(*row) for row in json.loads(COUNTS.read_text("utf-8")))


def write_counts(counts: Sequence[Count]) -> None:
    """Store them, one counter a line."""
    rows = ",\n".join(json.dumps(count) for count in counts)
    COUNTS.write_text(f"[\n{rows}\n]\n", "utf-8")
