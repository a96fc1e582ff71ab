"""Every shape rule compared with torch's own kernel, on plain arguments and on others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from ucseg_cli.engine.recording import backward_shapes
from ucseg_cli.engine.recording.dispatch import operator_name
from ucseg_cli.engine.recording.meta_shapes import _RULES, _RULES_THAT_LOOK, output_on_meta
from ucseg_cli.engine.recording.record import record

ATEN = torch.ops.aten
TRAINING = False
SIDES = st.integers(1, 9)
BROADCAST: Any = torch.broadcast_shapes


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
    except (RuntimeError, IndexError, ValueError, ArithmeticError):
        theirs = None
    return form(ours), form(theirs)


@st.composite
def convolutions(draw: st.DrawFn) -> list[Any]:
    """Arguments that fit: any groups, dilation, stride, padding and kernel, none of them square."""
    groups, per_group, out_per_group = (
        draw(st.integers(1, 4)),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
    )
    kernel, stride, dilation = (
        draw(st.tuples(st.integers(1, 4), st.integers(1, 4))) for _ in range(3)
    )
    padding = draw(st.tuples(st.integers(0, 6), st.integers(0, 6)))
    x = meta(draw(st.integers(0, 3)), groups * per_group, draw(SIDES), draw(SIDES))
    weight = meta(groups * out_per_group, per_group, *kernel)
    bias = meta(weight.shape[0]) if draw(st.booleans()) else None
    return [x, weight, bias, list(stride), list(padding), list(dilation), False, [0, 0], groups]


def shape_or_words(call: Callable[[], Tensor]) -> tuple[int, ...] | str:
    """The shape of what a call returns, or the words with which it is refused."""
    try:
        return tuple(call().shape)
    except RuntimeError as error:
        return str(error)


@given(convolutions())
def test_a_convolution_has_torch_s_shape_and_a_kernel_that_does_not_fit_its_words(
    args: list[Any],
) -> None:
    # With data: on meta torch 2.6 gives an empty map instead of refusing the kernel.
    real = [torch.zeros(arg.shape) if isinstance(arg, Tensor) else arg for arg in args]
    ours = shape_or_words(lambda: output_on_meta("convolution", args, {}))
    assert ours == shape_or_words(lambda: ATEN.convolution.default(*real))


def test_a_convolution_that_fits_is_answered_by_the_rule() -> None:
    args = (meta(2, 4, 9, 11), meta(6, 2, 3, 1), None, [2, 1], [1, 0], [2, 1], False, [0, 0], 2)
    # height (9 + 2·1 - 2·(3 - 1) - 1) // 2 + 1 = 4; width (11 - 0 - 1) // 1 + 1 = 11
    assert form(output_on_meta("convolution", args, {})) == (
        (2, 6, 4, 11),
        torch.float32,
        "meta",
        True,
    )


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, meta(1, 5, 9, 9)),  # channels
        (0, meta(4, 9, 9)),  # no batch
        (1, meta(6, 4, 3, 3, dtype=torch.float64)),
        (1, meta(5, 2, 3, 3)),  # five filters in two groups
        (2, meta(7)),  # bias
        (6, True),
        (8, 0),
        (8, 3),
    ],
)
def test_a_convolution_that_does_not_fit_is_left_to_torch(position: int, value: Any) -> None:
    args: list[Any] = [
        meta(1, 4, 9, 9),
        meta(6, 2, 3, 3),
        meta(6),
        [1, 1],
        [0, 0],
        [1, 1],
        False,
        [0, 0],
        2,
    ]
    assert output_on_meta("convolution", args, {}) is not None
    args[position] = value
    assert output_on_meta("convolution", args, {}) is None


@given(st.integers(1, 4), st.lists(SIDES, max_size=3), st.tuples(st.booleans(), st.booleans()))
def test_batch_norm_in_eval_has_its_input_s_shape_and_empty_statistics(
    channels: int, sides: list[int], given_affine: tuple[bool, bool]
) -> None:
    x, vector = meta(2, channels, *sides), meta(channels)
    weight, bias = (vector if there else None for there in given_affine)
    ours, theirs = both(
        ATEN.native_batch_norm.default, x, weight, bias, vector, vector, TRAINING, 0.1, 1e-5
    )
    assert ours is not None
    # torch sizes the statistics by device: on the CPU, as a trace must have them, they are empty
    assert ours[0] == theirs[0]
    assert [statistic[0] for statistic in ours[1:]] == [(0,), (0,)]


def test_batch_norm_s_empty_statistics_are_those_of_real_tensors() -> None:
    vector = torch.ones(3)
    real = ATEN.native_batch_norm.default(
        torch.ones(2, 3, 4, 4), vector, vector, vector, vector, TRAINING, 0.1, 1e-5
    )
    assert [tuple(out.shape) for out in real] == [(2, 3, 4, 4), (0,), (0,)]


@pytest.mark.parametrize(
    "args",
    [
        (meta(2, 3, 4, 4), None, None, None, None, False, 0.1, 1e-5),
        (meta(2, 3, 4, 4), meta(4), None, meta(3), meta(3), False, 0.1, 1e-5),
        (meta(3), None, None, meta(3), meta(3), False, 0.1, 1e-5),
        (meta(2, 3, dtype=torch.float16), None, None, meta(3), meta(3), False, 0.1, 1e-5),
    ],
)
def test_any_other_batch_norm_is_left_to_torch(args: tuple[Any, ...]) -> None:
    assert output_on_meta("native_batch_norm", args, {}) is None


@given(
    shape=st.tuples(*[st.integers(0, 5)] * 4),
    size=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    align_corners=st.booleans(),
)
def test_bilinear_upsampling_has_torch_s_shape_and_an_empty_map_is_left_to_torch(
    shape: tuple[int, int, int, int], size: tuple[int, int], *, align_corners: bool
) -> None:
    ours, theirs = both(
        ATEN.upsample_bilinear2d.default, meta(*shape), list(size), align_corners, None, None
    )
    assert ours in (theirs, None)
    assert (ours is None) == (0 in (*shape, *size))


@given(
    shape=st.lists(SIDES, min_size=1, max_size=4),
    lengths=st.lists(SIDES, max_size=4),
    dim=st.integers(-5, 5),
    odd_one_out=st.booleans(),
)
def test_cat_has_torch_s_shape_whatever_does_not_fit_is_left_to_torch(
    shape: list[int], lengths: list[int], dim: int, *, odd_one_out: bool
) -> None:
    def resized(length: int) -> list[int]:
        return [*shape[:dim], length, *shape[dim + 1 :]] if 0 <= dim < len(shape) else shape

    tensors = [meta(*resized(length)) for length in lengths]
    if odd_one_out:
        tensors.append(meta(*(side + 1 for side in shape)))
    ours, theirs = both(ATEN.cat.default, tensors, dim)
    assert ours in (theirs, None)
    assert (ours is None) <= (dim < 0 or theirs is None)


def test_cat_of_nothing_is_refused_in_torch_s_words() -> None:
    class Nothing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            del x
            return torch.cat([])

    with pytest.raises((ValueError, RuntimeError), match="expected a non-empty list of Tensors"):
        record(Nothing(), meta(1))


@pytest.mark.parametrize("operator", [ATEN.mean.dim, ATEN.sum.dim_IntList])
@given(
    shape=st.lists(SIDES, max_size=4),
    dim=st.none() | st.lists(st.integers(-5, 5), max_size=4),
    keepdim=st.booleans(),
)
def test_a_mean_or_sum_has_torch_s_shape_or_none_where_an_axis_does_not_exist(
    operator: Any, shape: list[int], dim: list[int] | None, *, keepdim: bool
) -> None:
    ours, theirs = both(operator, meta(*shape), dim, keepdim)
    assert ours == theirs if dim and shape else ours is None


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Two tensors, mostly of one rank, whose sides are mostly equal or 1."""
    sides = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    choices = [st.sampled_from([side, side, 1, side + 1]) for side in sides]
    one, other = draw(st.tuples(*choices)), draw(st.tuples(*choices))
    return meta(*one), meta(*other[draw(st.sampled_from([0, 0, 0, 1])) :])


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
@given(pair=pairs(), swapped=st.booleans())
def test_two_tensors_are_broadcast_as_torch_does(
    name: str, pair: tuple[Tensor, Tensor], *, swapped: bool
) -> None:
    ours, theirs = both(getattr(ATEN, name).Tensor, *(pair[::-1] if swapped else pair))
    assert ours == theirs


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "eq", "ne"])
@given(
    shape=st.lists(st.integers(0, 5), max_size=4),
    number=st.integers(-(2**63), 2**63 - 1) | st.floats() | st.booleans(),
)
def test_a_tensor_and_a_number_have_the_tensor_s_shape(
    name: str, shape: list[int], number: float
) -> None:
    overload = "Scalar" if name in {"eq", "ne"} else "Tensor"
    x = meta(*shape)
    ours = output_on_meta(name, (x, number), {})
    assert form(ours) == form(
        getattr(getattr(ATEN, name), overload)(
            x, number if overload == "Scalar" else torch.tensor(2.0)
        )
    )


@pytest.mark.parametrize("name", ["add_", "mul_"])
def test_a_number_in_place_returns_its_own_first_operand(name: str) -> None:
    x = meta(2, 3)
    assert output_on_meta(name, (x, 2), {}) is x


@pytest.mark.parametrize("name", ["add_", "mul_"])
@given(pair=pairs())
def test_a_broadcast_in_place_returns_its_own_first_operand_or_is_left_to_torch(
    name: str, pair: tuple[Tensor, Tensor]
) -> None:
    ours = output_on_meta(name, pair, {})
    try:
        getattr(ATEN, name).Tensor(*pair)
    except RuntimeError:
        assert ours is None
    else:
        assert (ours is pair[0]) == (BROADCAST(pair[0].shape, pair[1].shape) == pair[0].shape)


SIDES_OR_NONE = st.lists(st.integers(0, 5), max_size=4)


@given(
    shape=SIDES_OR_NONE,
    normalized=st.integers(0, 4),
    other=st.sampled_from([0, 0, 0, 1]),
    given_affine=st.tuples(st.booleans(), st.booleans()),
)
def test_layer_norm_has_its_input_s_shape_and_statistics_of_what_is_left(
    shape: list[int], normalized: int, other: int, given_affine: tuple[bool, bool]
) -> None:
    sides = [side + other for side in shape[max(0, len(shape) - normalized) :]]
    weight, bias = (meta(*sides) if there else None for there in given_affine)
    ours, theirs = both(ATEN.native_layer_norm.default, meta(*shape), sides, weight, bias, 1e-5)
    assert ours == theirs


def test_layer_norm_s_statistics_are_those_of_real_tensors() -> None:
    real = ATEN.native_layer_norm.default(torch.ones(2, 3, 4, 5), [4, 5], None, None, 1e-5)
    assert form(
        output_on_meta("native_layer_norm", (meta(2, 3, 4, 5), [4, 5], None, None, 1e-5), {})
    ) == tuple((shape, dtype, "meta", contiguous) for shape, dtype, _, contiguous in form(real))


@given(
    sides=st.tuples(*[st.integers(0, 5)] * 3),
    odd=st.integers(0, 9),
    transposed=st.tuples(st.booleans(), st.booleans()),
)
def test_a_matrix_product_has_torch_s_shape_in_any_layout(
    sides: tuple[int, int, int], odd: int, transposed: tuple[bool, bool]
) -> None:
    n, k, m = sides
    x = meta(k, n).t() if transposed[0] else meta(n, k)
    weight = meta(m, k + (odd == 0)).t() if transposed[1] else meta(k + (odd == 0), m)
    bias = meta(m + (odd == 1))
    ours, theirs = both(ATEN.addmm.default, bias, x, weight)
    assert ours == theirs or (ours is None and (1 in bias.shape or odd == 1))


@given(
    shape=SIDES_OR_NONE,
    shifts=st.lists(st.integers(-9, 9), max_size=3),
    dims=st.lists(st.integers(-5, 4), max_size=3),
)
def test_rolling_keeps_the_shape(shape: list[int], shifts: list[int], dims: list[int]) -> None:
    ours, theirs = both(ATEN.roll.default, meta(*shape), shifts, dims)
    assert ours == theirs or (ours is None and (len(dims) != len(shifts) or not dims or 0 in shape))


@given(shape=SIDES_OR_NONE, rows=SIDES_OR_NONE, transposed=st.booleans())
def test_rows_of_a_table_come_in_the_shape_of_their_numbers(
    shape: list[int], rows: list[int], *, transposed: bool
) -> None:
    numbers = meta(*rows, dtype=torch.int64)
    numbers = numbers.mT if transposed and numbers.dim() > 1 else numbers
    ours, theirs = both(ATEN.index.Tensor, meta(*shape), [numbers])
    assert ours == theirs or (ours is None and 0 in shape)


def test_any_other_index_is_left_to_torch() -> None:
    table, rows = meta(3, 4), meta(2, dtype=torch.int64)
    assert output_on_meta("index", (table, [rows]), {}) is not None
    for args in (
        (table, [None, rows]),
        (table, [rows, rows]),
        (table.t(), [rows]),
        (table, [meta(3, dtype=torch.bool)]),
    ):
        assert output_on_meta("index", args, {}) is None


@given(pair=pairs(), transposed=st.booleans())
def test_filling_where_a_mask_says_keeps_the_shape(
    pair: tuple[Tensor, Tensor], *, transposed: bool
) -> None:
    x, mask = pair[0], pair[1].to(torch.bool)
    if transposed and x.dim() == mask.dim() == 2:
        x, mask = x.t().contiguous(), mask.t()
    ours, theirs = both(ATEN.masked_fill.Scalar, x, mask, -100.0)
    assert ours == theirs or (ours is None and BROADCAST(x.shape, mask.shape) != x.shape)
    assert output_on_meta("masked_fill", (x, mask, meta()), {}) is None


@pytest.mark.parametrize("name", ["_softmax", "_safe_softmax", "_log_softmax"])
@given(shape=st.lists(SIDES, max_size=4), dim=st.integers(-5, 4))
def test_softmax_keeps_the_shape(name: str, shape: list[int], dim: int) -> None:
    last = [] if name == "_safe_softmax" else [False]
    ours, theirs = both(getattr(ATEN, name).default, meta(*shape), dim, *last)
    assert ours == theirs if -len(shape) <= dim < len(shape) else ours is None


@pytest.mark.parametrize(
    "name", ["relu", "hardswish", "hardsigmoid", "gelu", "silu", "sigmoid", "sqrt"]
)
@given(shape=st.lists(st.integers(0, 5), max_size=5))
def test_an_activation_has_its_input_s_shape_and_in_place_is_its_input(
    name: str, shape: list[int]
) -> None:
    x = meta(*shape)
    ours, theirs = both(getattr(ATEN, name).default, x)
    assert ours == theirs is not None
    has_none = name in {"gelu", "sqrt"}
    assert output_on_meta(f"{name}_", [x], {}) is (None if has_none else x)


def test_every_rule_is_held_against_torch_here() -> None:
    tested = {
        "convolution",
        "native_batch_norm",
        "native_layer_norm",
        "upsample_bilinear2d",
        "cat",
        "mean",
        "roll",
    }
    pairs = {"add", "add_", "sub", "mul", "mul_", "div", "eq", "ne", "_softmax", "_safe_softmax"}
    activations = {"relu", "hardswish", "hardsigmoid", "silu", "sigmoid"}
    others = {"gelu", "sum", "sqrt", "_log_softmax"} | backward_shapes.PLAIN.keys()
    in_place = {f"{name}_" for name in activations}
    assert _RULES.keys() == tested | pairs | activations | in_place | others
    larger = {"col2im", "im2col", "mse_loss", "smooth_l1_loss", "binary_cross_entropy"}
    larger.add("soft_margin_loss")  # tests/engine/test_memory_of_layers.py compares them
    looking = {"addmm", "index", "masked_fill"} | backward_shapes.LOOKING.keys()
    assert _RULES_THAT_LOOK.keys() == looking | larger


class OfAnotherClass(Tensor):
    """A subclass decides itself what its operators return."""


NOT_PLAIN = (
    torch.empty(1, 2, 3, 3),  # real
    meta(1, 2, 3, 3, dtype=torch.float16),
    meta(1, 2, 3, 3).to(memory_format=torch.channels_last),
    meta(2, 1, 3, 3).transpose(2, 3),
    meta(1, 2, 3, 3).as_subclass(OfAnotherClass),
)


@pytest.mark.parametrize(
    "tensor", NOT_PLAIN, ids=["real", "half", "channels last", "transposed", "subclass"]
)
@pytest.mark.parametrize("name", ["relu", "cat", "mul"])
def test_a_tensor_that_is_not_plain_is_left_to_torch(name: str, tensor: Tensor) -> None:
    args: dict[str, list[Any]] = {
        "relu": [tensor],
        "cat": [[tensor, tensor], 1],
        "mul": [meta(1, 2, 3, 3), tensor],
    }
    assert output_on_meta(name, args[name], {}) is None


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("add", (meta(2), meta(2)), {"alpha": 2}),
        ("add", (meta(2), 1j), {}),
        ("mul_", (meta(2), 1j), {}),
        ("rsub", (meta(2), meta(2)), {}),
        ("eq", (meta(2), meta(2)), {}),
        ("div", (meta(2), meta(2)), {"rounding_mode": "floor"}),
        ("gelu", (meta(2),), {"approximate": "tanh"}),
        ("addmm", (meta(3), meta(2, 4), meta(4, 3)), {"beta": 0}),
        ("addmm", (meta(3), meta(2, 4), meta(4, 3, dtype=torch.float16)), {}),
        ("mean", (meta(2, 2),), {}),
        ("mean", (meta(2, 2), [0]), {"dtype": torch.float64}),
        ("cat", ([meta(0), meta(2)], 0), {}),
        ("upsample_bilinear2d", (meta(1, 2, 3), [3, 3], False), {}),
    ],
)
def test_an_argument_out_of_the_ordinary_is_left_to_torch(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    assert output_on_meta(name, args, kwargs) is None


@pytest.mark.parametrize("name", ["zeros", "ones"])
@pytest.mark.parametrize("dtype", [None, torch.int64])
def test_zeros_and_ones_have_the_form_that_torch_gives_them(
    name: str, dtype: torch.dtype | None
) -> None:
    on_meta = {"device": torch.device("meta"), "pin_memory": False, "dtype": dtype}
    ours = output_on_meta(name, ([2, 3],), on_meta)
    assert form(ours) == form(getattr(ATEN, name).default([2, 3], **on_meta))
    assert output_on_meta(name, ([2, 3],), {"device": torch.device("cpu")}) is None


def test_an_operator_outside_aten_keeps_its_namespace() -> None:
    assert operator_name(ATEN.convolution.default) == "convolution"
    assert operator_name(torch.ops.quantized.add.default) == "quantized::add"


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Conv2d(5, 4, 1), (1, 3, 8, 8)),
        (nn.Conv2d(3, 4, 9), (1, 3, 8, 8)),
        (nn.BatchNorm2d(5).eval(), (1, 3, 8, 8)),
        (nn.Upsample((0, 4), mode="bilinear"), (1, 3, 8, 8)),
        (nn.Linear(5, 4), (1, 3)),
    ],
)
def test_recording_what_cannot_run_raises_torch_s_own_error(
    device: str, module: nn.Module, shape: list[int]
) -> None:
    # On meta torch 2.6 lets a kernel pass that does not fit.
    too_large = isinstance(module, nn.Conv2d) and module.kernel_size == (9, 9)
    real = "cpu" if too_large else device
    with pytest.raises((RuntimeError, ZeroDivisionError)) as theirs, torch.no_grad():
        module.to(real)(torch.zeros(shape, device=real))
    with pytest.raises(type(theirs.value)) as ours:
        record(module.to(device), torch.zeros(shape, device=device))
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize(
    "setting", [{"dilation": 0}, {"dilation": (2, -1)}, {"stride": 0}, {"padding": -1}]
)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_convolution_that_torch_refuses_with_data_does_not_run_without(
    setting: dict[str, Any], device: str, *, transposed: bool
) -> None:
    call = nn.functional.conv_transpose2d if transposed else nn.functional.conv2d

    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = call(x, torch.ones(3, 3, 3, 3, device=x.device), **setting)
            return out

    with pytest.raises((RuntimeError, ValueError)):
        record(Net(), torch.ones(1, 3, 8, 8, device=device))
