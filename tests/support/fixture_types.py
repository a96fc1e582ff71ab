"""The types of what the fixtures give, for the tests that ask for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import FromLibrary
from ucseg_cli.references.variants import Variant

Run = Callable[..., CompletedProcess[str]]
"""``ucseg``, ``ucseg_process`` and ``python``: run with these arguments."""

TraceOf = Callable[[Variant, Conditions], Trace]
ModelTraceOf = Callable[[Variant | FromLibrary, Conditions], Trace]
WriteWeights = Callable[[Path, Variant], None]
Golden = Callable[[str, str], None]
"""``golden(name, text)`` compares a text with the file of that name in tests/golden."""

Grid = list[list[str]]
Tables = Callable[[str], dict[str, Grid]]
Number = Callable[[str], int]
