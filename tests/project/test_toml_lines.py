from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucseg_cli.project.toml_lines import KeyPath, key_lines

SCALARS = (
    *(
        "0",
        "-7",
        "1_000",
        "0xdead_BEEF",
        "0o17",
        "0b101",
        "1.5",
        "-0.25",
        "6e23",
        "1.5e-3",
        "inf",
        "-nan",
        "true",
    ),
    *(
        "1979-05-27",
        "07:32:00.25",
        "1979-05-27T07:32:00Z",
        "1979-05-27 07:32:00.5-07:00",
        "''",
        '""',
        '"[a.b]"',
    ),
    *(
        r'"# = [ { , \" \\"',
        r"'\'",
        "'\"'",
        '"a\u2028b = 1"',
        r'"\u0061\n[b]"',
        '""""""',
        "''''''",
        '"""one "" two"""',
    ),
    *(
        '"""\n[decoy]\nkey = 1 # not a comment\n"""',
        "'''\n[[decoy]]\n\"a\" = \"\"\"\n'''",
        '""""quoted\n""""',
        "'''''\n'''''",
    ),
    *('"""\\"""\n\\\\"""', '"""\n\\\n   a = [1,\n\n"""""'),
)
"""Values as they are written, many of them made to look like something else."""

KEYS = (
    *(
        (name, name)
        for name in (
            "a",
            "b",
            "max",
            "vs-baseline",
            "1",
            "0",
            "3_4",
            "-",
            "true",
            "inf",
            "1979-05-27",
        )
    ),
    *(
        ("a", '"a"'),
        ("b", "'b'"),
        ("", '""'),
        ("", "''"),
        ("a.b", '"a.b"'),
        ("x y", "'x y'"),
        ("#", '"#"'),
    ),
    *(
        (" = 1", "' = 1'"),
        ('"', r'"\""'),
        ("\\", "'\\'"),
        ("ä", r'"\u00e4"'),
        ("]", '"]"'),
        ("[c]", "'[c]'"),
        ("'", '"\'"'),
    ),
)
"""Names, each with a way to write it."""

COMMENTS = ("", " # a = 1", '#"', "\t# [x] ''' ", "  ")


class Written(NamedTuple):
    """A document, and for every key the line where it first stands and how it is written there."""

    text: str
    keys: dict[KeyPath, tuple[int, str]]


class Writer:
    """Writes random TOML from the top to the bottom, and notes where it is."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.keys: dict[KeyPath, tuple[int, str]] = {}

    def note(self, path: KeyPath, written: str) -> None:
        self.keys.setdefault(path, (self.text.count("\n") + 1, written))

    def choice(self, *options: str) -> str:
        return self.draw(st.sampled_from(options))

    def end(self) -> None:
        self.text += self.choice(*COMMENTS) + "\n" * self.draw(st.integers(1, 2))

    def names(self, most: int, *, least: int = 0) -> list[tuple[str, str]]:
        return self.draw(
            st.lists(
                st.sampled_from(KEYS), min_size=least, max_size=most, unique_by=lambda key: key[0]
            )
        )

    def key(self, table: KeyPath, parts: list[tuple[str, str]]) -> KeyPath:
        path = table
        for index, (name, written) in enumerate(parts):
            self.text += self.choice(".", " . ", ". ") if index else ""
            path = (*path, name)
            self.note(path, written)
            self.text += written
        return path

    def pairs(self, most: int) -> Iterator[list[tuple[str, str]]]:
        """Keys of one table, some of them dotted, and some of those with a common beginning."""
        for first in self.names(most):
            if self.draw(st.booleans()):
                yield [first]
                continue
            middle = self.names(1)
            for last in self.names(2, least=1):
                yield [first, *middle, last]

    def value(self, path: KeyPath, depth: int) -> None:
        kind = self.choice("scalar", "scalar", "array", "inline") if depth else "scalar"
        if kind == "scalar":
            self.text += self.choice(*SCALARS)
        elif kind == "array":
            self.array(path, depth - 1)
        else:
            self.inline(path, depth - 1)

    def array(self, path: KeyPath, depth: int) -> None:
        self.text += "["
        for index in range(self.draw(st.integers(0, 3))):
            self.text += "," if index else ""
            self.text += self.choice("", " ", "\n", "  # [1, 2\n\n\t")
            self.note((*path, index), "")
            self.value((*path, index), depth)
            self.text += self.choice("", " ", " # ]\n")
        self.text += self.choice("", "\n") + "]"

    def inline(self, path: KeyPath, depth: int) -> None:
        self.text += "{"
        for index, parts in enumerate(self.pairs(2)):
            self.text += ", " if index else " "
            inner = self.key(path, parts)
            self.text += self.choice("=", " = ")
            self.value(inner, depth)
        self.text += " }"

    def assignments(self, table: KeyPath) -> set[str]:
        """Assign to keys of a table; gives the names that are taken."""
        taken = set()
        for parts in self.pairs(3):
            self.text += self.choice("", "", "  ", "# comment\n")
            path = self.key(table, parts)
            self.text += self.choice("=", " = ", "\t=")
            self.value(path, 2)
            self.end()
            taken.add(parts[0][0])
        return taken

    def header(self, trail: list[tuple[KeyPath, str]], opening: str, closing: str) -> None:
        self.text += self.choice("", "  ") + opening
        for index, (path, written) in enumerate(trail):
            self.text += self.choice(".", " . ") if index else self.choice("", " ")
            self.note(path[:-1] if isinstance(path[-1], int) else path, written)
            self.text += written
        self.note(trail[-1][0], trail[-1][1])  # of an array, its element
        self.text += closing
        self.end()

    def tables(
        self, table: KeyPath, trail: list[tuple[KeyPath, str]], taken: set[str], depth: int
    ) -> None:
        """Tables and arrays of tables below a table, whose other keys are *taken*."""
        for name, written in self.names(2) if depth else ():
            if name in taken:
                continue
            path = (*table, name)
            match self.choice("table", "array", "implied", "late"):
                case "table":
                    self.header([*trail, (path, written)], "[", "]")
                    self.tables(path, [*trail, (path, written)], self.assignments(path), depth - 1)
                case "array":
                    for index in range(self.draw(st.integers(1, 3))):
                        element = (*path, index)
                        self.header([*trail, (element, written)], "[[", "]]")
                        self.tables(
                            element,
                            [*trail, (element, written)],
                            self.assignments(element),
                            depth - 1,
                        )
                case "implied":
                    self.tables(path, [*trail, (path, written)], set(), depth - 1)
                case _:  # a table whose own header comes after those of the tables in it
                    inner = (*path, "late")
                    self.header([*trail, (path, written), (inner, "late")], "[", "]")
                    self.assignments(inner)
                    self.header([*trail, (path, written)], "[", "]")
                    self.text += "own = 1\n"
                    self.keys[*path, "own"] = (self.text.count("\n"), "own")


@st.composite
def documents(draw: st.DrawFn) -> Written:
    writer = Writer(draw)
    writer.text += draw(st.sampled_from(["", "\n\n", "# [a]\n"]))
    writer.tables((), [], writer.assignments(()), 3)
    text = writer.text if draw(st.booleans()) else writer.text.rstrip("\n")
    return Written(text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))), writer.keys)


def paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key and position that the standard library reads."""
    within = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in within:
        yield (*path, key)
        yield from paths(inner, (*path, key))


@settings(max_examples=80)
@given(documents())
def test_every_key_that_tomllib_reads_has_the_line_where_it_first_stands(document: Written) -> None:
    lines = key_lines(document.text)
    assert lines.keys() == set(paths(tomllib.loads(document.text)))
    assert lines == {path: line for path, (line, _) in document.keys.items()}
    written = document.text.split("\n")
    assert all(text in written[line - 1] for line, text in document.keys.values())


def test_the_documents_of_the_property_have_everything_that_could_mislead() -> None:
    assert all(tomllib.loads(f"key = {scalar}").keys() == {"key"} for scalar in SCALARS)
    assert all(tomllib.loads(f"{written} = 1") == {name: 1} for name, written in KEYS)
    assert all(tomllib.loads(f"key = 1{comment}\n") == {"key": 1} for comment in COMMENTS)


EVERYTHING = '''# [tool.ucseg]

[tool.ucseg]
default = "v2"
variants.tiny.from = "v1"
"variants"."small" = { from = "v2", rates = [1,
    2] }
text = """
[tool.other]
size = 3
"""
size = [
    512,  # "]"

    "384x640",
]

[[tool.ucseg.budgets]]
id = "a"
[[tool.ucseg.budgets]]

id = "b"
[tool.ucseg.budgets.extra]
more = 1979-05-27 07:32:00
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("tool",), 3),
        (("tool", "ucseg"), 3),
        (("tool", "ucseg", "default"), 4),
        (("tool", "ucseg", "variants"), 5),
        (("tool", "ucseg", "variants", "tiny", "from"), 5),
        (("tool", "ucseg", "variants", "small", "from"), 6),
        (("tool", "ucseg", "variants", "small", "rates", 0), 6),
        (("tool", "ucseg", "variants", "small", "rates", 1), 7),
        (("tool", "ucseg", "text"), 8),
        (("tool", "ucseg", "size"), 12),
        (("tool", "ucseg", "size", 0), 13),
        (("tool", "ucseg", "size", 1), 15),
        (("tool", "ucseg", "budgets"), 18),
        (("tool", "ucseg", "budgets", 0), 18),
        (("tool", "ucseg", "budgets", 0, "id"), 19),
        (("tool", "ucseg", "budgets", 1), 20),
        (("tool", "ucseg", "budgets", 1, "id"), 22),
        (("tool", "ucseg", "budgets", 1, "extra", "more"), 24),
    ],
)
def test_a_key_of_every_form_is_found_on_its_line(path: KeyPath, line: int) -> None:
    assert key_lines(EVERYTHING)[path] == line


@pytest.mark.parametrize("text", ["", "\n", "# nothing", "  \t", "\r\n# [a]\r\n"])
def test_a_document_without_keys_has_no_lines(text: str) -> None:
    assert key_lines(text) == {}
