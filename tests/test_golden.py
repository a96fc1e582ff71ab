"""The screens people see most, word for word, and what holds for every screen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Golden, Number, Run, Tables, WriteWeights
from ucseg_cli import __version__
from ucseg_cli.references.variants import CATALOGUE
from ucseg_cli.report.document import Report
from ucseg_cli.report.formats.render import render
from ucseg_cli.report.formats.screen import display_width
from ucseg_cli.terminal import deliver, streams
from ucseg_cli.units import format_count

LINES = {
    "list": "list",
    "show": "show v2",
    "show-deploy": "show v2 --deploy",
    "params": "params --variant v2",
    "params-top": "params v2 --top 5",
    "flops": "flops v2",
    "flops-reconcile": "flops v2 --depth 1 --reconcile",
    "memory": "memory v2 --size 512",
    "probe": "probe --size 512",
    "probe-several": "probe v1 v2+output_stride=16 --size 512 --size 384x640",
    "reach": "reach v2 --size 512 --size 224",
    "reach-v1": "reach v1 --size 512x224",
    "compare": "compare v1 v2",
    "compare-three": "compare v1 v2 v3 --top 4",
    "compare-same": "compare v2 v2",
    "check": "check v1 v2 --max params=645244 --max fvcore=800M --size 512",
    "shrink": "shrink v2 --size 512",
    "shrink-layers": "shrink v2 --layers --size 512",
    "sweep": "sweep v1 --vary backbone=10..11 --vary rates=6,12|6,12,18 --vary conv=* "
    "--vary decoder_blocks=1..2 --max params=600k --maximize receptive-field --nearest",
    "lint": "lint v2 --size 512",
    "explain-rule": "explain UC104",
    "verify": "verify v2 --size 16",
    "identify": "identify weights.safetensors",
    "identify-differs": "identify other.safetensors --top 3",
    "params-checkpoint": "params weights.safetensors --depth 1",
    "cache": "cache",
    "explain": "explain",
    "explain-exit-status": "explain exit-status",
}
SCREENS = {name: line.split() for name, line in LINES.items()}
SUMMED = (
    *("show", "params", "params-top", "params-checkpoint", "flops", "flops-reconcile", "memory"),
    *("compare", "compare-three", "compare-same", "identify-differs"),
)
WIDTHS = (20, 32, 44, 60, 80, 100, 120)
PIPED = (
    *("compare", "compare-three", "compare-same", "show", "params", "flops", "memory", "probe"),
    *("check", "lint", "identify"),
)
"""The screens that people see most."""

GOLDEN_WIDTHS = {
    80: ("compare", "show", "params", "flops", "check", "lint", "sweep", "shrink"),
    44: ("compare", "params", "check", "lint"),
}
"""On a terminal of 80 columns, and where columns go and rows are laid out anew."""

SCRIPTED = ("params", "flops", "probe", "compare", "check", "verify", "identify", "lint")
"""Their JSON has keys that scripts rely on."""

FIGURE = re.compile(r"[\d,.]*\d[kMG]\b")
TICKS = re.compile(r"└─.*\n.*")
"""The figures under a plot, as many as there is room for."""
ESCAPE = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture(autouse=True)
def _same_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache whose place is spelled the same on every machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UCSEG_CACHE_DIR", "cache")


@pytest.fixture(autouse=True)
def _checkpoints(tmp_path: Path, write_weights: WriteWeights) -> None:
    """One that fits v2 with other classes, and one of which two modules have other names."""
    write_weights(tmp_path / "weights.safetensors", CATALOGUE["v2"]._replace(classes=19))
    write_weights(tmp_path / "other.safetensors", CATALOGUE["v2"])
    damaged = (tmp_path / "other.safetensors").read_bytes().replace(b'"decoder.1.', b'"decoder_1.')
    (tmp_path / "other.safetensors").write_bytes(damaged.replace(b'"features.4.', b'"features_4.'))


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, ...], str]:
    """Screens that several tests read, each asked for once."""
    return {}


@pytest.fixture
def screen(ucseg: Run, known: dict[tuple[str, ...], str]) -> Callable[..., str]:
    """``screen(name, *options)``: as it is printed where nothing is set."""

    def read(name: str, *options: str) -> str:
        words = (*SCREENS[name], *options)
        if words not in known:
            known[words] = ucseg(*words).stdout
        return known[words]

    return read


@pytest.fixture
def report_of(ucseg: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Report]:
    """``report_of(name)``: the answer that a screen shows."""
    reports: list[Report] = []

    def note(report: Report, *others: Any) -> str:
        reports.append(report)
        return render(report, *others)

    def ask(name: str) -> Report:
        monkeypatch.setattr(deliver, "render", note)
        ucseg(*SCREENS[name])
        return reports[-1]

    return ask


def _lasting(text: str) -> str:
    return text.replace(__version__, "VERSION")


# The screens people see most, word for word


@pytest.mark.parametrize("name", PIPED)
def test_piped_a_screen_is_as_it_was(screen: Callable[..., str], golden: Golden, name: str) -> None:
    golden(f"{name}.txt", screen(name))


@pytest.mark.parametrize(
    ("name", "width"), [(name, width) for width in GOLDEN_WIDTHS for name in GOLDEN_WIDTHS[width]]
)
def test_on_a_terminal_a_screen_is_as_it_was(
    ucseg: Run, golden: Golden, monkeypatch: pytest.MonkeyPatch, name: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    golden(f"{name}.{width}.txt", ucseg(*SCREENS[name]).stdout)


@pytest.mark.parametrize("name", SCRIPTED)
def test_the_json_of_a_screen_is_as_it_was(ucseg: Run, golden: Golden, name: str) -> None:
    command = SCREENS[name][0]
    depth = ["--depth", "1"] if command in {"params", "flops", "compare"} else []
    golden(f"{name}.json", _lasting(ucseg(*SCREENS[name], "-f", "json", *depth).stdout))


@pytest.mark.parametrize(("form", "suffix"), [("markdown", "md"), ("html", "html"), ("csv", "csv")])
def test_a_comparison_comes_in_every_form(
    ucseg: Run, golden: Golden, form: str, suffix: str
) -> None:
    text = ucseg(*SCREENS["compare"], "-f", form).stdout
    # pictures have tests of their own, and style and script are files
    text = re.sub(r"<(svg|style|script)\b.*?</\1>", r"<\1/>", text, flags=re.DOTALL)
    golden(f"compare.{suffix}", _lasting(text))


# Rules that hold for every screen


@pytest.mark.parametrize("name", SCREENS)
def test_piped_a_screen_has_its_natural_width_and_no_colour(
    screen: Callable[..., str], name: str
) -> None:
    text = screen(name)
    assert "\x1b" not in text
    assert "not shown at this width" not in text
    assert "…" not in text
    _assert_tidy(text)


@pytest.mark.parametrize("name", SCREENS)
def test_at_no_width_is_a_line_too_wide_or_a_figure_cut(
    screen: Callable[..., str],
    report_of: Callable[[str], Report],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    report, whole = report_of(name), set(FIGURE.findall(screen(name)))
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        capsys.readouterr()
        deliver.deliver(report, deliver.Destination())
        text = capsys.readouterr().out
        assert max(map(display_width, text.splitlines())) <= width
        assert set(FIGURE.findall(TICKS.sub("", text))) <= whole
        _assert_tidy(text)


def test_on_an_ascii_stream_a_screen_is_spelled_in_ascii(
    ucseg_process: Run, golden: Golden
) -> None:
    text = ucseg_process(*SCREENS["compare"], environment={"PYTHONIOENCODING": "ascii"}).stdout
    _assert_ascii(text)
    golden("compare.ascii.txt", text)


@pytest.mark.parametrize("name", SCREENS)
def test_every_screen_can_be_spelled_in_ascii(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(streams, "_has_unicode", lambda _: False)
    _assert_ascii(ucseg(*SCREENS[name]).stdout)


def test_forced_colour_adds_nothing_but_colour(
    ucseg: Run, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ucseg(*SCREENS["compare"]).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = ucseg(*SCREENS["compare"]).stdout
    assert ESCAPE.sub("", text) == plain
    golden("compare.colour.txt", text)


@pytest.mark.parametrize(
    "environment",
    [
        {"NO_COLOR": "1"},
        {"NO_COLOR": "1", "FORCE_COLOR": "1"},
        {"TERM": "dumb"},
        {"FORCE_COLOR": "0"},
    ],
    ids=str,
)
def test_where_colour_is_not_welcome_there_is_none(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    plain = ucseg("compare", "v1", "v2").stdout
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert ucseg("compare", "v1", "v2").stdout == plain


@pytest.mark.parametrize("name", SCREENS)
def test_the_json_of_a_screen_is_one_object_with_raw_numbers(
    screen: Callable[..., str], name: str
) -> None:
    envelope = json.loads(screen(name, "-f", "json"))
    assert list(envelope)[:4] == ["kind", "format_version", "tool", "conditions"]
    assert envelope["kind"] == f"ucseg.{SCREENS[name][0]}"
    assert re.fullmatch(r"\d+\.\d+", envelope["format_version"])
    assert envelope["tool"] == {"name": "ucseg", "version": __version__}


@pytest.mark.parametrize("name", SUMMED)
def test_every_column_that_has_a_total_adds_up_to_it(
    ucseg: Run, read_tables: Tables, number: Number, name: str
) -> None:
    tables = read_tables(ucseg(*SCREENS[name], "--exact", "-f", "markdown").stdout)
    for title, (header, *rows) in tables.items():
        if rows[-1][0] != "total":
            continue
        top = [row for row in rows[:-1] if not _holds(rows, row[0])]
        for column in range(1, len(header)):
            if re.fullmatch(r"[+-]?[\d,]+( B)?", rows[-1][column]):
                assert sum(number(row[column]) for row in top) == number(rows[-1][column]), (
                    title,
                    header[column],
                )


def _holds(rows: list[list[str]], path: str) -> bool:
    """Whether one of *rows* contains the module at *path*."""
    parent = path.removesuffix(" (own)") if path.endswith(" (own)") else path.rpartition(".")[0]
    return any(row[0] == parent for row in rows)


@pytest.mark.parametrize(
    ("name", "metric"),
    [("params", "params"), ("flops", "fvcore"), ("compare", "params"), ("show", "params")],
)
def test_the_screen_and_the_json_agree_on_the_total(
    screen: Callable[..., str], name: str, metric: str
) -> None:
    script = json.loads(screen(name, "-f", "json"))
    total = script["models"][-1]["total"] if name == "compare" else script["total"]
    row = next(
        line for line in screen(name).splitlines() if line.startswith(("total", "parameters"))
    )
    assert format_count(total[metric]) in row.split()


@pytest.mark.parametrize("name", SCREENS)
def test_the_last_line_is_a_sentence_and_the_verdict_of_the_json(
    screen: Callable[..., str], name: str
) -> None:
    # piped, a long sentence is wrapped
    shown = " ".join(screen(name).split())
    summary = json.loads(screen(name, "-f", "json"))["verdict"]["summary"]
    assert summary.endswith(".")
    assert shown.endswith(summary)


def test_no_golden_file_is_left_from_a_screen_that_is_gone() -> None:
    narrow = [(name, width) for width, names in GOLDEN_WIDTHS.items() for name in names]
    known = {
        *(f"{name}.txt" for name in PIPED),
        *(f"{name}.{width}.txt" for name, width in narrow),
        *(f"{name}.json" for name in SCRIPTED),
        *(f"compare.{suffix}" for suffix in ("md", "html", "csv", "ascii.txt", "colour.txt")),
    }
    golden = Path(__file__).parent / "golden"
    assert {path.name for path in golden.iterdir()} <= known


def _assert_tidy(text: str) -> None:
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r" $", text, re.MULTILINE)
    assert "\n\n\n" not in text


def _assert_ascii(text: str) -> None:
    assert text.isascii()
    assert "\\x" not in text
    assert "\\u" not in text
    _assert_tidy(text)
