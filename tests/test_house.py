from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ucseg_cli

PACKAGE = "ucseg_cli"
ROOT = Path(ucseg_cli.__file__).parent

FLOOR = {
    "errors",
    "units",
    "trace",
    "conditions",
    "count",
    "variants",
    "cache",
    "config",
    "atomic_write",
    "budget",
    "settings",
    "references",
    "free_memory",
    "separate_process",
    "lock",
    "paths",
    "lock_file",
    "element_types",
    "state_dict",
}
PURE_FLOOR = FLOOR - {"free_memory", "separate_process", "cache", "config", "atomic_write", "lock_file", "paths"}


@dataclass(frozen=True)
class Contract:
    """What a room may import: rooms of the house, and distributions beside the standard library."""

    rooms: set[str]
    others: frozenset[str] = frozenset()


HOUSE = {
    **dict.fromkeys(FLOOR, Contract(FLOOR)),
    "cache": Contract(FLOOR, frozenset({"platformdirs"})),
    "nets": Contract({"nets"} | FLOOR, frozenset({"torch", "torchvision"})),
    "engine": Contract({"engine", "nets"} | FLOOR, frozenset({"torch", "fvcore", "safetensors"})),
    "gate": Contract({"engine"} | FLOOR, frozenset({"torch"})),
    "analysis": Contract({"analysis"} | PURE_FLOOR),
    "report": Contract({"report", "analysis"} | PURE_FLOOR),
    "console": Contract({"console", "gate", "report", "analysis"} | FLOOR, frozenset({"typer"})),
    "commands": Contract({"commands", "console", "gate", "report", "analysis"} | FLOOR, frozenset({"typer"})),
    "app": Contract({"commands", "console"} | FLOOR, frozenset({"typer"})),
    "__main__": Contract({"app", "console", "report"} | FLOOR, frozenset({"typer"})),
    "__init__": Contract({"nets"}),  # the curated door: build_model, and torch only for who asks for it
}
"""DESIGN.md's picture, read downwards."""

ONLY_IN = {"rich": "report.formats.terminal", "jinja2": "report.formats.html"}
"""Distributions with one file of the house that may import them."""

ONLY_IN_FUNCTIONS = {"gate": {"engine", "torch"}, "__init__": {"nets"}}
"""What a room may import in a function or for type checkers, but not when it is itself imported."""


@dataclass(frozen=True)
class Arrow:
    """One import: *target* is a module of the house such as ``analysis.tree``, or a distribution where *outside*."""

    target: str
    outside: bool
    deferred: bool


@dataclass(frozen=True)
class Source:
    """A file of the package under its name within it, ``report.formats.html`` or ``report`` for a package's own."""

    name: str
    text: str
    is_package: bool = False

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]


def _sources() -> list[Source]:
    return [_source(path) for path in sorted(ROOT.rglob("*.py"))]


def _source(path: Path) -> Source:
    parts = path.relative_to(ROOT).with_suffix("").parts
    is_package = parts[-1] == "__init__" and len(parts) > 1
    return Source(".".join(parts[:-1] if is_package else parts), path.read_text("utf-8"), is_package)


SOURCES = {source.name: source for source in _sources()}


def arrows(source: Source) -> list[Arrow]:
    """Every import of a file, also in functions and for type checkers."""
    return list(_arrows(source, ast.parse(source.text), deferred=False))


def _arrows(source: Source, node: ast.AST, *, deferred: bool) -> Iterator[Arrow]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                yield _arrow(alias.name, deferred=deferred)
        case ast.ImportFrom(module=module, names=names, level=level):
            base = _absolute(source, module or "", level)
            for alias in names:
                yield _arrow(_what_is_meant(base, alias.name), deferred=deferred)
        case _:
            inner = (
                deferred or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _for_checkers(node)
            )
            for child in ast.iter_child_nodes(node):
                yield from _arrows(source, child, deferred=inner)


def _for_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _absolute(source: Source, module: str, level: int) -> str:
    if level == 0:
        return module
    here = [PACKAGE, *source.name.split(".")] if source.name != "__init__" else [PACKAGE, ""]
    parent = here[: len(here) - level + source.is_package]
    return ".".join([*parent, *([module] if module else [])])


def _what_is_meant(base: str, name: str) -> str:
    """``from base import name``: the module of that name where there is one, else *base*."""
    if base == PACKAGE and name == "build_model":  # the curated door gives it, and it is nets'
        return f"{PACKAGE}.nets"
    inside = f"{base}.{name}".removeprefix(f"{PACKAGE}.")
    return f"{PACKAGE}.{inside}" if base.partition(".")[0] == PACKAGE and inside in SOURCES else base


def _arrow(target: str, *, deferred: bool) -> Arrow:
    first, _, rest = target.partition(".")
    return (
        Arrow(rest or "__init__", outside=False, deferred=deferred)
        if first == PACKAGE
        else Arrow(first, outside=True, deferred=deferred)
    )


def offences(source: Source) -> list[str]:
    """Every import of a file that the picture does not allow."""
    contract = HOUSE.get(source.room)
    if contract is None:
        return [f"{source.name} is in no room of the house"]
    return [
        f"{source.name} imports {arrow.target}{'' if arrow.deferred else ' when it is imported'}"
        for arrow in arrows(source)
        if not _is_allowed(source, contract, arrow)
    ]


def _is_allowed(source: Source, contract: Contract, arrow: Arrow) -> bool:
    room = arrow.target if arrow.outside else arrow.target.partition(".")[0]
    if not arrow.deferred and room in ONLY_IN_FUNCTIONS.get(source.room, ()):
        return False
    if arrow.outside:
        return room in sys.stdlib_module_names or room in contract.others or ONLY_IN.get(room) == source.name
    return room == "__init__" or room in contract.rooms  # the package itself holds the version


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_import_goes_down_the_picture(source: Source) -> None:
    assert offences(source) == []


def test_no_file_imports_itself_by_a_round_about_way() -> None:
    graph = {
        name: {arrow.target for arrow in arrows(source) if not arrow.outside} - {"__init__"}
        for name, source in SOURCES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' → '.join(error.args[1])}")


def test_every_import_within_the_house_finds_its_file() -> None:
    assert {
        arrow.target for source in SOURCES.values() for arrow in arrows(source) if not arrow.outside
    } <= SOURCES.keys()


def test_every_room_that_may_be_imported_is_in_the_picture() -> None:
    assert {room for contract in HOUSE.values() for room in contract.rooms} <= HOUSE.keys()
    assert set(ONLY_IN.values()) <= SOURCES.keys()


@pytest.mark.parametrize(
    ("name", "text", "offence"),
    [
        ("analysis.flops", "import torch", "analysis.flops imports torch when it is imported"),
        ("analysis.flops", "def f():\n    import torch.nn as nn", "analysis.flops imports torch"),
        ("analysis.flops", "from ucseg_cli.gate import Request", "analysis.flops imports gate when it is imported"),
        ("analysis.flops", "from ucseg_cli import cache", "analysis.flops imports cache when it is imported"),
        ("analysis.flops", "from ..report import header", "analysis.flops imports report.header when it is imported"),
        (
            "analysis.flops",
            "if TYPE_CHECKING:\n    from ucseg_cli.engine import record",
            "analysis.flops imports engine.record",
        ),
        ("report.probe", "import rich.table", "report.probe imports rich when it is imported"),
        ("report.formats.terminal", "import jinja2", "report.formats.terminal imports jinja2 when it is imported"),
        ("commands.show", "async def f():\n    from ucseg_cli import build_model", "commands.show imports nets"),
        ("commands.show", "class A:\n    import rich", "commands.show imports rich when it is imported"),
        ("commands.show", "import ucseg_cli.engine.load", "commands.show imports engine.load when it is imported"),
        (
            "nets.blocks",
            "from ucseg_cli.engine.record import record",
            "nets.blocks imports engine.record when it is imported",
        ),
        ("nets.blocks", "import fvcore", "nets.blocks imports fvcore when it is imported"),
        ("units", "import numpy", "units imports numpy when it is imported"),
        ("variants.axes", "from ucseg_cli.nets import build_model", "variants.axes imports nets when it is imported"),
        ("gate", "from ucseg_cli.engine.load import trace_variant", "gate imports engine.load when it is imported"),
        ("gate", "import torch", "gate imports torch when it is imported"),
        ("__init__", "from ucseg_cli.nets import build_model", "__init__ imports nets when it is imported"),
        ("__init__", "from .engine import record", "__init__ imports engine.record when it is imported"),
        ("helpers.text", "", "helpers.text is in no room of the house"),
    ],
)
def test_an_arrow_that_goes_up_is_caught(name: str, text: str, offence: str) -> None:
    assert offences(Source(name, text)) == [offence]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gate", "def f():\n    import torch\n    from ucseg_cli.engine.load import trace_variant"),
        ("commands.show", "import typer\nfrom ucseg_cli import __version__\nfrom ucseg_cli.gate import Request"),
        ("engine.load", "import torch, fvcore.nn\nfrom ..nets import build_model\nfrom . import record"),
        (
            "report.formats.html",
            "import jinja2\nfrom .cells import format_cell\nfrom ...analysis.tree import partition",
        ),
    ],
)
def test_an_arrow_that_goes_down_is_let_through(name: str, text: str) -> None:
    assert offences(Source(name, text)) == []


def test_a_package_s_own_file_is_one_level_nearer_to_its_modules() -> None:
    imported = arrows(Source("variants", "from .axes import AXES\nfrom ..units import plural", is_package=True))
    assert [arrow.target for arrow in imported] == ["variants.axes", "units"]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_module_says_in_one_line_what_it_is_for(source: Source) -> None:
    first, *rest = (ast.get_docstring(ast.parse(source.text)) or "").splitlines() or [""]
    assert first.endswith(".")
    assert not rest or not rest[0]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_everything_public_has_a_docstring(source: Source) -> None:
    assert undocumented(source.text) == []


def undocumented(text: str) -> list[str]:
    """Public functions and classes, and public methods of public classes, that say nothing of themselves."""
    return list(_undocumented(ast.parse(text)))


def _undocumented(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    for child in node.body:
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or child.name.startswith("_"):
            continue
        if ast.get_docstring(child) is None:
            yield prefix + child.name
        if isinstance(child, ast.ClassDef):
            yield from _undocumented(child, f"{prefix}{child.name}.")


def test_a_missing_docstring_is_caught() -> None:
    text = "def f(): ...\nclass A:\n    '''Say.'''\n    def g(self): ...\n    def _h(self): ...\ndef _i(): ..."
    assert undocumented(text) == ["f", "A.g"]
