"""Parts and variants made of them as JSON can hold them, and back.

Reading refuses what no recorder wrote: the figures rely on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, starmap
from typing import Any

from ucseg_cli.errors import UcsegError, decode_error, encode_error
from ucseg_cli.facts.encoding.encoded_trace import TraceFormatError, decode_trace, encode_trace
from ucseg_cli.facts.parts import (
    Assembled,
    Composed,
    Made,
    Outcome,
    Part,
    PartBook,
    Step,
    Wiring,
)
from ucseg_cli.facts.trace import Tap, Trace


def encode_outcomes(outcomes: Sequence[Outcome], new: PartBook) -> dict[str, Any]:
    """A variant on each input, with the parts that are *new* with it."""
    return {
        "outcomes": list(map(_encode, outcomes)),
        "parts": list(map(_encode, new.parts)),
        "weights": list(map(encode_trace, new.weights)),
    }


def decode_outcomes(data: Any, book: PartBook) -> list[Outcome]:
    """The inverse; what is new is added to the book. Raises TraceFormatError."""
    try:
        for part in data["parts"]:
            book.parts.append(_decode_part(part, len(book.parts)))
        book.weights.extend(map(decode_trace, data["weights"]))
        return [_decode(row, book) for row in data["outcomes"]]
    except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
        raise TraceFormatError(str(error)) from error


def _encode(outcome: Outcome | Part) -> dict[str, Any]:
    match outcome:
        case Trace():
            return {"trace": encode_trace(outcome)}
        case Composed():
            return {"composed": outcome}
        case Assembled():
            return {"assembled": outcome}
        case UcsegError():
            return {"error": encode_error(outcome)}


def _decode_part(data: Any, before: int) -> Part:
    """A part, of which *before* are known."""
    if "trace" in data:
        return decode_trace(data["trace"])
    return _decode_composed(data["composed"], before)


def _decode(data: Any, book: PartBook) -> Outcome:
    if "trace" in data:
        return decode_trace(data["trace"])
    if "error" in data:
        return decode_error(data["error"])
    run, input_bytes, weights, inputs, taps, branches = data["assembled"]
    _refuse([input_bytes, *chain(*inputs)])
    _refuse(weights, len(book.weights))
    return Assembled(
        _decode_composed(run, len(book.parts)),
        input_bytes,
        tuple(weights),
        tuple(map(tuple, inputs)),
        tuple(starmap(Tap, taps)),
        tuple(map(str, branches)),
    )


def _decode_composed(data: Any, parts: int) -> Composed:
    steps, made, wiring = data
    _refuse(steps, parts)
    for size, begin, end in made:
        _refuse([size])
        _refuse([begin], len(steps))
        _refuse([] if end is None else [end - begin - 1, len(steps) - end])
    wired = None if wiring is None else _decode_wiring(wiring, parts)
    return Composed(tuple(steps), tuple(starmap(Made, made)), wired)


def _decode_wiring(data: Any, parts: int) -> Wiring:
    inputs, steps, outputs = data
    _refuse([inputs])
    known, found = inputs, []
    for part, taken, returned, module in steps:
        _refuse([] if part is None else [part], parts)
        _refuse([tensor for tensor in taken if tensor is not None], known)
        new = [tensor for tensor in returned if tensor is not None]
        known = max([known, *(tensor + 1 for tensor in new)])
        _refuse(new, known)
        found.append(Step(part, tuple(taken), tuple(returned), module and str(module)))
    _refuse([tensor for tensor in outputs if tensor is not None], known)
    return Wiring(inputs, tuple(found), tuple(outputs))


def _refuse(numbers: Sequence[Any], limit: int | None = None) -> None:
    """Raise TraceFormatError for what is not a whole number from 0 to below the *limit*."""
    for number in numbers:
        if type(number) is not int or number < 0 or (limit is not None and number >= limit):
            raise TraceFormatError(f"{number!r} is not a number below {limit}")
