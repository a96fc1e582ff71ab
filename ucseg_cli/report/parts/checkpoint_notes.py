"""The checkpoint that a report is about: its format, where its weights were, what is unusual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ucseg_cli.errors import shortened
from ucseg_cli.facts.state_dict import DENSE, META, StateDict
from ucseg_cli.units import plural

FEW = 4
LONGEST = 80


def shown_source(state: StateDict) -> dict[str, str]:
    """In words, in the order to show them."""
    return {
        "format": state.format,
        "entries": f"{len(state.entries):,}",
        **({"key": state.key} if state.key else {}),
        **({"names": f"without '{state.prefix}'"} if state.prefix else {}),
    }


def raw_source(state: StateDict) -> dict[str, Any]:
    """For scripts; *key* is None where the file is nothing but the state dict."""
    return {
        "format": state.format,
        "entries": len(state.entries),
        "key": state.key,
        "prefix": state.prefix,
        "left_out": list(state.left_out),
    }


def checkpoint_notes(state: StateDict) -> tuple[str, ...]:
    """A sentence for whatever makes a figure other than a reader would expect."""
    return tuple(_notes(state))


def _notes(state: StateDict) -> Iterator[str]:
    yield from state.remarks
    others = [name for name in state.left_out if name not in state.packed]
    if others:
        are = "it is not a tensor" if len(others) == 1 else "they are not tensors"
        yield f"Left out, since {are} of the network: {_few(others)}."
    if state.packed:
        yield (
            "Quantized layers pack weights in a form that cannot be counted: "
            f"{_few([name for name in state.left_out if name in state.packed])}."
        )
    known = [entry.memory for entry in state.entries if entry.memory is not None]
    if tied := len(known) - len(set(known)):
        share = plural(tied, "entry shares", "entries share")
        yield f"{share} memory with another and {'counts' if tied == 1 else 'count'} once."
    layouts = Counter(entry.layout for entry in state.entries)
    if not known and set(layouts) == {DENSE}:
        yield "This file does not say whether entries share memory."
    for layout, count in layouts.items():
        are = plural(count, "entry is", "entries are")
        if layout == META:
            shapes = "a shape" if count == 1 else "shapes"
            yield f"{are} on the meta device: {shapes} without values that could be loaded."
        elif layout != DENSE:
            yield f"{are} {layout} and counted as if dense."


def _few(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - FEW
    return ", ".join(shortened(name, LONGEST) for name in names[:FEW]) + (
        f" and {more:,} more" if more > 0 else ""
    )
