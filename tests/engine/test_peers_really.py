"""Other counters run for real: what we say they print is what they print, to the last unit."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Callable, Container
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from packaging.version import Version
from torch import Tensor, nn
from torch.nn import functional

from support.fixture_types import TraceOf
from support.function_module import Function
from support.torch_pair import PAIR
from ucseg_cli.analysis.counters import peer_prices
from ucseg_cli.analysis.counters.hooked_modules import ModulePrice
from ucseg_cli.analysis.counters.peers import PEERS, Reconciliation, reconcile
from ucseg_cli.analysis.counters.switches import plain_notes
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.fold_batch_norms import fold_batch_norms
from ucseg_cli.engine.counters import count_with_fvcore, count_with_torch
from ucseg_cli.engine.recording.record import record
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.encoding.encoded_trace import decode_trace, encode_trace
from ucseg_cli.facts.trace import Trace
from ucseg_cli.nets import build_model
from ucseg_cli.references.variants import CATALOGUE, Variant, as_variant

Printed = dict[tuple[str, str], int]
Count = Callable[[nn.Module, Tensor], Printed]

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
X = (2, 4, 6, 8)
QUIETLY = {"print_per_layer_stat": False, "as_strings": False}
HOOKING = ("thop", "ptflops", "torchinfo")


@pytest.fixture(scope="session")
def printed() -> Count:
    """The figures of each counter for a module; each gets a copy: thop leaves buffers."""
    without_torchvision = pytest.MonkeyPatch()
    # ptflops would import all of torchvision for one layer.
    without_torchvision.setitem(sys.modules, "torchvision.ops", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # thop compares versions the deprecated way
        import ptflops
        import thop
        import torchinfo
    without_torchvision.undo()

    def count(model: nn.Module, x: Tensor) -> Printed:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # and calls what it deprecated itself
            macs, params = thop.profile(deepcopy(model), inputs=(x,), verbose=False)
        complexity, trainable = ptflops.get_model_complexity_info(
            deepcopy(model), tuple(x.shape[1:]), input_constructor=lambda _: x, **QUIETLY
        )
        summary = torchinfo.summary(deepcopy(model), input_size=tuple(x.shape), verbose=0)
        return {
            ("thop", "macs"): int(macs),
            ("ptflops", "macs"): complexity,
            ("torchinfo", "macs"): summary.total_mult_adds,
            ("thop", "params"): int(params),
            ("ptflops", "params"): trainable,
            ("torchinfo", "params"): summary.total_params,
        }

    return count


def operators(model: nn.Module, x: Tensor) -> Printed:
    """The figures of the counters that look at operators."""
    with torch.no_grad():
        return {
            ("fvcore", "macs"): count_with_fvcore(model, x).total,
            ("torch", "macs"): count_with_torch(model, x).total,
        }


def derived(trace: Trace, names: Container[str] = HOOKING) -> dict[tuple[str, str], int | None]:
    """Our prediction of the figures that counters of these names print."""
    return {
        (row.peer.name, row.peer.figure): row.total
        for row in reconcile(trace)
        if row.peer.name in names
    }


@pytest.mark.parametrize(("side", "batch"), [(224, 1), (97, 3)])
@pytest.mark.parametrize(
    "reference", ["v1", "v2", "v3", "v3+head=before-upsample+output_stride=16"]
)
def test_we_predict_the_figures_of_others_for_the_named_variants(
    trace_of: TraceOf, printed: Count, reference: str, side: int, batch: int
) -> None:
    variant, conditions = as_variant(reference), Conditions(Size(side, side), batch)
    theirs = printed(build_model(variant).eval(), torch.zeros(conditions.inputs[0].shape))
    assert derived(trace_of(variant, conditions)) == theirs


@pytest.mark.parametrize("reference", ["v1", "v3"])
def test_those_that_look_at_operators_print_what_we_say(trace_of: TraceOf, reference: str) -> None:
    variant, conditions = as_variant(reference), Conditions(Size(33, 47), 2)
    theirs = operators(build_model(variant).eval(), torch.zeros(conditions.inputs[0].shape))
    assert derived(trace_of(variant, conditions), ("fvcore", "torch")) == theirs


@settings(max_examples=5)
@given(data=st.data())
def test_we_predict_the_figures_of_others_for_any_variant_at_any_size(
    trace_of: TraceOf,
    printed: Count,
    variants: SearchStrategy[Variant],
    small_conditions: SearchStrategy[Conditions],
    data: DataObject,
) -> None:
    variant, conditions = data.draw(variants), data.draw(small_conditions)
    theirs = printed(build_model(variant).eval(), torch.zeros(conditions.inputs[0].shape))
    assert derived(trace_of(variant, conditions)) == theirs


def test_only_ptflops_leaves_out_a_frozen_backbone(printed: Count) -> None:
    model, x = build_model("v2").eval(), torch.zeros(1, 3, 32, 32)
    model.features.requires_grad_(requires_grad=False)
    theirs = printed(model, x)
    assert derived(record(model, x)) == theirs
    assert theirs["ptflops", "params"] == theirs["thop", "params"] - 576_464


@pytest.mark.usefixtures("printed")
def test_without_options_ptflops_runs_the_backend_that_we_say(trace_of: TraceOf) -> None:
    import ptflops

    assert "default backend, pytorch" in _note(
        reconcile(trace_of(CATALOGUE["v2"], Conditions(Size(32, 32))))
    )
    default = ptflops.get_model_complexity_info(build_model("v2"), (3, 32, 32), **QUIETLY)
    named = ptflops.get_model_complexity_info(
        build_model("v2"), (3, 32, 32), **QUIETLY, backend="pytorch"
    )
    aten = ptflops.get_model_complexity_info(
        build_model("v2"), (3, 32, 32), **QUIETLY, backend="aten"
    )
    assert default == named != aten


def _note(reconciliations: tuple[Reconciliation, ...]) -> str:
    from ucseg_cli.report.parts.reconciliation_tables import reconciliation_tables

    return reconciliation_tables(reconciliations)[0].note or ""


class BatchNorm2d(nn.Module):
    """Not torch's."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class Weighted(nn.Module):
    """A user's own layer with the weight of a linear one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5, 8))
        self.bias = nn.Parameter(torch.ones(5))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


class Convolved(nn.Module):
    """A user's own layer with the weight of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight)


class Normalised(nn.Module):
    """A user's own layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, (8,), self.weight)


def _called(name: str, base: type[nn.Module], *arguments: int) -> nn.Module:
    """A module of a class of this name, which is not torch's."""
    layer: nn.Module = type(name, (base,), {})(*arguments)
    return nn.Sequential(layer)


OWN_CLASSES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "own Linear": (_called("Linear", Weighted), X),
    "subclass Linear": (_called("Linear", nn.Linear, 8, 5), X),
    "subclass of Linear": (_called("Projection", nn.Linear, 8, 5), X),
    "own Conv2d": (_called("Conv2d", Convolved), X),
    "subclass Conv2d": (_called("Conv2d", nn.Conv2d, 4, 6, 3), X),
    "own LayerNorm": (_called("LayerNorm", Normalised), X),
    "subclass LayerNorm": (_called("LayerNorm", nn.LayerNorm, 8), X),
    "own BatchNorm2d": (_called("BatchNorm2d", nn.Identity), X),
    "subclass BatchNorm2d": (_called("BatchNorm2d", nn.BatchNorm2d, 4), X),
    "own Softmax": (_called("Softmax", nn.Sigmoid), X),
    "own Sequential": (_called("Sequential", Weighted), X),
    "subclass Dropout": (_called("Dropout", nn.Dropout), X),
    "own Linear beside torch's": (nn.Sequential(nn.Linear(8, 8), _called("Linear", Weighted)), X),
}
"""Classes of a user's that have the name of one of torch's, or extend it."""


@pytest.mark.parametrize("name", OWN_CLASSES)
def test_a_class_of_a_user_is_not_taken_for_torch_s_of_that_name(printed: Count, name: str) -> None:
    module, shape = OWN_CLASSES[name]
    x = torch.zeros(shape)
    assert derived(record(module.eval(), x)) == printed(module, x)


def test_a_function_that_a_user_s_own_relu_calls_is_not_guessed(printed: Count) -> None:
    for base in (nn.ReLU, nn.Hardswish):
        module, x = _called("ReLU", base).eval(), torch.zeros(X)
        theirs = printed(module, x)
        ours = derived(record(module, x))
        assert ours["thop", "macs"] == theirs["thop", "macs"] == 0
        assert ours["ptflops", "macs"] in {None, theirs["ptflops", "macs"]}


def _frozen(module: nn.Module) -> nn.Module:
    return module.requires_grad_(requires_grad=False)


TWICE = nn.Conv2d(4, 4, 1)
CASES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "grouped conv": (nn.Conv2d(4, 6, (3, 1), stride=2, padding=1, groups=2), X),
    "conv without bias": (nn.Conv2d(4, 6, 3, bias=False), X),
    "conv padded by reflection": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), X),
    "conv padded by a word": (nn.Conv2d(4, 6, 3, padding="same"), X),
    "frozen conv": (_frozen(nn.Conv2d(4, 6, 3)), X),
    "conv 1d": (nn.Conv1d(4, 6, 3), (2, 4, 9)),
    "conv 3d": (nn.Conv3d(4, 6, 3), (2, 4, 5, 6, 7)),
    "conv without batch": (nn.Conv2d(4, 6, 3), (4, 6, 8)),
    "transposed conv": (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), X),
    "linear": (nn.Linear(4, 5), (2, 4)),
    "linear on more axes": (nn.Linear(8, 5), X),
    "linear without bias": (nn.Linear(8, 5, bias=False), X),
    "batch norm": (nn.BatchNorm2d(4), X),
    "batch norm without affine": (nn.BatchNorm2d(4, affine=False), X),
    "a batch norm that is not torch's": (BatchNorm2d(), X),
    "layer norm": (nn.LayerNorm(8), X),
    "group norm": (nn.GroupNorm(2, 4), X),
    "relu": (nn.ReLU(), X),
    "relu in place": (nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True)), X),
    "relu as a function": (Function(functional.relu), X),
    "relu as a method": (Function(lambda x: x.relu()), X),
    "relu6": (nn.ReLU6(), X),
    "prelu": (nn.PReLU(4), X),
    "hardswish": (nn.Hardswish(), X),
    "sigmoid": (nn.Sigmoid(), X),
    "softmax": (nn.Softmax(1), X),
    "global pooling": (nn.AdaptiveAvgPool2d(1), X),
    "adaptive pooling": (nn.AdaptiveAvgPool2d((2, 4)), X),
    "adaptive pooling that does not divide": (nn.AdaptiveAvgPool2d((4, 3)), X),
    "adaptive pooling without batch": (nn.AdaptiveAvgPool2d((3, 2)), (4, 6, 8)),
    "adaptive pooling 1d": (nn.AdaptiveAvgPool1d(2), (2, 4, 6)),
    "pooling as a function": (Function(lambda x: functional.adaptive_avg_pool2d(x, 1)), X),
    "max pooling": (nn.MaxPool2d(2), X),
    "average pooling": (nn.AvgPool2d(2), X),
    "upsampling": (nn.Upsample(scale_factor=2), X),
    "interpolation to a size": (
        Function(lambda x: functional.interpolate(x, (9, 9), mode="bilinear")),
        X,
    ),
    "interpolation to a side": (Function(lambda x: functional.interpolate(x, 9)), X),
    "interpolation by a scale": (Function(lambda x: functional.interpolate(x, scale_factor=2)), X),
    "interpolation by a broken scale": (
        Function(lambda x: functional.interpolate(x, scale_factor=1.3)),
        X,
    ),
    "dropout": (nn.Dropout(), X),
    "operators": (Function(lambda x: x * 2 + x), X),
    "add and mul": (Function(lambda x: torch.add(x, torch.mul(x, x))), X),
    "matmul": (Function(lambda x: x @ x.mT), (2, 3, 4)),
    "conv as a function": (
        Function(lambda x: functional.conv2d(x, torch.ones(5, 4, 1, 1), torch.ones(5))),
        X,
    ),
    "a conv called twice": (nn.Sequential(TWICE, nn.ReLU(), TWICE), X),
    "attention": (Function(lambda x: functional.scaled_dot_product_attention(x, x, x)), X),
}


@pytest.mark.parametrize(("module", "shape"), CASES.values(), ids=CASES)
def test_for_any_module_we_predict_the_figures_of_others_exactly_or_say_unknown(
    printed: Count, module: nn.Module, shape: tuple[int, ...]
) -> None:
    x = torch.zeros(shape)
    theirs = printed(module.eval(), x)
    theirs |= operators(module, x)
    ours = derived(record(module, x), {peer.name for peer in PEERS})
    assert {
        key: total for key, total in ours.items() if total is not None and total != theirs[key]
    } == {}


FAILING: dict[str, tuple[nn.Module, tuple[int, ...], str]] = {
    "matrix times vector": (
        Function(lambda x: x @ torch.ones(8)),
        X,
        "the product with a vector, in the model itself",
    ),
    "two vectors": (
        nn.Sequential(nn.Flatten(0), Function(lambda x: x @ x)),
        X,
        "the product with a vector, in 1",
    ),
    "layer norm of a vector": (nn.LayerNorm(4), (4,), "the layer_norm of 1 axis"),
    "layer norm of six axes": (nn.LayerNorm(4), (1, 1, 2, 2, 3, 4), "the layer_norm of 6 axes"),
    "group norm of six axes": (nn.GroupNorm(2, 4), (1, 4, 1, 2, 2, 3), "the group_norm of 6 axes"),
}


@pytest.mark.parametrize("name", FAILING)
def test_where_fvcore_fails_no_figure_is_claimed_and_the_call_is_named(name: str) -> None:
    module, shape, call = FAILING[name]
    x, trace = torch.zeros(shape), record(module.eval(), torch.zeros(shape))
    with pytest.raises((AssertionError, IndexError)):
        count_with_fvcore(module, x)
    (row,) = (row for row in reconcile(trace) if row.peer.name == "fvcore")
    assert row.total is None
    assert (row.obstacle or "").startswith(f"it fails on {call}")
    (note,) = plain_notes(trace, CONVENTIONS["fvcore"])
    assert note == f"fvcore itself gives no figure: {row.obstacle}."
    assert plain_notes(trace, CONVENTIONS["macs"]) == ()
    assert decode_trace(json.loads(json.dumps(encode_trace(trace)))) == trace


def test_a_failing_call_that_the_output_does_not_depend_on_is_not_seen_by_fvcore() -> None:
    x, weight = torch.zeros(X), torch.ones(6, 4, 1, 1)
    seen, vector = functional.conv2d, torch.ones(8)
    model = Function(lambda x: (seen(x, weight) @ vector, seen(x, weight))[1])
    trace = record(model, x)
    theirs = count_with_fvcore(model, x).total
    assert derived(trace, ("fvcore",)) == {("fvcore", "macs"): theirs}
    (row,) = (row for row in reconcile(trace) if row.peer.name == "fvcore")
    left_out = "calls that the output does not depend on, which it leaves out"
    amounts = {step.label: step.amount for step in row.steps}
    # the first conv of 2x48 positions, 4 inputs and 6 outputs, and its product with the vector
    assert amounts[left_out] == -(2 * 48 * 4 * 6 + 2 * 6 * 48)


@pytest.mark.parametrize(
    "name",
    [
        "grouped conv",
        "conv 3d",
        "linear on more axes",
        "batch norm without affine",
        "relu",
        "global pooling",
    ],
)
def test_for_common_layers_we_predict_every_figure(printed: Count, name: str) -> None:
    module, shape = CASES[name]
    x = torch.zeros(shape)
    assert derived(record(module.eval(), x)) == printed(module, x)


def test_after_folding_others_print_what_we_say_of_the_folded_network(printed: Count) -> None:
    model, x = build_model("v2").eval(), torch.zeros(2, 3, 64, 64)
    folding = fold_batch_norms(record(model, x))
    for layer, norm in folding.folded:
        conv, batch_norm = model.get_submodule(layer), model.get_submodule(norm)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(batch_norm, nn.BatchNorm2d)
        fused = nn.utils.fuse_conv_bn_eval(conv, batch_norm)
        assert fused.bias is not None
        fused.bias.requires_grad_()  # torch leaves a bias that it adds untrainable
        model.set_submodule(layer, fused)
        model.set_submodule(norm, nn.Identity())
    assert derived(folding.trace) == printed(model, x)


def test_a_rule_that_is_wrong_is_caught(printed: Count, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()).eval(), torch.zeros(X)
    wrong = ModulePrice("relu", "ReLU modules", lambda *_: 1)
    monkeypatch.setitem(peer_prices.PTFLOPS, "ReLU", wrong)
    theirs, ours = printed(model, x), derived(record(model, x))
    assert [key for key in theirs if ours[key] != theirs[key]] == [("ptflops", "macs")]


@pytest.mark.parametrize("name", sorted({"torchvision", *(peer.name for peer in PEERS)}))
def test_the_releases_that_run_here_are_those_of_the_exact_set(name: str) -> None:
    exact = CONSTRAINTS.read_text("utf-8")
    if PAIR.is_file():
        exact += PAIR.read_text("utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", exact, re.MULTILINE))
    assert Version(version(name)).public == Version(pinned[name]).public
