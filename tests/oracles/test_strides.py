"""Strides against three oracles: sizes, shifted inputs, and values that say where they are from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from ucseg_cli.analysis.geometry.grid import HEIGHT, TIME, WIDTH, places
from ucseg_cli.analysis.geometry.operator_kinds import POINTWISE, PRODUCTS, REDUCTIONS, RESHAPING
from ucseg_cli.analysis.geometry.stride import grids, strides
from ucseg_cli.engine.recording.record import record
from ucseg_cli.engine.trace_model import Tracer
from ucseg_cli.facts.conditions import Conditions, Size, parse_inputs
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import FromLibrary

SIDE = 48


class Function(nn.Module):
    """A module whose forward is a function of the input alone."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


def trace_of(module: nn.Module, *shapes: tuple[int, ...]) -> Trace:
    inputs = (torch.empty(shape, device="meta") for shape in shapes or ((1, 4, SIDE, SIDE),))
    return record(module.to("meta"), *inputs)


def stride_of(module: nn.Module, *shapes: tuple[int, ...]) -> tuple[float, float] | None:
    trace = trace_of(module, *shapes)
    stride = strides(trace).get(trace.outputs[0])
    return stride and (float(stride[0]), float(stride[1]))


# Against shifted inputs: where the input moves by two strides, the output moves by two


SHIFTED = {
    "conv": nn.Conv2d(4, 6, 3, stride=2),
    "depthwise": nn.Conv2d(4, 4, 5, stride=3, groups=4, padding=2),
    "dilated": nn.Conv2d(4, 4, 3, dilation=3),
    "max": nn.MaxPool2d(3, 2, ceil_mode=True),
    "average": nn.AvgPool2d(4),
    "adaptive": nn.AdaptiveAvgPool2d(12),
    "unshuffled": nn.PixelUnshuffle(4),
    "unshuffled and back": nn.Sequential(nn.PixelUnshuffle(4), nn.PixelShuffle(2)),
    "transposed": nn.Sequential(
        nn.Conv2d(4, 4, 4, stride=4), nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)
    ),
    "nearest": nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=2)),
    "bilinear": nn.Sequential(nn.AvgPool2d(4), nn.Upsample((24, 24), mode="bilinear")),
    "bicubic": nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=2, mode="bicubic")),
    "padded": nn.Sequential(nn.AvgPool2d(2), nn.ReflectionPad2d(3), nn.Conv2d(4, 4, 3, stride=2)),
    "every second": Function(lambda x: x[:, :, 1::2, ::2]),
    "focus": Function(lambda x: torch.cat([x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]], 1)),
    "gated": Function(
        lambda x: functional.avg_pool2d(x, 2) * x.mean((2, 3), keepdim=True).sigmoid()
    ),
    "spatially gated": Function(
        lambda x: functional.max_pool2d(x * x.mean(1, keepdim=True).sigmoid(), 3, 3)
    ),
    "normed": nn.Sequential(
        nn.GroupNorm(2, 4), nn.AvgPool2d(2), nn.InstanceNorm2d(4), nn.Hardswish(inplace=True)
    ),
    "shuffled": nn.Sequential(nn.AvgPool2d(2), nn.ChannelShuffle(2)),
    "split": Function(lambda x: functional.avg_pool2d(x, 2).chunk(2, 1)[1]),
    "one channel": Function(lambda x: functional.avg_pool2d(x, 2)[:, 1]),
    "stacked": Function(lambda x: torch.stack([functional.avg_pool2d(x, 2)] * 2)),
    "padded channels": Function(
        lambda x: functional.pad(functional.avg_pool2d(x, 2), (0, 0, 0, 0, 1, 1))
    ),
    "einsum": Function(
        lambda x: torch.einsum("nchw,ck->nkhw", functional.avg_pool2d(x, 2), torch.ones(4, 3).to(x))
    ),
}


@pytest.mark.parametrize("module", SHIFTED.values(), ids=SHIFTED)
def test_an_input_that_is_moved_by_two_strides_moves_the_output_by_two(module: nn.Module) -> None:
    module = module.to_empty(device="cpu").double().eval()
    for parameter in module.parameters():
        nn.init.uniform_(parameter)
    x = torch.rand(1, 4, SIDE, SIDE, dtype=torch.float64)
    before = module(x)
    trace = record(module, x)
    found = strides(trace)[trace.outputs[0]]
    at = places(grids(trace)[trace.outputs[0]])
    for name, step, axis in ((HEIGHT, found[0], 2), (WIDTH, found[1], 3)):
        assert step.denominator == 1
        after = module(x.roll(2 * step.numerator, axis))
        assert torch.allclose(_inner(before.roll(2, at[name].position), at), _inner(after, at))
        assert not torch.allclose(_inner(before, at), _inner(after, at))


def _inner(out: Tensor, at: dict[str, Any]) -> Tensor:
    """Without what the borders touch."""
    for place in at.values():
        out = out.narrow(place.position, 5, out.shape[place.position] - 10)
    return out


# Against values that say where they came from


def _split(x: Tensor, number: int) -> Tensor:
    axis = number % x.ndim
    sizes = [size for size in range(2, x.shape[axis]) if x.shape[axis] % size == 0]
    return x.unflatten(axis, (sizes[number % len(sizes)], -1)) if sizes and x.ndim < 7 else x  # type: ignore[no-untyped-call]


def _merged(x: Tensor, number: int) -> Tensor:
    axis = number % max(1, x.ndim - 1)
    return x.flatten(axis, axis + 1) if x.ndim > 2 else x


MOVES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "split": _split,
    "merge": _merged,
    "merge more": _merged,
    "swap": lambda x, number: x.transpose(number % x.ndim, (number // 7) % x.ndim),
    "turn": lambda x, number: x.permute(*(((axis + number) % x.ndim) for axis in range(x.ndim))),
    "every second": lambda x, number: x[(slice(None),) * (number % x.ndim) + (slice(0, None, 2),)],
    "last": lambda x, number: x.narrow(number % x.ndim, -1, 1) if number % 2 else x[:, -2:],
    "first half": lambda x, number: x[(slice(None),) * (number % x.ndim) + (slice(0, 2),)],
    "one": lambda x, number: x.select(number % x.ndim, 0) if x.ndim > 3 else x,
    "copy": lambda x, _: x.clone(),
    "wider": lambda x, _: x.unsqueeze(1) if x.ndim < 7 else x,
}


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(list(MOVES)), st.integers(0, 60)), max_size=9))
def test_however_axes_are_cut_and_turned_a_step_is_what_lies_between_neighbours(
    moves: list[tuple[str, int]],
) -> None:
    def moved(x: Tensor) -> Tensor:
        for name, number in moves:
            x = MOVES[name](x, number)
        return x

    shape = (2, 3, 12, 16)
    trace = trace_of(Function(moved), shape)
    for name, axis in ((HEIGHT, 2), (WIDTH, 3)):
        origin = torch.arange(shape[axis]).view(-1, *[1] * (3 - axis)).expand(shape)
        out = moved(origin)
        for tensor in trace.outputs:
            found = places(grids(trace).get(tensor, ()))
            if name in found and out.shape[found[name].position] > 1:
                assert set(out.diff(dim=found[name].position).flatten().tolist()) == {
                    int(found[name].step)
                }


def test_windows_that_are_put_together_again_are_a_map() -> None:
    def windowed(x: Tensor) -> Tensor:
        x = functional.avg_pool2d(x, 2).permute(0, 2, 3, 1)
        windows = x.view(1, 4, 6, 4, 6, 4).permute(0, 1, 3, 2, 4, 5).reshape(16, 36, 4)
        return windows.relu().view(1, 4, 4, 6, 6, 4).permute(0, 1, 3, 2, 4, 5).reshape(1, 24, 24, 4)

    assert stride_of(Function(windowed)) == (2, 2)


# Against sizes: a network that pads has a map of 256 / s positions


PADDED = (
    *("resnet18", "resnext50_32x4d", "mobilenet_v2", "mobilenet_v3_small", "vgg11_bn"),
    *("densenet121", "googlenet", "shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0"),
    *("regnet_y_400mf", "convnext_tiny", "swin_v2_t"),
    *("deeplabv3_mobilenet_v3_large", "fcn_resnet50", "lraspp_mobilenet_v3_large"),
)


@pytest.mark.parametrize("name", PADDED)
def test_a_map_of_a_network_that_pads_is_as_long_as_its_stride_says(name: str) -> None:
    trace = Tracer().trace(FromLibrary("torchvision", name), Conditions(Size(256, 512)))
    known = strides(trace)
    for tensor, stride in known.items():
        shape, at = trace.tensors[tensor].shape, places(grids(trace)[tensor])
        assert [shape[at[HEIGHT].position], shape[at[WIDTH].position]] == [
            256 / stride[0],
            512 / stride[1],
        ]
    maps = {
        tensor
        for module in trace.modules
        for tensor in module.outputs
        if trace.tensors[tensor].shape[2:] > (1, 1)
    }
    assert max(known[tensor][0] for tensor in maps & known.keys()) >= 8
    depth = [known[tensor][0] for tensor in sorted(maps & known.keys())]
    assert {4, 8} <= set(depth)


def test_a_video_has_a_step_in_time_too() -> None:
    trace = Tracer().trace(
        FromLibrary("torchvision", "r3d_18"), Conditions(given=parse_inputs("1x3x16x112x112"))
    )
    found = places(grids(trace)[trace.by_path["layer4"].outputs[0]])
    assert {name: place.step for name, place in found.items()} == {TIME: 8, HEIGHT: 16, WIDTH: 16}


# Unknown strides


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.mean((2, 3), keepdim=True),
        lambda x: functional.interpolate(functional.adaptive_avg_pool2d(x, 1), (9, 9)),
        lambda x: functional.adaptive_avg_pool2d(x, 7),
        lambda x: x.flatten(2),
        lambda x: functional.unfold(x, 3),
        lambda x: functional.grid_sample(x, x.new_empty(1, 5, 5, 2), align_corners=False),
        lambda x: x.unfold(2, 4, 4),
        lambda x: x.repeat(1, 1, 2, 1),
        lambda x: torch.cat([x, x], 2),
        lambda x: x[:, :, torch.arange(9, device=x.device)],
        lambda x: x.flatten(2).transpose(1, 2).softmax(1)[:, 1:],
        lambda x: x.flatten(1).view(1, -1, 9, 4),
        lambda x: x.mean(3),
        lambda x: x[:, :, :0].flatten(1).view(1, 0, 4),
    ],
)
def test_what_lies_on_no_grid_has_no_stride(function: Callable[[Tensor], Tensor]) -> None:
    assert stride_of(Function(function)) is None


def test_strides_are_of_the_first_image() -> None:
    both = Function(lambda image, small: functional.avg_pool2d(image, 4) + small)
    assert stride_of(both, (1, 4, 32, 32), (1, 4, 8, 8)) == (4, 4)
    assert stride_of(Function(lambda _, small: small.relu()), (1, 4, 32, 32), (1, 4, 8, 8)) is None
    assert stride_of(Function(lambda _, x: x.relu()), (1, 16), (1, 4, 8, 8)) == (1, 1)


def test_height_and_width_are_followed_where_they_change_places() -> None:
    turned = Function(lambda x: functional.avg_pool2d(x, (2, 3)).transpose(2, 3))
    assert stride_of(turned) == (2, 3)
    trace = trace_of(turned)
    assert places(grids(trace)[trace.outputs[0]])[HEIGHT].position == 3


def test_what_turns_a_tensor_in_place_is_not_followed() -> None:
    assert stride_of(Function(lambda x: x.clone().transpose_(2, 3))) is None


# The names


NOT_TAGGED = {
    *("_prelu_kernel", "_to_copy", "alias", "copy", "detach", "fill", "floor_divide", "hardswish"),
    *("lift_fresh", "log_sigmoid_forward", "zero"),
}
"""Pointwise, though torch does not say so."""
TAGGED_LATER = {"leaky_relu"}
"""Pointwise, though torch 2.6 does not say so yet."""


def test_what_is_taken_for_pointwise_is_so_in_torch() -> None:
    tagged = {
        name
        for name in POINTWISE
        for packet in [getattr(torch.ops.aten, name)]
        if any(
            torch.Tag.pointwise in getattr(packet, overload).tags for overload in packet.overloads()
        )
    }
    assert POINTWISE - tagged - TAGGED_LATER == NOT_TAGGED


@pytest.mark.parametrize("name", sorted(PRODUCTS | REDUCTIONS | RESHAPING))
def test_every_name_is_an_operator(name: str) -> None:
    assert hasattr(torch.ops.aten, name)
