"""Screens as people see them, and what holds for every one of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.fixture_types import Golden, Number, Run, Tables, WriteWeights
from ucseg_cli import __version__
from ucseg_cli.facts.count import Count
from ucseg_cli.gate import tracing
from ucseg_cli.references.variants import CATALOGUE
from ucseg_cli.report.formats.screen import display_width
from ucseg_cli.units import format_count

SCREENS = {
    "list": ["list"],
    "show": ["show", "v2"],
    "show-deploy": ["show", "v2", "--deploy"],
    "params": ["params", "--variant", "v2"],
    "params-top": ["params", "v2", "--top", "5"],
    "flops": ["flops", "v2"],
    "flops-reconcile": ["flops", "v2", "--depth", "1", "--reconcile"],
    "memory": ["memory", "v2", "--size", "512"],
    "probe": ["probe", "--size", "512"],
    "probe-several": ["probe", "v1", "v2+output_stride=16", "--size", "512", "--size", "384x640"],
    "reach": ["reach", "v2", "--size", "512", "--size", "224"],
    "reach-v1": ["reach", "v1", "--size", "512x224"],
    "compare": ["compare", "v1", "v2"],
    "compare-three": ["compare", "v1", "v2", "v3", "--top", "4"],
    "compare-same": ["compare", "v2", "v2"],
    "check": [
        "check",
        "v1",
        "v2",
        "--max",
        "params=645244",
        "--max",
        "fvcore=800M",
        "--size",
        "512",
    ],
    "lint": ["lint", "v2", "--size", "512"],
    "explain-rule": ["explain", "UC104"],
    "verify": ["verify", "v2", "--size", "16"],
    "identify": ["identify", "weights.safetensors"],
    "identify-differs": ["identify", "other.safetensors", "--top", "3"],
    "params-checkpoint": ["params", "weights.safetensors", "--depth", "1"],
    "cache": ["cache"],
    "explain": ["explain"],
    "explain-exit-status": ["explain", "exit-status"],
}
SUMMED = (
    "show", "params", "params-top", "flops", "flops-reconcile", "memory", "compare", "compare-three", "compare-same",
    "identify-differs", "params-checkpoint",
)  # fmt: skip
WIDTHS = (120, 60, 44)
IN_SUBPROCESSES = {
    "compare": ["compare", "v1", "v2"],
    "params": ["params", "v2", "--depth", "1"],
    "check": ["check", "v1", "v2", "--max", "params=645244"],
}
FIGURE = re.compile(r"[\d,.]*\d[kMG]\b")
ESCAPE = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture(autouse=True)
def _same_everywhere(
    other_counts: tuple[Count, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A cache whose place is spelled the same on every machine, and other counters that ran once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UCSEG_CACHE_DIR", "cache")
    monkeypatch.setattr(tracing, "count_with_others", lambda _: other_counts)


@pytest.fixture(autouse=True)
def _checkpoints(tmp_path: Path, write_weights: WriteWeights) -> None:
    """One that fits v2 with other classes, and one of which two modules have other names."""
    write_weights(tmp_path / "weights.safetensors", CATALOGUE["v2"]._replace(classes=19))
    write_weights(tmp_path / "other.safetensors", CATALOGUE["v2"])
    damaged = (tmp_path / "other.safetensors").read_bytes().replace(b'"decoder.1.', b'"decoder_1.')
    (tmp_path / "other.safetensors").write_bytes(damaged.replace(b'"features.4.', b'"features_4.'))


def _lasting(text: str) -> str:
    return text.replace(__version__, "VERSION")


@pytest.mark.parametrize("name", SCREENS)
def test_piped_a_screen_has_its_natural_width_and_no_colour(
    ucseg: Run, golden: Golden, name: str
) -> None:
    text = ucseg(*SCREENS[name]).stdout
    assert "\x1b" not in text
    assert "not shown at this width" not in text
    assert "…" not in text
    _assert_tidy(text)
    golden(f"{name}.txt", text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SCREENS)
def test_no_line_of_a_screen_is_wider_than_the_screen(
    ucseg: Run, golden: Golden, monkeypatch: pytest.MonkeyPatch, name: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = ucseg(*SCREENS[name]).stdout
    assert max(map(display_width, text.splitlines())) <= width
    _assert_tidy(text)
    golden(f"{name}.{width}.txt", text)


@pytest.mark.parametrize("name", SCREENS)
def test_at_no_width_is_a_line_too_wide_or_a_figure_cut(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole = set(FIGURE.findall(ucseg(*SCREENS[name]).stdout))
    for width in (20, 32, 50, 72, 80, 100):
        monkeypatch.setenv("COLUMNS", str(width))
        text = ucseg(*SCREENS[name]).stdout
        assert max(map(display_width, text.splitlines())) <= width
        assert set(FIGURE.findall(text)) <= whole


@pytest.mark.parametrize("name", IN_SUBPROCESSES)
def test_on_an_ascii_stream_everything_is_spelled_in_ascii(
    ucseg_process: Run, golden: Golden, name: str
) -> None:
    text = ucseg_process(*IN_SUBPROCESSES[name], environment={"PYTHONIOENCODING": "ascii"}).stdout
    assert text.isascii()
    assert "\\x" not in text
    assert "\\u" not in text
    _assert_tidy(text)
    golden(f"{name}.ascii.txt", text)


@pytest.mark.parametrize("name", IN_SUBPROCESSES)
def test_forced_colour_adds_nothing_but_colour(
    ucseg: Run, golden: Golden, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plain = ucseg(*IN_SUBPROCESSES[name]).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = ucseg(*IN_SUBPROCESSES[name]).stdout
    assert ESCAPE.sub("", text) == plain
    golden(f"{name}.colour.txt", text)


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
    ucseg: Run, golden: Golden, name: str
) -> None:
    arguments = [*SCREENS[name], "-f", "json"]
    deep = arguments[0] in {"params", "flops", "compare"} and "--depth" not in arguments
    depth = ["--depth", "1"] if deep else []
    text = ucseg(*arguments, *depth).stdout
    envelope = json.loads(text)
    assert list(envelope)[:4] == ["kind", "format_version", "tool", "conditions"]
    assert envelope["kind"] == f"ucseg.{arguments[0]}"
    assert re.fullmatch(r"\d+\.\d+", envelope["format_version"])
    assert envelope["tool"] == {"name": "ucseg", "version": __version__}
    golden(f"{name}.json", _lasting(text))


@pytest.mark.parametrize(("form", "suffix"), [("markdown", "md"), ("html", "html"), ("csv", "csv")])
def test_a_comparison_comes_in_every_form(
    ucseg: Run, golden: Golden, form: str, suffix: str
) -> None:
    golden(f"compare.{suffix}", _lasting(ucseg("compare", "v1", "v2", "-f", form).stdout))


@pytest.mark.parametrize("name", SUMMED)
def test_every_column_that_has_a_total_adds_up_to_it(
    ucseg: Run, read_tables: Tables, number: Number, name: str
) -> None:
    tables = read_tables(ucseg(*SCREENS[name], "--exact", "-f", "markdown").stdout)
    for title, (header, *rows) in tables.items():
        if rows[-1][0] != "total":
            continue
        top = [row for row in rows[:-1] if not _holds(rows, row[0])]
        for at in range(1, len(header)):
            if re.fullmatch(r"[+-]?[\d,]+( B)?", rows[-1][at]):
                assert sum(number(row[at]) for row in top) == number(rows[-1][at]), (
                    title,
                    header[at],
                )


def _holds(rows: list[list[str]], path: str) -> bool:
    """Whether one of *rows* contains the module at *path*."""
    parent = path.removesuffix(" (own)") if path.endswith(" (own)") else path.rpartition(".")[0]
    return any(row[0] == parent for row in rows)


@pytest.mark.parametrize(
    ("name", "metric"),
    [("params", "params"), ("flops", "fvcore"), ("compare", "params"), ("show", "params")],
)
def test_the_screen_and_the_json_agree_on_the_total(ucseg: Run, name: str, metric: str) -> None:
    screen, script = (
        ucseg(*SCREENS[name]).stdout,
        json.loads(ucseg(*SCREENS[name], "-f", "json").stdout),
    )
    total = script["models"][-1]["total"] if name == "compare" else script["total"]
    row = next(line for line in screen.splitlines() if line.startswith(("total", "parameters")))
    assert format_count(total[metric]) in row.split()


@pytest.mark.parametrize("name", SCREENS)
def test_the_last_line_is_a_sentence_and_the_verdict_of_the_json(ucseg: Run, name: str) -> None:
    said = ucseg(*SCREENS[name]).stdout.splitlines()[-1]
    assert said.endswith(".")
    assert json.loads(ucseg(*SCREENS[name], "-f", "json").stdout)["verdict"]["summary"] == said


def test_no_golden_file_is_left_from_a_screen_that_is_gone() -> None:
    known = {
        *(
            f"{name}{ending}"
            for name in SCREENS
            for ending in (".txt", ".json", *(f".{width}.txt" for width in WIDTHS))
        ),
        *(f"{name}.{ending}.txt" for name in IN_SUBPROCESSES for ending in ("ascii", "colour")),
        *(f"compare.{suffix}" for suffix in ("md", "html", "csv")),
    }
    assert {path.name for path in (Path(__file__).parent / "golden").iterdir()} <= known


def _assert_tidy(text: str) -> None:
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not re.search(r" $", text, re.MULTILINE)
    assert "\n\n\n" not in text
