from __future__ import annotations

import csv
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fixture_types import Run
from support.screens import unwrapped, verdict
from ucseg_cli.project import marked_file
from ucseg_cli.system.plain_file import read_plain_file

Write = Callable[..., Path]

V1, V2, V3 = 475_077, 645_245, 651_661
"""Their parameters."""
V2_FVCORE = 141_328_192
V2_FVCORE_512 = 737_104_000
V2_PEAK = 18_232_704
FORMS = ("table", "json", "csv", "markdown", "html", "comment", "github", "junit", "sarif")


def marked(said: str, figure: str) -> str:
    return f"<!-- ucseg: {said} -->{figure}<!-- /ucseg -->"


@pytest.fixture
def document(tmp_path: Path) -> Write:
    """Write a document; bytes as they are."""

    def write(text: str | bytes, name: str = "README.md") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def checks(ucseg: Run, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ucseg("check", *arguments, "-f", "json").stdout)[
        "checks"
    ]
    return found


@pytest.mark.parametrize(
    ("said", "right", "wrong"),
    [
        ("v2 params", "645,245", "645,244"),
        ("v2 parameters", "645245", "645246"),
        ("v2 params", "645k", "646k"),
        ("v2 params", "0.65M", "0.64M"),
        ("v2+rates=6 params", "622,397", "645,245"),
        ("v2 fvcore", "141,328,192", "141,328,193"),
        ("v2 fvcore@512", "737M", "141M"),
        ("v2 fvcore@512x512", "0.74 G", "0.73 G"),
        ("v2 peak-activations", "18.2 MB", "18.3 MB"),
        ("v2 PEAK_MEMORY", "17.39 MiB", "17.38 MiB"),
        ("v2 peak", "18,232,704 B", "18,232,705 B"),
        ("v2 frozen", "0", ""),
    ],
)
def test_a_figure_is_right_if_the_model_s_rounds_to_it(
    ucseg: Run, document: Write, said: str, right: str, wrong: str
) -> None:
    document(f"It has {marked(said, right)}.")
    assert ucseg("check", "--docs", "README.md").returncode == 0
    document(f"It has {marked(said, wrong)}.")
    assert ucseg("check", "--docs", "README.md").returncode == 1


def test_a_wrong_figure_is_shown_with_its_line_the_right_one_and_what_to_type(
    ucseg: Run, document: Write
) -> None:
    document(f"# Card\n\nIt has {marked('v2 params', '640k')} and {marked('v1 params', '')}.\n")
    answer = ucseg("check", "--docs", "README.md")
    assert answer.returncode == 1
    assert (
        "README.md:3: 640k is written, and v2 has 645,245 parameters: write 645k, or "
        "`ucseg check --docs README.md --fix`. README.md:3: no figure is written yet, and v1 has "
        "475,077 parameters: write 475,077, or `ucseg check --docs README.md --fix`."
    ) in unwrapped(answer.stdout)
    assert verdict(answer.stdout) == "2 of 2 figures are wrong, in README.md."


def test_right_figures_are_counted_with_their_files(ucseg: Run, document: Write) -> None:
    document(marked("v2 params", "645k"))
    document(marked("v1 params", "475k") + marked("v3 params", "652k"), "docs/a.md")
    answer = ucseg("check", "--docs", "README.md", "docs/a.md")
    assert answer.returncode == 0
    assert verdict(answer.stdout) == "3 figures in README.md, docs/a.md are right."


def test_json_has_each_figure_as_a_check(ucseg: Run, document: Write) -> None:
    document(f"\n{marked('v2 params', '645k')}, {marked('v2 fvcore@512', '1M')}")
    params, fvcore = checks(ucseg, "--docs", "README.md")
    assert params == {
        "id": "README.md: v2 params",
        "variant": "v2",
        "module": None,
        "size": None,
        "metric": "params",
        "dtype": None,
        "value": V2,
        "written": "645k",
        "replaced": None,
        "max": None,
        "warn": None,
        "limit": None,
        "baseline": None,
        "margin": None,
        "status": "pass",
        "message": None,
        "new_since": None,
        "failure": None,
        "file": "README.md",
        "line": 2,
    }
    assert (fvcore["id"], fvcore["size"]) == ("README.md: v2 fvcore@512", "512")
    assert (fvcore["value"], fvcore["status"]) == (V2_FVCORE_512, "fail")


def test_figures_that_say_the_same_have_ids_of_their_own(ucseg: Run, document: Write) -> None:
    document(marked("v2 params", "645k") + marked("v2  params", "1k"))
    document(marked("v2 params", "645k"), "b.md")
    found = checks(ucseg, "--docs", "README.md", "b.md")
    assert [(check["id"], check["status"]) for check in found] == [
        ("README.md: v2 params", "pass"),
        ("README.md: v2 params #2", "fail"),
        ("b.md: v2 params", "pass"),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_the_status_never_depends_on_the_format(ucseg: Run, document: Write, form: str) -> None:
    document(marked("v2 params", "645k"))
    assert ucseg("check", "--docs", "README.md", "-f", form).returncode == 0
    document(marked("v2 params", "646k"))
    assert ucseg("check", "--docs", "README.md", "-f", form).returncode == 1
    assert ucseg("check", "--docs", "README.md", "-f", form, "--exit-zero").returncode == 0


def test_every_format_for_ci_has_the_line_and_the_same_sentence(
    ucseg: Run, document: Write
) -> None:
    document(f"\n\n{marked('v2 params', '646k')}{marked('v1 params', '475k')}")
    said = "646k is written, and v2 has 645,245 parameters: write 645k"
    github = ucseg("check", "--docs", "README.md", "-f", "github").stdout.splitlines()
    assert github[0].startswith("::error file=README.md,line=3,")
    assert said in github[0]
    assert len(github) == 2
    junit = ET.fromstring(ucseg("check", "--docs", "README.md", "-f", "junit").stdout)
    (failure,) = junit.iter("failure")
    assert said in failure.attrib["message"]
    assert str(failure.text).endswith("\nREADME.md:3")
    assert len(list(junit.iter("testcase"))) == 2
    sarif = json.loads(ucseg("check", "--docs", "README.md", "-f", "sarif").stdout)
    (result,) = sarif["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "README.md"
    assert place["region"] == {"startLine": 3}
    assert said in result["message"]["text"]
    rows = list(
        csv.DictReader(ucseg("check", "--docs", "README.md", "-f", "csv").stdout.splitlines())
    )
    assert [(row["status"], row["written"], row["value"]) for row in rows] == [
        ("fail", "646k", str(V2)),
        ("pass", "475k", str(V1)),
    ]


# Beside budgets, limits and the lock


CONFIGURATION = """[tool.ucseg]
size = 512
[[tool.ucseg.budgets]]
id = "small"
metric = "params"
max = 1
"""


def test_docs_alone_check_nothing_else(ucseg: Run, document: Write) -> None:
    document(CONFIGURATION, "pyproject.toml")
    document(marked("v2 params", "645k"))
    assert ucseg("check", "--docs", "README.md").returncode == 0


@pytest.mark.parametrize("more", [("v2",), ("--max", "fvcore=1G"), ("--variant", "v2")])
def test_models_and_limits_are_checked_beside_documents(
    ucseg: Run, document: Write, more: tuple[str, ...]
) -> None:
    document(CONFIGURATION, "pyproject.toml")
    document(marked("v2 params", "645k"))
    answer = ucseg("check", *more, "--docs", "README.md")
    assert answer.returncode == 1
    assert "Limits" in answer.stdout
    assert "1 figure in README.md is right." in unwrapped(answer.stdout)


def test_the_lock_is_checked_beside_documents(ucseg: Run, document: Write) -> None:
    document(marked("v2 params", "645k"))
    assert ucseg("lock", "v2").returncode == 0
    answer = ucseg("check", "--locked", "--docs", "README.md")
    assert answer.returncode == 0
    assert verdict(answer.stdout) == (
        "1 model as locked in ucseg.lock.json. 1 figure in README.md is right."
    )
    document(marked("v2 params", "646k"))
    assert ucseg("check", "--locked", "--docs", "README.md").returncode == 1


def test_a_figure_without_a_size_has_the_configured_one_whatever_is_typed(
    ucseg: Run, document: Write
) -> None:
    document(marked("v2 fvcore", f"{V2_FVCORE}"))
    assert ucseg("check", "--docs", "README.md").returncode == 0
    document("[tool.ucseg]\nsize = [512, 224]\n", "pyproject.toml")
    document(marked("v2 fvcore", f"{V2_FVCORE_512}"))
    assert ucseg("check", "--docs", "README.md").returncode == 0
    limit = ("--max", "params=1M", "--size", "224")
    assert ucseg("check", *limit, "--docs", "README.md").returncode == 0


@pytest.mark.parametrize(
    "given",
    [("--size", "512"), ("--input", "1x3x8x8"), ("--batch", "2"), ("--deploy",)],
)
def test_conditions_that_change_no_figure_are_refused(
    ucseg: Run, document: Write, given: tuple[str, ...]
) -> None:
    document(marked("v2 params", "645k"))
    answer = ucseg("check", "--docs", "README.md", *given)
    assert answer.returncode == 2
    assert f"--> --docs {' '.join(given)}" in answer.stderr


def test_an_alias_of_the_project_is_a_reference(ucseg: Run, document: Write) -> None:
    document('[tool.ucseg.variants.mine]\nfrom = "v2"\n', "pyproject.toml")
    document(marked("mine params", "645k"))
    assert ucseg("check", "--docs", "README.md").returncode == 0


# Which files


def test_words_up_to_the_next_option_are_documents(ucseg: Run, document: Write) -> None:
    for name in ("README.md", "a.md", "b.md"):
        document(marked("v2 params", "645k"), name)
    files = [check["file"] for check in checks(ucseg, "--docs", "README.md", "a.md", "b.md")]
    assert files == ["README.md", "a.md", "b.md"]
    twice = checks(ucseg, "--docs", "a.md", "--exact", "--docs", "b.md", "./a.md")
    assert [check["file"] for check in twice] == ["a.md", "b.md"]
    answer = ucseg("check", "--docs=a.md", "v2", "--max", "params=1")
    assert answer.returncode == 1
    assert "Limits" in answer.stdout


def test_a_pattern_is_every_file_that_it_fits(ucseg: Run, document: Write) -> None:
    for name in ("docs/b.md", "docs/a.md", "docs/deep/c.md", "docs/d.txt"):
        document(marked("v2 params", "645k"), name)
    document("No figure here.", "docs/none.md")
    (Path("docs") / "folder.md").mkdir()
    found = checks(ucseg, "--docs", "docs/*.md")
    assert [check["file"] for check in found] == ["docs/a.md", "docs/b.md"]
    found = checks(ucseg, "--docs", "docs/**/*.md", "docs/b.md")
    assert [check["file"] for check in found] == ["docs/a.md", "docs/b.md", "docs/deep/c.md"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(ucseg: Run, document: Write) -> None:
    document(marked("v2 params", "645k"), "a[1].md")
    assert ucseg("check", "--docs", "a[1].md").returncode == 0


def test_a_check_of_nothing_is_an_error(ucseg: Run, document: Write) -> None:
    document("nothing", "README.md")
    document("nothing", "docs/a.md")
    document("```\n" + marked("v2 params", "1") + "\n```\n", "example.md")
    answer = ucseg(
        "check", "--docs", "README.md", "docs/*.md", "x*.md", "none.md", "docs", "example.md"
    )
    assert (answer.returncode, answer.stdout) == (2, "")
    places = [line.strip() for line in answer.stderr.splitlines() if "-->" in line[:6]]
    assert places == [
        "--> README.md:1",
        "--> --docs docs/*.md",
        "--> --docs x*.md",
        "--> none.md",
        "--> docs",
        "--> example.md:1",
    ]
    for words in ("it has no marker", "no file that fits 'docs/*.md' has", "no file fits 'x*.md'"):
        assert words in answer.stderr


def test_every_mistake_of_every_file_is_reported_and_nothing_is_written(
    ucseg: Run, document: Write
) -> None:
    lines = (
        marked("v22 params", "1"),
        marked("v2 parms", "1"),
        marked("v2 flops", "1"),
        marked("v2 fvcore@big", "1"),
        marked("v2 fvcore@1x16:int6", "1"),
        marked("v2+backbone=99 params", "1"),
        marked("v2", "1"),
        marked("", "1"),
        marked("v2 params", "645 kB"),
        marked("v2 params", "about 5"),
        marked("v2 params", "645,24"),
        "<!-- ucseg v2 params -->1<!-- /ucseg -->",
        marked("v2 params", "1"),
        "<!-- ucseg: v2 params -->1",
    )
    wrong = document("\n".join(lines), "a.md")
    other = document(f"\r\n{marked('v2 params', '1')}\r\n1<!-- /ucseg -->", "b.md")
    before = wrong.read_bytes(), other.read_bytes()
    answer = ucseg("check", "--docs", "a.md", "b.md", "--fix")
    assert (answer.returncode, answer.stdout) == (2, "")
    places = [line.strip() for line in answer.stderr.splitlines() if "-->" in line[:6]]
    numbers = [number for number in range(1, 15) if number != 13]
    assert places == [*(f"--> a.md:{number}" for number in numbers), "--> b.md:3"]
    assert "did you mean 'params'?" in answer.stderr
    assert (wrong.read_bytes(), other.read_bytes()) == before


# Where a document lies, and which models it may name


@pytest.mark.parametrize(
    "reference",
    ["os:system+command=ls", "../net.py:Net", "out.py:Net", "../weights.pt", "/etc/net.py:Net"],
)
def test_a_document_names_only_what_stands_beneath_the_project(
    ucseg: Run, document: Write, tmp_path: Path, reference: str
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    document("", "net.py")
    document("", "inside/ucseg.toml")
    (inside / "out.py").symlink_to(tmp_path / "net.py")
    document(marked(f"{reference} params", "1"), "inside/README.md")
    os.chdir(inside)
    answer = ucseg("check", "--docs", "README.md")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "--> README.md:1" in answer.stderr
    assert "beneath" in answer.stderr


@pytest.mark.parametrize("name", ["link.md", "folder/README.md", "../README.md", "link*.md"])
def test_no_document_outside_the_project_is_read_or_written(
    ucseg: Run, document: Write, tmp_path: Path, name: str
) -> None:
    outside = document(marked("v2 params", "1"))
    inside = tmp_path / "inside"
    inside.mkdir()
    document("", "inside/ucseg.toml")
    (inside / "link.md").symlink_to(outside)
    (inside / "folder").symlink_to(tmp_path)
    os.chdir(inside)
    answer = ucseg("check", "--docs", name, "--fix")
    assert answer.returncode == 2
    assert f"it is not beneath {inside}" in answer.stderr
    assert outside.read_text() == marked("v2 params", "1")


def test_a_link_within_the_project_stays_one_and_its_file_is_checked_once(
    ucseg: Run, document: Write
) -> None:
    path = document(marked("v2 params", "1"), "docs/real.md")
    link = Path("README.md")
    link.symlink_to("docs/real.md")
    answer = ucseg("check", "--docs", "README.md", "docs/real.md", "--fix")
    assert verdict(answer.stdout).startswith("1 figure in docs/real.md is right.")
    assert link.is_symlink()
    assert path.read_text() == marked("v2 params", "645,245")


def test_a_link_to_itself_and_a_pipe_are_errors(ucseg: Run) -> None:
    Path("loop.md").symlink_to("loop.md")
    os.mkfifo("pipe.md")
    for name in ("loop.md", "pipe.md"):
        answer = ucseg("check", "--docs", name)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert "cannot read it: " in answer.stderr
        assert f"--> {name}" in answer.stderr


def test_a_document_of_another_user_is_refused(
    ucseg: Run, document: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    document(marked("v2 params", "645k"))
    monkeypatch.setattr("ucseg_cli.project.config_file.is_ours", lambda _: False)
    answer = ucseg("check", "--docs", "README.md")
    assert answer.returncode == 2
    assert "another user owns it" in answer.stderr


# Fixing


def test_fix_writes_the_right_figures_and_says_which(ucseg: Run, document: Write) -> None:
    path = document(f"It has {marked('v2 params', '640k')}, v1 {marked('v1 params', '475k')}.")
    right = document(marked("v2 params", "645k"), "right.md")
    before = right.stat()
    answer = ucseg("check", "--docs", "README.md", "right.md", "--fix")
    assert (answer.returncode, answer.stderr) == (0, "wrote: README.md\n")
    assert "README.md:1: 640k is now 645k." in answer.stdout
    assert verdict(answer.stdout) == (
        "3 figures in README.md, right.md are right. 1 figure fixed, in README.md."
    )
    assert (
        path.read_text()
        == f"It has {marked('v2 params', '645k')}, v1 {marked('v1 params', '475k')}."
    )
    assert (right.stat().st_ino, right.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    again = ucseg("check", "--docs", "README.md", "right.md", "--fix")
    assert (again.returncode, again.stderr) == (0, "")
    assert "fixed" not in again.stdout


def test_json_has_what_a_fix_replaced(ucseg: Run, document: Write) -> None:
    document(marked("v2 params", "640k") + marked("v1 params", "475k"))
    found = checks(ucseg, "--docs", "README.md", "--fix")
    assert [(check["written"], check["replaced"], check["status"]) for check in found] == [
        ("645k", "640k", "pass"),
        ("475k", None, "pass"),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "18,232,704 B"),
        ("0.00 MiB", "17.39 MiB"),
        ("1 MB", "18 MB"),
        ("1.0&nbsp;MB", "18.2&nbsp;MB"),
        ("**1.0 MB**", "**18.2 MB**"),
        ("\n`1_000`\n", "\n`18_232_704`\n"),
        ("1000", "18232704"),
        (" ", " 18,232,704 B"),
    ],
)
def test_a_fix_keeps_the_notation(ucseg: Run, document: Write, before: str, after: str) -> None:
    path = document(marked("v2 peak-memory", before))
    assert ucseg("check", "--docs", "README.md", "--fix").returncode == 0
    assert path.read_bytes().decode() == marked("v2 peak-memory", after)


AROUND = st.binary(max_size=12).filter(lambda data: not set(data) & set(b"`~<\\"))
"""Any bytes but those of code, comments and escapes."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(AROUND, AROUND, st.sampled_from([b"", b"\xef\xbb\xbf"]), st.sampled_from([b"\n", b"\r\n"]))
def test_every_byte_around_the_figures_stays(
    ucseg: Run, document: Write, before: bytes, after: bytes, mark: bytes, line_end: bytes
) -> None:
    text = (
        mark + before + line_end + b"<!-- ucseg: v2%sparams -->%b<!-- /ucseg -->" + line_end + after
    )
    text = text.replace(b"%s", line_end)
    path = document(text.replace(b"%b", b"1"))
    assert ucseg("check", "--docs", "README.md", "--fix").returncode == 0
    assert path.read_bytes() == text.replace(b"%b", b"645,245")


def test_a_fixed_file_keeps_its_mode_and_leaves_nothing_beside_it(
    ucseg: Run, document: Write, tmp_path: Path
) -> None:
    path = document(marked("v2 params", "1"), "docs/a.md")
    path.chmod(0o640)
    assert ucseg("check", "--docs", "docs/a.md", "--fix").returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [file.name for file in (tmp_path / "docs").iterdir()] == ["a.md"]


def test_a_file_that_changed_meanwhile_is_left_as_it_is(
    ucseg: Run, document: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = document(marked("v2 params", "1"))

    def read_then_edit(file: Path, **options: bool) -> bytes:
        data = read_plain_file(file, **options)
        path.write_text("edited\n" + marked("v2 params", "1"))
        return data

    monkeypatch.setattr(marked_file, read_plain_file.__name__, read_then_edit)
    answer = ucseg("check", "--docs", "README.md", "--fix")
    assert answer.returncode == 2
    assert "another process has changed it meanwhile" in answer.stderr
    assert path.read_text() == "edited\n" + marked("v2 params", "1")


def test_a_file_that_cannot_be_written_is_an_error(
    ucseg: Run, document: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = document(marked("v2 params", "1"))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(marked_file, "replace_file", refuse)
    answer = ucseg("check", "--docs", "README.md", "--fix")
    assert answer.returncode == 2
    assert "cannot write it: Permission denied" in answer.stderr
    assert "--> README.md" in answer.stderr
    assert path.read_text() == marked("v2 params", "1")


def test_fix_without_documents_is_refused(ucseg: Run) -> None:
    answer = ucseg("check", "--max", "params=1M", "--fix")
    assert answer.returncode == 2
    assert "--docs README.md --fix" in answer.stderr


@pytest.mark.parametrize("fix", [(), ("--fix",)])
def test_a_cached_check_imports_no_torch(
    python: Run, document: Write, fix: tuple[str, ...]
) -> None:
    document(marked("v2 fvcore@512", "1M") + marked("v1 params", "1k"))
    code = (
        "import sys; from ucseg_cli.cli.main import main; "
        f"status = main(['check', '--docs', 'README.md', *{list(fix)}]); "
        "print(status, 'torch' in sys.modules)"
    )
    answer = python("-P", "-c", code)
    assert answer.stdout.splitlines()[-1] == f"{0 if fix else 1} False"
