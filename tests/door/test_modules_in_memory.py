"""Modules in memory: the same figures as their references, and they stay as they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ucseg_cli as ucseg
from ucseg_cli.door.answer import Answer
from ucseg_cli.errors import ModelError, UcsegError, UsageError


class Net(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.head = nn.Conv2d(width, 4, 1)
        self.head.weight.requires_grad_(False)  # noqa: FBT003 - torch has it so

    def forward(self, image: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.stem(image)))
        return out


SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.head = nn.Conv2d(width, 4, 1)
        self.head.weight.requires_grad_(False)

    def forward(self, image):
        return self.head(torch.relu(self.stem(image)))
"""


@pytest.fixture(autouse=True)
def _beside_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "ask",
    [
        ucseg.params,
        lambda model: ucseg.flops(model, size=64),
        lambda model: ucseg.memory(model, size=64),
        lambda model: ucseg.memory(model, size=64, train=True, optimizer="adamw"),
        lambda model: ucseg.probe(model, size=64),
        lambda model: ucseg.lint(model, size=64),
    ],
    ids=["params", "flops", "memory", "training", "probe", "lint"],
)
def test_a_module_has_the_figures_of_the_class_that_builds_it(
    ask: Callable[[Any], Answer],
) -> None:
    one, other = ask(Net()).data, ask("net.py:Net").data
    assert one == json.loads(json.dumps(other).replace("net.py:Net", "Net"))


def test_the_network_of_the_family_is_recognised() -> None:
    answer = ucseg.compare("v1", ucseg.build_model("v2"))
    assert answer.data["attribution"]
    assert any("v2" in note for note in str(answer).splitlines())


def test_two_modules_of_one_class_have_different_names() -> None:
    data = ucseg.compare(Net(8), Net(16), Net(24), size=32).data
    assert data["baseline"] == "Net"
    assert [model["name"] for model in data["models"]] == ["Net", "Net (2)", "Net (3)"]


def test_a_module_in_train_mode_on_half_precision_or_on_meta_answers_and_stays_so() -> None:
    model = Net().half().train()
    ucseg.flops(model, input=torch.zeros(1, 3, 32, 32, dtype=torch.half))
    assert model.training
    assert model.stem.weight.dtype == torch.half
    with torch.device("meta"):
        empty = Net()
    assert ucseg.flops(empty, size=32).data["total"] == ucseg.flops(Net(), size=32).data["total"]
    assert empty.stem.weight.is_meta


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, which loads its compiler
def test_wrapped_and_compiled_modules_are_what_they_wrap() -> None:
    plain = ucseg.flops(Net(), size=32).data["total"]
    assert ucseg.flops(nn.DataParallel(Net()), size=32).data["total"] == plain
    assert ucseg.flops(torch.compile(Net()), size=32).data["total"] == plain  # type: ignore[arg-type]


def test_inputs_are_tensors_whose_shapes_are_taken() -> None:
    image = torch.zeros(2, 3, 32, 48)
    texts = [ucseg.flops(Net(), input=given).data["conditions"] for given in (image, [image])]
    assert texts[0] == texts[1]
    by_name = ucseg.flops(Net(), input={"image": image})
    assert by_name.data["total"] == ucseg.flops(Net(), input=image).data["total"]
    with pytest.raises(UsageError, match="input= takes tensors"):
        ucseg.flops(Net(), input=[3])  # type: ignore[list-item]


class Fails(Net):
    def forward(self, image: Tensor) -> Tensor:
        super().forward(image)
        raise ValueError("nothing here")


def test_a_module_that_fails_says_why_and_its_parameters_are_counted() -> None:
    model = Fails()
    with pytest.raises(ModelError, match="Fails does not run: ValueError: nothing here") as caught:
        ucseg.flops(model)
    assert "`ucseg.params(model)` counts its parameters" in str(caught.value.help)
    assert ucseg.params(model).data["total"]["params"] == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    "ask",
    [
        lambda model: ucseg.sweep(model, vary={"width": "8..16"}),
        ucseg.history,
        ucseg.latency,
        ucseg.verify,
        lambda model: ucseg.compare(model, since="HEAD"),
    ],
    ids=["sweep", "history", "latency", "verify", "since"],
)
def test_what_has_to_be_built_again_refuses_a_module(ask: Callable[[Any], Any]) -> None:
    with pytest.raises(UcsegError) as caught:
        ask(Net())
    assert "internal" not in str(caught.value)


def test_nothing_of_a_module_is_kept_in_the_cache(tmp_path: Path) -> None:
    ucseg.show(Net())
    assert not list(tmp_path.glob("**/*.trace*"))


# Helpers


def test_trainable_parameters_are_counted() -> None:
    model = Net()
    expected = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert ucseg.count_parameters(model) == expected
    assert ucseg.count_parameters("v2") == 645_245


def test_a_budget_that_is_exceeded_is_an_assertion_error_in_the_words_of_check() -> None:
    ucseg.assert_budget("v2", params="650k", macs="160M", size=224)
    with pytest.raises(AssertionError) as caught:
        ucseg.assert_budget("v2", params="600k", peak_memory="1GB")
    assert "v2 has 645,245 parameters, 45,245 over its limit of 600,000." in str(caught.value)
    with pytest.raises(UcsegError, match="param"):
        ucseg.assert_budget(Net(), paramz=3)


def test_the_fixture_is_there_for_every_test(assert_budget: Callable[..., None]) -> None:
    assert_budget(Net(), params=1_000, size=32)
    with pytest.raises(AssertionError):
        assert_budget(Net(), params=10, size=32)
