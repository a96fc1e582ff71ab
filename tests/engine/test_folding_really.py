"""The deploy view compared with torch's own folding of real modules, and its refusals."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from ucseg_cli.analysis.counters.agreement import agreement
from ucseg_cli.analysis.counting import fold_batch_norms as deploy
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.fold_batch_norms import Folding, Kept, Pair, fold_batch_norms
from ucseg_cli.analysis.counting.module_tree import module_rows, partition
from ucseg_cli.analysis.counting.operations import own_flops, total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.analysis.geometry.tap_shapes import tap_shapes
from ucseg_cli.analysis.memory.peak_memory import peak_memory
from ucseg_cli.engine.counters import count_model
from ucseg_cli.engine.recording.record import record
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.encoding.encoded_trace import decode_trace, encode_trace
from ucseg_cli.facts.trace import Trace, Weight
from ucseg_cli.nets import build_model
from ucseg_cli.references.variants import CATALOGUE, Variant

CLOSE = 1e-12


def family(variant: str | Variant) -> nn.Module:
    """A network in eval mode and float64 whose norms do something."""
    return lively(build_model(variant))


def lively(model: nn.Module) -> nn.Module:
    """In eval mode and float64, with statistics and weights of norms as if trained."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for weight, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -0.5, 0.5),
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
            ):
                if weight is not None:
                    nn.init.uniform_(weight, low, high)
    return model.double().eval()


def really_folded(model: nn.Module, pairs: Iterable[Pair]) -> nn.Module:
    """A copy in which torch itself has folded each pair, an identity in place of the norm."""
    folded = copy.deepcopy(model)
    for pair in pairs:
        layer, norm = folded.get_submodule(pair.layer), folded.get_submodule(pair.norm)
        fused = _fuse(layer, norm)
        fused.bias.requires_grad_(fused.weight.requires_grad)  # torch leaves a new bias frozen
        folded.set_submodule(pair.layer, fused)
        folded.set_submodule(pair.norm, nn.Identity().eval())
    return folded


def _fuse(layer: nn.Module, norm: Any) -> Any:
    if isinstance(layer, nn.Linear):
        return fuse_linear_bn_eval(layer, norm)
    convolution: Any = layer
    transposed = isinstance(layer, nn.modules.conv._ConvTransposeNd)
    return fuse_conv_bn_eval(convolution, norm, transpose=transposed)


def as_numbered_anew(trace: Trace) -> Trace:
    """The same trace with tensors and storages numbered in the order of their use."""
    owned = (
        weight.tensor
        for module in trace.modules
        for weight in (*module.parameters, *module.buffers)
    )
    used = (
        tensor for op in trace.ops for tensor in (*op.inputs, *op.outputs) if tensor is not None
    )
    order = list(dict.fromkeys((*trace.inputs, *used, *owned)))
    new = {tensor: number for number, tensor in enumerate(order)}
    held = list(dict.fromkeys(trace.tensors[tensor].storage for tensor in order))

    def weights(rows: tuple[Weight, ...]) -> tuple[Weight, ...]:
        return tuple(row._replace(tensor=new[row.tensor]) for row in rows)

    return replace(
        trace,
        tensors=tuple(
            trace.tensors[t]._replace(storage=held.index(trace.tensors[t].storage)) for t in order
        ),
        storages=tuple(trace.storages[storage] for storage in held),
        freed=tuple(trace.freed[storage] for storage in held),
        ops=tuple(
            op._replace(
                inputs=tuple(None if t is None else new[t] for t in op.inputs),
                outputs=tuple(new[t] for t in op.outputs),
            )
            for op in trace.ops
        ),
        modules=tuple(
            m._replace(
                parameters=weights(m.parameters),
                buffers=weights(m.buffers),
                outputs=tuple(new[t] for t in m.outputs),
            )
            for m in trace.modules
        ),
        inputs=tuple(new[t] for t in trace.inputs),
        outputs=tuple(new[t] for t in trace.outputs),
    )


def assert_folds_as_torch_does(model: nn.Module, x: Tensor) -> Folding:
    """Outputs, trace and every other counter's figures agree with the really folded module."""
    folding = fold_batch_norms(record(model, x))
    real = really_folded(model, folding.folded)
    with torch.no_grad():
        before, after = model(x), real(x)
    assert (before - after).abs().max() <= CLOSE * before.abs().max()
    foretold, found = as_numbered_anew(folding.trace), as_numbered_anew(record(real, x))
    assert foretold.ops == found.ops
    assert foretold == found
    return folding


def norms_in(model: nn.Module) -> int:
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


# The family


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_norm_of_the_named_variants_folds_as_torch_folds_it(name: str) -> None:
    model = family(name)
    folding = assert_folds_as_torch_does(model, torch.rand(1, 3, 64, 96, dtype=torch.float64))
    assert folding.kept == ()
    assert len(folding.folded) == norms_in(model)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_counter_says_the_same_of_the_really_folded_network(name: str) -> None:
    model, x = family(name).float(), torch.rand(2, 3, 48, 32)
    folding = fold_batch_norms(record(model, x))
    for count in count_model(really_folded(model, folding.folded), x):
        assert agreement(folding.trace, count).differences == (), count.counter


@settings(max_examples=8)
@given(data=st.data())
def test_any_variant_folds_as_torch_folds_it(
    data: DataObject, variants: SearchStrategy[Variant]
) -> None:
    model = family(data.draw(variants))
    folding = assert_folds_as_torch_does(model, torch.rand(1, 3, 33, 47, dtype=torch.float64))
    assert len(folding.folded) == norms_in(model)


@pytest.mark.parametrize(
    ("name", "norms", "before", "after"),
    [("v1", 34, 475_077, 471_685), ("v2", 44, 645_245, 640_037), ("v3", 47, 651_661, 646_293)],
)
def test_each_norm_takes_its_weight_and_leaves_its_bias(
    name: str, norms: int, before: int, after: int, trace_of: Callable[[Variant, Conditions], Trace]
) -> None:
    trace = trace_of(CATALOGUE[name], Conditions())
    folding, plain = fold_batch_norms(trace), total_params(trace)
    channels = (
        plain["buffers"] - norms
    ) // 2  # a mean and a variance of each, and the norm's counter
    deployed = total_params(folding.trace)
    assert len(folding.folded) == norms
    assert plain["params"] == before
    assert deployed == {
        "params": after,
        "trainable": after,
        "frozen": 0,
        "buffers": 0,
        "bytes": 4 * after,
    }
    assert after == before - channels


@pytest.mark.parametrize("name", CATALOGUE)
def test_folding_takes_the_norms_operations_and_no_others(
    name: str, trace_of: Callable[[Variant, Conditions], Trace]
) -> None:
    trace = trace_of(CATALOGUE[name], Conditions())
    deployed = fold_batch_norms(trace).trace
    elements = sum(
        trace.tensors[op.outputs[0]].numel for op in trace.ops if op.name == "batch_norm"
    )
    before, after = total_flops(trace), total_flops(deployed)
    assert {name: before[name] - after[name] for name in CONVENTIONS} == {
        "fvcore": 2 * elements,
        "macs": 0,
        "torch": 0,
    }
    assert tap_shapes(deployed) == tap_shapes(trace)
    assert peak_memory(deployed).bytes <= peak_memory(trace).bytes


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_rows_still_add_up(depth: int, trace_of: Callable[[Variant, Conditions], Trace]) -> None:
    deployed = fold_batch_norms(trace_of(CATALOGUE["v2"], Conditions())).trace
    rows = partition(module_rows(deployed, own_flops(deployed), max_depth=depth))
    assert {name: sum(row.figures[name] for row in rows) for name in CONVENTIONS} == total_flops(
        deployed
    )


def test_a_frozen_backbone_stays_frozen() -> None:
    model = family("v2")
    model.get_submodule("features").requires_grad_(False)  # noqa: FBT003 - torch has it so
    folding = assert_folds_as_torch_does(model, torch.rand(1, 3, 32, 32, dtype=torch.float64))
    backbone = folding.trace.by_path["features.0.0"]
    assert [weight.trainable for weight in backbone.parameters] == [False, False]


def test_the_folded_trace_can_be_kept_and_folded_again() -> None:
    folded = fold_batch_norms(
        record(family("v1"), torch.rand(1, 3, 32, 32, dtype=torch.float64))
    ).trace
    assert decode_trace(encode_trace(folded)) == folded
    again = fold_batch_norms(folded)
    assert (again.trace, again.folded, again.kept) == (folded, (), ())


# Other layers


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4)], (2, 3, 9)),
        (
            [
                nn.Conv2d(4, 8, 3, padding="same", groups=2, bias=False),
                nn.BatchNorm2d(8),
                nn.ReLU(inplace=True),
            ],
            (2, 4, 5, 7),
        ),
        (
            [
                nn.Conv2d(4, 8, 3, padding=1, padding_mode="circular"),
                nn.BatchNorm2d(8, affine=False),
            ],
            (1, 4, 5, 7),
        ),
        ([nn.Conv3d(2, 3, 2, stride=2, bias=False), nn.BatchNorm3d(3)], (2, 2, 4, 4, 4)),
        ([nn.ConvTranspose1d(3, 5, 3, bias=False), nn.BatchNorm1d(5)], (2, 3, 6)),
        ([nn.ConvTranspose2d(3, 5, 3, stride=2), nn.BatchNorm2d(5)], (2, 3, 6, 6)),
        ([nn.Linear(6, 5, bias=False), nn.BatchNorm1d(5), nn.ReLU()], (3, 6)),
        (
            [nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 2, bias=False), nn.BatchNorm1d(2)],
            (3, 6),
        ),
    ],
    ids=lambda value: (
        type(value[0]).__name__ if isinstance(value, list) else "x".join(map(str, value))
    ),
)
def test_every_kind_of_layer_folds_as_torch_folds_it(
    layers: list[nn.Module], shape: tuple[int, ...]
) -> None:
    model = lively(nn.Sequential(*layers))
    folding = assert_folds_as_torch_does(model, torch.rand(shape, dtype=torch.float64))
    assert len(folding.folded) == norms_in(model)


def test_every_counter_agrees_on_a_linear_layer_that_got_a_bias() -> None:
    model, x = (
        lively(nn.Sequential(nn.Linear(6, 5, bias=False), nn.BatchNorm1d(5))).float(),
        torch.rand(3, 6),
    )
    folding = fold_batch_norms(record(model, x))
    for count in count_model(really_folded(model, folding.folded), x):
        assert agreement(folding.trace, count).differences == (), count.counter


# Norms that are not folded


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1, bias=False), nn.BatchNorm2d(3)


class _ReadTwice(_Net):
    def forward(self, x: Tensor) -> Any:
        x = self.conv(x)
        return self.norm(x) + x


class _ReadThroughAView(_Net):
    def forward(self, x: Tensor) -> Any:
        x = self.conv(x)
        return self.norm(x), x.flatten(1).sum()


class _WrittenInPlace(_Net):
    def forward(self, x: Tensor) -> Any:
        return self.norm(self.conv(x).relu_())


class _Returned(_Net):
    def forward(self, x: Tensor) -> Any:
        x = self.conv(x)
        return self.norm(x), x


class _NormFirst(_Net):
    def forward(self, x: Tensor) -> Any:
        return self.conv(self.norm(x))


class _SharedConv(_Net):
    def forward(self, x: Tensor) -> Any:
        return self.norm(self.conv(x)) + self.conv(x)


class _SharedNorm(_Net):
    def forward(self, x: Tensor) -> Any:
        return self.norm(self.conv(self.norm(x)))


class _Trained(_Net):
    def forward(self, x: Tensor) -> Any:
        return functional.batch_norm(
            self.conv(x), self.norm.running_mean, self.norm.running_var, training=True
        )


class _Functional(_Net):
    def forward(self, x: Tensor) -> Any:
        return functional.batch_norm(self.conv(x), self.norm.running_mean, self.norm.running_var)


class _Bare(nn.Module):
    """Weights of its own for both, so that neither is a module."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 3, 1, 1))
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("variance", torch.ones(3))

    def forward(self, x: Tensor) -> Any:
        convolved, norm = functional.conv2d(x, self.weight), (self.mean, self.variance)
        return functional.batch_norm(convolved, *norm)  # type: ignore[arg-type]


def _tied() -> nn.Module:
    first, second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    second.weight = first.weight
    return nn.Sequential(first, nn.BatchNorm2d(3), second)


def _reparametrised() -> nn.Module:
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1))
    return nn.Sequential(conv, nn.BatchNorm2d(3))


@pytest.mark.parametrize(
    ("model", "module", "reason"),
    [
        (_ReadTwice(), "norm", deploy.READ_ELSEWHERE),
        (_ReadThroughAView(), "norm", deploy.READ_ELSEWHERE),
        (_Returned(), "norm", deploy.READ_ELSEWHERE),
        (_WrittenInPlace(), "norm", deploy.NO_LAYER),
        (_NormFirst(), "norm", deploy.NO_LAYER),
        (_SharedConv(), "norm", deploy.SHARED_LAYER),
        (_Trained(), "", deploy.BATCH_STATISTICS),
        (_Functional(), "", deploy.NOT_ITS_OWN),
        (_Bare(), "", deploy.NOT_ITS_OWN),
        (_tied(), "1", deploy.SHARED_LAYER),
        (_reparametrised(), "1", deploy.SHARED_LAYER),
        (nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)), "2", deploy.NO_LAYER),
        (
            nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)),
            "1",
            deploy.BATCH_STATISTICS,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_norm_stays_where_folding_would_change_something_else(
    model: nn.Module, module: str, reason: str
) -> None:
    trace = record(model, torch.rand(2, 3, 4, 4))
    folding = fold_batch_norms(trace)
    assert folding.kept == (Kept(module, reason),)
    assert folding.folded == ()
    assert folding.trace == trace


def test_a_norm_that_runs_twice_stays_both_times() -> None:
    folding = fold_batch_norms(record(_SharedNorm(), torch.rand(2, 3, 4, 4)))
    assert folding.kept == (Kept("norm", deploy.NO_LAYER), Kept("norm", deploy.NOT_ITS_OWN))


def test_a_norm_after_a_linear_layer_on_sequences_stays_since_their_channels_differ() -> None:
    folding = fold_batch_norms(
        record(nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(4)), torch.rand(2, 4, 6))
    )
    assert folding.kept == (Kept("1", deploy.NO_LAYER),)


def test_a_norm_over_one_unbatched_signal_stays_since_its_channels_are_the_length() -> None:
    folding = fold_batch_norms(
        record(nn.Sequential(nn.Conv1d(3, 5, 1), nn.BatchNorm1d(7)), torch.rand(3, 7))
    )
    assert folding.kept == (Kept("1", deploy.NO_LAYER),)


def test_a_norm_after_a_tap_stays_and_one_at_a_tap_goes() -> None:
    model, x = (
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU()).eval(),
        torch.rand(1, 3, 4, 4),
    )
    before = fold_batch_norms(record(model, x, taps={"tap": "0"}))
    assert before.kept == (Kept("1", deploy.READ_ELSEWHERE),)
    at = fold_batch_norms(record(model, x, taps={"tap": "1"}))
    assert at.folded == (Pair("0", "1"),)
    assert tap_shapes(at.trace)[0].shape == (1, 3, 4, 4)


def test_the_first_of_two_norms_in_a_row_is_folded() -> None:
    model = lively(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)))
    folding = assert_folds_as_torch_does(model, torch.rand(1, 3, 4, 4, dtype=torch.float64))
    assert folding.folded == (Pair("0", "1"),)
    assert folding.kept == (Kept("2", deploy.NO_LAYER),)


def test_norms_that_share_a_weight_are_folded_each_for_itself() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
    )
    model[3].weight = model[1].weight
    folding = assert_folds_as_torch_does(lively(model), torch.rand(1, 3, 4, 4, dtype=torch.float64))
    assert len(folding.folded) == 2


class _NormAndActivation(nn.BatchNorm2d):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(super().forward(x))  # type: ignore[no-any-return]


def test_a_norm_that_runs_an_activation_too_keeps_its_type_and_the_activation() -> None:
    folding = fold_batch_norms(
        record(nn.Sequential(nn.Conv2d(3, 3, 1), _NormAndActivation(3)), torch.rand(1, 3, 4, 4))
    )
    assert len(folding.folded) == 1
    assert folding.trace.by_path["1"].type == "_NormAndActivation"
    assert [op.name for op in folding.trace.ops if op.parent is None] == ["conv2d", "relu"]
    assert total_params(folding.trace)["params"] == 3 * 3 + 3
