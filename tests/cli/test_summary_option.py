from __future__ import annotations

from pathlib import Path

import pytest

from support.fixture_types import Run
from ucseg_cli.gate.tracing import Request
from ucseg_cli.report.formats.marks import marked

MOST = 1024 * 1024
"""Bytes that GitHub takes for the summary of a step."""
LONG = ("params", "v2", "--depth", "9")
KNOWN = "known: table, json, csv, markdown, latex, html, comment"
ON_NO_JUDGEMENT = [
    *(
        "list",
        "show",
        "params",
        "flops",
        "memory",
        "probe",
        "reach",
        "compare",
        "explain",
        "config",
        "lock",
        "cache",
    )
]


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a job's step would have, empty as the runner makes it."""
    path = tmp_path / "summary.md"
    path.touch()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


def test_the_summary_is_the_answer_as_markdown_and_the_screen_stays(
    ucseg: Run, summary: Path
) -> None:
    answer, silent = ucseg("show", "--summary"), ucseg("show")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, silent.stdout, "")
    assert summary.read_text("utf-8") == f"{ucseg('show', '-f', 'markdown').stdout}\n"


def test_answers_are_appended_one_after_the_other(ucseg: Run, summary: Path) -> None:
    summary.write_text("# Another program\n\n", encoding="utf-8")
    ucseg("show", "v1", "--summary")
    ucseg("show", "v2", "--summary", "--exact")
    first, second = (
        ucseg("show", *of, "-f", "markdown").stdout for of in (("v1",), ("v2", "--exact"))
    )
    assert summary.read_text("utf-8") == f"# Another program\n\n{first}\n{second}\n"


def test_a_failed_gate_is_in_the_summary_too(ucseg: Run, summary: Path) -> None:
    assert ucseg("check", "--max", "params=1", "--summary").returncode == 1
    assert "✗ fail" in summary.read_text("utf-8")


@pytest.mark.parametrize("value", [None, ""])
def test_outside_a_job_it_is_an_error(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", value)
    answer = ucseg("check", "--max", "params=1M", "--summary")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.splitlines() == [
        "error: GITHUB_STEP_SUMMARY does not name a file",
        "  --> --summary",
        "   = help: GitHub sets it; elsewhere, use --export-markdown",
    ]


def test_a_summary_that_cannot_be_written_is_an_error(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "missing" / "summary.md"))
    answer = ucseg("show", "--summary")
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: cannot write the summary: No such file or directory\n")


def test_an_answer_that_just_fits_is_whole_and_one_byte_more_is_shortened(
    ucseg: Run, summary: Path
) -> None:
    whole = f"{ucseg(*LONG, '-f', 'markdown').stdout}\n".encode()

    def added_after(filled: int) -> bytes:
        summary.write_bytes(b"x" * filled)
        assert ucseg(*LONG, "--summary").returncode == 0
        return summary.read_bytes()[filled:]

    assert added_after(MOST - len(whole)) == whole
    shortened = added_after(MOST - len(whole) + 1)
    assert shortened.startswith(b"<!-- ucseg.params -->\n\n### params v2\n")
    assert b"too long for a comment" in shortened
    assert len(shortened) < len(whole)


def test_where_nothing_fits_nothing_is_written(ucseg: Run, summary: Path) -> None:
    summary.write_bytes(b"x" * (MOST - 1))
    assert ucseg(*LONG, "--summary").returncode == 0
    assert summary.stat().st_size == MOST - 1


def test_an_export_names_its_format_and_may_be_repeated(ucseg: Run, tmp_path: Path) -> None:
    names = (
        "junit=1.xml",
        "junit=2.xml",
        "sarif=a.sarif",
        "github=log",
        "comment=pr.md",
        "csv=a=b.csv",
        "json=a.json",
    )
    exports = [word for name in names for word in ("--export", name)]
    answer = ucseg("check", "--max", "params=1", *exports, "--export-json", "b.json")
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        f"wrote: {name}" for name in ("b.json", *(name.partition("=")[2] for name in names))
    ]
    for name in names:
        form, _, path = name.partition("=")
        asked = ucseg("check", "--max", "params=1", "-f", form)
        assert (tmp_path / path).read_text("utf-8") == marked(asked.stdout, form, "ucseg.check")


def test_an_export_to_stdout_is_the_screen(ucseg: Run) -> None:
    asked = ucseg("check", "--max", "params=1", "-f", "junit").stdout
    assert ucseg("check", "--max", "params=1", "--export", "junit=-").stdout == asked


@pytest.mark.parametrize(
    ("export", "complaint"),
    [
        ("junit", "'junit' is not an export"),
        ("junit=", "'junit=' is not an export"),
        ("=a.xml", "no format named ''"),
        ("junti=a.xml", "no format named 'junti'"),
        ("table=a.txt", "no format named 'table'"),
        ("junit=missing/a.xml", "cannot write missing/a.xml: No such file or directory"),
    ],
)
def test_an_export_that_cannot_be_written_is_refused_before_the_work(
    ucseg: Run, fake_engine: list[Request], export: str, complaint: str
) -> None:
    answer = ucseg("check", "--max", "params=1M", "--export", export)
    assert (answer.returncode, answer.stdout, fake_engine) == (2, "", [])
    assert answer.stderr.startswith(f"error: {complaint}\n")


def test_two_exports_to_one_file_are_refused(ucseg: Run, tmp_path: Path) -> None:
    answer = ucseg("check", "--max", "params=1M", "--export", "junit=a", "--export", "sarif=./a")
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"error: two exports write to {tmp_path / 'a'}\n")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("form", ["github", "junit", "sarif"])
@pytest.mark.parametrize("command", ON_NO_JUDGEMENT)
def test_formats_of_judgements_are_refused_where_nothing_is_judged(
    ucseg: Run, fake_engine: list[Request], command: str, form: str
) -> None:
    for options, known in (
        (("-f", form), KNOWN),
        (("--export", f"{form}=a"), KNOWN.replace("table, ", "")),
    ):
        answer = ucseg(command, *options)
        assert (answer.returncode, answer.stdout, fake_engine) == (2, "", [])
        assert answer.stderr.startswith(f"error: no format named '{form}'\n")
        assert f"   = {known}" in answer.stderr


def test_a_picture_is_refused_where_an_answer_has_none(
    ucseg: Run, fake_engine: list[Request]
) -> None:
    answer = ucseg("lint", "v2", "--export", "svg=a.svg")
    assert (answer.returncode, answer.stdout, fake_engine) == (2, "", [])
    assert answer.stderr.startswith("error: no format named 'svg'\n")
