"""``check`` answers with its own message and status, however its files were edited."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from support.fixture_types import Run
from ucseg_cli.project.lock_file import NAME

Edit = Callable[[str], str]

FORMS = ("table", "json", "csv", "markdown", "html", "comment", "github", "junit", "sarif")
CONFIGURATION = """[project]
name = "sketch"

[tool.ucseg]
default = "mine"
baseline = "v1"
size = [32, "64x32"]
convention = "macs"

[tool.ucseg.variants.mine]
from = "v2"
rates = [6, 12, 18]
aspp_channels = 16
dropout = 0.25

[tool.ucseg.variants.other]
from = "mine+low_skip=8"
head = "before-upsample"

[[tool.ucseg.budgets]]
id = "device"
variant = "[mo]*"
metric = "params"
max = "700k"
warn = "650k"
message = "it must fit the device"

[[tool.ucseg.budgets]]
id = "growth"
variant = "mine"
metric = "fvcore"
size = [32, 64]
vs-baseline = "+60%"
warn = "+10%"

[[tool.ucseg.budgets]]
id = "decoder"
variant = "other"
module = "decoder.*"
metric = "bytes"
dtype = "float16"
max = "2.5MB"

[[tool.ucseg.budgets]]
id = "peak"
metric = "peak-memory"
max = 9_000_000

[tool.ucseg.lint]
select = ["UC1"]
ignore = "UC108"
fail-on = "error"
"""
TOKENS = (
    "0x" + "F" * 4000,
    *(
        "tool",
        "ucseg",
        "default",
        "baseline",
        "size",
        "convention",
        "variants",
        "budgets",
        "lint",
        "fail-on",
        "select",
    ),
    *(
        "id",
        "variant",
        "module",
        "metric",
        "dtype",
        "max",
        "warn",
        "vs-baseline",
        "message",
        "from",
        "project",
    ),
    *(
        "rates",
        "backbone",
        "conv",
        "low_skip",
        "decoder_blocks",
        "classes",
        "output_stride",
        "head",
        "dropout",
    ),
    *(
        "v1",
        "v2",
        "mine",
        "other",
        "device",
        "params",
        "macs",
        "peak-memory",
        "bytes",
        "float16",
        "never",
        "UC101",
    ),
    *(
        '"v1"',
        '"v2"',
        '"mine"',
        '"other"',
        '"mine+rates=6"',
        '"v?"',
        '"*"',
        '"v2+"',
        '"+"',
        '""',
        "''",
        '"params"',
    ),
    *(
        '"macs"',
        '"peak-memory"',
        '"bytes"',
        '"trainable"',
        '"decoder"',
        '"**"',
        '"**.depthwise"',
        '"["',
        '"float64"',
    ),
    *(
        '"650k"',
        '"+2%"',
        '"-100%"',
        '"-1E"',
        '"+0.001%"',
        '"999999999%"',
        '"1KiB"',
        '"64x32"',
        '"1x1"',
        '"regular"',
    ),
    *(
        "0",
        "1",
        "-1",
        "2",
        "10",
        "16",
        "32",
        "64",
        "1.5",
        "-0.0",
        "1e400",
        "nan",
        "inf",
        "0x20",
        "1_000",
        "true",
        "null",
    ),
    *(
        "1979-05-27",
        "07:32:00",
        "[]",
        "{}",
        "[6, 12]",
        "{a = 1}",
        "[[1], 2]",
        "[32, 32]",
        "[true]",
        '"[", ""',
        "\\",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        "[[",
        "]]",
        "=",
        ".",
        ",",
        ":",
        "#",
        '"',
        "'",
        '"""',
        "'''",
        "\n",
        "\r\n",
        "\t",
        "\0",
        "\ufeff",
    ),
    *(
        "<<<<<<< HEAD\n",
        "=======\n",
        ">>>>>>> main\n",
        "sizes",
        "total",
        "convs",
        "taps",
        "since",
        "raises",
        "models",
    ),
)
NUMBERS = (
    "-" + "9" * 4300,
    *(
        "0",
        "-1",
        "-645245",
        "1.5",
        "1e3",
        "-0",
        "99999999999999999999",
        "9" * 64,
        "9" * 65,
        "9" * 4000,
        "9" * 5000,
    ),
    *("00", "1_0", "0x1f", "1048576", "1048577", "65536", "65537", "true", '"7"'),
)
"""Other numbers. The longest that Python reads has 4,300 digits."""
TOKEN = re.compile(r'"[^"\n]*"|[A-Za-z0-9_.-]+|[^\sA-Za-z0-9_.-]')
NUMBER = re.compile(r"-?[0-9][0-9_.]*")

places = st.integers(0, 2**20)
"""Counted round and round, so that one number means a place in any text."""


def edits_of_lines() -> SearchStrategy[Edit]:
    def delete(at: int, many: int) -> Edit:
        return _on_lines(lambda lines: lines[: at % len(lines)] + lines[at % len(lines) + many :])

    def duplicate(at: int, many: int, to: int) -> Edit:
        def edit(lines: list[str]) -> list[str]:
            start, end = at % len(lines), to % len(lines)
            return [*lines[:end], *lines[start : start + many], *lines[end:]]

        return _on_lines(edit)

    def swap(one: int, other: int) -> Edit:
        def edit(lines: list[str]) -> list[str]:
            lines = [*lines]
            here, there = one % len(lines), other % len(lines)
            lines[here], lines[there] = lines[there], lines[here]
            return lines

        return _on_lines(edit)

    many = st.integers(1, 8)
    return st.one_of(
        st.builds(delete, places, many),
        st.builds(duplicate, places, many, places),
        st.builds(swap, places, places),
    )


def edits_of_tokens() -> SearchStrategy[Edit]:
    def replace(pattern: re.Pattern[str], at: int, new: str) -> Edit:
        def edit(text: str) -> str:
            found = list(pattern.finditer(text))
            if not found:
                return text
            match = found[at % len(found)]
            return text[: match.start()] + new + text[match.end() :]

        return edit

    def insert(at: int, new: str) -> Edit:
        return lambda text: text[: at % (len(text) + 1)] + new + text[at % (len(text) + 1) :]

    def truncate(at: int) -> Edit:
        return lambda text: text[: at % (len(text) + 1)]

    return st.one_of(
        st.builds(replace, st.just(TOKEN), places, st.sampled_from(TOKENS)),
        st.builds(replace, st.just(NUMBER), places, st.sampled_from(NUMBERS)),
        st.builds(insert, places, st.one_of(st.text(max_size=12), st.sampled_from(TOKENS))),
        st.builds(truncate, places),
    )


def edits_of_json() -> SearchStrategy[Edit]:
    """An edit of the text's meaning, if it has one."""
    values = st.one_of(
        st.sampled_from(
            [
                None,
                True,
                1.5,
                -1,
                0,
                2**70,
                "",
                "x",
                "32",
                "v1",
                [],
                [1, 2],
                ["a"],
                {},
                {"a": {"b": 1}},
            ]
        ),
        st.text(max_size=8),
        st.recursive(
            st.integers(),
            lambda below: st.dictionaries(st.text(max_size=4), below, max_size=3),
            max_leaves=6,
        ),
    )

    def replace(at: int, new: Any) -> Edit:
        return _on_json(lambda place, key: place.__setitem__(key, new), at)

    def delete(at: int) -> Edit:
        return _on_json(lambda place, key: place.__delitem__(key), at)

    def rename(at: int, name: str) -> Edit:
        def edit(place: Any, key: Any) -> None:
            if isinstance(place, dict):  # the items of a list have no names
                place[name] = place.pop(key)

        return _on_json(edit, at)

    def enclose(at: int) -> Edit:
        return _on_json(lambda place, key: place.__setitem__(key, {"inner": place[key]}), at)

    names = st.one_of(
        st.text(max_size=6),
        st.sampled_from(["v1", "v2", "mine+rates=7", "v9", "16", "64x32", "0", "total"]),
    )
    return st.one_of(
        st.builds(replace, places, values),
        st.builds(delete, places),
        st.builds(rename, places, names),
        st.builds(enclose, places),
    )


def _on_lines(edit: Callable[[list[str]], list[str]]) -> Edit:
    return lambda text: "".join(edit(text.splitlines(keepends=True) or [""]))


def _on_json(edit: Callable[[Any, Any], object], at: int) -> Edit:
    def change(text: str) -> str:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return text
        found = list(_nodes(document))
        if found:
            edit(*found[at % len(found)])
        return json.dumps(document, indent=2, ensure_ascii=False)

    return change


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in which a value stands, those of few names first: a lock is mostly modules."""
    level = [value]
    while level:
        below = []
        for part in level:
            for key in part.keys() if isinstance(part, dict) else range(len(part)):
                yield part, key
                if isinstance(part[key], dict | list):
                    below.append(part[key])
        level = below


@pytest.fixture(scope="module")
def sound_lock() -> list[str]:
    """The lock of the sound configuration, once it is known."""
    return []


@pytest.fixture
def project(ucseg: Run, tmp_path: Path, sound_lock: list[str]) -> Callable[..., None]:
    """A project whose configuration and lock are sound but for these edits."""

    def write(of_configuration: Sequence[Edit] = (), of_lock: Sequence[Edit] = ()) -> None:
        configuration = CONFIGURATION
        (tmp_path / "pyproject.toml").write_text(configuration, encoding="utf-8")
        if not sound_lock:
            assert ucseg("lock", "--size", "32").returncode == 0
            sound_lock.append((tmp_path / NAME).read_text("utf-8"))
        lock = sound_lock[0]
        for edit in of_configuration:
            configuration = edit(configuration)
        for edit in of_lock:
            lock = edit(lock)
        (tmp_path / "pyproject.toml").write_text(configuration, encoding="utf-8", newline="")
        (tmp_path / NAME).write_text(lock, encoding="utf-8", newline="")

    return write


TELL_MISTAKES = {"github", "junit", "sarif", "comment"}
"""Forms that report mistakes too, beside stderr."""


def _hold(ucseg: Run, command: str, *options: str, form: str) -> int:
    """The exit status of a run whose status and output the contract allows."""
    answer = ucseg(command, *options, "-f", form)
    assert answer.returncode in {0, 1, 2}
    for word in ("Traceback", "internal error"):
        assert word not in answer.stderr
        assert word not in answer.stdout
    if form == "json":
        document = json.loads(answer.stdout)
        assert isinstance(document, dict)
        assert document["kind"] == ("ucseg.error" if answer.returncode == 2 else f"ucseg.{command}")
        if answer.returncode < 2:
            assert (document["verdict"]["status"] == "fail") == (answer.returncode == 1)
    else:
        assert bool(answer.stdout) == (answer.returncode < 2 or form in TELL_MISTAKES)
    assert answer.stderr.startswith("error: ") == (answer.returncode == 2)
    return answer.returncode


def test_the_project_that_is_edited_is_sound(ucseg: Run, project: Callable[..., None]) -> None:
    project()
    assert {_hold(ucseg, "check", "--locked", form=form) for form in FORMS} == {0}
    payload = json.loads(ucseg("check", "--locked", "-f", "json").stdout)
    assert {check["id"].partition("[")[0] for check in payload["checks"]} == {
        "device",
        "growth",
        "decoder",
        "peak",
    }
    assert payload["lock"]["drift"] == []


@pytest.mark.parametrize(
    ("of_configuration", "of_lock", "status"),
    [
        (("2.5MB", "2B"), ("", ""), 1),
        (("18]", "19]"), ("", ""), 1),
        (("", ""), ('"params": 598829', '"params": 598828'), 1),
        (("variants.mine", "variants.theirs"), ("", ""), 2),
        (("", ""), ('"ucseg.lock"', '"lock"'), 2),
    ],
)
def test_an_edit_that_matters_is_noticed(
    ucseg: Run,
    project: Callable[..., None],
    of_configuration: tuple[str, str],
    of_lock: tuple[str, str],
    status: int,
) -> None:
    project(
        *(
            [lambda text, pair=pair: text.replace(*pair) if pair[0] else text]
            for pair in (of_configuration, of_lock)
        )
    )
    assert {_hold(ucseg, "check", "--locked", form=form) for form in FORMS} == {status}


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    edits=st.lists(st.one_of(edits_of_tokens(), edits_of_lines()), min_size=1, max_size=6),
    form=st.sampled_from(FORMS),
)
def test_no_edits_of_the_configuration_make_check_fail_otherwise_than_it_says(
    ucseg: Run, project: Callable[..., None], edits: list[Edit], form: str
) -> None:
    project(edits)
    assert len({_hold(ucseg, "check", "--locked", form=shape) for shape in (form, "json")}) == 1


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    edits=st.lists(
        st.one_of(edits_of_json(), edits_of_tokens(), edits_of_lines()), min_size=1, max_size=6
    ),
    form=st.sampled_from(FORMS),
)
def test_no_edits_of_the_lock_make_check_fail_otherwise_than_it_says(
    ucseg: Run, project: Callable[..., None], edits: list[Edit], form: str
) -> None:
    project((), edits)
    assert len({_hold(ucseg, "check", "--locked", form=shape) for shape in (form, "json")}) == 1


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    of_configuration=st.lists(st.one_of(edits_of_tokens(), edits_of_lines()), max_size=3),
    of_lock=st.lists(edits_of_json(), max_size=3),
    form=st.sampled_from(FORMS),
)
def test_no_edits_of_both_make_check_or_lock_fail_otherwise_than_they_say(
    ucseg: Run,
    project: Callable[..., None],
    of_configuration: list[Edit],
    of_lock: list[Edit],
    form: str,
) -> None:
    project(of_configuration, of_lock)
    assert len({_hold(ucseg, "check", "--locked", form=shape) for shape in (form, "json")}) == 1
    _hold(ucseg, "lock", form="json")
