"""Kinds of operators by their effect on the places of a map; ATen's names, no final underscore."""

from __future__ import annotations

from ucseg_cli.facts.trace import Op


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


POINTWISE = _words(
    """
    abs add addcdiv addcmul alias atan atan2 bitwise_and bitwise_not bitwise_or bitwise_xor ceil
    celu clamp clamp_max clamp_min clone copy cos cosh detach div elu eq erf erfc exp exp2 expm1
    fill floor floor_divide fmod ge gelu gt hardshrink hardsigmoid hardswish hardtanh isfinite
    isinf isnan le leaky_relu lerp lift_fresh log log10 log1p log2 log_sigmoid_forward logical_and
    logical_not logical_or logical_xor logit lt masked_fill maximum minimum mish mul nan_to_num ne
    neg pow _prelu_kernel reciprocal relu relu6 remainder round rsqrt rsub sgn sigmoid sign silu
    sin sinh softplus softshrink sqrt square sub tan tanh threshold _to_copy trunc where xlogy
    zero
    """
)
"""Each output position depends on the same position of the inputs, broadcast to its shape."""

NORMS = frozenset(
    {
        "native_batch_norm",
        "_native_batch_norm_legit_no_training",
        "native_group_norm",
        "native_layer_norm",
    }
)
"""They scale a map position by position, some by its own statistics."""

ALONG_ONE_AXIS = frozenset(
    {"_softmax", "_log_softmax", "_safe_softmax", "glu", "native_dropout", "channel_shuffle"}
)
"""Each position is made of those beside it along one axis, in eval mode, and stays where it is."""

WITH_AXIS = ALONG_ONE_AXIS - {"native_dropout", "channel_shuffle"}
"""Those with an argument for the axis; the others act along channels, or none."""

PADDING = frozenset(
    {
        "constant_pad_nd",
        *(f"{kind}_pad{rank}d" for kind in ("reflection", "replication") for rank in "123"),
    }
)

RESHAPING = frozenset(
    {
        "view",
        "_unsafe_view",
        "reshape",
        "_reshape_alias",
        "squeeze",
        "unsqueeze",
        "flatten",
        "unflatten",
    }
)
"""They keep the elements in their order and draw the axes anew."""

COMPUTES_NOTHING = (
    PADDING
    | RESHAPING
    | _words(
        """
        alias as_strided cat clone copy detach expand fill flip gather index index_select lift_fresh
        masked_select narrow permute repeat repeat_interleave roll scatter select slice split
        split_with_sizes stack take _to_copy transpose unbind unfold zero
        """
    )
)
"""Their output is elements of their input, or a constant."""

REDUCTIONS = _words(
    """
    all amax amin any argmax argmin linalg_vector_norm logsumexp max mean median min norm prod std
    std_mean sum var var_mean
    """
)

MOVING = frozenset({"flip", "roll"})
"""Each output position is another input position, as far from its neighbours as before."""

PRODUCTS = frozenset({"mm", "addmm", "bmm", "baddbmm"})
"""Products of the last two inputs: rows of one by columns of the other."""

PLACE_KEEPING = (
    POINTWISE
    | NORMS
    | RESHAPING
    | REDUCTIONS
    | _words(
        "as_strided cat expand permute repeat select slice split split_with_sizes stack t "
        "transpose unbind unsafe_split"
    )
)
"""Each output position depends on one place of the input, if all of its places are still there."""

REDRAWN_IN_PLACE = frozenset(
    {"t_", "transpose_", "squeeze_", "unsqueeze_", "resize_", "set_", "swapaxes_", "as_strided_"}
)


def plain_name(op: Op) -> str:
    """The operator's name, in place or not."""
    return op.name if op.name.startswith("__") else op.name.removesuffix("_")


def gives_another_shape(op: Op, shape: tuple[int, ...]) -> bool:
    """Whether it redraws in place the axes of a tensor of this *shape*; traces do not show it."""
    return op.name in REDRAWN_IN_PLACE and op.attributes.get("size") != shape
