from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ucseg_cli
from ucseg_cli.cli.command_groups import COMMANDS

PACKAGE = "ucseg_cli"
ROOT = Path(ucseg_cli.__file__).parent

ROOMS = (
    "__init__",  # the Python door
    "__main__",
    "door",
    "commands",
    "cli",
    "workflow",
    "terminal",
    "report",
    # the left wall, which may import torch
    "gate",
    "engine",
    "nets",
    "zoo",
    # the right wall, which may not
    "project",
    "analysis",
    # the floor
    "facts",
    "references",
    "system",
    "units",
    "errors",
)
"""The house, read downwards: a room imports only itself and what stands below it."""

WALLS = ({"gate", "engine", "nets", "zoo"}, {"report", "project", "analysis"})
"""Rooms that never touch: neither set imports from the other."""

DISTRIBUTIONS = {
    "door": {"typer"},
    "door.values": {"torch"},
    "door.pytest_plugin": {"pytest"},
    "commands": {"typer"},
    "cli": {"typer"},
    "gate": {"torch", "platformdirs"},
    "engine": {"torch", "fvcore", "numpy", "safetensors"},
    "nets": {"torch"},
    "zoo": {"torch", "torchvision"},
    "report.formats.terminal": {"rich"},
    "report.formats.html": {"jinja2"},
}
"""Distributions that a room, or one file of it, may import."""

DOORS = {
    "engine": {"gate", "engine"},
    "nets": {"engine", "nets", "__init__"},
    "zoo": {"engine", "nets", "zoo"},
    "project": {"commands", "cli", "workflow", "project"},
}
"""Rooms that only these may import, although more stand above them."""

ONLY_IN_FUNCTIONS = {"gate": {"engine", "torch"}, "__init__": {"nets"}, "door": {"torch"}}
"""Imports that a room may make in a function or for type checkers only."""

MOST_FILES = 14
"""A folder with more than about a dozen files no longer says what is in it."""


@dataclass(frozen=True)
class Arrow:
    """One import of a module of the house, such as ``analysis.tree``, or of a distribution."""

    target: str
    outside: bool
    deferred: bool


@dataclass(frozen=True)
class Source:
    """A file of the package by its dotted name in it: ``report.formats.html`` or ``report``."""

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
    return Source(
        ".".join(parts[:-1] if is_package else parts), path.read_text("utf-8"), is_package
    )


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
                deferred
                or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                or _for_checkers(node)
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
    return (
        f"{PACKAGE}.{inside}" if base.partition(".")[0] == PACKAGE and inside in SOURCES else base
    )


def _arrow(target: str, *, deferred: bool) -> Arrow:
    first, _, rest = target.partition(".")
    return (
        Arrow(rest or "__init__", outside=False, deferred=deferred)
        if first == PACKAGE
        else Arrow(first, outside=True, deferred=deferred)
    )


def offences(source: Source) -> list[str]:
    """Every import of a file that the picture does not allow."""
    if source.room not in ROOMS:
        return [f"{source.name} is in no room of the house"]
    return [
        f"{source.name} imports {arrow.target}{'' if arrow.deferred else ' when it is imported'}"
        for arrow in arrows(source)
        if not _is_allowed(source, arrow)
    ]


def _is_allowed(source: Source, arrow: Arrow) -> bool:
    target = arrow.target if arrow.outside else arrow.target.partition(".")[0]
    if not arrow.deferred and target in ONLY_IN_FUNCTIONS.get(source.room, ()):
        return False
    if arrow.outside:
        may = DISTRIBUTIONS.get(source.room, set()) | DISTRIBUTIONS.get(source.name, set())
        return target in sys.stdlib_module_names or target in may
    if target == "__init__":  # the package itself holds the version
        return True
    if source.room not in DOORS.get(target, ROOMS):
        return False
    across = any(source.room in one and target in other for one, other in (WALLS, WALLS[::-1]))
    return not across and ROOMS.index(target) >= ROOMS.index(source.room)


def test_every_import_goes_down_the_picture() -> None:
    assert [offence for source in SOURCES.values() for offence in offences(source)] == []


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
    targets = {
        arrow.target for source in SOURCES.values() for arrow in arrows(source) if not arrow.outside
    }
    assert targets <= SOURCES.keys()


def test_every_room_in_the_picture_is_there() -> None:
    assert {source.room for source in SOURCES.values()} == set(ROOMS)


def test_no_folder_holds_more_than_about_a_dozen_files() -> None:
    folders = [folder for folder in (ROOT, *ROOT.rglob("*")) if folder.is_dir()]
    sizes = {str(folder): len(list(folder.glob("[!_]*.py"))) for folder in folders}
    assert {folder: count for folder, count in sizes.items() if count > MOST_FILES} == {}


def test_a_file_name_occurs_once_unless_it_is_a_command_s() -> None:
    stems = Counter(path.stem for path in ROOT.rglob("[!_]*.py"))
    assert {stem for stem, times in stems.items() if times > 1 and stem not in COMMANDS} == set()


CAUGHT = {
    ("analysis.flops", "import torch"): "torch when it is imported",
    ("analysis.flops", "def f():\n    import torch.nn as nn"): "torch",
    ("analysis.flops", "from ucseg_cli.gate import cache"): "gate.cache when it is imported",
    ("analysis.flops", "from ..report import document"): "report.document when it is imported",
    (
        "analysis.flops",
        "if TYPE_CHECKING:\n    from ucseg_cli.engine import counters",
    ): "engine.counters",
    ("report.probe", "import rich.table"): "rich when it is imported",
    (
        "report.probe",
        "from ucseg_cli.project import lock_file",
    ): "project.lock_file when it is imported",
    ("report.formats.terminal", "import jinja2"): "jinja2 when it is imported",
    ("commands.show", "async def f():\n    from ucseg_cli import build_model"): "nets",
    ("commands.show", "class A:\n    import rich"): "rich when it is imported",
    ("commands.show", "import ucseg_cli.engine.counters"): "engine.counters when it is imported",
    ("nets.blocks", "from ucseg_cli.engine import counters"): "engine.counters when it is imported",
    ("nets.blocks", "import fvcore"): "fvcore when it is imported",
    ("units", "import numpy"): "numpy when it is imported",
    ("references.sources", "from ucseg_cli.nets import blocks"): "nets.blocks when it is imported",
    (
        "gate.tracing",
        "from ucseg_cli.engine import counters",
    ): "engine.counters when it is imported",
    ("gate.tracing", "import torch"): "torch when it is imported",
    ("__init__", "from ucseg_cli.nets import blocks"): "nets.blocks when it is imported",
    ("__init__", "def f():\n    from .engine import counters"): "engine.counters",
}
LET_THROUGH = {
    "gate.tracing": "def f():\n    import torch\n    from ucseg_cli.engine import counters",
    "commands.show": "import typer\nfrom ucseg_cli import __version__\nfrom ..gate import tracing",
    "engine.counters": "import torch, fvcore.nn\nfrom ..nets import build_model\nfrom . import x",
    "report.formats.html": "import jinja2\nfrom .cells import f\nfrom ...analysis.subject import S",
}


def test_an_arrow_that_goes_up_is_caught() -> None:
    found = {(name, text): offences(Source(name, text)) for name, text in CAUGHT}
    assert found == {key: [f"{key[0]} imports {target}"] for key, target in CAUGHT.items()}
    assert offences(Source("helpers.text", "")) == ["helpers.text is in no room of the house"]


def test_an_arrow_that_goes_down_is_let_through() -> None:
    assert [offences(Source(name, text)) for name, text in LET_THROUGH.items()] == [[]] * len(
        LET_THROUGH
    )


def test_a_package_s_own_file_is_one_level_nearer_to_its_modules() -> None:
    text = "from .grammar import Model\nfrom ..units import plural"
    imported = arrows(Source("references", text, is_package=True))
    assert [arrow.target for arrow in imported] == ["references.grammar", "units"]


def test_every_module_says_in_one_line_what_it_is_for() -> None:
    assert [name for name, source in SOURCES.items() if not _opens_with_a_line(source.text)] == []


def _opens_with_a_line(text: str) -> bool:
    first, *rest = (ast.get_docstring(ast.parse(text)) or "").splitlines() or [""]
    return first.endswith(".") and (not rest or not rest[0])


def test_everything_public_has_a_docstring() -> None:
    silent = {name: undocumented(source.text) for name, source in SOURCES.items()}
    assert {name: found for name, found in silent.items() if found} == {}


def undocumented(text: str) -> list[str]:
    """Public functions, classes and methods of public classes that have no docstring."""
    return list(_undocumented(ast.parse(text)))


def _undocumented(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    for child in node.body:
        if not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) or child.name.startswith("_"):
            continue
        if ast.get_docstring(child) is None:
            yield prefix + child.name
        if isinstance(child, ast.ClassDef):
            yield from _undocumented(child, f"{prefix}{child.name}.")


def test_a_missing_docstring_is_caught() -> None:
    text = "def f(): ...\nclass A:\n    '''Say.'''\n    def g(self): ...\n    def _h(self): ...\n"
    text += "def _i(): ..."
    assert undocumented(text) == ["f", "A.g"]
