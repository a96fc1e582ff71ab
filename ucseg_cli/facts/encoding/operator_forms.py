"""The arguments and ranks that calls of ATen's operators have, where arithmetic looks inside.

Only what torch itself demands of a call is asked here, so that no pass that ran is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from operator import ge
from typing import Any, NamedTuple

from ucseg_cli.facts.trace import HELD, KERNEL, Op, Tensor

Check = Callable[[Any], bool]

LARGEST = 2**63
"""Beyond any length, size or number of calls."""


class Form(NamedTuple):
    """The least that a call has: so many tensors, the first of them given; axes and attributes.

    *ranks* are the fewest axes of the tensors that are given, *out* those of the output. With
    *alike*, they all have equally many.
    """

    places: int
    given: int
    ranks: tuple[int, ...] = ()
    out: int = 0
    alike: bool = False
    attributes: AbstractSet[str] = frozenset()


def _is_whole(value: Any) -> bool:
    return type(value) is int


_WHOLE = frozenset({int})


def _are_whole(value: Any) -> bool:
    return type(value) is tuple and _WHOLE.issuperset(map(type, value))


def _are_steps(value: Any) -> bool:
    return _are_whole(value) and min(value, default=0) > 0


def _is_factor(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and 0 < value < float("inf"))


def _are_held(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_held, value))


def _is_held(value: Any) -> bool:
    if not isinstance(value, tuple) or len(value) != len(("shape", "element type", "bytes")):
        return False
    sides, element, size = value
    are_counts = _are_whole(sides) and all(0 <= count < LARGEST for count in sides)
    return are_counts and isinstance(element, str) and _is_whole(size) and 0 <= size < LARGEST


ATTRIBUTES: Mapping[str, Check] = {
    "kernel_size": _are_steps,
    "stride": _are_whole,
    "dilation": _are_steps,
    "padding": lambda value: isinstance(value, str) or _are_whole(value),
    "pad": _are_whole,
    "dims": _are_whole,
    "dim": lambda value: value is None or _is_whole(value) or _are_whole(value),
    "dim0": _is_whole,
    "dim1": _is_whole,
    "output_mask": lambda value: isinstance(value, tuple) and len(value) == len("xwb"),
    "groups": lambda value: _is_whole(value) and value > 0,
    "transposed": lambda value: isinstance(value, bool),
    "equation": lambda value: isinstance(value, str),
    "normalized_shape": _are_whole,
    "upscale_factor": lambda value: _is_whole(value) and value > 0,
    "downscale_factor": lambda value: _is_whole(value) and value > 0,
    "scales_h": _is_factor,
    "scales_w": _is_factor,
    HELD: _are_held,
    KERNEL: lambda value: isinstance(value, str),
}
"""Attributes that mean the same in every operator of ATen's."""

ALONG_ONE = ("cat", "stack", "slice", "select", "unbind", "split", "split_with_sizes")
"""Operators whose ``dim`` is one axis."""

FORMS: Mapping[str, Form] = {
    "convolution": Form(
        *(3, 2, (3, 3), 3),
        alike=True,
        attributes={"stride", "padding", "dilation", "transposed", "groups"},
    ),
    "convolution_backward": Form(
        *(3, 3, (3, 3, 3), 1), attributes={"transposed", "groups", "output_mask"}
    ),
    **{
        f"_scaled_dot_product_flash_attention_for_cpu{end}": Form(places, places, ranks)
        for end, places, ranks in (("", 3, (4, 4, 4)), ("_backward", 4, (4, 4, 4, 4)))
    },
    **{f"conv{rank}d": Form(3, 2, (rank + 1, rank + 2)) for rank in (1, 2, 3)},
    "linear": Form(3, 2, (1, 1)),
    "mm": Form(2, 2, (2, 2), alike=True),
    "addmm": Form(3, 3, (0, 2, 2), 2),
    "bmm": Form(2, 2, (3, 3), alike=True),
    "baddbmm": Form(3, 3, (0, 3, 3), 3),
    "matmul": Form(2, 2, (1, 1)),
    "batch_norm": Form(5, 1, (2,)),
    "native_batch_norm": Form(5, 1, (2,)),
    "layer_norm": Form(3, 1, (1,)),
    "native_layer_norm": Form(3, 1, (1,), attributes={"normalized_shape"}),
    "group_norm": Form(3, 1, (2,)),
    "einsum": Form(1, 1, attributes={"equation"}),
    "permute": Form(1, 1, attributes={"dims"}),
    "pixel_shuffle": Form(1, 1, (3,), 3, attributes={"upscale_factor"}),
    "pixel_unshuffle": Form(1, 1, (3,), 3, attributes={"downscale_factor"}),
    **{
        f"{kind}_pool{rank}d{end}": Form(1, 1, (rank + 1,), alike=True, attributes={"kernel_size"})
        for rank in (1, 2, 3)
        for kind, end in (("avg", ""), ("max", "_with_indices"))
    },
    **{f"adaptive_avg_pool{rank}d": Form(1, 1, (rank + 1,), alike=True) for rank in (1, 2, 3)},
    **{
        f"upsample_{kind}{rank}d": Form(1, 1, (rank + 2,), alike=True)
        for kind, rank in (
            *(("nearest", rank) for rank in (1, 2, 3)),
            *(("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3)),
        )
    },
    "cat": Form(1, 1, out=1),
    "stack": Form(1, 1, out=1),
    "slice": Form(1, 1, (1,), alike=True),
    "select": Form(1, 1, (1,)),
}


def has_its_form(op: Op, tensors: tuple[Tensor, ...]) -> bool:
    """Whether a call can be what it is named; indices of tensors must be in range."""
    if "::" in op.name:
        return True
    for name, value in op.attributes.items():
        check = ATTRIBUTES.get(name)
        if check is not None and not check(value):
            return False
    if op.name in ALONG_ONE and not _is_whole(op.attributes.get("dim", 0)):
        return False
    if HELD in op.attributes and not (op.composite and op.outputs):
        return False
    form = FORMS.get(op.name)
    return form is None or _has_form(op, form, tensors)


def _has_form(op: Op, form: Form, tensors: tuple[Tensor, ...]) -> bool:
    given = op.inputs[: form.given]
    if len(op.inputs) < form.places or not op.outputs or None in given:
        return False
    ranks = [len(tensors[number].shape) for number in given if number is not None]
    out = len(tensors[op.outputs[0]].shape)
    return (
        out >= form.out
        and all(map(ge, ranks, form.ranks))
        and (not form.alike or {*ranks} == {out})
        and op.attributes.keys() >= form.attributes
        and min(op.attributes.get("stride", ()), default=1) > 0
    )
