from __future__ import annotations

import json

import pytest

from support.fixture_types import Run
from support.screens import unwrapped, verdict
from ucseg_cli.analysis.comparing.match_modules import (
    CONFIDENT,
    MUCH_WIDER,
    ONE_CLASS,
    SAME_PLACE,
)
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.errors import ExitStatus
from ucseg_cli.references.variants import AXES
from ucseg_cli.report.answers.trust.explain import topics


@pytest.mark.parametrize("topic", topics())
def test_every_topic_is_explained_in_a_sentence_that_stands_alone(ucseg: Run, topic: str) -> None:
    answer = ucseg("explain", topic)
    assert (answer.returncode, answer.stderr) == (0, "")
    found = topics()[topic]
    heads = {found.sentence, f"{topic}: {found.sentence}"} if found.more else {f"explain {topic}"}
    assert unwrapped(answer.stdout).startswith(tuple(heads))
    last = verdict(answer.stdout)
    assert last == (found.more[-1] if found.more else found.sentence)
    assert last.endswith(".")


@pytest.mark.parametrize("topic", topics())
def test_everything_about_a_topic_is_on_the_screen_once(ucseg: Run, topic: str) -> None:
    screen = unwrapped(ucseg("explain", topic).stdout)
    for sentence in topics()[topic].more:
        assert screen.count(sentence) == 1


def test_a_topic_is_found_whatever_its_case(ucseg: Run) -> None:
    assert len({topic.casefold() for topic in topics()}) == len(topics())
    for topic in topics():
        assert {
            ucseg("explain", spelling).stdout
            for spelling in (topic.upper(), topic.lower(), topic.title())
        } == {ucseg("explain", topic).stdout}


def test_matching_is_explained_with_the_thresholds_that_are_used(ucseg: Run) -> None:
    screen = unwrapped(ucseg("explain", "matching").stdout)
    assert f"a confidence of at least {CONFIDENT}:" in screen
    assert f"over {MUCH_WIDER} times as wide" in screen
    assert f"plus {ONE_CLASS} for one class and {SAME_PLACE} for one number" in screen


def test_attribution_is_a_topic_that_explains_the_columns_of_the_table(ucseg: Run) -> None:
    screen = ucseg("explain", "attribution").stdout
    assert screen.startswith("attribution: An attribution ")
    assert all(f"{column} is " in screen for column in ("alone", "last", "share"))
    assert "Shapley" in screen


def test_every_metric_convention_and_axis_is_a_topic() -> None:
    assert {*METRICS, *CONVENTIONS, *(axis.name for axis in AXES)} <= topics().keys()


def test_without_a_topic_all_are_listed(ucseg: Run) -> None:
    entries = json.loads(ucseg("explain", "-f", "json").stdout)["entries"]
    assert [entry["topic"] for entry in entries] == list(topics())


def test_every_exit_status_is_explained(ucseg: Run) -> None:
    answer = ucseg("explain", "exit-status", "-f", "csv").stdout.splitlines()[1:]
    assert [int(line.split(",")[0]) for line in answer] == [int(status) for status in ExitStatus]


def test_an_unknown_topic_gets_the_nearest(ucseg: Run) -> None:
    answer = ucseg("explain", "exitstatus")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "did you mean 'exit-status'?" in answer.stderr


@pytest.mark.parametrize("form", ["json", "csv", "markdown", "html"])
def test_an_explanation_comes_in_every_format(ucseg: Run, form: str) -> None:
    assert "convolution" in ucseg("explain", "macs", "-f", form).stdout
    assert ucseg("explain", "own", "-f", form).returncode == 0
