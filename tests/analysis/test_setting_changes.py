from __future__ import annotations

from dataclasses import replace

import pytest

from support.fixture_types import TraceOf
from ucseg_cli.analysis.comparing.comparison import Comparison, compare
from ucseg_cli.analysis.comparing.setting_changes import SettingChange
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import Variant, as_variant

AT_64 = Conditions(Size(64, 64))


@pytest.fixture
def trace(trace_of: TraceOf) -> Trace:
    return trace_of(as_variant("v2"), AT_64)


def differing(
    old: Trace, new: Trace, *, depth: int = 2, variant: Variant | None = None
) -> Comparison:
    return compare(Subject("a", old, variant), Subject("b", new, variant), depth=depth)


def with_dilation(trace: Trace, dilation: int) -> Trace:
    """With another dilation in the last convolution."""
    at = max(index for index, op in enumerate(trace.ops) if op.name == "convolution")
    op = trace.ops[at]
    changed = op._replace(attributes={**op.attributes, "dilation": (dilation, dilation)})
    return replace(trace, ops=(*trace.ops[:at], changed, *trace.ops[at + 1 :]))


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_a_setting_belongs_to_the_row_that_covers_its_module_at_every_depth(
    trace: Trace, depth: int
) -> None:
    comparison = differing(trace, with_dilation(trace, 2), depth=depth)
    (change,) = comparison.settings
    assert change[1:] == ("dilation", (1, 1), (2, 2))
    (module,) = [module for module in comparison.modules if module.status != "unchanged"]
    assert change.path == module.path or change.path.startswith(f"{module.path}.")
    assert module.settings == (change,)
    assert not comparison.is_same


def test_of_equal_traces_nothing_differs(trace: Trace) -> None:
    assert differing(trace, trace).settings == ()
    assert differing(trace, trace).is_same


def test_axes_say_it_all_for_two_variants(trace: Trace, trace_of: TraceOf) -> None:
    other = as_variant("v2+output_stride=16")
    models = Subject("v2", trace, as_variant("v2")), Subject("o", trace_of(other, AT_64), other)
    comparison = compare(*models, depth=2)
    assert comparison.settings == ()
    assert not comparison.is_same


def test_of_a_recognised_variant_frozen_parameters_are_still_found(trace: Trace) -> None:
    modules = tuple(
        module._replace(
            parameters=tuple(weight._replace(trainable=False) for weight in module.parameters)
        )
        if module.path.startswith("features.0")
        else module
        for module in trace.modules
    )
    comparison = differing(trace, replace(trace, modules=modules), variant=as_variant("v2"))
    assert {change[1:] for change in comparison.settings} == {("trainable", "yes", "no")}
    assert {change.path for change in comparison.settings} == {"features.0.0", "features.0.1"}


def test_unknown_whether_it_is_trained_is_no_difference(trace: Trace) -> None:
    modules = tuple(
        module._replace(
            parameters=tuple(weight._replace(trainable=None) for weight in module.parameters)
        )
        for module in trace.modules
    )
    assert differing(trace, replace(trace, modules=modules)).settings == ()


def test_operators_of_a_model_that_did_not_run_are_no_difference(trace: Trace) -> None:
    not_run = replace(trace, ops=(), failure="it has no forward pass")
    assert differing(trace, not_run).settings == ()


def test_an_element_type_is_a_setting(trace: Trace) -> None:
    path, weight = next((m.path, m.parameters[0]) for m in trace.modules if m.parameters)
    tensor = trace.tensors[weight.tensor]._replace(dtype="int32")
    tensors = (*trace.tensors[: weight.tensor], tensor, *trace.tensors[weight.tensor + 1 :])
    comparison = differing(trace, replace(trace, tensors=tensors))
    assert comparison.settings == (SettingChange(path, "dtype", "float32", "int32"),)


def test_a_layer_that_became_a_container_of_one_name_ran_other_operators_of_course(
    trace: Trace,
) -> None:
    layer = next(m for m in trace.modules if m.path.startswith("decoder") and m.parameters)
    moved = layer._replace(path=f"{layer.path}.inner")
    modules = tuple(
        module
        for old in trace.modules
        for module in (
            (old._replace(type="Sequential", parameters=()), moved) if old == layer else (old,)
        )
    )
    at = trace.modules.index(layer)
    ops = tuple(op._replace(module=op.module + (op.module >= at)) for op in trace.ops)
    comparison = differing(trace, replace(trace, modules=modules, ops=ops))
    assert {change.name for change in comparison.settings} == set()
