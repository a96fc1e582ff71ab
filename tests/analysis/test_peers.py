"""The way from our figures to those of other counters, on traces small enough to price by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from support.fixture_types import TraceOf
from ucseg_cli.analysis.counters.peers import PEERS, Reconciliation, reconcile
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Module, Op, Tensor, Trace, Weight
from ucseg_cli.references.variants import CATALOGUE, Variant

Key = tuple[str, str]

CONV = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "transposed": False, "groups": 1}
MACS = 2 * 8 * 4 * (3 * 5)
"""The MACs of a 1×1 conv from 4 to 8 channels on two maps of 3 by 5."""
OUT = 2 * 8 * 3 * 5
"""Elements of its output."""


def net(*ops: Op, kinds: tuple[str, ...], calls: int = 1, trainable: bool = True) -> Trace:
    """Operators on two images, each in the module of its number; m0 has weight 1 and bias 2."""
    shapes = [(2, 4, 3, 5), (8, 4, 1, 1), (8,), (2, 8, 3, 5), (2, 8, 1, 1), (2, 8, 6, 10)]
    owned = (Weight("weight", 1, trainable), Weight("bias", 2, trainable))
    modules = [Module("", "Net", calls=1)]
    for number, kind in enumerate(kinds):
        held = owned if number == 0 else ()
        module = Module(f"m{number}", kind, held, calls=calls, outputs=(3,), library="torch.nn")
        modules.append(module)
    return Trace(
        modules=tuple(modules),
        tensors=tuple(Tensor(shape, "float32", index) for index, shape in enumerate(shapes)),
        storages=(4,) * len(shapes),
        freed=(None,) * len(shapes),
        ops=ops,
        inputs=(0,),
        outputs=(3,),
    )


def op(
    name: str, module: int, inputs: tuple[int | None, ...], output: int, **attributes: Any
) -> Op:
    return Op(name, module, inputs, (output,), attributes)


def conv(module: int = 1) -> Op:
    return op("convolution", module, (0, 1, 2), 3, **CONV)


def by_key(trace: Trace) -> dict[Key, Reconciliation]:
    return {(found.peer.name, found.peer.figure): found for found in reconcile(trace)}


def counts(found: Reconciliation) -> list[int]:
    return [step.amount for step in found.steps]


@pytest.mark.parametrize("reference", CATALOGUE)
def test_steps_lead_exactly_from_our_figure_to_theirs(trace_of: TraceOf, reference: str) -> None:
    trace = trace_of(CATALOGUE[reference], Conditions())
    ours = {"macs": total_flops(trace)["macs"], "params": total_params(trace)["params"]}
    for found in reconcile(trace):
        assert found.ours == ours[found.peer.figure]
        assert found.total == found.ours + sum(counts(found))
        assert len({step.label for step in found.steps}) == len(found.steps)
        assert 0 not in counts(found)


@given(data=st.data())
def test_every_figure_of_every_variant_is_reconciled(
    trace_of: TraceOf,
    stored_variants: SearchStrategy[Variant],
    stored_conditions: SearchStrategy[Conditions],
    data: DataObject,
) -> None:
    trace = trace_of(data.draw(stored_variants), data.draw(stored_conditions))
    assert [found.obstacle for found in reconcile(trace)] == [None] * len(PEERS)
    totals = {key: found.total for key, found in by_key(trace).items()}
    assert totals["fvcore", "macs"] == total_flops(trace)["fvcore"]
    assert totals["torch", "macs"] == total_flops(trace)["torch"]


@pytest.mark.parametrize(
    ("reference", "figures"),
    [
        ("v1", (169_742_240, 307_525_248, 159_372_856, 162_341_896, 154_824_552, 475_077)),
        ("v2", (141_328_192, 249_649_728, 131_454_872, 134_330_264, 125_891_144, 645_245)),
        ("v3", (162_251_584, 287_883_840, 152_578_968, 155_655_064, 145_008_520, 651_661)),
    ],
)
def test_the_named_variants_have_the_figures_that_others_print(
    trace_of: TraceOf, reference: str, figures: tuple[int, ...]
) -> None:
    """As fvcore, torch, thop, ptflops and torchinfo printed them when they were run."""
    totals = [found.total for found in reconcile(trace_of(CATALOGUE[reference], Conditions()))]
    assert totals == [*figures, figures[-1], figures[-1]]


def test_ptflops_and_torchinfo_count_the_bias_of_a_conv_and_thop_does_not() -> None:
    peers = by_key(net(conv(), kinds=("Conv2d",)))
    assert peers["thop", "macs"].total == MACS
    assert peers["torchinfo", "macs"].total == MACS + OUT
    assert peers["ptflops", "macs"].total == (MACS + OUT) // 2  # per image


def test_a_batch_norm_costs_4_2_or_next_to_nothing() -> None:
    norm = op("batch_norm", 2, (3, 2, 2, 2, 2), 3)
    peers = by_key(net(conv(), norm, kinds=("Conv2d", "BatchNorm2d")))
    assert counts(peers["fvcore", "macs"]) == [2 * OUT]
    assert counts(peers["thop", "macs"]) == [4 * OUT]
    assert counts(peers["ptflops", "macs"])[1] == 2 * OUT
    assert counts(peers["torchinfo", "macs"]) == [OUT]  # the bias; this norm holds no parameters


def test_ptflops_counts_a_relu_module_twice_and_averages_only_one_of_the_two() -> None:
    found = by_key(net(conv(), op("relu_", 2, (3,), 3), kinds=("Conv2d", "ReLU")))[
        "ptflops", "macs"
    ]
    assert {step.label: step.amount for step in found.steps} == {
        "bias of convs, 1 per output element": OUT,
        "ReLU modules, 1 per element": OUT,
        "ReLU again, as the function that the module calls": OUT,
        "modules averaged over 2 images, functions not": -(MACS + 2 * OUT) // 2,
    }


def test_thop_divides_once_for_every_mean() -> None:
    pool = op("adaptive_avg_pool2d", 2, (3,), 4, output_size=(1, 1))
    assert counts(
        by_key(net(conv(), pool, kinds=("Conv2d", "AdaptiveAvgPool2d")))["thop", "macs"]
    ) == [OUT + 2 * 8]


def test_ptflops_sees_functional_upsampling_and_thop_does_not() -> None:
    trace = net(conv(), op("upsample_bilinear2d", 0, (3,), 5), kinds=("Conv2d",))
    peers = by_key(replace(trace, outputs=(5,)))
    assert ("F.interpolate, 1 per output element", 4 * OUT) in [
        (step.label, step.amount) for step in peers["ptflops", "macs"].steps
    ]
    assert counts(peers["fvcore", "macs"]) == [4 * 4 * OUT]
    assert peers["thop", "macs"].total == MACS


@pytest.mark.parametrize("name", ["thop", "ptflops", "torchinfo"])
def test_a_conv_outside_of_any_module_they_know_is_taken_off(name: str) -> None:
    found = by_key(net(conv(0), kinds=("Block",)))[name, "macs"]
    assert ("conv and matmul outside of any module that it knows", -MACS) in [
        (step.label, step.amount) for step in found.steps
    ]


def test_thop_leaves_out_parameters_of_classes_without_a_rule() -> None:
    assert by_key(net(kinds=("Block",)))["thop", "params"].total == 0


def test_ptflops_leaves_frozen_parameters_out() -> None:
    peers = by_key(net(conv(), kinds=("Conv2d",), trainable=False))
    assert [peers[name, "params"].total for name in ("thop", "ptflops", "torchinfo")] == [40, 0, 40]


@pytest.mark.parametrize(
    ("name", "trace", "why"),
    [
        ("thop", net(conv(), kinds=("Conv2d", "LSTM")), "its price of LSTM is not derived here"),
        (
            "ptflops",
            net(conv(), kinds=("Conv2d", "MaxPool2d")),
            "its price of MaxPool2d is not derived here",
        ),
        (
            "thop",
            net(conv(), op("mul", 2, (3,), 3), kinds=("Conv2d", "BatchNorm2d")),
            "m1 is a BatchNorm2d that does not run batch_norm",
        ),
        (
            "ptflops",
            net(conv(), op("add", 0, (3, 3), 3), kinds=("Conv2d",)),
            "it sees add if called as a function, which a trace does not show",
        ),
        (
            "torchinfo",
            net(conv(), conv(), kinds=("Conv2d",), calls=2),
            "a trace does not show what every call of m0 returned",
        ),
    ],
)
def test_a_figure_that_a_trace_does_not_show_is_never_guessed_and_the_reason_given(
    name: str, trace: Trace, why: str
) -> None:
    found = by_key(trace)[name, "macs"]
    assert (found.total, found.steps, found.obstacle) == (None, (), why)


def test_modules_at_two_places_are_not_reconciled() -> None:
    trace = net(conv(), kinds=("Conv2d",))
    again = Module("again", "Conv2d", alias_of="m0", library="torch.nn")
    shared = replace(trace, modules=(*trace.modules, again))
    for key in (("thop", "macs"), ("thop", "params"), ("ptflops", "macs"), ("torchinfo", "params")):
        assert by_key(shared)[key].total is None


def changed(trace: Trace, number: int, **changes: Any) -> Trace:
    """The trace with the module of that number changed; 0 is the root."""
    modules = list(trace.modules)
    modules[number] = modules[number]._replace(**changes)
    return replace(trace, modules=tuple(modules))


ONE_CONV = net(conv(), kinds=("Conv2d",))
POOL = ("Conv2d", "AdaptiveAvgPool2d")
WEIGHT, BIAS = ONE_CONV.modules[1].parameters
BATCHED = Op("conv2d", 1, (2, 1, 2), (3,), {}, composite=True)
UNCERTAIN = {
    "a weight at two modules": (
        "thop",
        changed(net(conv(), kinds=("Conv2d", "Conv2d")), 2, parameters=(WEIGHT,), calls=0),
        "modules share parameters or stand at two places, which it may count twice",
    ),
    "a conv without a batch": (
        "thop",
        net(BATCHED, conv()._replace(parent=0), kinds=("Conv2d",)),
        "it takes the first axis of an input for the batch, and there is none",
    ),
    "pooling without a batch": (
        "thop",
        net(conv(), op("adaptive_avg_pool2d", 2, (2,), 4), kinds=POOL),
        "it takes the first axis of an input for the batch, and there is none",
    ),
    "windows that do not divide the map": (
        "thop",
        net(conv(), op("adaptive_avg_pool2d", 2, (3,), 5), kinds=POOL),
        "it rounds the windows of a pooling that do not divide the map",
    ),
    "a broken scale": (
        "ptflops",
        net(
            conv(), op("upsample_bilinear2d", 0, (3,), 5, scale_factors=(2, 1.5)), kinds=("Conv2d",)
        ),
        "it rounds F.interpolate's result where a scale is not whole",
    ),
    "a pruned weight": (
        "torchinfo",
        changed(ONE_CONV, 1, parameters=(WEIGHT._replace(name="weight_orig"),)),
        "it counts what is left of the pruned weight_orig of m0",
    ),
    "a module without outputs": (
        "torchinfo",
        changed(ONE_CONV, 1, outputs=()),
        "a trace does not show what every call of m0 returned",
    ),
    "attention": (
        "torch",
        net(op("scaled_dot_product_attention", 0, (3, 3, 3), 3), kinds=("Conv2d",)),
        "it misses attention where torch has one kernel for it, as on the CPU",
    ),
}


@pytest.mark.parametrize("case", UNCERTAIN)
def test_a_figure_is_not_derived_where_the_counter_might_print_another(case: str) -> None:
    name, trace, why = UNCERTAIN[case]
    assert by_key(trace)[name, "macs"].obstacle == why


def test_a_batch_norm_without_weights_costs_half() -> None:
    norm = op("batch_norm", 2, (3, None, None, 2, 2), 3)
    peers = by_key(net(conv(), norm, kinds=("Conv2d", "BatchNorm2d")))
    assert counts(peers["fvcore", "macs"]) == [OUT]
    assert counts(peers["thop", "macs"]) == [2 * OUT]
    assert counts(peers["ptflops", "macs"])[1] == OUT


def test_a_module_that_never_ran_is_not_an_obstacle_and_has_no_parameters_to_thop() -> None:
    trace = changed(net(conv(), kinds=("Conv2d", "LSTM")), 2, calls=0)
    assert by_key(trace)["thop", "macs"].total == MACS
    idle = changed(net(kinds=("Conv2d",)), 1, calls=0)
    assert by_key(idle)["thop", "params"].total == 0


def test_thop_leaves_out_the_parameters_of_the_root_itself() -> None:
    root = replace(
        net(kinds=()), modules=(Module("", "Conv2d", (WEIGHT, BIAS), calls=1, library="torch.nn"),)
    )
    assert by_key(root)["thop", "params"].total == 0


def test_torchinfo_counts_no_parameters_of_a_module_with_children() -> None:
    trace = net(conv(), kinds=("Conv2d",))
    nested = replace(trace, modules=(*trace.modules, Module("m0.inner", "Identity")))
    assert by_key(trace)["torchinfo", "macs"].total == MACS + OUT
    assert by_key(nested)["torchinfo", "macs"].total == 0


@pytest.mark.parametrize(("name", "price"), [("weight_g", 8 * 2 * 8), ("alpha", 0)])
def test_torchinfo_prices_other_parameters_by_their_names(name: str, price: int) -> None:
    owned = (Weight(name, 2, trainable=True),)
    trace = changed(net(kinds=("Scale",)), 1, parameters=owned)
    assert by_key(trace)["torchinfo", "macs"].total == price


def test_ptflops_does_not_see_an_operator_that_is_written_as_a_sign() -> None:
    excited = op("mul", 2, (3, 4), 3)
    trace = net(conv(), excited, kinds=("Conv2d", "SqueezeExcitation"))
    # A user's own class of that name may call a function.
    assert by_key(changed(trace, 2, library=""))["ptflops", "macs"].total is None
    trace = changed(trace, 2, library="torchvision")
    assert by_key(trace)["ptflops", "macs"].total == (MACS + OUT) // 2
