"""Random members of the family on random inputs: other counters, closed forms, invariants."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from support.any_size import shapeless
from support.fixture_types import TraceOf
from ucseg_cli.analysis.counters.agreement import agreement
from ucseg_cli.analysis.counting.conventions import CONVENTIONS, PRICED
from ucseg_cli.analysis.counting.metrics import MOVED_BYTES, own_figures
from ucseg_cli.analysis.counting.module_tree import module_rows, parent_path, partition, roll_up
from ucseg_cli.analysis.counting.operations import charges, own_flops, total_flops
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS, own_params, total_params
from ucseg_cli.analysis.geometry.tap_shapes import tap_shapes
from ucseg_cli.analysis.memory.moved_bytes import moved_bytes
from ucseg_cli.analysis.memory.peak_memory import (
    minimum_memory,
    peak_memory,
    storage_lives,
    weights_bytes,
)
from ucseg_cli.engine.counters import count_model_of
from ucseg_cli.engine.recording.record import record
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.encoding.encoded_trace import decode_trace, encode_trace
from ucseg_cli.facts.trace import Trace
from ucseg_cli.nets import build_model
from ucseg_cli.nets.backbone import build_features
from ucseg_cli.references.variants import CATALOGUE, Variant

Variants = SearchStrategy[Variant]
AllConditions = SearchStrategy[Conditions]

FEW = settings(max_examples=8)


@FEW
@given(st.data())
def test_every_other_counter_agrees_in_total_by_module_and_by_operator(
    variants: Variants, small_conditions: AllConditions, trace_of: TraceOf, data: st.DataObject
) -> None:
    variant, conditions = data.draw(variants), data.draw(small_conditions)
    trace = trace_of(variant, conditions)
    results = [agreement(trace, count) for count in count_model_of(variant, conditions)]
    assert {result.counter: result.differences for result in results} == {
        "numel": (),
        "fvcore": (),
        "activations": (),
        "torch": (),
    }


# Closed forms, from the axes alone


@cache
def backbone(entries: int, output_stride: int) -> nn.Sequential:
    with torch.device("meta"):
        return build_features(entries, output_stride=output_stride, pretrained=False).eval()


@cache
def probed(
    entries: int, output_stride: int, shape: tuple[int, ...]
) -> tuple[int, int, dict[str, tuple[int, ...]]]:
    """Parameters, MACs and tap shapes of the backbone alone, counted by torch."""
    features = backbone(entries, output_stride)
    shapes = {}
    x = torch.empty(shape, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        for index, entry in enumerate(features):
            x = entry(x)
            shapes[index] = tuple(x.shape)
    taps = {"low": shapes[1], "mid": shapes[3], "high": shapes[entries - 1]}
    return sum(p.numel() for p in features.parameters()), counter.get_total_flops() // 2, taps


def block_params(conv: str, inputs: int, outputs: int) -> int:
    if conv == "regular":
        return 9 * inputs * outputs + 2 * outputs
    return 9 * inputs + 2 * inputs + inputs * outputs + 2 * outputs


def block_macs(conv: str, inputs: int, outputs: int) -> int:
    """Per position."""
    return 9 * inputs * outputs if conv == "regular" else 9 * inputs + inputs * outputs


def closed_params(v: Variant, taps: dict[str, tuple[int, ...]]) -> dict[str, int]:
    low, mid, high = (taps[name][1] for name in ("low", "mid", "high"))
    a, m, d = v.aspp_channels, v.mid_channels, v.decoder_channels
    one_by_one = high * a + 2 * a  # also image pooling's
    parts = {
        "aspp": 2 * one_by_one
        + len(v.rates) * block_params(v.conv, high, a)
        + (len(v.rates) + 2) * a * a
        + 2 * a,
        "mid_conv": mid * m + 2 * m,
        "decoder": block_params(v.conv, a + m, d)
        + (v.decoder_blocks - 1) * block_params(v.conv, d, d),
        "classifier": d * v.classes + v.classes,
    }
    if v.low_skip:
        parts["low_conv"] = low * v.low_skip + 2 * v.low_skip
        parts["refine"] = block_params(v.conv, d + v.low_skip, d)
    return parts


def closed_macs(
    v: Variant, taps: dict[str, tuple[int, ...]], shape: tuple[int, ...]
) -> dict[str, int]:
    low, mid, high = (taps[name][1] for name in ("low", "mid", "high"))
    batch, _, height, width = shape
    at = {name: batch * tap[2] * tap[3] for name, tap in taps.items()} | {
        "full": batch * height * width
    }
    a, m, d = v.aspp_channels, v.mid_channels, v.decoder_channels
    decoded = "low" if v.low_skip else "mid"
    parts = {
        "aspp": at["high"]
        * (high * a + len(v.rates) * block_macs(v.conv, high, a) + (len(v.rates) + 2) * a * a)
        + batch * high * a,
        "mid_conv": at["mid"] * mid * m,
        "decoder": at["mid"]
        * (block_macs(v.conv, a + m, d) + (v.decoder_blocks - 1) * block_macs(v.conv, d, d)),
        "classifier": at["full" if v.head == "after-upsample" else decoded] * d * v.classes,
    }
    if v.low_skip:
        parts["low_conv"] = at["low"] * low * v.low_skip
        parts["refine"] = at["low"] * block_macs(v.conv, d + v.low_skip, d)
    return parts


@FEW
@given(st.data())
def test_parameters_and_multiply_accumulates_are_those_of_the_closed_form(
    variants: Variants, small_conditions: AllConditions, trace_of: TraceOf, data: st.DataObject
) -> None:
    variant, conditions = data.draw(variants), data.draw(small_conditions)
    trace = trace_of(variant, conditions)
    params, macs, taps = probed(variant.backbone, variant.output_stride, conditions.inputs[0].shape)
    by_path = roll_up(
        trace,
        {path: own_params(trace)[path] + figures for path, figures in own_flops(trace).items()},
    )
    top = {path: figures for path, figures in by_path.items() if path and "." not in path}
    assert {path: figures["params"] for path, figures in top.items()} == {
        "features": params,
        **closed_params(variant, taps),
    }
    assert {path: figures["macs"] for path, figures in top.items()} == {
        "features": macs,
        **closed_macs(variant, taps, conditions.inputs[0].shape),
    }
    assert {tap.name: tap.shape for tap in tap_shapes(trace)} == taps


# Rows add up. These share a few traces, which are recorded once


@given(st.data())
def test_children_and_own_are_the_whole_at_every_level_for_every_metric(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    trace = trace_of(data.draw(stored_variants), data.draw(stored_conditions))
    own = own_figures(trace)
    whole = roll_up(trace, own)
    parts: dict[str, Counter[str]] = {path: Counter(own[path]) for path in whole}
    for path, figures in whole.items():
        if path:
            parts[parent_path(path)].update(figures)
    assert {path: +figures for path, figures in parts.items()} == {
        path: +Counter(f) for path, f in whole.items()
    }
    priced, moved = total_flops(trace, PRICED), {MOVED_BYTES: moved_bytes(trace)}
    assert +Counter(whole[""]) == +Counter({**total_params(trace), **priced, **moved})


@given(st.data())
def test_the_rows_of_one_level_add_up_to_the_totals(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    trace = trace_of(data.draw(stored_variants), data.draw(stored_conditions))
    depth = data.draw(st.integers(1, 7))
    rows = partition(module_rows(trace, own_figures(trace), max_depth=depth))
    totals = {**total_params(trace), **total_flops(trace)}
    for metric in (*PARAM_METRICS, *CONVENTIONS):
        assert sum(row.figures.get(metric, 0) for row in rows) == totals[metric]


@given(st.data())
def test_charges_by_operator_add_up_to_the_total(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    trace = trace_of(data.draw(stored_variants), data.draw(stored_conditions))
    for name, convention in CONVENTIONS.items():
        assert sum(charge.cost for charge in charges(trace, convention)) == total_flops(trace)[name]


# The trace itself


@given(st.data())
def test_a_trace_survives_json_and_stays_small(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    trace = trace_of(data.draw(stored_variants), data.draw(stored_conditions))
    text = json.dumps(encode_trace(trace), separators=(",", ":"))
    assert decode_trace(json.loads(text)) == trace
    assert len(text) < 250_000


@FEW
@given(st.data())
def test_a_trace_without_data_is_the_trace_with_data_to_the_last_storage(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    variant, conditions = data.draw(stored_variants), data.draw(stored_conditions)
    real = record(build_model(variant), torch.rand(conditions.inputs[0].shape), taps=variant.taps)
    assert trace_of(variant, conditions) == replace(real, device="meta")


@given(st.data())
def test_the_size_changes_shapes_and_nothing_else(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    variant = data.draw(stored_variants)
    one, other = (trace_of(variant, data.draw(stored_conditions)) for _ in range(2))
    assert shapeless(one) == shapeless(other)


@given(st.data())
def test_strides_are_the_family_s_whatever_the_size(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    variant, conditions = data.draw(stored_variants), data.draw(stored_conditions)
    taps = tap_shapes(trace_of(variant, conditions))
    deep = 8 if variant.backbone == 4 else 16 if variant.backbone < 10 else variant.output_stride
    strides = [4, 8, deep]
    assert [tap.whole_stride for tap in taps] == strides
    # each stride-2 conv is padded so that it keeps the rounded-up half
    sides = conditions.inputs[0].shape[2:]
    assert [tap.map and tuple(tap.map[1:]) for tap in taps] == [
        tuple(-(-side // stride) for side in sides) for stride in strides
    ]


@given(st.data())
def test_the_output_has_the_input_s_size_and_one_channel_for_each_class(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    variant, conditions = data.draw(stored_variants), data.draw(stored_conditions)
    trace = trace_of(variant, conditions)
    batch, _, height, width = conditions.inputs[0].shape
    assert [trace.tensors[index].shape for index in trace.outputs] == [
        (batch, variant.classes, height, width)
    ]


@given(st.data())
def test_the_peak_of_memory_lies_between_what_is_needed_and_all_there_is(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    trace = trace_of(data.draw(stored_variants), data.draw(stored_conditions))
    peak, least = peak_memory(trace), minimum_memory(trace)
    given_and_returned = {trace.tensors[index].storage for index in (*trace.inputs, *trace.outputs)}
    assert (
        sum(trace.storages[storage] for storage in given_and_returned) <= least.bytes <= peak.bytes
    )
    assert peak.bytes <= least.bytes + sum(held.bytes for held in peak.overdue)
    assert peak.bytes < sum(trace.storages)
    assert peak.bytes == sum(held.bytes for held in peak.alive)


@given(st.data())
def test_the_peak_is_what_a_count_at_each_operator_says(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    trace = trace_of(data.draw(stored_variants), data.draw(stored_conditions))
    assert peak_memory(trace).bytes == max(map(sum, _alive_at_each(trace, held=True)))
    assert minimum_memory(trace).bytes == max(map(sum, _alive_at_each(trace, held=False)))


def _alive_at_each(trace: Trace, *, held: bool) -> list[list[int]]:
    """The sizes of what is alive at each operator, filled in storage by storage."""
    alive: list[list[int]] = [[] for _ in trace.ops]
    weights = {
        trace.tensors[w.tensor].storage for m in trace.modules for w in (*m.parameters, *m.buffers)
    }
    inputs, outputs = (
        {trace.tensors[index].storage for index in ends} for ends in (trace.inputs, trace.outputs)
    )
    for storage in set(range(len(trace.storages))) - weights:
        tensors = {index for index, tensor in enumerate(trace.tensors) if tensor.storage == storage}
        uses = [index for index, op in trace.kernels() if tensors & {*op.inputs, *op.outputs}]
        last = len(trace.ops) if storage in inputs | outputs else uses[-1] + 1
        for moment in range(
            0 if storage in inputs else uses[0],
            trace.freed[storage] or len(trace.ops) if held else last,
        ):
            alive[moment].append(trace.storages[storage])
    return alive


@given(st.data())
def test_half_the_element_size_is_half_the_activations(
    stored_variants: Variants,
    stored_conditions: AllConditions,
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    trace = trace_of(data.draw(stored_variants), data.draw(stored_conditions))
    for memory in (peak_memory, minimum_memory):
        assert 2 * memory(trace, "float16").bytes == memory(trace).bytes
        assert memory(trace, "float64").bytes == 2 * memory(trace).bytes
    assert weights_bytes(trace) == total_params(trace)["bytes"]


def test_no_storage_is_let_go_before_its_last_use(trace_of: TraceOf) -> None:
    for variant in CATALOGUE.values():
        assert [
            life for life in storage_lives(trace_of(variant, Conditions())) if life.end < life.used
        ] == []


@pytest.mark.parametrize(
    "variant",
    [
        Variant(4, 16, (1,), "regular", 1, 1, 1, 1, 1, "before-upsample", 0.0, 2),
        CATALOGUE["v3"]._replace(backbone=13),
    ],
    ids=["smallest", "deepest"],
)
def test_one_pixel_is_enough(variant: Variant, trace_of: TraceOf) -> None:
    trace = trace_of(variant, Conditions(Size(1, 1)))
    assert trace.tensors[trace.outputs[0]].shape == (1, variant.classes, 1, 1)
    assert [
        agreement(trace, count).agrees for count in count_model_of(variant, Conditions(Size(1, 1)))
    ] == [True] * 4
