"""Each rule on the smallest module that breaks it and on its fixed twin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.analysis.rules.lint_checks import Finding, lint
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.engine.recording.record import record


def linted(model: nn.Module, *shape: int) -> list[Finding]:
    """Findings in a module outside the family, but for the heavy block that small ones have."""
    trace = record(model.to("meta"), torch.empty(shape, device="meta"))
    return [finding for finding in lint(Subject("net", trace)) if finding.rule.code != "UC108"]


def codes(model: nn.Module, *shape: int) -> list[str]:
    return [finding.rule.code for finding in linted(model, *shape)]


def dilated(rate: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(4, 4, kernel, padding=rate * (kernel // 2), dilation=rate, bias=False)


class Residual(nn.Module):
    """The conv's output is also used beside the norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        normed: Tensor = self.norm(out)
        return out + normed


class Idle(nn.Module):
    """Has a layer that it never runs, and a parameter of its own that it never reads."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 3)
        self.scale = nn.Parameter(torch.ones(5))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.used(x)
        return out


class Twice(nn.Module):
    """Runs one block twice."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.block(x), self.block(x)], 1)


def upsampled(*layers: nn.Module, mode: str = "bilinear") -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2, mode=mode), *layers)


BROKEN_AND_FIXED = {
    "UC101": (dilated(8), dilated(7), 8),
    "UC102": (dilated(7), dilated(2), 8),
    "UC103": (
        nn.Sequential(nn.AvgPool2d(32), dilated(10)),
        nn.Sequential(nn.AvgPool2d(16), dilated(10)),
        512,
    ),
    "UC104": (
        upsampled(nn.Conv2d(4, 2, 1)),
        nn.Sequential(nn.Conv2d(4, 2, 1), nn.Upsample(scale_factor=2)),
        8,
    ),
    "UC105": (Idle(), nn.Conv2d(4, 4, 1), 8),
    "UC106": (
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)),
        nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4)),
        8,
    ),
    "UC107": (
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4)),
        nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.BatchNorm2d(4)),
        8,
    ),
}


@pytest.mark.parametrize("code", BROKEN_AND_FIXED)
def test_a_rule_fires_on_the_module_that_breaks_it_and_not_on_its_fixed_twin(code: str) -> None:
    broken, fixed, side = BROKEN_AND_FIXED[code]
    assert code in codes(broken, 1, 4, side, side)
    assert code not in codes(fixed, 1, 4, side, side)


def test_every_rule_is_broken_somewhere_in_these_tests() -> None:
    assert BROKEN_AND_FIXED.keys() | {"UC108"} == RULES.keys()


def test_a_heavy_block_is_one_of_several_with_more_than_a_third() -> None:
    even = nn.Sequential(*(nn.Conv2d(4, 4, 1, bias=False) for _ in range(3)))
    heavy = nn.Sequential(*even, nn.Conv2d(4, 32, 1, bias=False))
    alone = nn.Conv2d(4, 4, 1)

    def found(model: nn.Module) -> list[tuple[str, ...]]:
        trace = record(model.to("meta"), torch.empty(1, 4, 8, 8, device="meta"))
        return [
            (finding.rule.code, finding.module, *finding.evidence)
            for finding in lint(Subject("net", trace))
        ]

    assert found(even) == []  # a third is not more than a third
    assert found(heavy) == [("UC108", "3", "params", "total"), ("UC108", "3", "fvcore", "total")]
    assert found(alone) == []


def test_no_axis_is_suggested_for_a_model_outside_the_family() -> None:
    for broken, _, side in BROKEN_AND_FIXED.values():
        assert all(
            (finding.fix, finding.exact) == ({}, None)
            for finding in linted(broken, 1, 4, side, side)
        )


def test_the_evidence_is_what_the_sentence_says() -> None:
    (found,) = linted(dilated(8), 1, 4, 8, 8)
    assert found.message == (
        "rate 8 on a 8×8 map is exactly a 1×1 conv: "
        "8 of 9 kernel positions only ever see padding; their 128 weights do nothing"
    )
    assert found.evidence == {
        "rate": 8, "map_height": 8, "map_width": 8, "kernel_positions": 9,
        "dead_positions": 8, "dead_params": 128, "reads": 64,
        "products": 576,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stride", "rate", "is_found"),
    [
        (32, 9, False),
        (32, 10, True),
        (64, 4, False),
        (64, 5, True),
        (48, 6, False),
        (48, 7, True),
        (16, 18, False),
    ],
)
def test_rates_are_a_finding_if_the_kernel_reaches_further_than_18_at_stride_16(
    *, stride: int, rate: int, is_found: bool
) -> None:
    assert is_found == (rate * stride > 18 * 16)  # 288 pixels
    found = [
        finding
        for finding in linted(nn.Sequential(nn.AvgPool2d(stride), dilated(rate)), 1, 4, 768, 768)
        if finding.rule.code == "UC103"
    ]
    assert [dict(finding.evidence) for finding in found] == is_found * [
        {"stride": stride, "largest_rate": rate, "pixels": rate * stride, "classic_pixels": 288}
    ]


def test_a_plain_conv_has_no_rate_that_could_be_unfit() -> None:
    assert (
        codes(nn.Sequential(nn.AvgPool2d(512), nn.Conv2d(4, 4, 3, padding=1)), 1, 4, 1536, 1536)
        == []
    )


def test_a_conv_is_no_1x1_conv_where_one_side_of_the_map_is_long_enough() -> None:
    assert codes(dilated(8), 1, 4, 8, 9) == ["UC102"]
    assert codes(dilated(8), 1, 4, 9, 9) == ["UC102"]


def test_rates_that_differ_along_height_and_width_are_named_by_the_larger() -> None:
    conv = nn.Conv2d(4, 4, 3, padding=(1, 8), dilation=(1, 8))
    (found,) = linted(conv, 1, 4, 8, 8)
    assert (found.rule.code, found.evidence["rate"]) == ("UC102", 8)


@pytest.mark.parametrize(
    "late",
    [
        upsampled(nn.Dropout(0.5), nn.Conv2d(4, 2, 1)),
        upsampled(nn.Conv2d(4, 4, 1, groups=2)),
        upsampled(nn.Conv2d(4, 2, 1, bias=False)),
    ],
    ids=["dropout between", "groups", "no bias"],
)
def test_a_pointwise_conv_after_an_upsample_is_seen_through_what_does_nothing(
    late: nn.Module,
) -> None:
    assert codes(late, 1, 4, 8, 8) == ["UC104"]


@pytest.mark.parametrize(
    "fine",
    [
        upsampled(nn.Conv2d(4, 2, 3, padding=1)),
        upsampled(nn.Conv2d(4, 2, 1, padding=1)),
        upsampled(nn.Conv2d(4, 2, 1, stride=2)),
        upsampled(nn.ReLU(), nn.Conv2d(4, 2, 1)),
        nn.Sequential(nn.Upsample(scale_factor=0.5, mode="bilinear"), nn.Conv2d(4, 2, 1)),
        upsampled(
            nn.Conv2d(4, 16, 1)
        ),  # 192 · 4 · 16 products for 4 · 256 · 12 elements: nothing saved
        upsampled(nn.Conv2d(4, 17, 1)),
    ],
    ids=[
        "3x3",
        "padding",
        "stride",
        "not linear",
        "downsampling",
        "many channels",
        "more channels",
    ],
)
def test_what_does_not_commute_or_would_cost_more_is_left_alone(fine: nn.Module) -> None:
    assert codes(fine, 1, 4, 8, 8) == []


@pytest.mark.parametrize(
    ("early", "batch"),
    [
        (nn.Conv2d(4, 2, 1), 1),
        (nn.Conv2d(4, 2, 1, bias=False), 3),
        (nn.Conv2d(4, 4, 1, groups=2), 2),
        (
            nn.Conv2d(4, 15, 1),
            1,
        ),  # with 16 nothing is saved: 192 · 4 · 16 products for 4 · 256 · 12 elements
    ],
    ids=["fewer channels", "batch of 3", "groups", "more channels"],
)
def test_what_commuting_saves_is_what_is_counted_less(early: nn.Module, batch: int) -> None:
    up = nn.Upsample(scale_factor=2, mode="bilinear")
    shape = (batch, 4, 8, 8)
    (found,) = linted(nn.Sequential(up, early), *shape)
    late, commuted = (
        totals(record(nn.Sequential(*layers).to("meta"), torch.empty(shape, device="meta")))[
            "fvcore"
        ]
        for layers in ((up, early), (early, up))
    )
    assert found.rule.code == "UC104"
    assert found.evidence == {"positions": 256, "positions_before": 64, "saved": late - commuted}


def test_a_bias_that_something_beside_the_norm_sees_is_left_alone() -> None:
    assert codes(Residual(), 1, 4, 8, 8) == []


def test_a_bias_that_another_conv_shares_is_left_alone() -> None:
    first, second = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
    assert codes(nn.Sequential(first, nn.BatchNorm2d(4), second), 1, 4, 8, 8) == ["UC106"]
    second.bias = first.bias
    assert codes(nn.Sequential(first, nn.BatchNorm2d(4), second), 1, 4, 8, 8) == []


@pytest.mark.parametrize(("rate", "found"), [(12, []), (13, ["UC102"])])
def test_half_of_the_products_is_not_mostly_padding(rate: int, found: list[str]) -> None:
    # Along the height 48 - 2 · rate of 3 · 16 products meet data, along the width all.
    conv = nn.Conv2d(4, 4, 3, padding=(rate, 0), dilation=(rate, 1))
    assert codes(conv, 1, 4, 16, 16) == found


def test_a_block_just_above_a_third_is_heavy() -> None:
    widths = (10, 10, 11)  # 110 of 310 parameters: 35.5%
    layers = [nn.Conv2d(10, width, 1, bias=False) for width in widths]
    trace = record(nn.Sequential(*layers).to("meta"), torch.empty(1, 10, 8, 8, device="meta"))
    assert {finding.module for finding in lint(Subject("net", trace))} == {"2"}


def test_unused_parameters_are_listed_by_module_with_their_names() -> None:
    found = {finding.module: finding.message for finding in linted(Idle(), 1, 4, 8, 8)}
    assert found == {
        "": "no operator reads 5 parameters (scale)",
        "idle": "no operator reads 74 parameters (weight, bias)",
    }


def test_what_runs_twice_is_found_once() -> None:
    assert codes(Twice(), 1, 4, 8, 8) == ["UC104"]


def test_a_shared_weight_is_used_wherever_it_is_used() -> None:
    tied = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    tied[1].weight = tied[0].weight
    assert codes(tied, 1, 4) == []
