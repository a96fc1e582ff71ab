from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fixture_types import Run
from support.wrong_configuration import EXPECTED, WRONG
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.facts.budget import BUDGET_KEYS
from ucseg_cli.facts.choices import DTYPES
from ucseg_cli.project.configuration import KEYS, LINT_KEYS
from ucseg_cli.references.variants import AXES

Mistake = tuple[str, str, str]
Mistakes = Callable[[str], list[Mistake]]


def expect_all(reported: list[tuple[str, str]], file: str, *, lines_above: int) -> None:
    """Every mistake is reported at its line of *file*, and nothing else is."""
    expected = sorted(
        (f"{file}:{number + lines_above}  {key}", words) for number, key, words in EXPECTED
    )
    reported = sorted(reported)
    assert [where for where, _ in reported] == [where for where, _ in expected]
    for where in {where for where, _ in reported}:
        messages = [what for at, what in reported if at == where]
        for words in (words for at, words in expected if at == where):
            assert any(words in what for what in messages), (where, words, messages)


def test_all_mistakes_are_reported_at_once_with_their_lines_and_keys(mistakes: Mistakes) -> None:
    assert len(EXPECTED) == WRONG.count("#! ") + WRONG.count(" & ") == 69
    expect_all([(where, what) for where, what, _ in mistakes(WRONG)], "ucseg.toml", lines_above=0)


def test_in_a_shared_file_the_lines_are_those_of_that_file(ucseg: Run, tmp_path: Path) -> None:
    above = '[project]\nname = "x"\n\n[tool.ucseg]\n'
    below = re.sub(r"^(\[+)(?=[a-z])", r"\1tool.ucseg.", WRONG, flags=re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text(above + below, "utf-8")
    answer = json.loads(ucseg("config", "-f", "json").stdout)
    expect_all(
        [(one["where"], one["message"]) for one in answer["errors"]],
        "pyproject.toml",
        lines_above=4,
    )


def test_on_the_screen_each_mistake_is_an_error_of_its_own(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "ucseg.toml").write_text(WRONG, "utf-8")
    answer = ucseg("config")
    assert (answer.returncode, answer.stdout) == (2, "")
    errors = re.findall(r"^error: (.*)\n  --> (.*)$", answer.stderr, flags=re.MULTILINE)
    expect_all([(where, what) for what, where in errors], "ucseg.toml", lines_above=0)


def test_with_json_the_first_mistake_is_the_error_and_all_are_the_errors(
    ucseg: Run, tmp_path: Path
) -> None:
    (tmp_path / "ucseg.toml").write_text('size = true\nconvention = "mac"\n', "utf-8")
    answer = json.loads(ucseg("params", "-f", "json").stdout)
    first, second = answer["errors"]
    assert answer["kind"] == "ucseg.error"
    assert answer["error"] == {**first, "kind": "mistakes"}
    assert (first["where"], first["kind"], first["exit_status"]) == (
        "ucseg.toml:1  size",
        "configuration",
        2,
    )
    assert (second["where"], second["kind"]) == ("ucseg.toml:2  convention", "unknown-name")
    assert (second["notes"], second["help"]) == (
        ["known: fvcore, macs, torch"],
        "did you mean 'macs'?",
    )


@pytest.mark.parametrize(
    ("text", "where", "suggestion"),
    [
        ('defautl = "v1"', "ucseg.toml:1  defautl", "did you mean 'default'?"),
        (
            'default = "v22"',
            "ucseg.toml:1  default",
            "did you mean 'v2'? `ucseg list` shows them all",
        ),
        (
            'baseline = "V1"',
            "ucseg.toml:1  baseline",
            "did you mean 'v1'? `ucseg list` shows them all",
        ),
        ('convention = "fvcor"', "ucseg.toml:1  convention", "did you mean 'fvcore'?"),
        (
            'default = "tinny"\n[variants.tiny]',
            "ucseg.toml:1  default",
            "did you mean 'tiny'? `ucseg list` shows them all",
        ),
        (
            "[variants.t]\nbackbon = 10",
            "ucseg.toml:2  variants.t.backbon",
            "did you mean 'backbone'?",
        ),
        ('[variants.t]\nfro = "v1"', "ucseg.toml:2  variants.t.fro", "did you mean 'from'?"),
        (
            '[variants.t]\nconv = "regula"',
            "ucseg.toml:2  variants.t.conv",
            "did you mean 'conv=regular'?",
        ),
        (
            "[variants.t]\nbackbone = 3",
            "ucseg.toml:2  variants.t.backbone",
            "for example backbone=10",
        ),
        (
            'budgets = [{ id = "a", max = 1, metric = "parms" },\n]',
            "ucseg.toml:1  budgets[0].metric",
            "did you mean 'params'?",
        ),
        (
            'budgets = [{ id = "a", max = 1, metric = "bytes", dtype = "flot32" }]',
            "ucseg.toml:1  budgets[0].dtype",
            "did you mean 'float32'?",
        ),
        (
            '[lint]\nselect = ["UC1", "UC11"]',
            "ucseg.toml:2  lint.select[1]",
            "did you mean 'UC101'?",
        ),
        ('[lint]\nfail-on = "errors"', "ucseg.toml:2  lint.fail-on", "did you mean 'error'?"),
        ('[lint]\nfail_on = "error"', "ucseg.toml:2  lint.fail_on", "did you mean 'fail-on'?"),
    ],
)
def test_the_nearest_known_name_is_suggested(
    mistakes: Mistakes, text: str, where: str, suggestion: str
) -> None:
    ((at, _, help_line),) = mistakes(text)
    assert (at, help_line) == (where, suggestion)


@pytest.mark.parametrize(
    ("text", "wheres"),
    [
        ("lint = 3", ["lint"]),
        ('variants = ["v1"]', ["variants"]),
        ('budgets = "small"', ["budgets"]),
        ("[budgets]\nmax = 1", ["budgets"]),
        ("budgets = [\n 3,\n '',\n]", ["budgets[0]", "budgets[1]"]),
    ],
)
def test_another_value_in_the_place_of_a_table_is_reported_once(
    mistakes: Mistakes, text: str, wheres: list[str]
) -> None:
    assert [where.partition("  ")[2] for where, _, _ in mistakes(text)] == wheres


@pytest.mark.parametrize(
    "value",
    ["0", '"33x"', "-1", "1048577", '"0x5"', "true", "1.5", "[64, 0]", "[[64]]", "{}", '""'],
)
def test_a_mistaken_size_is_reported_on_its_line(mistakes: Mistakes, value: str) -> None:
    ((where, _, help_line),) = mistakes(f"\nsize = {value}")
    assert where.startswith("ucseg.toml:2  size")
    assert help_line != ""


@pytest.mark.parametrize(
    "value", ["nan", "-inf", "1e999", "0", "-1", "86401", "0.0001", "true", '"60"', "[60]"]
)
def test_a_time_limit_that_is_none_is_reported_with_the_range(
    mistakes: Mistakes, value: str
) -> None:
    ((where, what, help_line),) = mistakes(f"size = 224\ntimeout = {value}\n")
    assert where == "ucseg.toml:2  timeout"
    assert help_line == "as in timeout = 600"
    assert what.endswith(" is not a number of seconds from 0.001 to 86,400")


@pytest.mark.parametrize(
    ("quantity", "metric"),
    [
        *(
            (quantity, "params")
            for quantity in (
                '""',
                '"+2%"',
                '"1.0001k"',
                '"650 thousand"',
                "1979-05-27",
                "[1]",
                "nan",
            )
        ),
        *(
            (quantity, metric)
            for quantity in ('"3kB"', '"1KiB"', '"5B"')
            for metric in ("params", "macs", "buffers")
        ),
    ],
)
@pytest.mark.parametrize("key", ["max", "warn"])
def test_an_inexact_quantity_is_reported_on_its_line(
    mistakes: Mistakes, key: str, quantity: str, metric: str
) -> None:
    ((where, _, _),) = mistakes(f'[[budgets]]\nid = "a"\nmetric = "{metric}"\n{key} = {quantity}\n')
    assert where == f"ucseg.toml:4  budgets[0].{key}"


@pytest.mark.parametrize(
    ("change", "warn", "refused"),
    [
        ('"+2%"', '"+2%"', False),
        ('"+2%"', '"+2.000001%"', True),
        ('"+2%"', '"-2%"', False),
        ('"+50k"', '"+50_000"', False),
        ('"+50k"', '"+50_001"', True),
        ('"+50k"', '"+1%"', False),  # it depends on the baseline
        ('"+1%"', '"+50k"', False),
        ("-50", '"-49"', True),
    ],
)
def test_a_warning_may_stand_at_its_limit_and_not_beyond(
    mistakes: Mistakes, change: str, warn: str, *, refused: bool
) -> None:
    found = mistakes(
        f'[[budgets]]\nid = "a"\nmetric = "params"\nvs-baseline = {change}\nwarn = {warn}\n'
    )
    assert [where for where, _, _ in found] == ["ucseg.toml:5  budgets[0].warn"] * refused


@pytest.mark.parametrize("metric", METRICS)
def test_only_metrics_in_bytes_have_a_dtype_and_only_those_that_add_up_have_modules(
    mistakes: Mistakes, metric: str
) -> None:
    found = mistakes(
        f'[[budgets]]\nid = "a"\nmetric = "{metric}"\nmax = 1\n'
        f'module = "decoder"\ndtype = "{DTYPES[1]}"\n'
    )
    expected = ["ucseg.toml:5  budgets[0].module"] * (metric == "peak-memory")
    expected += ["ucseg.toml:6  budgets[0].dtype"] * (not METRICS[metric].in_bytes)
    assert [where for where, _, _ in found] == expected


def test_a_variant_from_a_circle_is_reported_too(mistakes: Mistakes) -> None:
    found = mistakes(
        '[variants]\na.from = "b"\nb.from = "a+backbone=9"\nc.from = "b"\nd.from = "v1"\n'
    )
    assert [where for where, _, _ in found] == [
        f"ucseg.toml:{line}  variants.{name}.from" for line, name in [(2, "a"), (3, "b"), (4, "c")]
    ]


VALUES = (
    *("1", "0", "-3", "1.5", "true", "nan", "1979-05-27", "07:32:00"),
    *("[]", "[1]", "[[1]]", "{}", "{ a = 1 }", '""', '"v2"', '"v22"', '"*"', '"params"', '"bytes"'),
    *('"650k"', '"2.5MB"', '"+2%"', '"UC1"', '"float16"', '"regular"'),
    *('"a\\nb"', '"\\u0000"', '"\\u001b[31m"', '[\n 1,\n "v2",\n]', '"""\nid = 3\n"""', "'+'"),
)  # fmt: skip
ASSIGNED = st.lists(
    st.tuples(st.sampled_from((*KEYS, *BUDGET_KEYS, *LINT_KEYS)), st.sampled_from(VALUES)),
    max_size=6,
)
AXES_ASSIGNED = st.lists(
    st.tuples(
        st.sampled_from(("from", "max", *(axis.name for axis in AXES))), st.sampled_from(VALUES)
    ),
    max_size=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ASSIGNED, AXES_ASSIGNED, st.lists(ASSIGNED, max_size=2), ASSIGNED)
def test_any_configuration_is_read_or_refused_with_a_line_that_has_the_key(
    mistakes: Mistakes,
    root: list[tuple[str, str]],
    variant: list[tuple[str, str]],
    budgets: list[list[tuple[str, str]]],
    lint: list[tuple[str, str]],
) -> None:
    tables = [
        ("", [(key, value) for key, value in root if key not in {"variants", "budgets", "lint"}])
    ]
    tables += [
        ("[variants.mine]\n", variant),
        ("[lint]\n", lint),
        *(("[[budgets]]\n", budget) for budget in budgets),
    ]
    text = "".join(
        header + "".join(f"{key} = {value}\n" for key, value in dict(assigned).items())
        for header, assigned in tables
    )
    lines = text.split("\n")
    for where, what, _ in mistakes(text):
        place = re.fullmatch(
            r"ucseg\.toml:(\d+)  ((?:[a-z_-]+|\[\d+\]|\.)+)( .*)?", where, flags=re.DOTALL
        )
        assert place is not None, (where, what)
        last = re.sub(r"\[\d+\]$", "", place[2]).rpartition(".")[2]
        line = int(place[1]) - 1
        if place[2].endswith("]"):  # an element of an array may have a line of its own
            line = max(at for at in range(line + 1) if not lines[at].startswith((" ", "]")))
        above = r"variants\.|(spaces|machines) = { "  # of a table in one line
        assert re.match(rf"\[*({above})?{last}\b", lines[line]), (where, what)


def test_mistakes_are_reported_from_top_to_bottom(mistakes: Mistakes) -> None:
    lines = [int(where.partition(":")[2].split()[0]) for where, _, _ in mistakes(WRONG)]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("text", "wheres"),
    [
        ('size = [0, "x", 64, true]', ["size[0]", "size[1]", "size[3]"]),
        ('[lint]\nselect = ["UC9", 3]', ["lint.select[0]", "lint.select[1]"]),
        ('default = "v2+conv=reg"', ["default"]),
        ('[variants.t]\nfrom = "v2+back=9"', ["variants.t.from"]),
        (
            'budgets = [{ id = "a", metric = "params", max = 1, variant = "v2+backbon=10" }]',
            ["budgets[0].variant"],
        ),
        (
            'budgets = [3,\n{ id = "a", warn = 1, metric = "macs" },\n{ id = "a ", warn = 1 }]',
            ["budgets[0]", "budgets[2]", "budgets[2].id"],
        ),
        ('default = "tiny"\n[variants.tiny]\nfrom = "v22"', ["variants.tiny.from"]),
        (
            'default = "a"\n[variants.a]\nfrom = "b"\n[variants.b]\nfrom = "a"',
            ["variants.a.from", "variants.b.from"],
        ),
        ('budgets = [{ id = "a", metric = "byts", max = "2.5MB" }]', ["budgets[0].metric"]),
        (
            'budgets = [{ id = "a", metric = "params", vs-baseline = "oops", warn = "+1%" }]',
            ["budgets[0].vs-baseline"],
        ),
        (
            'budgets = [{ id = "a", metric = "params", vs-baseline = "-100%" }]',
            ["budgets[0].vs-baseline"],
        ),
        (
            'budgets = [{ id = "a", metric = "params", vs-baseline = "1%", max = 3, warn = 2 }]',
            ["budgets[0]"],
        ),
        (
            '[variants.t]\nbackbone = [10]\nconv = ["regular"]\nrates = [6, "12"]',
            ["variants.t.backbone", "variants.t.conv", "variants.t.rates"],
        ),
    ],
)
def test_one_mistake_is_reported_once_and_in_its_place(
    mistakes: Mistakes, text: str, wheres: list[str]
) -> None:
    assert [where.partition("  ")[2] for where, _, _ in mistakes(text)] == wheres


def test_a_small_probability_is_read_as_toml_writes_it(mistakes: Mistakes) -> None:
    assert mistakes("[variants.t]\ndropout = 0.00001\n") == []
