"""Icicles as the files that viewers of profiles read: folded stacks, and speedscope's JSON.

Folded stacks are lines of names and a value, as flamegraph.pl reads them; the other is the sampled
profile of speedscope's file-format-spec.ts. A stack is a module with all that it is inside of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ucseg_cli import __version__
from ucseg_cli.report.document import Report
from ucseg_cli.report.formats.cells import one_line
from ucseg_cli.report.pictures.icicle import Cell, Icicle

SCHEMA = "https://www.speedscope.app/file-format-schema.json"

Stack = tuple[tuple[str, ...], int]
"""The names from the root to a leaf, and its value."""


def render_folded(report: Report) -> str:
    """``Net;features;features.0 1234``: a line for each module that holds no other."""
    lines = [
        f"{';'.join(map(_folded_name, names))} {value}"
        for icicle in _icicles(report)[:1]
        for names, value in _stacks(icicle.root)
    ]
    return "\n".join(lines) + "\n"


def render_speedscope(report: Report) -> str:
    """A profile for each icicle, whose samples are the modules that hold no other."""
    names: dict[str, int] = {}
    profiles = [_profile(icicle, names) for icicle in _icicles(report)]
    document = {
        "$schema": SCHEMA,
        "exporter": f"ucseg {__version__}",
        "name": report.title,
        "shared": {"frames": [{"name": name} for name in names]},
        "profiles": profiles,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _profile(icicle: Icicle, names: dict[str, int]) -> dict[str, object]:
    """The samples by the numbers of their frames, which *names* gets."""
    stacks = list(_stacks(icicle.root))
    samples = [
        [names.setdefault(one_line(name), len(names)) for name in path] for path, _ in stacks
    ]
    return {
        "type": "sampled",
        "name": icicle.title,
        "unit": "none",
        "startValue": 0,
        "endValue": icicle.root.value,
        "samples": samples,
        "weights": [value for _, value in stacks],
    }


def _icicles(report: Report) -> list[Icicle]:
    return [picture for picture in report.pictures() if isinstance(picture, Icicle)]


def _stacks(cell: Cell, above: tuple[str, ...] = ()) -> Iterator[Stack]:
    path = (*above, cell.path)
    if not cell.cells and cell.value:
        yield path, cell.value
    for below in cell.cells:
        yield from _stacks(below, path)


def _folded_name(name: str) -> str:
    """A name without the sign that parts names, and without an end that looks like a value."""
    return one_line(name).replace(";", ",").strip() or "(unnamed)"
