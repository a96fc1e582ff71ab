"""Shape rules for what training runs, compared with torch's own kernels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ucseg_cli.engine.recording.backward_shapes import LOOKING, PLAIN, WEIGHTED
from ucseg_cli.engine.recording.dispatch import operator_name
from ucseg_cli.engine.recording.meta_shapes import output_on_meta

ATEN = torch.ops.aten
SIDES = st.lists(st.integers(1, 5), min_size=1, max_size=4)
MEAN, TRAINING = 1, True


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def form(value: Any) -> Any:
    """The parts of an output that a rule must get right."""
    match value:
        case Tensor():
            return tuple(value.shape), value.dtype, value.device.type, value.is_contiguous()
        case tuple() | list():
            return tuple(map(form, value))
    return value


def both(operator: Any, *args: Any) -> tuple[Any, Any]:
    """The rule's answer and torch's; where torch raises, both must be None."""
    ours = output_on_meta(operator_name(operator), args, {})
    try:
        theirs = operator(*args)
    except (RuntimeError, IndexError, ValueError):
        theirs = None
    return form(ours), form(theirs)


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("hardswish_backward", ()),
        ("hardsigmoid_backward", ()),
        ("silu_backward", ()),
        ("gelu_backward", ()),
        ("threshold_backward", (0,)),
        ("_softmax_backward_data", (-1, torch.float32)),
        ("_log_softmax_backward_data", (0, torch.float32)),
    ],
)
@given(shape=SIDES)
def test_a_gradient_has_the_shape_of_what_it_is_of(
    name: str, others: tuple[Any, ...], shape: list[int]
) -> None:
    ours, theirs = both(getattr(ATEN, name).default, meta(*shape), meta(*shape), *others)
    assert ours == theirs is not None
    longer = meta(*shape, 2)
    assert output_on_meta(name, (meta(*shape), longer, *others), {}) is None


@given(
    channels=st.integers(1, 4),
    sides=st.lists(st.integers(1, 5), max_size=3),
    wanted=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_batch_norm_in_training_has_a_statistic_for_each_channel_and_gradients_as_wanted(
    channels: int, sides: list[int], wanted: tuple[bool, bool, bool]
) -> None:
    x, vector = meta(2, channels, *sides), meta(channels)
    forward = both(
        ATEN.native_batch_norm.default, x, vector, vector, vector, vector, TRAINING, 0.1, 1e-5
    )
    assert forward[0] == forward[1] is not None
    given_ = (x, x, vector, vector, vector, vector, vector, TRAINING, 1e-5, list(wanted))
    ours, theirs = both(ATEN.native_batch_norm_backward.default, *given_)
    assert [one for one, is_wanted in zip(ours, wanted, strict=True) if is_wanted] == [
        one for one, is_wanted in zip(theirs, wanted, strict=True) if is_wanted
    ]
    real = ATEN.native_batch_norm_backward.default(
        *(torch.ones(arg.shape) if isinstance(arg, Tensor) else arg for arg in given_)
    )
    assert [one is None for one in ours] == [one is None for one in real]


@given(
    places=st.lists(st.integers(1, 5), min_size=2, max_size=2),
    classes=st.integers(1, 5),
    reduction=st.sampled_from([0, 1, 2]),
)
def test_a_loss_over_classes_is_a_number_and_its_gradient_has_the_scores_shape(
    places: list[int], classes: int, reduction: int
) -> None:
    for name, sides in (("nll_loss", []), ("nll_loss2d", places)):
        scores, target = meta(2, classes, *sides), meta(2, *sides, dtype=torch.int64)
        args = (scores, target, None, reduction, -100)
        ours, theirs = both(getattr(ATEN, f"{name}_forward").default, *args)
        assert ours == theirs if reduction else ours is None
        back = (meta(), scores, target, None, MEAN, -100, meta())
        ours, theirs = both(getattr(ATEN, f"{name}_backward").default, *back)
        assert ours == theirs is not None


@pytest.mark.parametrize(
    "args",
    [
        (meta(2, 3), meta(2, dtype=torch.int32), None, MEAN, -100),
        (meta(2, 3), meta(3, dtype=torch.int64), None, MEAN, -100),
        (meta(2, 3), meta(2, dtype=torch.int64), meta(3), MEAN, -100),
        (meta(2, 3, dtype=torch.float64), meta(2, dtype=torch.int64), None, MEAN, -100),
        (meta(3), meta(dtype=torch.int64), None, MEAN, -100),
    ],
)
def test_any_other_loss_is_left_to_torch(args: tuple[Any, ...]) -> None:
    assert output_on_meta("nll_loss_forward", args, {}) is None


@pytest.mark.parametrize("name", sorted(WEIGHTED))
def test_an_update_in_place_returns_its_own_first_operand(name: str) -> None:
    x, other = meta(2, 3), meta(2, 3)
    rest = (0.1,) if name == "lerp_" else (other,)
    assert output_on_meta(name, (x, other, *rest), {}) is x
    assert output_on_meta(name, (x, other, *rest), {"value": 2.0}) is x
    assert output_on_meta(name, (x, meta(3), *rest), {}) is None  # which torch broadcasts


def test_every_rule_is_held_against_torch_here() -> None:
    kept = {f"{name}_backward" for name in ("hardswish", "hardsigmoid", "silu", "gelu")}
    kept |= {"threshold_backward", "_softmax_backward_data", "_log_softmax_backward_data"}
    assert PLAIN.keys() == kept | WEIGHTED | {"native_batch_norm_backward"}
    ends = ("forward", "backward")
    assert LOOKING.keys() == {f"nll_loss{rank}_{end}" for rank in ("", "2d") for end in ends}
