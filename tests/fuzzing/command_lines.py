"""Command lines: options and arguments of every command, right, wrong and in the wrong place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.mutations import ODD_VALUES
from fuzzing.small import AT_SMALL, FORMATS, OWN
from ucseg_cli.cli.command_groups import COMMANDS
from ucseg_cli.references.variants import AXES, CATALOGUE

ONE_BUDGET = 'size = 32\n[[budgets]]\nid = "a"\nmetric = "params"\nmax = 1\n'
ODD_MODELS = (
    *("empty.pt", "no.pt", "net.txt", ".", "/", "net.py", "ucseg.toml:x", "nosuch:Net"),
    *("torchvision:resnet18", "torchvision:resnet", "torchvision:", "timm:x", "ucseg_cli:x"),
    *("v", "v22", "v2+", "v2+=1", "v2+backbone", "v2+v1", "+", "v2++x=1", "json:loads"),
)


def make_command_line(random: Random, folder: Path) -> Sequence[str]:
    """Options and arguments of every command, right, wrong, repeated and in the wrong place."""
    (folder / "net.py").write_text(OWN)
    (folder / "empty.pt").touch()
    (folder / "ucseg.toml").write_text(ONE_BUDGET)
    command = random.choice(list(COMMANDS))
    words = [command] if random.random() < 0.97 else [_odd_word(random)]
    options = _options(command)
    for _ in range(random.choice((0, 1, 1, 2, 3, 5, 9))):
        match random.randrange(10):
            case 0 | 1 | 2:
                words.append(_model(random))
            case 3:
                words.append(_odd_word(random))
            case _:
                words += _option(random, options)
    if random.random() < 0.5 and "--size" in dict(options):
        words += AT_SMALL  # small inputs, so that thousands fit in minutes
    return words


@cache
def _options(command: str) -> tuple[tuple[str, bool], ...]:
    """Every name of an option with whether it takes a value, as the parser knows them."""
    from typer.main import get_command

    from ucseg_cli.cli.app import make_app

    group: Any = get_command(make_app((), in_full=True))
    known = group.commands[command].params
    return tuple(
        (name, not getattr(one, "is_flag", False))
        for one in known
        for name in one.opts
        if name.startswith("-")
    )


def _option(random: Random, options: Sequence[tuple[str, bool]]) -> list[str]:
    if not options:
        return [_odd_word(random)]
    name, takes_value = random.choice(options)
    if not takes_value or random.random() < 0.03:
        return [name]
    value = _value(random, name)
    return [f"{name}={value}"] if random.random() < 0.2 else [name, value]


def _value(random: Random, name: str) -> str:
    if random.random() < 0.15:
        return _odd_word(random)
    good: dict[str, Sequence[str]] = {
        "--variant": (_model(random),),
        "--size": ("32", "16x48", "1", "7", "64"),
        "--input": (
            "1x3x32x32",
            "2x3x9x9,1x4:int64",
            "1x16:int64",
            "x=1x3x8x8",
            "net.py:example",
            "3",
        ),
        "--batch": ("1", "2", "0", "-1", "70000"),
        "--timeout": ("20", "0.5", "0", "nan", "1e9"),
        "--format": (*FORMATS, "junit", "sarif", "github"),
        "--export": ("json=a.json", "html=-", "junit=j.xml", "csv=net.py", "json="),
        "--max": ("params=650k", "fvcore=1G", "peak-memory=3MB", "params", "x=1", "params=1.5"),
        "--convention": ("fvcore", "macs", "torch", "fvcor"),
        "--depth": ("1", "9", "0", "99999999999999999999"),
        "--top": ("1", "3", "0"),
        "--sort": ("tree", "count", "path"),
        "--tap": ("**", "backbone", "decoder.*", "no.such", "*" * 40),
        "--dtype": ("float16", "float32", "int4"),
        "--reason": ("wider", "", " "),
        "--drop": ("v1", "v9"),
        "--fail-on": ("never", "error", "warning"),
        "--vary": (
            *("backbone=9..11", "conv=*", "rates=6|6,12", "low_skip=0..8/4", "dropout=0..0.2/0.1"),
            *("backbone=3..5", "rates=*", "conv=", "=1", "aspp_channels=1..999999", "a=1,(2,|3"),
        ),
        "--min": ("receptive-field=9", "live-positions=1@64", "miou=0.5", "params=9@", "fvcore"),
        "--minimize": ("params", "macs@48", "output-stride:mid", "peak", "flops", "fvcore@"),
        "--maximize": ("receptive-field", "output-stride:no", "miou", "bytes@1x9:int64"),
        "--score": ("params/macs", "log2(params)-1/0", "-a", "(" * 99, "miou", "2**params**9"),
        "--scores": ("net.py", "ucseg.toml", "empty.pt", ".", "no.csv", "/dev/zero"),
        "--verify": ("1", "2", "0"),
        "--select": ("UC1", "UC104", "UC9"),
    }
    if len(name) == 2:
        name = next((long for long in good if long[2] == name[1]), name)
    if name.startswith("--export-"):
        return random.choice(("out", "-", "net.py", "no/such/folder/out", "."))
    return random.choice(good.get(name, ("1", "v1", "params", "out")))


def _model(random: Random) -> str:
    match random.randrange(12):
        case 0 | 1 | 2 | 3:
            return random.choice(list(CATALOGUE))
        case 4 | 5 | 6:
            changes = (f"+{axis.name}={_axis_value(random)}" for axis in random.sample(AXES, 2))
            return random.choice(list(CATALOGUE)) + "".join(changes)
        case 7 | 8 | 9 | 10:
            return random.choice(ODD_MODELS)
        case _:
            return _odd_word(random)


def _axis_value(random: Random) -> str:
    known = ("10", "6,12", "6,12,18", "separable", "before-upsample", "0", "-1", "64", "0.5", "")
    return random.choice(known)


def _odd_word(random: Random) -> str:
    odd = ("--", "-", "--no-such", "-fjson", "--help", "-h", "--version", "@file", "*", "%s%n", "~")
    text = random.choice((*odd, *ODD_VALUES))
    return str(text).replace("\0", "\\0")  # no system passes a NUL
