"""Which taps a model outside the family has, on small modules and on torchvision's networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ucseg_cli.analysis.geometry.tap_shapes import Map, choose_taps, default_taps, tap_shapes
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.engine.recording.record import record
from ucseg_cli.engine.trace_model import Tracer
from ucseg_cli.errors import UsageError
from ucseg_cli.facts.conditions import Conditions, Size, parse_inputs
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import FromLibrary


class Net(nn.Module):
    """An iterated list, a module with two paths, an unused one, no tensor, and a mapping."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), nn.ReLU()) for _ in range(2)
        )
        self.again = self.stages[0]
        self.unused = nn.Conv2d(3, 3, 1)
        self.silent = Silent()
        self.head = Head()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for stage in self.stages:
            x = stage(x)
        self.silent(x)
        heads: dict[str, Tensor] = self.head(x)
        return heads


class Silent(nn.Module):
    def forward(self, x: Tensor) -> int:
        return x.ndim


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": self.conv(x), "pooled": x.mean((2, 3))}


def subject_of(module: nn.Module, *shape: int) -> Subject:
    return Subject(
        "net", record(module.to("meta"), torch.empty(shape or (1, 3, 32, 64), device="meta"))
    )


def named(subject: Subject, *patterns: str) -> list[str]:
    return [tap.name for tap in choose_taps([subject], patterns)[0]]


def test_without_a_word_they_are_the_top_level_modules_that_returned_something() -> None:
    assert [tap.name for tap in default_taps(subject_of(Net()).trace)] == [
        "stages.0",
        "stages.1",
        "head",
    ]


def test_a_model_without_parts_is_one_tap() -> None:
    trace = subject_of(nn.AvgPool2d(4)).trace
    (tap,) = tap_shapes(trace)
    assert (tap.name, tap.module, tap.map, tap.whole_stride) == ("(model)", "", Map(3, 8, 16), 4)


def test_a_model_that_did_not_run_has_none() -> None:
    trace = subject_of(Net()).trace
    unrun = Trace(
        tuple(m._replace(outputs=(), calls=0) for m in trace.modules),
        (),
        (),
        (),
        (),
        (),
        (),
        failure="no",
    )
    assert default_taps(unrun) == ()
    assert tap_shapes(unrun) == ()


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["stages.1.0"], ["stages.1.0"]),
        (["stages.*"], ["stages.0", "stages.1"]),
        (["stages.?.?"], ["stages.0.0", "stages.0.1", "stages.1.0", "stages.1.1"]),
        (["**.0"], ["stages.0", "stages.0.0", "stages.1.0"]),
        (["head", "stages.0", "stag*.0"], ["stages.0", "head"]),  # in the model's order, each once
        (["again"], ["again"]),  # a second path, where it is asked for
        (["*"], ["head"]),  # what returned nothing is left out,
        (["unused", "head"], ["unused", "head"]),  # unless it is asked for,
        (["un*"], ["unused"]),  # or nothing else fits
    ],
)
def test_patterns_choose_modules(patterns: list[str], names: list[str]) -> None:
    assert named(subject_of(Net()), *patterns) == names


def test_everything_is_a_pattern_too() -> None:
    subject = subject_of(Net())
    assert "again" not in named(subject, "**")
    assert len(named(subject, "**")) == 2 * 3 + 2


def test_of_several_models_a_pattern_has_to_fit_one() -> None:
    one, other = subject_of(Net()), subject_of(nn.Sequential(nn.ReLU()))
    assert [[tap.name for tap in taps] for taps in choose_taps([one, other], ["0", "head"])] == [
        ["head"],
        ["0"],
    ]


@pytest.mark.parametrize(
    ("pattern", "help_"),
    [
        ("stage.0", "did you mean 'stages.0'? `ucseg params net --depth 2` shows them"),
        ("*.5", "`ucseg params net --depth 2` shows them"),
        ("", "`ucseg params net --depth 1` shows them"),
    ],
)
def test_a_pattern_that_fits_nothing_is_an_error_with_the_nearest(pattern: str, help_: str) -> None:
    with pytest.raises(UsageError) as raised:
        choose_taps([subject_of(Net())], ["head", pattern])
    assert raised.value.what == f"no module of net is named '{pattern}'"
    assert raised.value.where == f"--tap {pattern}"
    assert raised.value.help is not None
    assert raised.value.help.endswith(help_)


def test_each_tensor_of_several_has_a_row_of_its_own() -> None:
    subject = subject_of(Net())
    taps = tap_shapes(subject.trace, choose_taps([subject], ["head"])[0])
    assert [(tap.name, tap.module, tap.shape, tap.whole_stride) for tap in taps] == [
        ("head[out]", "head", (1, 3, 8, 16), 4),
        ("head[pooled]", "head", (1, 3), None),
    ]


def test_tensors_without_names_are_counted() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return x, [x.relu()]

    taps = tap_shapes(subject_of(nn.Sequential(Two())).trace)
    assert [tap.name for tap in taps] == ["0[0]", "0[1]"]


def test_what_was_asked_for_and_never_ran_has_no_shape() -> None:
    subject = subject_of(Net())
    unused, silent = tap_shapes(subject.trace, choose_taps([subject], ["unused", "silent"])[0])
    assert (unused.shape, unused.stride, unused.map, unused.dtype, unused.whole_strides) == (
        None,
    ) * 5
    assert silent.shape is None


def shapes_of(name: str, conditions: Conditions, *patterns: str) -> dict[str, Any]:
    subject = Subject(name, Tracer().trace(FromLibrary("torchvision", name), conditions))
    chosen = choose_taps([subject], patterns)[0] if patterns else None
    return {
        tap.name: (tap.shape, tap.map, tap.whole_strides)
        for tap in tap_shapes(subject.trace, chosen)
    }


def test_a_classifier_s_taps_are_maps_until_they_are_flattened() -> None:
    taps = shapes_of("resnet50", Conditions())
    assert list(taps) == [
        "conv1",
        "bn1",
        "relu",
        "maxpool",
        "layer1",
        "layer2",
        "layer3",
        "layer4",
        "avgpool",
        "fc",
    ]
    assert taps["layer4"] == ((1, 2048, 7, 7), (2048, 7, 7), (32, 32))
    assert taps["avgpool"] == ((1, 2048, 1, 1), (2048, 1, 1), None)
    assert taps["fc"] == ((1, 1000), None, None)


def test_of_a_segmentation_network_what_the_backbone_hands_on_is_named() -> None:
    taps = shapes_of("deeplabv3_resnet50", Conditions(Size(64, 96)))
    assert taps == {
        "backbone[out]": ((1, 2048, 8, 12), (2048, 8, 12), (8, 8)),
        "classifier": ((1, 21, 8, 12), (21, 8, 12), (8, 8)),
    }


def test_channels_may_stand_last() -> None:
    taps = shapes_of("swin_t", Conditions(), "features.3", "permute")
    assert taps["features.3"] == ((1, 28, 28, 192), (192, 28, 28), (8, 8))
    assert taps["permute"] == ((1, 768, 7, 7), (768, 7, 7), (32, 32))


def test_tokens_windows_and_videos_are_no_maps() -> None:
    assert shapes_of("vit_b_16", Conditions(), "encoder") == {
        "encoder": ((1, 197, 768), None, None)
    }
    (window,) = shapes_of(
        "maxvit_t", Conditions(), "blocks.0.layers.0.layers.window_attention.attn_layer"
    ).values()
    assert window == ((1, 64, 49, 64), None, None)
    video = shapes_of("r3d_18", Conditions(given=parse_inputs("1x3x16x112x112")), "layer4")
    assert video == {"layer4": ((1, 512, 2, 7, 7), None, (8, 16, 16))}


def test_where_no_image_goes_in_four_axes_are_no_map() -> None:
    assert [tap.map for tap in tap_shapes(subject_of(nn.Unflatten(1, (2, 2, 4)), 1, 16).trace)] == [
        None
    ]


def test_a_stride_that_is_no_whole_number_is_none() -> None:
    (tap,) = tap_shapes(subject_of(nn.Upsample(scale_factor=2)).trace)
    assert (tap.whole_stride, tap.whole_strides) == (None, None)
    (tap,) = tap_shapes(subject_of(nn.AvgPool2d((2, 4))).trace)
    assert (tap.whole_stride, tap.whole_strides) == (None, (2, 4))
