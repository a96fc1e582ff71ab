from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run
from ucseg_cli.errors import ResourceError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache
from ucseg_cli.gate.tracing import Request, trace_all
from ucseg_cli.references.variants import CATALOGUE

V1, V2, V3 = (Request(CATALOGUE[name], Conditions()) for name in ("v1", "v2", "v3"))


@pytest.fixture
def cache(cache_directory: Path) -> Cache:
    return Cache(cache_directory, warn=pytest.fail)


def test_a_missing_trace_is_recorded_and_then_kept(
    fake_engine: list[Request], cache: Cache
) -> None:
    announced: list[int] = []
    first = trace_all([V1, V2], cache, announced.append)
    again = trace_all([V2, V1], cache, announced.append)
    assert first == again
    assert fake_engine == [V1, V2]
    assert announced == [2]


def test_only_what_is_missing_is_recorded(fake_engine: list[Request], cache: Cache) -> None:
    announced: list[int] = []
    trace_all([V2], cache, announced.append)
    traces = trace_all([V1, V2, V3], cache, announced.append)
    assert traces.keys() == {V1, V2, V3}
    assert fake_engine == [V2, V1, V3]
    assert announced == [1, 2]


def test_equal_requests_are_recorded_once(fake_engine: list[Request], cache: Cache) -> None:
    trace_all([V1, Request(CATALOGUE["v1"], Conditions(Size(224, 224)))], cache, lambda _: None)
    assert fake_engine == [V1]


def test_without_a_cache_everything_is_recorded_afresh(
    fake_engine: list[Request], cache_directory: Path
) -> None:
    trace_all([V1], None, lambda _: None)
    trace_all([V1], None, lambda _: None)
    assert fake_engine == [V1, V1]
    assert not cache_directory.exists()


def test_nothing_is_announced_where_nothing_is_recorded(
    fake_engine: list[Request], cache: Cache
) -> None:
    trace_all([V1], cache, lambda _: None)
    trace_all([V1], cache, lambda _: pytest.fail("it was announced"))
    trace_all([], cache, lambda _: pytest.fail("it was announced"))
    assert fake_engine == [V1]


def test_the_answer_is_right_where_every_entry_is_damaged(
    fake_engine: list[Request], cache_directory: Path
) -> None:
    warned: list[str] = []
    cache = Cache(cache_directory, warn=warned.append)
    right = trace_all([V1, V2], cache, lambda _: None)
    for path, _ in cache.entries():
        path.write_bytes(b"\0" * 100)
    assert trace_all([V1, V2], cache, lambda _: None) == right
    assert fake_engine == [V1, V2, V1, V2]
    assert len(warned) == 1
    assert trace_all([V1, V2], cache, lambda _: pytest.fail("it was not fixed")) == right


def test_a_cache_that_cannot_be_used_costs_one_warning_and_not_the_answer(
    ucseg: Run, cache_directory: Path
) -> None:
    right = ucseg("compare", "v1", "v2", "--no-cache").stdout
    cache_directory.write_text("mine", encoding="utf-8")
    answer = ucseg("compare", "v1", "v2")
    assert (answer.returncode, answer.stdout) == (0, right)
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stderr.startswith("warning: ")


def test_a_warning_leaves_json_on_stdout_alone(ucseg: Run, cache_directory: Path) -> None:
    cache_directory.mkdir()
    (cache_directory / "mine").touch()
    answer = ucseg("params", "-f", "json")
    assert json.loads(answer.stdout)["total"]["params"] == 645_245
    assert answer.stderr.startswith(f"warning: cannot keep answers in {cache_directory}: ")


def test_without_torch_kept_traces_still_answer_and_others_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def without_torch(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "torch":
            raise ImportError("No module named 'torch'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    for ask in (
        lambda: trace_all([V1], None, lambda _: None),
        lambda: tracing.count_with_others(V1),
    ):
        with pytest.raises(
            ResourceError, match="torch cannot be imported: No module named 'torch'"
        ) as caught:
            ask()
        assert caught.value.help == "pip install torch torchvision"


def test_a_model_that_cannot_be_built_is_not_kept(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        raise ResourceError("no")

    monkeypatch.setattr(tracing, "_record_all", cannot)
    with pytest.raises(ResourceError):
        trace_all([V1], cache, lambda _: None)
    assert cache.entries() == []
