"""Random damage to bytes, texts and JSON, from one seed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 7, 2**31, 2**63, -(2**64), 10**30, 0.5, -0.0),
    *(
        1e300,
        float("nan"),
        float("inf"),
        "",
        "x",
        "0",
        "-1",
        "224",
        "v2",
        "a.b.c",
        "../../etc/passwd",
    ),
    *("é", "\u202egnp", "\x1b[31m", "\r\n::error::x", "\0", "\ud800", "=1+1", "x" * 3_000),
    *([], {}, [[]], [0], [-1], [None], [1, 2, 3, 4], {"": 0}, {"x": {"x": {"x": {}}}}),
)
"""Values of another type, beyond a range, or with characters that do something."""

ODD_BYTES = (
    *(b"\0", b"\xff\xfe", b"\x80\x04\x8e", b"\xef\xbb\xbf", b"\r\n", b'"', b"\\u0000", b"\n\n"),
    *(
        b"{",
        b"}",
        b"[" * 2_000,
        b"9" * 400,
        b"-",
        b"1e999",
        b"NaN",
        b"\xed\xa0\x80",
        b"<<<<<<< a\n",
    ),
)


def damage_bytes(random: Random, data: bytes) -> bytes:
    """A few cuts, repeats, exchanges and insertions; sometimes nothing is left of it."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        start = random.randrange(len(found) + 1)
        end = min(len(found), start + random.choice((1, 1, 4, 50, 5_000)))
        match random.randrange(7):
            case 0:
                del found[start:end]
            case 1:
                found[start:start] = found[start:end]
            case 2:
                found[start:start] = random.choice(ODD_BYTES)
            case 3 if end > start:
                found[start] ^= 1 << random.randrange(8)
            case 4 if end > start:
                found[start:end] = random.randbytes(end - start)
            case 5 if end > start:
                found[start] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 6 if random.random() < 0.2:
                del found[start:]
    return bytes(found)


def damage_text(random: Random, text: str) -> str:
    """Whole lines taken out, repeated, exchanged or cut, or single bytes damaged."""
    if random.random() < 0.3:
        return damage_bytes(random, text.encode("utf-8", "surrogatepass")).decode("latin-1")
    lines = text.split("\n")
    for _ in range(random.choice((1, 1, 2, 6))):
        first, second = random.randrange(len(lines)), random.randrange(len(lines))
        match random.randrange(5):
            case 0 if len(lines) > 1:
                del lines[first]
            case 1:
                lines.insert(second, lines[first])
            case 2:
                lines[first], lines[second] = lines[second], lines[first]
            case 3:
                lines[first] = lines[first][: random.randrange(len(lines[first]) + 1)]
            case 4:
                words = lines[first].split(" ")
                words[random.randrange(len(words))] = str(random.choice(ODD_VALUES))
                lines[first] = " ".join(words)
    return "\n".join(lines)


def damage_json(random: Random, value: Any) -> Any:
    """A copy in which a few values, anywhere, are others, are missing, or are there twice."""
    root = [copy.deepcopy(value)]
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        holder, key = _somewhere(random, root)
        match random.randrange(6):
            case 0 | 1:
                holder[key] = copy.deepcopy(random.choice(ODD_VALUES))
            case 2 if holder is not root:
                del holder[key]
            case 3:
                holder[key] = _nudged(random, holder[key])
            case 4:
                holder[key] = copy.deepcopy(random.choice(list(_values(holder))))
            case 5 if isinstance(holder, list) and holder is not root:
                holder.insert(random.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
    return root[0]


def _somewhere(random: Random, root: list[Any]) -> tuple[Any, Any]:
    """A list or dict inside, and an index or key of it."""
    holder: Any = root
    key: Any = 0
    while isinstance(holder[key], list | dict) and holder[key] and random.random() < 0.85:
        holder = holder[key]
        keys = range(len(holder)) if isinstance(holder, list) else list(holder)
        key = random.choice(keys)
    return holder, key


def _nudged(random: Random, value: Any) -> Any:
    """Another value of the same type, as far as that is known."""
    match value:
        case bool():
            return not value
        case int():
            return random.choice((value + 1, value - 1, -value, value * 2, value // 2, 10**12))
        case str():
            return random.choice((value * 2, value[1:], f"{value}.x", value.upper(), f" {value}"))
        case list():
            return random.choice((value[::-1], value * 2, value[1:], [value]))
        case _:
            return [value]


def _values(holder: Any) -> Iterator[Any]:
    yield from holder if isinstance(holder, list) else holder.values()
