"""A model that is named twice is compared as often as it is named."""

from __future__ import annotations

import json

from support.fixture_types import Run


def test_a_model_compared_with_itself_and_another_shows_both(ucseg: Run) -> None:
    answer = json.loads(ucseg("compare", "v2", "v2", "v1", "-f", "json").stdout)
    assert [model["name"] for model in answer["models"]] == ["v2", "v2", "v1"]
    parameters = [delta["delta"] for delta in answer["deltas"] if delta["metric"] == "params"]
    assert parameters == [0, 475_077 - 645_245]


def test_the_sentence_says_that_nothing_differs_and_how_the_other_does(ucseg: Run) -> None:
    screen = " ".join(ucseg("compare", "v2", "v2", "v1").stdout.split())
    assert (
        "v2 is compared with itself: nothing differs. v1 has 26.4% fewer parameters than v2"
        in screen
    )


def test_the_baseline_alone_is_asked_for_another_model(ucseg: Run) -> None:
    for name, said in (("v1", "v1 is the baseline,"), ("v1+backbone=10", "is the baseline v1,")):
        refused = ucseg("compare", name)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert said in refused.stderr
        assert f"write `ucseg compare {name} MODEL`" in refused.stderr
