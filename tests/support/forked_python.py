"""Processes of Python as forks of this one, which has imported torch: an import takes seconds.

A fork leads the same life as a process of its own: it may be ended, leave others behind, or change
anything. Only how it begins is not the same, so some tests start real ones.
"""

from __future__ import annotations

import faulthandler
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import IO, NoReturn, Self

import pytest

from support.fixture_types import Run
from ucseg_cli.gate import child_process, timing_processes

PAUSE = 0.01
AT_START = ("ucseg_cli.engine.user_code.releases", "ucseg_cli.engine.user_code.watch_files")
"""Modules that take those before them for the interpreter's own: a fork imports them anew."""


class ForkedPython:
    """``subprocess.Popen`` for ``python [-P] (-c|-m) ...``, as far as tests and the gate use it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        start_new_session: bool = False,
    ) -> None:
        assert command[0] == sys.executable
        assert stdin in {None, subprocess.DEVNULL, subprocess.PIPE}
        self.command = command
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None
        into, out, ends = (
            os.pipe() if stream == subprocess.PIPE else None for stream in (stdin, stdout, stderr)
        )
        streams = {
            0: None if into is None else into[0],
            1: stdout if out is None else out[1],
            2: stderr if ends is None else ends[1],
        }
        environment = dict(os.environ if env is None else env)
        path = _path_of_a_process(environment.get("PYTHONPATH"))
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # xdist has a thread, which waits
            self.pid = os.fork()
        if not self.pid:
            _be_python(command, cwd, environment, path, streams, session=start_new_session)
        if into is not None:
            os.close(into[0])
            self.stdin = os.fdopen(into[1], "wb")
        if out is not None:
            os.close(out[1])
            self.stdout = os.fdopen(out[0], "rb")
        if ends is not None:
            os.close(ends[1])
            self.stderr = os.fdopen(ends[0], "rb", 0)

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        if self.returncode is None:
            try:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                ended, status = self.pid, 0
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status; raises subprocess.TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(list(self.command), timeout or 0)
            time.sleep(PAUSE)
        return status

    def communicate(self, timeout: float | None = None) -> tuple[None, bytes]:
        """All that it writes to stderr, once it has ended; raises subprocess.TimeoutExpired."""
        assert self.stderr is not None
        deadline = None if timeout is None else time.monotonic() + timeout
        written = b""
        with self.stderr:
            while part := self._next_part(self.stderr, deadline):
                written += part
        self.wait(timeout)
        return None, written

    def _next_part(self, stream: IO[bytes], deadline: float | None) -> bytes:
        """All that can be read, nothing at the end; raises subprocess.TimeoutExpired."""
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([stream], [], [], left)[0]:
            raise subprocess.TimeoutExpired(list(self.command), left or 0)
        return stream.read(1 << 16)

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.stderr is not None:
            self.stderr.close()
        self.wait()


@pytest.fixture
def forked_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate's children are forks."""
    fork_children(monkeypatch)


def fork_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gate's children be forks."""
    from ucseg_cli.engine import counters, trace_model  # noqa: F401 - once, for all of them

    replaced = SimpleNamespace(**{**vars(subprocess), "Popen": ForkedPython})
    monkeypatch.setattr(child_process, "subprocess", replaced)
    monkeypatch.setattr(timing_processes, "subprocess", replaced)


@pytest.fixture
def ucseg_fork(forked_children: None, tmp_path: Path) -> Run:
    """``ucseg(*arguments)`` in a fork, where nothing is faked; its children are forks, too."""
    assert forked_children is None
    written = (tmp_path / "written.stdout", tmp_path / "written.stderr")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ucseg_cli", *arguments]
        with written[0].open("wb") as out, written[1].open("wb") as err:
            status = ForkedPython(command, stdout=out.fileno(), stderr=err.fileno()).wait()
        texts = [path.read_text("utf-8") for path in written]
        return subprocess.CompletedProcess(command, status, *texts)

    return run


@cache
def _path_of_a_process(python_path: str | None) -> list[str]:
    """The ``sys.path`` of ``python -P``."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if python_path is not None:
        environment["PYTHONPATH"] = python_path
    code = "import sys; print(*sys.path, sep='\\n')"
    printed = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, stdout=-1, text=True, check=True
    )
    return printed.stdout.splitlines()


def _be_python(
    command: Sequence[str],
    cwd: Path | None,
    environment: Mapping[str, str],
    path: list[str],
    streams: Mapping[int, int | None],
    *,
    session: bool,
) -> NoReturn:
    status = 1
    try:
        if session:
            os.setsid()
        _default_signals()
        _default_warnings()
        faulthandler.disable()
        if cwd is not None:
            os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None  # TMPDIR may be another
        _open_streams(streams)
        sys.path[:] = path
        for name in AT_START:
            sys.modules.pop(name, None)
        sys.orig_argv[:] = command
        status = _status_of(lambda: _run(command))
    finally:
        os._exit(status)


def _default_signals() -> None:
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            with suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _default_warnings() -> None:
    """As Python begins; in tests each is an error."""
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)


def _open_streams(streams: Mapping[int, int | None]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    for number, stream in sorted(streams.items(), reverse=True):  # stdout may be stderr
        if stream is not None:
            os.dup2(nothing if stream == subprocess.DEVNULL else stream, number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        mode = "w" if number else "r"
        opened = open(number, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)


def _run(command: Sequence[str]) -> None:
    words = [word for word in command[1:] if word != "-P"]
    kind, code, *arguments = words
    sys.argv[:] = ["-c" if kind == "-c" else code, *arguments]
    if kind == "-c":
        exec(code, {"__name__": "__main__"})
    else:
        runpy.run_module(code, run_name="__main__", alter_sys=False)


def _status_of(run: Callable[[], None]) -> int:
    """The status with which Python ends after this."""
    status = 0
    try:
        run()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else bool(ended.code)
    except BaseException:  # noqa: BLE001 - as Python does
        traceback.print_exc()
        status = 1
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    return status
