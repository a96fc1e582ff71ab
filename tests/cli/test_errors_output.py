from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from support.fixture_types import Run
from ucseg_cli.gate import tracing
from ucseg_cli.project.lock_file import NAME
from ucseg_cli.report.formats.render import FORMATS, JUDGED_FORMATS

EARLIER = "<!-- ucseg.params -->\n\n## params v2\n"
"""An answer as an earlier run wrote it."""
FULL = Path("/dev/full")
needs_a_full_device = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@pytest.mark.parametrize("name", ["json", "csv", "markdown", "html"])
def test_an_export_into_a_folder_that_is_not_there_is_an_error(
    ucseg: Run, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "nowhere" / "answer"
    answer = ucseg("params", f"--export-{name}", str(path))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"error: cannot write {path}: No such file or directory" in answer.stderr
    assert "= help: name a file in a folder that exists" in answer.stderr


def test_an_export_onto_a_folder_is_an_error(ucseg: Run, tmp_path: Path) -> None:
    answer = ucseg("params", "--export-json", str(tmp_path))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "Is a directory" in answer.stderr


def test_an_export_below_a_file_is_an_error(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    answer = ucseg("params", "--export-json", str(tmp_path / "file" / "answer.json"))
    assert answer.returncode == 2
    assert "Not a directory" in answer.stderr


def test_an_export_that_cannot_be_written_is_refused_before_anything_is_measured(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "trace_all", lambda *_, **__: pytest.fail("it was measured"))
    assert ucseg("params", "--export-json", str(tmp_path / "nowhere" / "answer")).returncode == 2


def test_two_exports_to_one_file_are_an_error_and_the_file_stays_as_it_was(
    ucseg: Run, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "answer")
    (tmp_path / "answer").write_text(EARLIER, encoding="utf-8")
    answer = ucseg(
        "params", "--export-csv", str(tmp_path / "answer"), "--export-json", str(tmp_path / "link")
    )
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"two exports write to {tmp_path / 'answer'}" in answer.stderr
    assert (tmp_path / "answer").read_text("utf-8") == EARLIER


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="this system has no /dev/stdout")
def test_an_export_to_stdout_by_its_path_is_added_to_a_log(
    warm_cache: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_text("before\n", encoding="utf-8")
    with log.open("a", encoding="utf-8") as stream:
        answer = _with_stdout(stream.fileno(), warm_cache, "params", "--export-json", "/dev/stdout")
    before, _, said = log.read_text("utf-8").partition("\n")
    assert (answer.returncode, answer.stderr, before) == (0, "", "before")
    assert json.loads(said)["kind"] == "ucseg.params"


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EACCES])
def test_a_file_that_cannot_be_replaced_is_written_in_place(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:  # as for a file that is itself mounted
        raise OSError(code, os.strerror(code))

    path = tmp_path / "answer.json"
    path.write_text(EARLIER, encoding="utf-8")
    monkeypatch.setattr("ucseg_cli.terminal.export_files.replace_file", refuse)
    assert ucseg("params", "--export-json", str(path)).returncode == 0
    assert json.loads(path.read_text("utf-8"))["kind"] == "ucseg.params"


def test_two_exports_to_stdout_are_an_error(ucseg: Run) -> None:
    answer = ucseg("params", "--export-csv", "-", "--export-markdown", "-")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "two exports write to stdout" in answer.stderr


@needs_a_full_device
def test_an_export_to_a_full_disk_is_an_error(ucseg: Run) -> None:
    answer = ucseg("params", "--export-json", str(FULL))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "No space left on device" in answer.stderr


def test_a_file_that_was_there_survives_a_full_disk(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "answer.json"
    path.write_text(EARLIER, encoding="utf-8")

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", no_space)
    assert ucseg("params", "--no-cache", "--export-json", str(path)).returncode == 2
    assert path.read_text("utf-8") == EARLIER
    assert [path.name for path in tmp_path.iterdir()] == ["answer.json"]


def test_an_export_over_a_link_keeps_the_link(ucseg: Run, tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    link.symlink_to(target)
    assert ucseg("params", "--export-json", str(link)).returncode == 0
    assert link.is_symlink()
    assert json.loads(target.read_text("utf-8"))["kind"] == "ucseg.params"


def _with_stdout(stdout: int, warm_cache: Path, *arguments: str) -> CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ucseg_cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(_SOURCE), "UCSEG_CACHE_DIR": str(warm_cache)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


_SOURCE = Path(__file__).parents[2]


@needs_a_full_device
@pytest.mark.parametrize(
    "arguments",
    [["params"], ["params", "-f", "json"], ["--help"], ["--version"], ["completion", "zsh"]],
)
def test_a_full_disk_under_stdout_is_no_verdict(warm_cache: Path, arguments: list[str]) -> None:
    with FULL.open("w", encoding="utf-8") as full:
        answer = _with_stdout(full.fileno(), warm_cache, *arguments)
    assert answer.returncode == 2
    assert (
        answer.stderr
        == "error: No space left on device; nothing more could be written\n  --> stdout\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["params"],
        ["check", "--max", "params=1"],
        ["compare", "v1", "v2", "-f", "json"],
        ["--help"],
        ["nonsense", "-f", "json"],
    ],
    ids=" ".join,
)
def test_a_reader_that_is_gone_is_141_and_nothing_is_said(
    warm_cache: Path, arguments: list[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    answer = _with_stdout(writer, warm_cache, *arguments)
    os.close(writer)
    if arguments[0] == "nonsense":  # the mistake is reported all the same
        assert answer.returncode == 2
        assert answer.stderr.startswith("error: no such command 'nonsense'")
    else:
        assert (answer.returncode, answer.stderr) == (141, "")


@needs_a_full_device
@pytest.mark.parametrize(
    ("cache", "model", "status"), [("warm", "v2", 0), ("/dev/null/x", "v2", 0), ("warm", "v22", 2)]
)
def test_a_full_disk_under_stderr_costs_neither_the_answer_nor_its_status(
    warm_cache: Path, cache: str, model: str, status: int
) -> None:
    with FULL.open("w", encoding="utf-8") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "ucseg_cli", "params", model],
            env={
                **os.environ,
                "PYTHONPATH": str(_SOURCE),
                "UCSEG_CACHE_DIR": str(warm_cache) if cache == "warm" else cache,
            },
            stdout=subprocess.PIPE,
            stderr=full,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    assert answer.returncode == status
    assert ("645,245 parameters" in answer.stdout) == (status == 0)


@pytest.mark.skipif(os.name != "posix", reason="it takes a POSIX shell to close a stream")
@pytest.mark.parametrize(
    ("closed", "arguments", "status"),
    [
        (">&-", "params", 2),
        ("2>&-", "params", 0),
        ("2>&-", "params v22", 2),
        (">&- 2>&-", "params", 2),
        ("<&-", "params", 0),
    ],
)
def test_a_closed_stream_never_makes_a_mistake_look_like_success(
    warm_cache: Path, closed: str, arguments: str, status: int
) -> None:
    answer = subprocess.run(
        ["sh", "-c", f'"$0" -m ucseg_cli {arguments} {closed}', sys.executable],
        env={**os.environ, "PYTHONPATH": str(_SOURCE), "UCSEG_CACHE_DIR": str(warm_cache)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert answer.returncode == status
    assert "Traceback" not in answer.stderr


LOST = {
    "weights.safetensors": b"\x10\0\0\0\0\0\0\0{}",
    "weights.pt": b"PK\x03\x04",
    "WEIGHTS.PTH": b"any",
    "net.py": b"import torch\n",
    "nb.ipynb": b"{}",
    "pyproject.toml": b"[project]\n",
    NAME: b'{"kind": "ucseg.lock"}',
    "other.lock.json": b"{}",
    "package.json": b'{"name": "x"}',
    "list.json": b"[1]",
    "picture.csv": b"\x89PNG\r\n\x1a\n\0\0",
    "README.md": b"# A project\n\nParameters are counted with ucseg.\n",
    "pasted.md": b"# A project\n\n<!-- ucseg.params -->\n\n## params v2\n",
    "data.csv": b"name,params\nv2,645245\n",
    "show.csv": b"metric,value\nparams,645245\n",
    "index.html": b"<!doctype html>\n<html lang='en'><title>ucseg</title>",
    "report.xml": b"<?xml version='1.0'?>\n<testsuites>\n<testsuite name='pytest'/></testsuites>",
    "other.sarif": b'{"$schema": "s", "runs": [{"tool": {"driver": {"name": "ruff"}}}]}',
    "notes.txt": b"ucseg.params\n",
    "run.log": b"0 of 1 limits exceeded.\n",
}
"""Files that are not answers of ucseg."""


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("form", ["json", "csv", "html"])
def test_an_export_never_replaces_what_is_not_an_answer(
    ucseg: Run, tmp_path: Path, name: str, form: str
) -> None:
    (tmp_path / name).write_bytes(LOST[name])
    for export in (["--export", f"{form}={name}"], [f"--export-{form}", name]):
        answer = ucseg("params", "v2", *export)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert f"{name} is there and is not an answer of ucseg" in answer.stderr
        assert "replace this one with --force" in answer.stderr
    assert (tmp_path / name).read_bytes() == LOST[name]


def test_a_mistake_is_not_written_over_it_either(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"PK\x03\x04")
    (tmp_path / "ucseg.toml").write_text("frobnicate = 1\n")
    assert ucseg("check", "--export", "junit=weights.pt").returncode == 2
    assert (tmp_path / "weights.pt").read_bytes() == b"PK\x03\x04"


@pytest.mark.parametrize("form", FORMATS[1:] + JUDGED_FORMATS)
def test_an_answer_replaces_an_earlier_one_of_any_format(
    ucseg: Run, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "answer"
    for _ in range(2):
        answer = ucseg("check", "v2", "--max", "params=1M", "--export", f"{form}={path}")
        assert (answer.returncode, path.stat().st_size > 0) == (0, True)


@pytest.mark.parametrize("name", LOST)
def test_force_replaces_what_is_not_an_answer(ucseg: Run, tmp_path: Path, name: str) -> None:
    for export in (["--export", f"csv={name}"], ["--export-csv", name]):
        for words in (["--force", *export], [*export, "--force"]):
            (tmp_path / name).write_bytes(LOST[name])
            assert ucseg("params", "v2", *words).returncode == 0
            assert (tmp_path / name).read_text("utf-8").startswith("path,type,params,")


@pytest.mark.parametrize("there", FORMATS[1:] + JUDGED_FORMATS)
@pytest.mark.parametrize("form", ["json", "markdown", "junit"])
def test_an_answer_of_any_format_but_csv_is_known_by_its_mark(
    ucseg: Run, there: str, form: str
) -> None:
    assert ucseg("check", "--max", "params=1M", "--export", f"{there}=a").returncode == 0
    status = ucseg("lint", "v2", "--fail-on", "never", "--export", f"{form}=a").returncode
    assert (status == 0) == (there != "csv")


def test_a_csv_is_replaced_by_one_with_its_columns_alone(ucseg: Run, tmp_path: Path) -> None:
    for ending in ("\n", "\r\n"):
        for command in ("show", "params"):
            (tmp_path / "a.csv").unlink(missing_ok=True)
            assert ucseg("params", "v2", "--export-csv", "a.csv").returncode == 0
            text = (tmp_path / "a.csv").read_text("utf-8").replace("\n", ending)
            (tmp_path / "a.csv").write_bytes(text.encode())
            answer = ucseg(command, "v3", "--export-csv", "a.csv")
            assert (answer.returncode == 0) == (command == "params")
            assert ("not an answer of ucseg with these columns" in answer.stderr) == (
                command == "show"
            )


def test_a_csv_that_cannot_be_ours_is_refused_before_anything_is_measured(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "trace_all", lambda *_, **__: pytest.fail("it was measured"))
    (tmp_path / "a.csv").write_text("a;b\n1;2\n")
    assert ucseg("params", "v2", "--export-csv", "a.csv").returncode == 2


def test_an_answer_is_known_when_another_tool_has_laid_it_out(ucseg: Run, tmp_path: Path) -> None:
    assert ucseg("params", "v2", "--export-json", "a.json").returncode == 0
    laid_out = json.dumps(json.loads((tmp_path / "a.json").read_text("utf-8")))
    (tmp_path / "a.json").write_text(laid_out, encoding="utf-8")
    assert ucseg("params", "v2", "--export-json", "a.json").returncode == 0


def test_an_empty_file_holds_nothing_to_lose(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").touch()
    assert ucseg("params", "v2", "--export-json", "net.py").returncode == 0
    assert (tmp_path / "net.py").stat().st_size > 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.sh", "#!/bin/sh"),
        ("action.yml", "name: x"),
        ("package.json", '{"dependencies": {"ucseg": "1"}}'),
        ("Makefile", "all:"),
        ("run", "#!/bin/sh"),
        ("k.cpp", "int main() {}"),
        ("uv.lock", "version = 1"),
    ],
)
def test_what_is_not_an_answer_is_not_replaced_by_one(
    ucseg: Run, tmp_path: Path, name: str, text: str
) -> None:
    (path := tmp_path / name).write_text(text)
    for form in ("json", "markdown", "csv"):
        assert ucseg("params", "v2", f"--export-{form}", str(path)).returncode == 2
    assert path.read_text() == text
