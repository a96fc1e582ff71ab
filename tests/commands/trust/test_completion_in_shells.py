"""A real shell completes the name of a hostile file, and runs nothing but what was typed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.fixture_types import Run

START = {
    "bash": (["--norc", "--noprofile", "-i"], "source complete"),
    "zsh": (["-f", "-i"], "autoload -U compinit; compinit -u -D; source complete"),
    "fish": (["--no-config", "-i"], "source complete"),
}
NAMES = (
    "a$(touch PWN).pt",
    "a`touch PWN`.pt",
    "a;touch PWN;.pt",
    "a&touch PWN&.pt",
    "a'b\"c.pt",
    'a" $(touch PWN) ".pt',
    "a\\$(touch PWN).pt",
    "a b*?[x]~#.pt",
    "a(touch PWN).pt",
    "a${PWN:=x}|touch PWN.pt",
    "plain.pt",
)
"""Names of files; after a shell has put one in place, ``ucseg`` must be called with just that."""

QUIET = 0.3
"""Seconds without a word, after which a shell waits for us."""

Complete = Callable[[str, str], list[str]]


@pytest.fixture
def complete(ucseg: Run, tmp_path: Path) -> Complete:
    """The words with which a shell calls ``ucseg`` after ``ucseg show BEGUN``, Tab and Return."""

    def run(shell: str, begun: str) -> list[str]:
        program = shutil.which(shell)
        if program is None:
            pytest.skip(f"{shell} is not installed")
        (tmp_path / "complete").write_text(ucseg("completion", shell).stdout)
        wrapper = tmp_path / "bin" / "ucseg"
        wrapper.parent.mkdir()
        wrapper.write_text(
            "#!/bin/sh\n"
            'if [ -n "$_UCSEG_COMPLETE" ]; then\n'
            f'    {sys.executable} -P -m ucseg_cli "$@"; status=$?\n'
            f"    touch {tmp_path}/completed; exit $status\n"
            "fi\n"
            f'printf "%s\\n" "$@" > {tmp_path}/called\n'
        )
        wrapper.chmod(0o755)
        arguments, start = START[shell]
        talk = {
            f"{start}; touch started\r": "started",
            f"ucseg show {begun}\t": "completed",
            "\r": "called",
        }
        _converse([program, *arguments], tmp_path, talk)
        called = tmp_path / "called"
        return called.read_text().splitlines() if called.exists() else []

    return run


def _converse(command: list[str], folder: Path, talk: Mapping[str, str]) -> None:
    """Type each text into an interactive shell, and wait for the file that shows it was heard."""
    child, terminal = pty.fork()
    if not child:  # pragma: no cover - the shell
        os.chdir(folder)
        environment = {"PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": str(folder), "TERM": "dumb"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        os.execve(command[0], command, environment)
    try:
        for text, sign in talk.items():
            os.write(terminal, text.encode())
            _wait_for(folder / sign, terminal)
    finally:
        os.close(terminal)
        os.kill(child, 9)
        os.waitpid(child, 0)


def _wait_for(sign: Path, terminal: int) -> None:
    """Read what the shell says until the file is there and the shell has gone quiet."""
    latest = time.monotonic() + 20
    while time.monotonic() < latest:
        if select.select([terminal], [], [], QUIET)[0]:
            os.read(terminal, 65536)
        elif sign.exists():
            return


@pytest.mark.parametrize("shell", START)
@pytest.mark.parametrize("name", NAMES)
def test_completing_the_name_of_a_file_runs_nothing(
    complete: Complete, tmp_path: Path, shell: str, name: str
) -> None:
    (tmp_path / name).touch()
    called = complete(shell, name[0])
    assert not (tmp_path / "PWN").exists()
    assert called == ["show", name]
