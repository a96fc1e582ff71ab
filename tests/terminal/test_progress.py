"""Progress on stderr: one line, on a terminal alone."""

from __future__ import annotations

import os

import pytest

from ucseg_cli.terminal.progress import CLEAR_LINE, progress_in_words, show_progress


@pytest.mark.parametrize(
    ("done", "size", "seconds", "words"),
    [
        (0, 10, 3.0, "0%"),
        (5, 10, 3.0, "50%, 3 s left"),
        (1, 3, 1.4, "33%, 3 s left"),
        (10, 10, 9.0, "100%, 0 s left"),
        (1, 180, 1.0, "0%, 179 s left"),
        (1, 181, 1.0, "0%, 3 min left"),
    ],
)
def test_the_time_left_is_that_of_the_rest_at_this_pace(
    done: int, size: int, seconds: float, words: str
) -> None:
    assert progress_in_words(done, size, seconds) == words


def test_a_message_takes_the_place_of_the_one_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with show_progress() as announce:
        announce("one")
        announce("two")
    assert capsys.readouterr().err == f"one{CLEAR_LINE}two{CLEAR_LINE}"


def test_no_terminal_gets_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress() as announce:
        announce("one")
    assert capsys.readouterr().err == ""


def test_a_message_never_takes_more_than_the_line_that_can_be_cleared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.fileno", lambda: 2)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((8, 24)))
    with show_progress() as announce:
        announce("recording 16 variants")
    assert capsys.readouterr().err == f"recordi{CLEAR_LINE}"
