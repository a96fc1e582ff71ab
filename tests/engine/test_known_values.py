"""The family's known figures, from independent counters, as MODEL.md gives them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from support.fixture_types import TraceOf
from ucseg_cli.analysis.comparing.comparison import Delta
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.module_tree import roll_up
from ucseg_cli.analysis.counting.operations import flops_by_operator, own_flops, total_flops
from ucseg_cli.analysis.counting.parameters import own_params, total_params
from ucseg_cli.analysis.geometry.tap_shapes import tap_shapes
from ucseg_cli.engine.trace_model import trace_variant
from ucseg_cli.errors import ModelError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import CATALOGUE, Variant, as_variant


@pytest.fixture
def traced(trace_of: TraceOf) -> Callable[[str, int], Trace]:
    return lambda reference, side: trace_of(as_variant(reference), Conditions(Size(side, side)))


Traced = Callable[[str, int], Trace]


def params_by_path(trace: Trace) -> dict[str, int]:
    return {path: figures["params"] for path, figures in roll_up(trace, own_params(trace)).items()}


@pytest.mark.parametrize(
    ("reference", "parts", "total"),
    [
        (
            "v1",
            {
                "features": 282_368,
                "aspp": 139_904,
                "mid_conv": 624,
                "decoder": 50_816,
                "classifier": 1_365,
            },
            475_077,
        ),
        (
            "v2",
            {
                "features": 576_464,
                "aspp": 55_136,
                "mid_conv": 624,
                "decoder": 11_656,
                "classifier": 1_365,
            },
            645_245,
        ),
    ],
)
def test_parameters_by_block(
    traced: Traced, reference: str, parts: dict[str, int], total: int
) -> None:
    by_path = params_by_path(traced(reference, 224))
    assert {path: by_path[path] for path in parts} == parts
    assert sum(parts.values()) == by_path[""] == total


def test_all_of_v2_s_growth_is_the_one_extra_entry_of_the_backbone(traced: Traced) -> None:
    before, after = (total_params(traced(name, 224))["params"] for name in ("v1", "v2"))
    change = Delta(before, after).change
    assert isinstance(change, Fraction)
    assert round(1000 * change) == 358  # +35.8%
    assert params_by_path(traced("v2", 224))["features.10"] == 294_096
    assert after - before - 294_096 == 55_136 + 11_656 - 139_904 - 50_816  # aspp and decoder shrink


@pytest.mark.parametrize(
    ("reference", "side", "fvcore"),
    [
        ("v1", 224, 169_742_240),
        ("v2", 224, 141_328_192),
        ("v1", 512, 886_253_696),
        ("v2", 512, 737_104_000),
        ("v2+head=before-upsample", 512, 345_198_720),
    ],
)
def test_operations_as_fvcore_counts_them(
    traced: Traced, reference: str, side: int, fvcore: int
) -> None:
    assert total_flops(traced(reference, side))["fvcore"] == fvcore


@pytest.mark.parametrize(("reference", "macs"), [("v1", 802_768_896), ("v2", 650_883_072)])
def test_multiply_accumulates_and_torch_s_twice_as_many(
    traced: Traced, reference: str, macs: int
) -> None:
    totals = total_flops(traced(reference, 512))
    assert (totals["macs"], totals["torch"]) == (macs, 2 * macs)


@pytest.mark.parametrize("reference", ["v1", "v2", "v3"])
def test_taps_at_512(traced: Traced, reference: str) -> None:
    taps = tap_shapes(traced(reference, 512))
    assert [(tap.name, tap.shape, tap.whole_stride) for tap in taps] == [
        ("low", (1, 16, 128, 128), 4),
        ("mid", (1, 24, 64, 64), 8),
        ("high", (1, 96, 16, 16), 32),
    ]


def test_the_map_at_224_is_7_by_7(traced: Traced) -> None:
    assert tap_shapes(traced("v2", 224))[-1].shape == (1, 96, 7, 7)


def test_an_output_stride_of_16_dilates_instead_of_striding(traced: Traced) -> None:
    high = tap_shapes(traced("v2+output_stride=16", 512))[-1]
    assert (high.shape, high.whole_stride) == ((1, 96, 32, 32), 16)
    assert total_params(traced("v2+output_stride=16", 512)) == total_params(traced("v2", 512))


def test_v3_is_v2_with_what_the_low_level_skip_adds(traced: Traced) -> None:
    by_path = params_by_path(traced("v3", 512))
    low_conv = 16 * 16 + 2 * 16  # 1×1 from low's 16 channels to 16, batch norm
    refine = 9 * 80 + 2 * 80 + 80 * 64 + 2 * 64  # separable from 64 + 16 channels to 64
    assert (by_path["low_conv"], by_path["refine"]) == (low_conv, refine) == (288, 6_128)
    assert by_path[""] == 645_245 + low_conv + refine
    macs = total_flops(traced("v3", 512))["macs"]
    assert macs == 650_883_072 + 128 * 128 * (16 * 16 + 9 * 80 + 80 * 64)


def test_the_classifier_at_full_resolution_is_48_percent_of_v2(traced: Traced) -> None:
    trace = traced("v2", 512)
    classifier = roll_up(trace, own_flops(trace))["classifier"]["fvcore"]
    assert classifier == 512 * 512 * 64 * 21
    assert classifier * 100 // total_flops(trace)["fvcore"] == 47  # 47.8
    before = traced("v2+head=before-upsample", 512)
    # the classifier runs on 64·64 positions, and 21 channels are upsampled instead of 64
    saved = (512 * 512 - 64 * 64) * 64 * 21 + 4 * 512 * 512 * (64 - 21)
    assert total_flops(trace)["fvcore"] - total_flops(before)["fvcore"] == saved == 391_905_280


def test_v2_by_operator_at_512(traced: Traced) -> None:
    by_operator = flops_by_operator(traced("v2", 512), CONVENTIONS["fvcore"])
    assert by_operator["conv"][1] == 650_883_072
    # image pooling to 16·16, the map to 64·64, the decoder's output to 512·512, all of 64 channels
    assert by_operator["upsample_bilinear2d"] == (3, 4 * 64 * (16 * 16 + 64 * 64 + 512 * 512))
    assert sum(count for _, count in by_operator.values()) == 737_104_000


def test_a_rate_costs_the_same_whatever_it_is(traced: Traced) -> None:
    assert total_flops(traced("v2+rates=1,1,1", 512)) == total_flops(traced("v2", 512))


@pytest.mark.parametrize("reference", ["v1", "v2", "v3"])
def test_every_count_grows_with_the_batch_and_parameters_do_not(
    trace_of: TraceOf, reference: str
) -> None:
    one, three = (
        trace_of(CATALOGUE[reference], Conditions(Size(64, 64), batch)) for batch in (1, 3)
    )
    assert total_flops(three) == {name: 3 * count for name, count in total_flops(one).items()}
    assert total_params(three) == total_params(one)


def test_sizes_far_beyond_any_memory_are_traced_as_they_are() -> None:
    trace = trace_variant(CATALOGUE["v2"], Conditions(Size(2**20, 2**20)))
    assert tap_shapes(trace)[-1].shape == (1, 96, 2**15, 2**15)
    scale = (2**20 // 512) ** 2
    pooled = 64 * 96  # the image-pooling conv runs on one position at every size
    assert total_flops(trace)["macs"] - _pooled_macs(trace) == scale * (
        650_883_072 - _pooled_macs(trace)
    )
    assert pooled < _pooled_macs(trace)


def _pooled_macs(trace: Trace) -> int:
    """MACs on one position: of image pooling and of the backbone's squeeze-and-excitation."""
    return sum(
        figures["macs"]
        for path, figures in own_flops(trace).items()
        if path.endswith((".fc1", ".fc2")) or path == "aspp.branches.4.1"
    )


def test_a_model_that_cannot_be_built_is_a_model_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Variant) -> None:
        raise ValueError("no such thing\nand more")

    monkeypatch.setattr("ucseg_cli.engine.trace_model.build_backbone", fail)
    with pytest.raises(ModelError) as caught:
        trace_variant(CATALOGUE["v2"], Conditions())
    assert caught.value.what == "the network cannot be built: no such thing"
    assert caught.value.where == CATALOGUE["v2"].key
