"""Every number on the reach of dilated convs, against real convolutions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from support.fixture_types import TraceOf
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.geometry.dilated_reach import reaches
from ucseg_cli.analysis.geometry.window import Window, windows
from ucseg_cli.engine.recording.build_on_meta import building_on_meta
from ucseg_cli.engine.recording.record import record
from ucseg_cli.engine.trace_model import Tracer
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.nets import build_model
from ucseg_cli.references import FromLibrary
from ucseg_cli.references.variants import as_variant


def traced(module: nn.Module, *shape: int) -> Trace:
    return record(module.to("meta"), torch.empty(shape, device="meta"))


# A conv, against torch

CONVS = st.fixed_dictionaries(
    {
        "kernel_size": st.tuples(st.integers(1, 5), st.integers(1, 5)),
        "dilation": st.tuples(st.integers(1, 8), st.integers(1, 8)),
        "stride": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "padding": st.tuples(st.integers(0, 20), st.integers(0, 20)),
        "groups": st.sampled_from([1, 2]),
    }
)


@given(CONVS, st.tuples(st.integers(1, 14), st.integers(1, 14)), st.integers(1, 2))
def test_a_real_conv_meets_as_much_data_as_we_say(
    options: dict[str, Any], size: tuple[int, int], batch: int
) -> None:
    assume(
        any(
            d > 1 and k > 1
            for d, k in zip(options["dilation"], options["kernel_size"], strict=True)
        )
    )
    conv = nn.Conv2d(2, 4, bias=False, **options).double()
    x = torch.ones(batch, 2, *size, dtype=torch.float64)
    try:
        out = conv(x)
    except RuntimeError:  # the kernel does not fit
        assume(False)  # noqa: FBT003 - hypothesis's way to say so
        raise
    (weight_grad,) = torch.autograd.grad(
        out.sum(), conv.weight
    )  # how often each weight meets a one
    trace = traced(conv, *x.shape)
    (reach,) = reaches(trace)
    per_tap = weight_grad[0, 0] / batch
    assert (reach.reads, reach.products) == (
        per_tap.sum().item(),
        out[0, 0].numel() * per_tap.numel(),
    )
    assert reach.share == Fraction(reach.reads, reach.products)
    assert (reach.dead_positions, reach.kernel_positions) == (
        int((per_tap == 0).sum()),
        per_tap.numel(),
    )
    assert reach.dead_params == int((weight_grad == 0).sum())
    assert reach.macs == total_flops(trace)["macs"]
    assert reach.padding_macs == reach.macs - int(weight_grad.sum())
    assert reach.dead_macs == batch * reach.dead_params * out[0, 0].numel()
    assert reach.map == size


@given(
    st.integers(1, 3).map(lambda half: 2 * half + 1),
    st.integers(2, 12),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_a_conv_is_called_pointwise_exactly_where_its_centre_alone_computes_the_same(
    kernel: int, rate: int, height: int, width: int
) -> None:
    conv = nn.Conv2d(2, 3, kernel, dilation=rate, padding=rate * (kernel // 2), bias=False).double()
    centre = nn.Conv2d(2, 3, 1, bias=False).double()
    centre.weight.data = conv.weight.data[:, :, kernel // 2, kernel // 2, None, None]
    x = torch.rand(1, 2, height, width, dtype=torch.float64)
    same = torch.allclose(conv(x), centre(x), rtol=0, atol=1e-12)
    (reach,) = reaches(traced(conv, *x.shape))
    assert reach.is_pointwise == same


def test_a_centre_that_is_shifted_is_not_a_pointwise_conv() -> None:
    (reach,) = reaches(traced(nn.Conv2d(1, 1, 3, dilation=9, padding=10), 1, 1, 2, 2))
    assert reach.dead_positions == 8
    assert not reach.is_pointwise


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(2, 2, 3),
        nn.Conv2d(2, 2, 1, dilation=4),
        nn.ConvTranspose2d(2, 2, 3, dilation=2),
        nn.MaxPool2d(3, dilation=2),
    ],
    ids=str,
)
def test_only_dilated_convs_are_listed(module: nn.Module) -> None:
    assert reaches(traced(module, 1, 2, 32, 32)) == ()


def test_a_module_that_runs_twice_is_listed_for_each_map() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=4, dilation=4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.conv(self.conv(x)[:, :, ::2])
            return out

    assert [(reach.module, reach.map) for reach in reaches(traced(Twice(), 1, 2, 8, 8))] == [
        ("conv", (8, 8)),
        ("conv", (4, 8)),
    ]


# The smallest input


@pytest.mark.parametrize(
    "before",
    [
        nn.Upsample(scale_factor=2),
        nn.AdaptiveAvgPool2d(16),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.ConvTranspose2d(2, 2, 2, 2),
        nn.Upsample((16, 16)),
    ],
    ids=str,
)
def test_where_the_map_is_not_made_by_convs_and_pools_alone_no_size_is_promised(
    before: nn.Module,
) -> None:
    (reach,) = reaches(
        traced(nn.Sequential(before, nn.Conv2d(2, 2, 3, padding=2, dilation=2)), 1, 2, 16, 16)
    )
    assert reach.least_size is None


@given(
    st.lists(
        st.builds(
            Window, st.integers(1, 5), st.integers(1, 2), st.integers(1, 3), st.integers(0, 2)
        ),
        max_size=3,
    ),
    st.integers(2, 6),
    st.integers(0, 8),
)
def test_through_any_chain_the_least_size_is_the_first_at_which_every_tap_reads(
    chain: list[Window], rate: int, padding: int
) -> None:
    last = Window(3, rate, 1, padding)

    def all_read(length: int) -> bool:
        for window in chain:
            length = window.positions(length)
            if not length:  # torch runs nothing on an empty map
                return False
        return all(last.reads(length))

    def conv(window: Window) -> nn.Module:
        return nn.Conv2d(
            1, 1, (window.kernel, 1), (window.stride, 1), (window.padding, 0), (window.dilation, 1)
        )

    least = next(length for length in range(1, 2_000) if all_read(length))
    module = nn.Sequential(
        *(nn.Sequential(conv(window), nn.BatchNorm2d(1), nn.ReLU()) for window in chain), conv(last)
    )
    (*_, reach) = reaches(traced(module, 1, 1, 600, 1))
    assert reach.least_size == (least, 1)


def one_channel(features: nn.Module) -> nn.Sequential:
    """The convs of a backbone with a window, on one channel: the same height, far cheaper."""
    convs = (
        module
        for module in features.modules()
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1)
    )
    return nn.Sequential(
        *(nn.Conv2d(1, 1, c.kernel_size, c.stride, c.padding, c.dilation) for c in convs)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", ["v1", "v2", "v3", "v2+output_stride=16"])
def test_the_least_size_is_found_by_trying_every_size(trace_of: TraceOf, name: str) -> None:
    variant = as_variant(name)
    waiting = {reach.module: reach for reach in reaches(trace_of(variant, Conditions()))}
    with torch.no_grad(), building_on_meta():
        features = build_model(variant).features
    backbone = one_channel(features).to_empty(device="cpu")
    for height in range(1, 600):
        with torch.no_grad():
            length = backbone(torch.empty(1, 1, height, 1)).shape[
                2
            ]  # no dilated conv of the family changes it
        for module in [
            module for module, reach in waiting.items() if all(reach.height.window.reads(length))
        ]:
            assert waiting.pop(module).least_size == (height, height)
    assert not waiting


def test_what_is_no_window_has_none() -> None:
    trace = traced(
        nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.ConvTranspose2d(1, 1, 3)), 1, 1, 8, 8
    )
    found = [windows(trace, op) for _, op in trace.kernels()]
    assert found == [(Window(3), Window(3)), None, None]


@pytest.mark.parametrize(
    ("name", "stride", "pointwise"),
    [("deeplabv3_resnet50", 8, {36}), ("deeplabv3_mobilenet_v3_large", 16, {24, 36})],
)
def test_torchvision_s_deeplab_reads_as_its_rates_say(
    name: str, stride: int, pointwise: set[int]
) -> None:
    found = reaches(Tracer().trace(FromLibrary("torchvision", name), Conditions()))
    head = [reach for reach in found if reach.module.startswith("classifier")]
    assert [reach.rate for reach in head] == [(12, 12), (24, 24), (36, 36)]
    # a tap that is a rate away reads data on a map that is longer than the rate
    assert [reach.least_size for reach in head] == [
        (stride * rate + 1,) * 2 for rate, _ in (reach.rate for reach in head)
    ]
    assert {reach.rate[0] for reach in head if reach.is_pointwise} == pointwise


@pytest.mark.parametrize(
    "turn", [lambda x: x.transpose(2, 3), lambda x: x.cumsum(2), lambda x: x.flip(2)[:, :, ::2]]
)
def test_behind_what_turns_the_map_the_least_size_is_not_known(
    turn: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, dilation=3, padding=3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.conv(turn(x))
            return out

    (reach,) = reaches(traced(Turned(), 1, 4, 16, 16))
    assert reach.least_size is None
