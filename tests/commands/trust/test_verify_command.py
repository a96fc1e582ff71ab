from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.fixture_types import Run
from support.screens import verdict
from ucseg_cli.analysis.counters.switches import SWITCHES
from ucseg_cli.facts.count import Count
from ucseg_cli.gate import tracing
from ucseg_cli.system import free_memory


def test_four_counters_agree_to_the_last_unit(ucseg: Run) -> None:
    answer = ucseg("verify", "v2", "--size", "16", "--format", "json")
    assert answer.returncode == 0
    said = json.loads(answer.stdout)
    assert said["kind"] == "ucseg.verify"
    assert said["verdict"]["status"] == "agrees"
    assert [(counter["name"], counter["convention"]) for counter in said["counters"]] == [
        ("numel", None),
        ("fvcore", "fvcore"),
        ("activations", "activations"),
        ("torch", "torch"),
    ]
    assert all(
        {"name", "convention", "total", "agrees"} <= counter.keys() for counter in said["counters"]
    )
    assert all(counter["total"] == counter["ours"] for counter in said["counters"])
    assert said["counters"][0]["total"] == 645_245
    assert said["switches"] == list(SWITCHES)


def test_the_screen_says_under_which_switches_the_counters_ran(ucseg: Run) -> None:
    screen = " ".join(ucseg("verify", "v2", "--size", "16").stdout.split())
    assert "Run as a trace is recorded: eval mode, no gradients, attention taken apart," in screen
    assert "one kernel" not in screen, "v2 has none that a switch changes"


@pytest.fixture
def tampered(ucseg: Run, other_counts: tuple[Count, ...], monkeypatch: pytest.MonkeyPatch) -> Run:
    """``ucseg`` where every other counter is off by one, in total and in the decoder."""
    off_by_one = tuple(
        other_count._replace(
            total=other_count.total + 1,
            modules={**other_count.modules, "decoder": other_count.modules["decoder"] + 1},
        )
        for other_count in other_counts
    )
    monkeypatch.setattr(tracing, "count_with_others", lambda *_: off_by_one)
    return ucseg


def test_a_counter_that_is_off_by_one_is_noticed_and_the_place_named(tampered: Run) -> None:
    answer = tampered("verify", "v2", "--size", "16", "-f", "json")
    assert answer.returncode == 1
    said = json.loads(answer.stdout)
    assert said["verdict"]["status"] == "differs"
    for counter in said["counters"]:
        assert not counter["agrees"]
        assert [
            (difference["scope"], difference["name"]) for difference in counter["differences"]
        ] == [
            ("total", ""),
            ("module", "decoder"),
        ]
        assert all(
            difference["theirs"] - difference["ours"] == 1 for difference in counter["differences"]
        )


def test_the_screen_lists_the_differences_and_exit_zero_forgives_them(tampered: Run) -> None:
    answer = tampered("verify", "v2", "--size", "16", "--exit-zero")
    assert answer.returncode == 0
    assert answer.stdout.count("✗ differs") == 4
    assert "\nDifferences\n" in answer.stdout
    assert " differ on v2 at 16 in 8 of " in verdict(answer.stdout)


def test_what_does_not_fit_is_refused_before_it_is_tried(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "count_with_others", lambda *_: pytest.fail("it was tried"))
    answer = ucseg("verify", "v2", "--size", "100000")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "would need about" in answer.stderr
    assert "= help: verify at a smaller --size or --batch" in answer.stderr


@pytest.mark.torch
def test_a_run_that_finds_no_memory_after_all_is_no_internal_error(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allocate(*_: object) -> None:
        raise RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        )

    monkeypatch.setattr("ucseg_cli.engine.counters.count_model", allocate)
    answer = ucseg("verify", "v2", "--size", "24")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: a run on real tensors needs more memory than there is")


def test_the_tightest_limit_decides_what_is_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(free_memory, "CGROUP", tmp_path)
    unlimited = free_memory.free_memory()
    assert unlimited is not None
    (tmp_path / "memory.max").write_text("7000\n", encoding="ascii")
    (tmp_path / "memory.current").write_text("5000\n", encoding="ascii")
    assert free_memory.free_memory() == 2000
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    assert free_memory.free_memory() != 2000


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux says how much address space is used"
)
def test_a_limit_on_the_process_is_seen(python: Run) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))"
    ask = "from ucseg_cli.system.free_memory import free_memory; print(free_memory())"
    assert 0 < int(python("-c", f"{limit}; {ask}").stdout) < 2**31


def test_a_machine_that_does_not_say_what_is_free_is_trusted(
    monkeypatch: pytest.MonkeyPatch, ucseg: Run
) -> None:
    monkeypatch.setattr("ucseg_cli.workflow.memory_guard.free_memory", lambda: None)
    monkeypatch.setattr(tracing, "count_with_others", lambda *_: ())
    assert ucseg("verify", "v2", "--size", "100000").returncode == 0


def test_a_counter_that_could_not_run_is_named_beside_those_that_did(
    ucseg: Run, other_counts: tuple[Count, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    *others, last = other_counts
    failed = Count(last.counter, last.convention, 0, {}, failure="AttributeError: no weight")
    monkeypatch.setattr(tracing, "count_with_others", lambda *_: (*others, failed))
    answer = ucseg("verify", "v2", "--size", "16")
    assert answer.returncode == 0
    assert "torch could not count it: AttributeError: no weight" in answer.stdout
    assert verdict(answer.stdout).startswith("3 counters and ucseg agree on v2 at 16")
    assert verdict(answer.stdout).endswith("; torch could not count it.")
    counters = json.loads(ucseg("verify", "v2", "--size", "16", "-f", "json").stdout)["counters"]
    assert [counter["agrees"] for counter in counters] == [True, True, True, None]
    assert counters[-1]["failure"] == "AttributeError: no weight"
