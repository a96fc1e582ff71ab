from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.fixture_types import Run
from ucseg_cli.errors import ModelError
from ucseg_cli.gate import tracing

WAITING = """
import signal, sys, time
from ucseg_cli.gate import tracing
from ucseg_cli.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
def wait(*_, **__):
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(60)
tracing.trace_all = wait
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of our own, deep inside."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(tracing, "trace_all", fail)


@pytest.mark.usefixtures("broken")
def test_a_fault_of_ours_is_no_verdict_and_no_traceback(ucseg: Run) -> None:
    answer = ucseg("params")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: internal error: ZeroDivisionError: division by zero\n")
    assert "UCSEG_DEBUG=1 shows where" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.usefixtures("broken")
def test_a_fault_of_ours_comes_in_the_envelope_never_as_a_stack(ucseg: Run) -> None:
    answer = ucseg("params", "-f", "json")
    assert (
        json.loads(answer.stdout)["error"]["message"]
        == "internal error: ZeroDivisionError: division by zero"
    )
    assert "Traceback" not in answer.stdout + answer.stderr


@pytest.mark.usefixtures("broken")
def test_with_debugging_on_a_traceback_shows_where(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UCSEG_DEBUG", "1")
    answer = ucseg("params")
    assert answer.returncode == 2
    assert "Traceback (most recent call last)" in answer.stderr
    assert "error: internal error: ZeroDivisionError" in answer.stderr


def test_debugging_shows_the_stack_of_a_mistake_too(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UCSEG_DEBUG", "1")
    assert "Traceback" in ucseg("params", "v22").stderr


def test_a_model_that_cannot_run_is_no_verdict(ucseg: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise ModelError("the network cannot run", where="v2")

    monkeypatch.setattr(tracing, "trace_all", cannot)
    answer = ucseg("params", "-f", "json")
    assert answer.returncode == 2
    assert json.loads(answer.stdout)["error"]["kind"] == "model"


def test_an_interrupt_comes_in_the_envelope_too(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tracing, "trace_all", leave)
    answer = ucseg("params", "-f", "json")
    assert (answer.returncode, answer.stderr) == (130, "error: interrupted\n")
    envelope = json.loads(answer.stdout)
    assert envelope["kind"] == "ucseg.error"
    assert (envelope["error"]["message"], envelope["error"]["exit_status"]) == ("interrupted", 130)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RecursionError])
def test_every_way_out_has_its_status(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def leave(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(tracing, "trace_all", leave)
    answer = ucseg("params")
    assert answer.returncode == (130 if error is KeyboardInterrupt else 2)
    assert answer.stdout == ""
    assert answer.stderr.startswith("error: ")
    assert "Traceback" not in answer.stderr


@pytest.mark.skipif(os.name != "posix", reason="a signal that POSIX systems send for Ctrl-C")
def test_ctrl_c_ends_with_130_and_one_word(warm_cache: Path) -> None:
    source = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(source), "UCSEG_CACHE_DIR": str(warm_cache)}
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, "params"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (130, "", "error: interrupted\n")


def test_an_error_on_an_ascii_stream_is_spelled_in_ascii(ucseg_process: Run) -> None:
    answer = ucseg_process("probe", "--size", "0", environment={"PYTHONIOENCODING": "ascii"})
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: the size 0x0 is out of range\n")


def test_errors_are_coloured_only_where_colour_is_welcome(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in ucseg("params", "v22").stderr
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert re.match(r"\x1b\[1;31merror\x1b\[0m: no variant", ucseg("params", "v22").stderr)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in ucseg("params", "v22").stderr


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["list"], ["params", "v22"], ["check"]], ids=" ".join
)
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", ">/dev/full"])
def test_a_stream_that_takes_nothing_is_no_verdict_and_no_traceback(
    warm_cache: Path, words: list[str], closed: str
) -> None:
    command = f"{shlex.quote(sys.executable)} -m ucseg_cli {' '.join(words)} {closed}"
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "UCSEG_CACHE_DIR": str(warm_cache),
    }
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize(
    "words", [["--help"], ["params", "--help"], ["compare", "-h"], []], ids=" ".join
)
def test_the_help_is_shown_on_every_stream(
    ucseg_process: Run, encoding: str, words: list[str]
) -> None:
    answer = ucseg_process(*words, environment={"PYTHONIOENCODING": encoding})
    assert answer.returncode == (0 if words else 2)
    assert "Usage: ucseg" in answer.stdout + answer.stderr
