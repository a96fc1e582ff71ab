"""What a report says of the checkpoint that it is about: its format, where in it the weights were, and what is special."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from ucseg_cli.facts.state_dict import DENSE, StateDict
from ucseg_cli.units import plural

FEW = 4


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


def what_is_special(state: StateDict) -> tuple[str, ...]:
    """A sentence for whatever makes a figure other than a reader would expect."""
    return tuple(_what_is_special(state))


def _what_is_special(state: StateDict) -> Iterator[str]:
    if state.left_out:
        yield f"Left out, since {'it is no tensor' if len(state.left_out) == 1 else 'they are no tensors'} of the network: {_few(state.left_out)}."
    known = [entry.memory for entry in state.entries if entry.memory is not None]
    if tied := len(known) - len(set(known)):
        yield f"{plural(tied, 'entry shares', 'entries share')} memory with another and {'counts' if tied == 1 else 'count'} once."
    if not known and all(entry.layout == DENSE for entry in state.entries):
        yield "Whether entries share memory is not known of this file."
    for layout, count in Counter(
        entry.layout for entry in state.entries if entry.layout != DENSE
    ).items():
        yield f"{plural(count, 'entry is', 'entries are')} {layout} and counted as if dense."


def _few(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - FEW:,} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more
