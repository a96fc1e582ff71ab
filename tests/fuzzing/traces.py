"""Files of our own that others may have written over: cache entries and answers."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.mutations import damage_bytes, damage_json
from fuzzing.small import AT_SMALL, FORMATS, LOOKING, OWN, SMALL, small_trace
from support.lattices import key_between
from ucseg_cli.facts.encoding.encoded_trace import encode_trace
from ucseg_cli.facts.question import Question
from ucseg_cli.gate import child_process
from ucseg_cli.gate.cache import Cache
from ucseg_cli.gate.fingerprints import fingerprint
from ucseg_cli.references.variants import CATALOGUE


def damaged_trace(random: Random) -> Any:
    """A trace as JSON with other values anywhere, or with calls that look like others."""
    good = json.loads(json.dumps(encode_trace(small_trace("v2"))))
    if random.random() < 0.5:
        return damage_json(random, good)
    for _ in range(random.choice((1, 1, 3))):
        _damage_call(random, good["ops"], len(good["tensors"]))
    if random.random() < 0.3:
        shape = random.choice(good["tensors"])[0]
        shape[:] = random.choice((shape[1:], [*shape, 3], [0, *shape[1:]], [7 for _ in shape]))
    return good


def _damage_call(random: Random, calls: list[Any], tensors: int) -> None:
    """Another name, other tensors or another attribute for one call, all of the right type."""
    call = random.choice(calls)
    tensor, attributes = random.randrange(tensors), call[4]
    row = call[random.choice((2, 3))]
    match random.randrange(6):
        case 0:
            call[0] = random.choice(calls)[0]
        case 1:
            row.append(tensor)
        case 2 if row:
            row.pop()
        case 3 if row:
            row[random.randrange(len(row))] = tensor
        case 4 if attributes:
            del attributes[random.choice(list(attributes))]
        case 5 if attributes:
            odd: tuple[Any, ...] = (
                0,
                1,
                -1,
                None,
                True,
                "x",
                [],
                [0],
                [0, 0],
                [2, 2],
                [-1, -1],
                1.5,
                10**12,
            )
            attributes[random.choice(list(attributes))] = random.choice(odd)


def make_cache_entry(random: Random, folder: Path) -> Sequence[str]:
    """An entry of the cache with damaged bytes, or with damaged values and a checksum that fits."""
    cache_folder = folder / "cache"
    kept = Cache(cache_folder, warn=print)
    for name in ("v1", "v2"):
        kept.put(fingerprint(CATALOGUE[name], SMALL), small_trace(name))
    key = fingerprint(CATALOGUE["v2"], SMALL)
    path = cache_folder / "traces" / f"{key}.trace"
    if random.random() < 0.15:
        path.write_bytes(damage_bytes(random, path.read_bytes()))
    elif random.random() < 0.1:
        totals = {"": {"params": 1, "fvcore": 2}, "conv": {"params": 1, "fvcore": 2}}
        key = key_between(CATALOGUE["v1"], CATALOGUE["v2"], SMALL)
        kept._keep(kept._path(key, "totals"), damage_json(random, totals))
    else:
        kept._keep(path, damaged_trace(random))
    return _looking(random, "v2")


def make_answer(random: Random, folder: Path) -> Sequence[str]:
    """The file for the answer of a user's code, with anything that this code may have written."""
    (folder / "net.py").write_text(OWN)
    good = {"results": [json.loads(json.dumps(encode_trace(small_trace("v2"))))]}
    if random.random() < 0.1:
        error: dict[str, Any] = {"kind": "model", "what": "x", "where": None, "notes": []}
        written = json.dumps(damage_json(random, {"error": error})).encode()
    elif random.random() < 0.15:
        written = damage_bytes(random, json.dumps(good).encode())
    elif random.random() < 0.2:
        written = json.dumps(damage_json(random, good)).encode()
    else:
        written = json.dumps({"results": [damaged_trace(random)]}).encode()

    def start(question: Question, answer: Path, limit: float) -> child_process.ChildProcess:
        answer.write_bytes(written)
        process = subprocess.Popen(["true"], start_new_session=True)
        deadline = time.monotonic() + limit
        return child_process.ChildProcess(question, process, answer, limit, deadline)

    child_process._start = start
    return _looking(random, "net.py:Net")


def _looking(random: Random, model: str) -> list[str]:
    command = random.choice(LOOKING)
    words = [command, model, *AT_SMALL, "--format", random.choice(FORMATS)]
    match command:
        case "compare":
            words.insert(random.choice((1, 2)), "v1")
        case "flops":
            words += random.choice(
                ([], ["-c", "macs"], ["-c", "torch"], ["--deploy"], ["--reconcile"])
            )
        case "probe":
            words += random.choice(([], ["--tap", "**"]))
        case "lint":
            words += random.choice(([], ["--fail-on", "info"]))
        case "params":
            words += random.choice(([], ["--deploy"], ["--depth", "9"]))
    return words
