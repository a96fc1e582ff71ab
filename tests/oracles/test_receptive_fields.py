"""Receptive fields against hand-made cases, and against which pixels a gradient really reaches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor, nn
from torch.nn import functional

from support.fixture_types import TraceOf
from ucseg_cli.analysis.geometry.receptive_field import (
    ReceptiveField,
    Sight,
    Unknown,
    receptive_fields,
    sights,
)
from ucseg_cli.analysis.geometry.span import ends, most_read
from ucseg_cli.engine.recording.record import record
from ucseg_cli.engine.trace_model import Tracer
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Tap, Trace
from ucseg_cli.nets import build_model
from ucseg_cli.references import FromLibrary
from ucseg_cli.references.variants import Variant, as_variant

OUT = [Tap("out", "")]


class Function(nn.Module):
    """A module whose forward is a function of itself and the input."""

    def __init__(self, function: Callable[..., Tensor], **children: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def field_of(module: nn.Module, *shape: int) -> ReceptiveField:
    trace = record(module.to("meta"), torch.empty(shape or (1, 4, 64, 64), device="meta"))
    (field,) = receptive_fields(trace, OUT)
    return field


def conv(kernel: int, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(4, 4, kernel, **options)


# By hand


@pytest.mark.parametrize(
    ("layers", "size"),
    [
        ([conv(1)], 1),
        ([conv(3)], 3),
        ([conv(3), conv(3)], 5),
        ([conv(3, stride=2), conv(3)], 7),  # 3 + 2 · 2
        ([conv(3, dilation=6, padding=6)], 13),  # 1 + 2 · 6
        ([conv(3, stride=2), conv(5, stride=2), conv(3, dilation=2)], 27),  # 3 + 2 · 4 + 4 · 4
        ([nn.MaxPool2d(2), conv(3)], 6),  # 2 + 2 · 2
        ([nn.MaxPool2d(3, dilation=2)], 5),
        ([nn.AvgPool2d(3, 2, 1), conv(3)], 7),
        ([conv(3), nn.BatchNorm2d(4), nn.Hardswish(inplace=True)], 3),
        ([nn.Upsample(scale_factor=2)], 1),
        ([nn.Upsample(scale_factor=2, mode="bilinear")], 2),
        ([conv(3), nn.Upsample(scale_factor=4, mode="bilinear")], 4),  # two neighbours at stride 1
        (
            [nn.AvgPool2d(4), nn.Upsample(scale_factor=4, mode="bilinear"), conv(3)],
            12,
        ),  # three of 4, at most
        ([nn.ConvTranspose2d(4, 4, 3, padding=1)], 3),
        ([nn.MaxPool2d(2), nn.ConvTranspose2d(4, 4, 2, stride=2)], 2),
        ([nn.MaxPool2d(2), nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)], 4),
        ([conv(3), nn.MaxPool2d(3, 2, ceil_mode=True)], 5),
        ([nn.ZeroPad2d((2, 0, 1, 0)), conv(3, stride=2)], 3),
        ([nn.ReflectionPad2d(1), conv(3)], 3),
        ([nn.AdaptiveAvgPool2d(16)], 4),
        ([conv(3), nn.ChannelShuffle(2), nn.Softmax(1), conv(3)], 5),
    ],
    ids=str,
)
def test_layers_see_what_a_drawing_shows(layers: list[nn.Module], size: int) -> None:
    assert field_of(nn.Sequential(*layers)).size == (size, size)


def test_height_and_width_are_separate() -> None:
    assert field_of(nn.Conv2d(4, 4, (3, 5), stride=(2, 1), dilation=(1, 3))).size == (3, 13)


@pytest.mark.parametrize(
    "merge", [torch.add, lambda a, b: torch.cat([a, b], 1), torch.mul, torch.maximum]
)
def test_what_combines_maps_sees_what_any_of_them_sees(merge: Callable[..., Tensor]) -> None:
    two = Function(
        lambda self, x: merge(self.a(x), self.b(x)), a=conv(3, padding=1), b=conv(7, padding=3)
    )
    assert field_of(two).size == (7, 7)


def test_fields_that_are_not_concentric_are_covered_from_end_to_end() -> None:
    class Left(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.early, self.late = conv(3, dilation=1), conv(3, dilation=3, padding=2)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.early(x) + self.late(x)  # 0 … 2 and -2 … 4
            return out

    assert field_of(Left()).size == (7, 7)
    two = Function(
        lambda self, x: self.a(x) + self.b(x),
        a=conv(1),
        b=nn.Conv2d(4, 4, 4, dilation=2, padding=3),
    )
    assert field_of(two).size == (7, 7)  # 0 and -3 … 3


@pytest.mark.parametrize("sides", [(9_973,), (101, 9_973, 17)])
def test_where_what_is_read_hardly_ever_repeats_it_is_not_tabulated(sides: tuple[int, ...]) -> None:
    layers = (nn.Upsample((side, 64), mode="bilinear") for side in sides)
    field = field_of(nn.Sequential(conv(3), *layers, conv(1)))
    assert (field.size, field.unknown) == (None, Unknown.PERIOD)


def channels_last(self: Any, x: Tensor) -> Tensor:
    """A ConvNeXt block: 7×7, layer norm and a linear layer over channels, plus its input."""
    inner: Tensor = self.b(functional.layer_norm(self.a(x).permute(0, 2, 3, 1), [4])).permute(
        0, 3, 1, 2
    )
    return x + inner


def shuffled(self: Any, x: Tensor) -> Tensor:
    """ShuffleNet's: channels cut in groups and laid out the other way round."""
    out: Tensor = self.a(x).view(1, 2, 2, *x.shape[2:]).transpose(1, 2).reshape(x.shape)
    return out


def tokens(self: Any, x: Tensor) -> Tensor:
    """SegFormer's: places in a row while a linear layer mixes the channels, then a map again."""
    out: Tensor = (
        self.b(self.a(x).flatten(2).transpose(1, 2))
        .transpose(1, 2)
        .unflatten(2, tuple(x.shape[2:]))
    )
    return out


@pytest.mark.parametrize("block", [channels_last, shuffled, tokens])
def test_a_map_is_followed_however_its_axes_are_laid_out(
    block: Callable[[Any, Tensor], Tensor],
) -> None:
    inner = Function(block, a=conv(7, padding=3), b=nn.Linear(4, 4))
    assert field_of(nn.Sequential(conv(3, stride=2), inner, conv(3))).size == (
        3 + 12 + 4,
        3 + 12 + 4,
    )


def test_a_write_into_a_part_is_not_forgotten_by_the_whole() -> None:
    def shifted(self: Any, x: Tensor) -> Tensor:
        whole: Tensor = self.a(x)
        whole[:, :2] += self.b(x)[:, :2]
        return whole

    assert field_of(Function(shifted, a=conv(3, padding=1), b=conv(7, padding=3))).size is None


def test_each_tensor_that_a_module_returns_has_a_field_of_its_own() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = conv(3), conv(5)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"near": self.a(x), "far": self.b(x)}

    trace = record(Two().to("meta"), torch.empty((1, 4, 64, 64), device="meta"))
    fields = receptive_fields(trace, OUT)
    assert [(field.name, field.size) for field in fields] == [
        ("out[near]", (3, 3)),
        ("out[far]", (5, 5)),
    ]


@pytest.mark.parametrize(
    ("name", "module", "size"),
    # as in "Computing Receptive Fields of Convolutional Neural Networks" (Distill, 2019) and others
    [
        ("resnet18", "layer4", 435),
        ("resnet50", "layer4", 427),
        ("vgg11_bn", "features", 150),
        ("alexnet", "features", 195),
        ("mobilenet_v2", "features", 491),
    ],
)
def test_well_known_networks_see_what_is_known_of_them(name: str, module: str, size: int) -> None:
    trace = Tracer().trace(FromLibrary("torchvision", name), Conditions())
    (field,) = receptive_fields(trace, [Tap("last", module)])
    assert field.size == (size, size)


# Global context


def squeeze(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


GATED: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "kept dimensions": lambda self, x: self.a(x) * self.b(squeeze(x)).sigmoid(),
    "adaptive pooling": lambda self, x: self.a(x) + self.b(functional.adaptive_avg_pool2d(x, 1)),
    "maximum": lambda self, x: self.a(x) * functional.adaptive_max_pool2d(x, 1),
    "flattened": lambda self, x: self.a(x) * self.c(x.mean((2, 3))).view(1, 4, 1, 1),
    "expanded": lambda self, x: self.a(x) * self.b(squeeze(x)).expand_as(x),
    "channels attending to one another": lambda self, x: (
        (x.flatten(2) @ x.flatten(2).transpose(1, 2)).softmax(2) @ self.a(x).flatten(2)
    ).view(x.shape),
    "concatenated": lambda self, x: torch.cat(
        [self.a(x), functional.interpolate(self.b(squeeze(x)), size=x.shape[2:], mode="bilinear")],
        1,
    ),
}


@pytest.mark.parametrize("gate", GATED.values(), ids=GATED)
def test_what_is_pooled_and_comes_back_is_named_and_set_aside(
    gate: Callable[[Any, Tensor], Tensor],
) -> None:
    inner = Function(gate, a=conv(3, padding=1), b=conv(1), c=nn.Linear(4, 4))
    field = field_of(nn.Sequential(conv(3), inner, nn.ReLU()))
    assert field.size == (5, 5)
    assert field.global_context == ("1",)


def test_a_map_that_is_only_pooled_has_no_field_and_names_who_pooled_it() -> None:
    field = field_of(nn.Sequential(conv(3), nn.AdaptiveAvgPool2d(1), conv(1)))
    assert (field.size, field.global_context) == (None, ("1",))


def test_a_linear_layer_over_all_of_a_map_sees_everything() -> None:
    field = field_of(nn.Sequential(conv(3), nn.Flatten(), nn.Linear(4 * 62 * 62, 9)))
    assert (field.size, field.global_context) == (None, ("2",))


def test_statistics_of_the_map_are_global_context() -> None:
    assert field_of(nn.Sequential(conv(3), nn.LayerNorm([4, 62, 62]))).global_context == ("1",)
    assert field_of(nn.Sequential(conv(3), nn.LayerNorm(62))).global_context == ("1",)
    assert field_of(nn.Sequential(conv(3), nn.GroupNorm(2, 4))).global_context == ("1",)
    assert field_of(nn.Sequential(conv(3), nn.InstanceNorm2d(4))).global_context == ("1",)
    assert field_of(nn.Sequential(conv(3), nn.BatchNorm2d(4))).global_context == ()


@pytest.mark.parametrize(
    "module",
    [
        nn.ConvTranspose2d(4, 4, 1, stride=2),
        nn.Upsample(scale_factor=2, mode="bicubic"),
        nn.PixelShuffle(2),
        Function(lambda _, x: x.flip(2)),
        Function(lambda _, x: x + x.transpose(2, 3)),
        Function(lambda _, x: x.softmax(3)),
        Function(lambda _, x: x.cumsum(2)),
        Function(lambda _, x: x + functional.pixel_unshuffle(functional.pixel_shuffle(x, 2), 2)),
        Function(
            lambda _, x: (
                (x.flatten(2).transpose(1, 2) @ x.flatten(2)).softmax(2)
                @ x.flatten(2).transpose(1, 2)
            )
        ),
        Function(
            lambda _, x: functional.grid_sample(x, x.new_empty(1, 62, 62, 2), align_corners=False)
        ),
        Function(lambda _, x: functional.pad(x, (1, 1, 1, 1), mode="circular")),
    ],
    ids=[
        *(
            "transposed with holes",
            "bicubic",
            "pixel shuffle",
            "flip",
            "turned",
            "softmax",
            "cumsum",
            "one way unknown",
        ),
        *("attention", "grid sample", "circular"),
    ],
)
def test_behind_what_is_not_known_there_is_no_field(module: nn.Module) -> None:
    field = field_of(nn.Sequential(conv(3), module, nn.ReLU()))
    assert (field.size, field.unknown) == (None, Unknown.OPERATOR)


def test_a_map_of_a_module_that_never_ran_or_is_not_there_is_left_out() -> None:
    module = nn.Sequential(conv(3))
    module[0].unused = nn.ReLU()
    trace = record(module.to("meta"), torch.empty((1, 4, 8, 8), device="meta"))
    assert receptive_fields(trace, [Tap("a", "0.unused"), Tap("b", "nowhere")]) == ()


# Against gradients


ROUNDING = 1e-12
"""A share of the largest gradient, which a bilinear weight of zero may come out as."""


def reached(out: Tensor, x: Tensor, at: int, least: float = 0) -> tuple[int, int]:
    """The first and last row of *x* with more than *least* of the largest effect on row *at*."""
    (gradient,) = torch.autograd.grad(out[0, :, at].sum(), x, retain_graph=True)
    rows = gradient.abs().sum((0, 1, 3))
    moved = (rows > rows.max() * least).nonzero().flatten()
    return int(moved[0]), int(moved[-1])


def positive(module: nn.Module) -> nn.Module:
    """In float64, with random weights that cannot cancel one another."""
    module = module.double().eval().requires_grad_(requires_grad=False)
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            part.weight.data = (torch.rand_like(part.weight) + 0.5) / part.weight[0].numel()
    return module


def tall(layer: tuple[str, int, int, int, int]) -> nn.Module:  # noqa: PLR0911 - one for each kind
    """A layer that acts along the height alone."""
    kind, kernel, stride, dilation, number = layer
    match kind:
        case "conv":
            return nn.Conv2d(1, 1, (kernel, 1), (stride, 1), (number, 0), (dilation, 1), bias=False)
        case "pool":
            return nn.AvgPool2d((kernel, 1), (stride, 1))
        case "scale":
            return nn.Upsample(
                scale_factor=(1 + number / 4, 1), mode="bilinear", align_corners=number % 2 == 0
            )
        case "spread":
            options = {"padding": (number % kernel, 0), "dilation": (dilation, 1)}
            return nn.ConvTranspose2d(1, 1, (kernel, 1), (stride, 1), bias=False, **options)  # type: ignore[arg-type]
        case "pad":
            return nn.ZeroPad2d((0, 0, number, kernel))
        case "nearest":
            return nn.Upsample(
                scale_factor=(1 + stride, 1), mode="nearest" if number % 2 else "nearest-exact"
            )
        case _:
            return Resize(kernel + 10 * stride)


class Resize(nn.Module):
    """Bilinear, to a size of its own."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        return functional.interpolate(
            x, (x.shape[2] + self.more, 1), mode="bilinear", align_corners=False
        )


def up(scale: float, mode: str = "bilinear", **options: Any) -> nn.Module:
    return nn.Upsample(scale_factor=scale, mode=mode, **options)


def aligned(scale: float) -> nn.Module:
    return up(scale, align_corners=True)


def one(kernel: int, stride: int = 1, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(1, 1, kernel, stride, bias=False, **options)


def to_its_size(self: Any, x: Tensor) -> Tensor:
    """As in a U-Net: brought back to the size of an earlier map, whatever that is."""
    near = self.a(x)
    far = functional.interpolate(self.b(near), near.shape[2:], mode="bilinear")
    return torch.cat([near, far], 1).sum(1, keepdim=True)


def added(self: Any, x: Tensor) -> Tensor:
    a, b = self.a(x), self.b(x)
    return cast("Tensor", a + b[..., : a.shape[2], : a.shape[3]])


def chained(*modules: nn.Module) -> nn.Module:
    return nn.Sequential(*modules)


MEETINGS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int], tuple[int, int] | None]] = {
    "the field report": (
        lambda: Function(
            added, a=chained(one(8, 8), aligned(8)), b=chained(one(8, 8), up(8, "nearest"))
        ),
        (224, 224),
        (16, 16),
    ),
    "unequal sides": (
        lambda: Function(
            added, a=chained(one(8, 8), aligned(8)), b=chained(one(8, 8), up(8, "nearest"))
        ),
        (512, 16),
        (16, 16),
    ),
    "aligned and not": (
        lambda: Function(added, a=chained(one(4, 4), aligned(4)), b=chained(one(4, 4), up(4))),
        (96, 60),
        None,
    ),
    "aligned from two scales": (
        lambda: Function(
            added, a=chained(one(2, 2), aligned(2)), b=chained(one(8, 8), aligned(8), one(1))
        ),
        (64, 128),
        None,
    ),
    "with the image itself": (
        lambda: Function(added, a=one(1), b=chained(one(3, 2, padding=1), aligned(2))),
        (58, 34),
        None,
    ),
    "then pooled": (
        lambda: chained(
            Function(added, a=chained(one(4, 4), aligned(4)), b=one(1)), nn.AvgPool2d(3, 2)
        ),
        (64, 48),
        None,
    ),
    "pooled, alone": (
        lambda: chained(one(8, 8), aligned(8), nn.AvgPool2d(8)),
        (224, 96),
        None,
    ),
    "then a second meeting": (
        lambda: chained(
            Function(added, a=chained(one(4, 4), aligned(4)), b=one(1)),
            Function(added, a=chained(nn.AvgPool2d(2), aligned(2)), b=one(3, padding=1)),
        ),
        (48, 64),
        None,
    ),
    "sizes without a common factor": (
        lambda: Function(
            added,
            a=nn.Upsample((127, 64), mode="bilinear"),
            b=chained(nn.Upsample((131, 64), mode="bilinear"), nn.AvgPool2d((5, 1), 1)),
        ),
        (64, 64),
        None,
    ),
    "a U-Net of odd sizes": (
        lambda: Function(
            to_its_size,
            a=one(3, 2, padding=1),
            b=Function(to_its_size, a=one(3, 2, padding=1), b=one(3, 2, padding=1)),
        ),
        (97, 113),
        None,
    ),
}


@pytest.mark.parametrize(("make", "sides", "size"), MEETINGS.values(), ids=MEETINGS)
def test_maps_that_diverge_see_together_what_gradients_over_every_row_reach(
    make: Callable[[], nn.Module], sides: tuple[int, int], size: tuple[int, int] | None
) -> None:
    trace = record(make().to("meta"), torch.empty((1, 1, *sides), device="meta"))
    (field,) = receptive_fields(trace, OUT)
    module, most = positive(make()), []
    for turned in (False, True):
        x = torch.ones(1, 1, *sides, dtype=torch.float64, requires_grad=True)
        out = module(x)
        out = out.transpose(2, 3) if turned else out
        most.append(max(rows_reached(out, x, at, turned=turned) for at in range(out.shape[2])))
    assert field.size == tuple(most)
    assert size in (None, field.size)


def rows_reached(out: Tensor, x: Tensor, at: int, *, turned: bool) -> int:
    """How many rows of *x*, or columns, lie between the first and the last that move row *at*."""
    (gradient,) = torch.autograd.grad(out[0, :, at].sum(), x, retain_graph=True)
    moves = gradient.abs().sum((0, 1, 2 if turned else 3))
    moved = (moves > moves.max() * ROUNDING).nonzero().flatten()
    return int(moved[-1] - moved[0]) + 1


LAYERS = st.tuples(
    st.sampled_from(["conv", "conv", "pool", "scale", "nearest", "size", "spread", "pad"]),
    st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 5),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(LAYERS, min_size=1, max_size=5))
def test_in_any_stack_of_layers_each_position_sees_the_pixels_that_move_it(
    layers: list[tuple[str, int, int, int, int]],
) -> None:
    module = positive(nn.Sequential(*map(tall, layers)))
    x = torch.ones(1, 1, 401, 1, dtype=torch.float64, requires_grad=True)
    out = module(x)
    trace = record(
        nn.Sequential(*map(tall, layers)).to("meta"), torch.empty(x.shape, device="meta")
    )
    sight = sights(trace)[trace.outputs[0]]
    # unknown where two odd ratios follow one another, or a transposed convolution leaves holes
    assume(isinstance(sight, Sight))
    assert isinstance(sight, Sight)
    assert sight.field is not None
    middle = out.shape[2] // 2
    for at in range(max(0, middle - 6), min(out.shape[2], middle + 6)):
        first, last = ends(sight.field[0], at)
        if first > 0 and last < 400:
            assert (first, last) == reached(out, x, at, ROUNDING)


@settings(max_examples=60)
@given(st.lists(LAYERS, min_size=1, max_size=5), st.integers(4, 24))
def test_on_a_small_map_no_position_sees_more_than_live_kernel_positions_do(
    layers: list[tuple[str, int, int, int, int]], side: int
) -> None:
    module = positive(nn.Sequential(*map(tall, layers)))
    x = torch.ones(1, 1, side, 1, dtype=torch.float64, requires_grad=True)
    try:
        out = module(x)
    except RuntimeError:  # a kernel that is larger than its map
        assume(False)  # noqa: FBT003 - hypothesis has it so
        raise
    trace = record(
        nn.Sequential(*map(tall, layers)).to("meta"), torch.empty(x.shape, device="meta")
    )
    whole, live = (
        sights(trace, live_positions_only=only)[trace.outputs[0]] for only in (False, True)
    )
    assume(isinstance(whole, Sight) and isinstance(live, Sight))
    assert isinstance(whole, Sight)
    assert isinstance(live, Sight)
    assert whole.field is not None
    assert live.field is not None
    assert most_read(live.field[0], out.shape[2]) <= most_read(whole.field[0], out.shape[2])
    for at in range(out.shape[2]):
        (gradient,) = torch.autograd.grad(out[0, :, at].sum(), x, retain_graph=True)
        moved = (gradient[0, 0, :, 0] > gradient.max() * ROUNDING).nonzero().flatten().tolist()
        first, last = ends(live.field[0], at)
        lowest, highest = ends(whole.field[0], at)
        assert lowest <= first <= last <= highest
        assert all(first <= row <= last for row in moved)


def offsets(module: nn.Module, side: int, stride: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """How far back and on a position reads at most, along height and along width."""
    found = []
    for turned in (False, True):
        x = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
        out = module(x)
        out, reader = (out.transpose(2, 3), 3) if turned else (out, 2)
        reach = []
        for at in range(out.shape[2]):
            (gradient,) = torch.autograd.grad(out[0, :, at].sum(), x, retain_graph=True)
            rows = gradient[0, 0].sum(1 if reader == 2 else 0).nonzero().flatten()
            reach += [int(rows[0]) - at * stride, int(rows[-1]) - at * stride]
        found.append((min(reach), max(reach)))
    return found[0], found[1]


@pytest.mark.parametrize(
    ("kernel", "rate", "live"),
    [
        (3, 6, 3),  # every kernel position sees data on a map of 8
        (3, 8, 1),  # the centre alone
        (3, 18, 1),
        (5, 3, 5),
        (5, 4, 3),  # 8 to each side are dead, 4 are not
        (5, 6, 3),
        (5, 8, 1),
        (7, 3, 5),  # 9 dead, 6 not
    ],
)
def test_where_outer_positions_are_dead_the_live_field_is_what_gradients_reach(
    kernel: int, rate: int, live: int
) -> None:
    def network(size: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 1, 3, stride=2, padding=1),
            nn.Conv2d(1, 1, 3, stride=2, padding=1),
            nn.Conv2d(1, 1, size, padding=rate * (size // 2), dilation=rate),
        )

    trace = record(network(kernel).to("meta"), torch.empty((1, 1, 32, 32), device="meta"))
    (field,) = receptive_fields(trace, OUT)
    # 3 and 2 · 2 more at the map of 8×8, and 4 pixels for each step on it
    assert field.size == (7 + 4 * rate * (kernel - 1),) * 2
    assert field.live_size == (7 + 4 * rate * (live - 1),) * 2
    seen = offsets(positive(network(kernel)), 32, stride=4)
    assert tuple(last - first + 1 for first, last in seen) == field.live_size


def test_a_kernel_position_may_be_dead_along_one_side_of_the_map_alone() -> None:
    field = field_of(nn.Conv2d(4, 4, 3, padding=8, dilation=8), 1, 4, 8, 9)
    assert (field.size, field.live_size) == ((17, 17), (1, 17))


def without_gates(model: nn.Module) -> nn.Module:
    """The same network with constants for what squeeze-excite and image pooling compute."""
    for module in model.modules():
        if type(module).__name__ == "SqueezeExcitation":
            module.forward = lambda x: 0.7 * x
        if isinstance(module, nn.AdaptiveAvgPool2d):
            module.register_forward_hook(lambda _module, _inputs, out: out.detach())
    return model


def assert_seen_as_gradients_see(variant: Variant, trace: Trace) -> None:
    model = without_gates(positive(build_model(variant)))
    maps = [*trace.taps, *(Tap(role, path) for path, role in variant.roles().items())]
    fields = {field.module: field for field in receptive_fields(trace, maps)}
    seen: dict[str, Tensor] = {}
    for path in fields:
        model.get_submodule(path).register_forward_hook(
            lambda _m, _i, out, path=path: seen.update({path: out})
        )
    side = max(field.size[0] for field in fields.values() if field.size) + 192
    for turned in (False, True):
        x = torch.rand(1, 3, side, 8, dtype=torch.float64).add(0.5).requires_grad_()
        features: Any = model.features
        model.get_submodule("aspp")(features(x.transpose(2, 3) if turned else x))
        for path, field in fields.items():
            out = seen[path].transpose(2, 3) if turned else seen[path]
            if field.size is None:
                assert not out.requires_grad
                continue
            first, last = reached(out, x, out.shape[2] // 2)
            assert last - first + 1 == field.size[turned]


@pytest.mark.parametrize("name", ["v1", "v2", "v3", "v2+output_stride=16"])
def test_the_named_networks_see_the_pixels_that_move_them(trace_of: TraceOf, name: str) -> None:
    variant = as_variant(name)
    assert_seen_as_gradients_see(variant, trace_of(variant, Conditions()))


@settings(max_examples=6)
@given(st.data())
def test_every_variant_sees_the_pixels_that_move_it(
    variants: SearchStrategy[Variant], trace_of: TraceOf, data: st.DataObject
) -> None:
    variant = data.draw(variants)
    assert_seen_as_gradients_see(variant, trace_of(variant, Conditions(Size(64, 96))))


def test_through_its_gates_a_tap_sees_everything(trace_of: TraceOf) -> None:
    variant = as_variant("v2")
    (low, *_) = receptive_fields(
        trace_of(variant, Conditions()), trace_of(variant, Conditions()).taps
    )
    assert (low.size, low.global_context) == ((7, 7), ("features.1.block.1",))
    features = positive(build_model(variant).features)
    x = torch.rand(1, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    out = features[1](features[0](x))  # type: ignore[index]
    (gradient,) = torch.autograd.grad(out[0, :, 8, 8].sum(), x)
    assert bool((gradient.abs().sum((0, 1)) > 0).all())


def test_fields_do_not_depend_on_the_size_of_the_input(trace_of: TraceOf) -> None:
    variant = as_variant("v2")
    at = [
        receptive_fields(t, t.taps)
        for t in (trace_of(variant, Conditions(Size(n, n))) for n in (32, 224, 512))
    ]
    assert [[field.size for field in fields] for fields in at] == [
        [(7, 7), (31, 31), (511, 511)]
    ] * 3


def test_each_branch_of_v2_adds_its_rate_to_the_high_tap(trace_of: TraceOf) -> None:
    variant = as_variant("v2")
    trace = trace_of(variant, Conditions())
    branches = receptive_fields(trace, [Tap(role, path) for path, role in variant.roles().items()])
    # 511 of the high tap, and two rates of 32 pixels each
    assert [field.size for field in branches] == [
        *((511 + 64 * rate,) * 2 for rate in (0, 6, 12, 18)),
        None,
    ]
    assert branches[-1].global_context[-1] == "aspp.branches.4"


@pytest.mark.parametrize(
    ("size", "live"),
    # maps of 7×7, 12×13, 16×16, 18×19 and 19×19: rate r sees only padding on a side of at most r
    [
        (Size(224, 224), {6: (6, 6), 12: (0, 0), 18: (0, 0)}),
        (Size(384, 385), {6: (6, 6), 12: (0, 12), 18: (0, 0)}),
        (Size(512, 512), {6: (6, 6), 12: (12, 12), 18: (0, 0)}),
        (Size(576, 577), {6: (6, 6), 12: (12, 12), 18: (0, 18)}),
        (Size(577, 577), {6: (6, 6), 12: (12, 12), 18: (18, 18)}),
    ],
    ids=str,
)
def test_at_a_size_a_branch_of_v2_adds_its_rate_only_where_its_kernel_reads_data(
    trace_of: TraceOf, size: Size, live: dict[int, tuple[int, int]]
) -> None:
    variant = as_variant("v2")
    trace = trace_of(variant, Conditions(size))
    branches = receptive_fields(trace, [Tap(role, path) for path, role in variant.roles().items()])
    assert [field.live_size for field in branches] == [
        (511, 511), *((511 + 64 * down, 511 + 64 * across) for down, across in live.values()), None
    ]  # fmt: skip


@settings(max_examples=10)
@given(st.data())
def test_at_no_size_does_a_map_see_more_than_its_receptive_field(
    variants: SearchStrategy[Variant],
    small_conditions: SearchStrategy[Conditions],
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    variant = data.draw(variants)
    trace = trace_of(variant, data.draw(small_conditions))
    for field in receptive_fields(
        trace, [*trace.taps, *(Tap(role, path) for path, role in variant.roles().items())]
    ):
        assert (field.live_size is None) == (field.size is None)
        assert all(
            live <= whole
            for live, whole in zip(field.live_size or (), field.size or (), strict=True)
        )
