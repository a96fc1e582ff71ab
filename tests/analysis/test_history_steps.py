from __future__ import annotations

from fractions import Fraction

from ucseg_cli.analysis.comparing.history_steps import End, History, Stage, steps_of, values_of
from ucseg_cli.report.answers.choose.history import MOST_BARS, sparkline
from ucseg_cli.system.git_objects import Commit


def history(*values: int | str | None, end: End = End.BEGINS) -> History:
    """A history of these values, the oldest first; a text is why there is none."""
    stages = []
    for number, value in enumerate(values):
        commit = Commit(f"{number:040}", "", (), number, f"commit {number}")
        known = {"params": value} if isinstance(value, int) else {}
        stages.append(Stage(commit, known, value if isinstance(value, str) else None))
    return History("net.py:Net", stages[::-1], end)


def rows(found: History) -> list[tuple[int, str, int | None, int | None]]:
    return [
        (step.commit.seconds, step.status, step.after, step.delta)
        for step in steps_of(found, "params")
    ]


def test_only_commits_that_change_a_metric_are_steps_the_newest_first() -> None:
    found = history(5, 5, 8, 8, 6)
    assert rows(found) == [(4, "changed", 6, -2), (2, "changed", 8, 3), (0, "new", 5, None)]
    newest, _, oldest = steps_of(found, "params")
    assert (newest.change, oldest.change) == (Fraction(-1, 4), "new")
    assert values_of(found, "params") == [5, 5, 8, 8, 6]


def test_the_oldest_is_new_only_if_the_model_began_there() -> None:
    for end in (End.SINCE, End.MAX_COUNT, End.SHALLOW):
        (oldest,) = steps_of(history(5, 5, end=end), "params")
        assert (oldest.status, oldest.change) == ("oldest", None)


def test_a_failure_is_one_step_until_its_reason_changes_and_what_follows_is_compared_over_it() -> (
    None
):
    assert rows(history(5, "no a", "no a", "no b", 5, 7)) == [
        (5, "changed", 7, 2),
        (4, "changed", 5, 0),
        (3, "fails", None, None),
        (1, "fails", None, None),
        (0, "new", 5, None),
    ]
    assert rows(history("no a", 5)) == [(1, "new", 5, None), (0, "fails", None, None)]


def test_steps_add_up_to_the_whole_difference() -> None:
    found = history(5, 9, "no", 2, 2, 11)
    assert sum(step.delta or 0 for step in steps_of(found, "params")) == 11 - 5


def test_a_change_from_nothing_has_no_ratio() -> None:
    newest, _ = steps_of(history(0, 4), "params")
    assert (newest.delta, newest.change) == (4, None)


def test_a_sparkline_goes_from_the_least_to_the_most() -> None:
    assert sparkline([0, 7, None, 3, 7]) == "▁█·▄█"
    assert sparkline([4, 4]) == "▁▁"
    assert sparkline([]) == ""
    long = sparkline(range(1000))
    assert len(long) == MOST_BARS
    assert (long[0], long[-1]) == ("▁", "█")
    assert list(long) == sorted(long)
