"""Traces as data: what the engine recorded once, so that most tests need no torch.

``make update-traces`` rewrites the file with every trace that those tests ask for. A test in
``tests/oracles`` checks that each is what the engine records today.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.facts.encoding.encoded_trace import decode_trace, encode_trace
from ucseg_cli.facts.trace import Trace
from ucseg_cli.facts.training import Training
from ucseg_cli.references import Argument, FromLibrary
from ucseg_cli.references.variants import Variant

DATA = Path(__file__).parents[1] / "data"
TRACES = DATA / "traces.xz"


class Pass(NamedTuple):
    """A network and what goes into it: what a trace is stored under."""

    model: Variant | FromLibrary
    conditions: Conditions


class StoredTraces:
    """The traces in a file: a line for each, with its pass, a tab, and the trace."""

    def __init__(self, path: Path = TRACES) -> None:
        self._path = path
        self._decoded: dict[Pass, Trace] = {}

    @cached_property
    def _lines(self) -> dict[str, bytes]:
        if not self._path.exists():
            return {}
        lines = lzma.decompress(self._path.read_bytes()).splitlines()
        pairs = (line.split(b"\t", 1) for line in lines)
        return {name.decode(): trace for name, trace in pairs}

    def get(self, wanted: Pass) -> Trace | None:
        """The trace of a pass, or None where it is not stored."""
        if wanted not in self._decoded:
            line = self._lines.get(encode_pass(wanted))
            if line is None:
                return None
            self._decoded[wanted] = decode_trace(json.loads(line))
        return self._decoded[wanted]

    def passes(self) -> Iterator[Pass]:
        """Every pass that has a stored trace."""
        return map(decode_pass, self._lines)


def write_traces(traces: Mapping[Pass, Trace], path: Path = TRACES) -> None:
    """Write the file anew. Neighbours are alike and compressed together, which keeps it small."""
    rows = sorted(
        (encode_pass(stored), json.dumps(encode_trace(trace), separators=(",", ":")))
        for stored, trace in traces.items()
    )
    text = "".join(f"{name}\t{trace}\n" for name, trace in rows)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(lzma.compress(text.encode()))


def encode_pass(stored: Pass) -> str:
    """A pass as one line of JSON."""
    size, batch, given, training = stored.conditions
    step = [training] if training else []
    if isinstance(given, Tensors):  # without the names that most do not have
        inputs = [one if one.name else (one.shape, one.dtype) for one in given.inputs]
        return json.dumps(
            [type(stored.model).__name__, stored.model, (size, batch, [inputs], *step)]
        )
    conditions = (size, batch, given, *step)
    return json.dumps([type(stored.model).__name__, stored.model, conditions])


def decode_pass(text: str) -> Pass:
    """The inverse of encode_pass."""
    kind, model, conditions = json.loads(text)
    return Pass(_decode_model(kind, model), _decode_conditions(*conditions))


def _decode_model(kind: str, model: list[Any]) -> Variant | FromLibrary:
    if kind == "Variant":
        return Variant._make(tuple(axis) if isinstance(axis, list) else axis for axis in model)
    library, name, arguments = model
    return FromLibrary(library, name, tuple(Argument(*argument) for argument in arguments))


def _decode_conditions(
    size: list[int], batch: int, given: list[Any] | None, step: list[Any] | None = None
) -> Conditions:
    tensors = None
    if given is not None:
        (inputs,) = given
        tensors = Tensors(tuple(Input(tuple(shape), *others) for shape, *others in inputs))
    if step is None:
        return Conditions(Size(*size), batch, tensors)
    optimizer, loss, amp, frozen, checkpointed = step
    training = Training(optimizer, loss, amp, tuple(frozen), tuple(checkpointed))
    return Conditions(Size(*size), batch, tensors, training)
