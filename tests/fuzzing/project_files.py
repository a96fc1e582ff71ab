"""Files that people write and merge: configurations and locks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.mutations import damage_bytes, damage_json, damage_text
from fuzzing.small import AT_SMALL, FORMATS, small_trace
from ucseg_cli.analysis.comparing.drift import locked_tree
from ucseg_cli.analysis.subject import Subject

CONFIGURATION = """\
default = "tiny"
baseline = "v1"
size = [32, "32x64"]
convention = "macs"
timeout = 20

[variants.tiny]
from = "v2"
rates = [6, 12]
aspp_channels = 48
conv = "regular"

[variants.tinier]
from = "tiny"
decoder_blocks = 1

[[budgets]]
id = "a"
metric = "params"
max = "600k"
warn = "590k"

[[budgets]]
id = "b"
variant = "v*"
metric = "fvcore"
size = 32
max = "850M"
message = "real time"

[[budgets]]
id = "c"
variant = "v2"
module = "decoder.*"
metric = "params"
max = 6_800

[[budgets]]
id = "d"
metric = "macs"
vs-baseline = "+2%"

[[budgets]]
id = "e"
metric = "bytes"
dtype = "float16"
max = "1.25 MiB"

[lint]
ignore = ["UC108"]
fail-on = "warning"
"""


def make_configuration(random: Random, folder: Path) -> Sequence[str]:
    """A ucseg.toml or a pyproject.toml with damaged lines, values and bytes."""
    text = damage_text(random, CONFIGURATION)
    name = "ucseg.toml"
    if random.random() < 0.3:
        name = "pyproject.toml"
        text = re.sub(r"(?m)^(\[+)", r"\1tool.ucseg.", f"[tool.ucseg]\n{text}")
    encoding = random.choice(("latin-1", *["utf-8"] * 9))
    (folder / name).write_bytes(text.encode(encoding, "replace"))
    ways = ("config", "check", "check v2", "check --locked", "lint", "compare tiny", "list", "lock")
    words = random.choice(ways).split()
    return [*words, "--format", random.choice(FORMATS)]


@cache
def good_lock() -> Any:
    """A lock of two variants, as `ucseg lock` writes it."""
    models = {}
    for name in ("v1", "v2"):
        tree = locked_tree({"32": Subject(name, small_trace(name))})
        raises = [{"date": "2026-01-01", "reason": "wider"}]
        models[name] = {"since": "2026-01-01", "raises": raises, **tree}
    return {"kind": "ucseg.lock", "format_version": "1.0", "models": models}


def make_lock(random: Random, folder: Path) -> Sequence[str]:
    """A ucseg.lock.json with damaged values, bytes, or a merge conflict."""
    good = json.dumps(good_lock(), indent=1)
    match random.randrange(6):
        case 0:
            data = damage_bytes(random, good.encode())
        case 1:
            data = damage_text(random, good).encode("utf-8", "replace")
        case 2:
            lines = good.splitlines()
            start, middle, end = sorted(random.sample(range(len(lines)), 3))
            ours, theirs = lines[start:middle], lines[middle:end]
            lines[start:end] = ["<<<<<<< a", *ours, "=======", *theirs, ">>>>>>> b"]
            data = "\n".join(lines).encode()
        case _:
            data = json.dumps(damage_json(random, good_lock())).encode()
    (folder / "ucseg.lock.json").write_bytes(data)
    form = random.choice((*FORMATS, "junit", "github"))
    return random.choice(
        (
            ["check", "--locked", "--format", form],
            ["lock"],
            ["lock", "v1", *AT_SMALL],
            ["lock", "--reason", "x"],
            ["lock", "--drop", "v1"],
        )
    )
