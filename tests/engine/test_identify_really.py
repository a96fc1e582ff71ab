"""A checkpoint that is reported to fit really loads, and one that differs really does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from support.fixture_types import TraceOf
from ucseg_cli.analysis.family.fit_checkpoint import Identification, identify, propose
from ucseg_cli.engine.checkpoints.read_checkpoint import read_state_dict
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.nets import build_model
from ucseg_cli.references.variants import CATALOGUE, Variant

FEW = settings(max_examples=10)

Weights = dict[str, Any]
"""A state dict; torch's own kind, an ordered dictionary with versions beside it, or a plain one."""


@pytest.fixture(scope="session")
def identified(trace_of: TraceOf) -> Callable[[Weights], Identification]:
    """The identification of a state dict that is saved and read again."""

    def run(weights: Weights) -> Identification:
        with TemporaryDirectory() as folder:
            torch.save(weights, Path(folder) / "weights.pt")
            candidate = propose(read_state_dict(str(Path(folder) / "weights.pt")), CATALOGUE, "v2")
        return identify(candidate, trace_of(candidate.variant, Conditions()))

    return run


def loads(variant: Variant, weights: Weights) -> bool:
    try:
        build_model(variant).load_state_dict(weights, strict=True)
    except RuntimeError:
        return False
    return True


@FEW
@given(data=st.data())
def test_a_checkpoint_that_is_reported_to_fit_loads_strictly(
    identified: Callable[[Weights], Identification],
    variants: SearchStrategy[Variant],
    data: DataObject,
) -> None:
    weights = build_model(data.draw(variants)).state_dict()
    found = identified(weights)
    assert found.loading.is_strict
    assert loads(found.candidate.variant, weights)


def without(weights: Weights, name: str) -> None:
    del weights[name]


def with_another(weights: Weights, name: str) -> None:
    weights[f"{name}_too"] = weights[name]


def longer(weights: Weights, name: str) -> None:
    weights[name] = torch.zeros((weights[name].shape or (1,))[0] + 1, *weights[name].shape[1:])


def sparse(weights: Weights, name: str) -> None:
    weights[name] = weights[name].to_sparse()


def as_number(weights: Weights, name: str) -> None:
    weights[name] = 3


def of_one(weights: Weights, name: str) -> None:
    """As torch of before it had scalars saved them; of anything else another shape."""
    weights[name] = torch.zeros(1)


def of_another_type(weights: Weights, name: str) -> None:
    weights[name] = weights[name].to(torch.float64)


MUTATIONS = [without, with_another, longer, sparse, as_number, of_one, of_another_type]


@settings(max_examples=12)
@given(data=st.data())
def test_whatever_is_changed_the_verdict_is_what_loading_says(
    identified: Callable[[Weights], Identification],
    variants: SearchStrategy[Variant],
    data: DataObject,
) -> None:
    whole = build_model(data.draw(variants)).state_dict()
    weights: Weights = whole if data.draw(st.booleans()) else dict(whole)
    for name in data.draw(
        st.lists(st.sampled_from(sorted(whole)), min_size=1, max_size=2, unique=True)
    ):
        data.draw(st.sampled_from(MUTATIONS))(weights, name)
    found = identified(weights)
    assert found.loading.is_strict is loads(found.candidate.variant, weights)


@pytest.mark.parametrize("versioned", [True, False])
def test_counters_that_torch_adds_are_not_missed(
    identified: Callable[[Weights], Identification],
    versioned: bool,  # noqa: FBT001 - a parameter
) -> None:
    whole = build_model("v2").state_dict()
    weights: Weights = whole if versioned else dict(whole)
    for name in [name for name in whole if name.endswith("num_batches_tracked")]:
        del weights[name]
    assert identified(weights).loading.is_strict is loads(CATALOGUE["v2"], weights) is not versioned


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_named_variant_fits_itself_even_if_it_is_wrapped_and_the_file_says_so(
    identified: Callable[[Weights], Identification], name: str
) -> None:
    for model, prefix in (
        (build_model(name), ""),
        (torch.nn.DataParallel(build_model(name)), "module."),
        (torch.optim.swa_utils.AveragedModel(build_model(name)), "module."),
    ):
        found = identified(model.state_dict())
        assert (found.loading.is_strict, found.candidate.alike, found.candidate.state.prefix) == (
            True,
            (name,),
            prefix,
        )
