"""The network as it is deployed: each batch norm folded into the convolution or linear layer before it.

In eval mode a batch norm is an affine map of each channel, and so is the end of a convolution: scaling the weight's
output channels and shifting the bias gives the same outputs (what ``torch.nn.utils.fusion`` does to real weights).
A trace has no weights, so here only the shapes, the operators and who owns what change.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple, cast

from ucseg_cli.analysis.counting.operations import TAKEN_APART
from ucseg_cli.analysis.counting.parameters import BYTES
from ucseg_cli.facts.trace import Module, Op, Tensor, Trace, Weight

LAYERS = TAKEN_APART | {"convolution", "linear"}
"""Calls that a norm can be folded into; all take input, weight and bias."""
KERNELS = {"convolution", "mm", "addmm"}
"""What their output comes from where its channels are its second dimension, as the norm has them."""

BATCH_STATISTICS = "it normalises by the statistics of the batch"
NO_LAYER = "no convolution or linear layer comes directly before it"
NOT_ITS_OWN = "it is not a module of its own that runs once"
SHARED_LAYER = "the layer before it does not have its weight to itself, or runs several times"
READ_ELSEWHERE = "what it normalises is also used elsewhere"


class Kept(NamedTuple):
    """A batch norm that stays, and why."""

    module: str
    reason: str


class Pair(NamedTuple):
    """The paths of a layer and of the batch norm that was folded into it."""

    layer: str
    norm: str


class Folding(NamedTuple):
    """What folding came to: the trace after it, what was folded, and what was not, in the order it ran."""

    trace: Trace
    folded: tuple[Pair, ...]
    kept: tuple[Kept, ...]


class _Fold(NamedTuple):
    """Calls by index: the batch norm, and the layer it goes into."""

    norm: int
    layer: int


def fold_batch_norms(trace: Trace) -> Folding:
    """The trace of the same network after every batch norm that can be has been folded into the layer before it.

    Its operators disappear and its module becomes an identity without parameters or buffers; the layer gets a bias
    where it had none, trainable as its weight. A norm stays where folding would change what anything else computes.
    """
    uses = _Uses(trace)
    norms = [
        index for index, op in enumerate(trace.ops) if op.name == "batch_norm" and op.parent is None
    ]
    judged = {norm: uses.fold(norm) for norm in norms}
    folds = [fold for fold in judged.values() if isinstance(fold, _Fold)]
    return Folding(
        trace=_rewrite(trace, folds),
        folded=tuple(Pair(_path(trace, fold.layer), _path(trace, fold.norm)) for fold in folds),
        kept=tuple(
            Kept(_path(trace, norm), why) for norm, why in judged.items() if isinstance(why, str)
        ),
    )


def _path(trace: Trace, op: int) -> str:
    return trace.modules[trace.ops[op].module].path


class _Uses:
    """Who makes, touches and owns each tensor of a trace; calls are operators as the model called them."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.maker: dict[int, int] = {}
        self.touched: defaultdict[int, set[int]] = defaultdict(set)
        self.calls_of = Counter(op.module for op in trace.ops if op.parent is None)
        self.owners = Counter(
            weight.tensor for module in trace.modules for weight in module.parameters
        )
        taps = (tensor for tap in trace.taps for tensor in trace.by_path[tap.module].outputs)
        self.kept = {
            trace.tensors[tensor].storage for tensor in (*trace.inputs, *trace.outputs, *taps)
        }
        for index, op in enumerate(trace.ops):
            for tensor in (*op.inputs, *op.outputs):
                if tensor is not None:
                    self.touched[trace.tensors[tensor].storage].add(_call(op, index))
            if not op.composite:
                self.maker.update(dict.fromkeys(op.outputs, index))

    def fold(self, norm: int) -> _Fold | str:
        """How a norm is folded, or why it is not."""
        op, layer = self.trace.ops[norm], self._layer_before(norm)
        if op.attributes.get("training") or op.inputs[3] is None or op.inputs[4] is None:
            return BATCH_STATISTICS
        if layer is None:
            return NO_LAYER
        if not self._is_its_own(op):
            return NOT_ITS_OWN
        if not self._has_its_weights_to_itself(layer):
            return SHARED_LAYER
        normalised = self.trace.tensors[_given(op, 0)].storage
        if normalised in self.kept or self.touched[normalised] != {layer, norm}:
            return READ_ELSEWHERE
        return _Fold(norm, layer)

    def _layer_before(self, norm: int) -> int | None:
        maker = self.maker.get(_given(self.trace.ops[norm], 0))
        if maker is None or self.trace.ops[maker].name not in KERNELS:
            return None
        call = _call(self.trace.ops[maker], maker)
        return call if self.trace.ops[call].name in LAYERS else None

    def _is_its_own(self, norm: Op) -> bool:
        """Whether its module holds its tensors and nothing else, runs it once, and nothing but norms reads them."""
        module = self.trace.modules[norm.module]
        held = {weight.tensor for weight in (*module.parameters, *module.buffers)}
        used = {tensor for tensor in norm.inputs[1:] if tensor is not None}
        counters = {
            buffer.tensor for buffer in module.buffers if buffer.name == "num_batches_tracked"
        }
        readers = {
            call for tensor in used for call in self.touched[self.trace.tensors[tensor].storage]
        }
        return (
            held - counters == used
            and module.calls == self.calls_of[norm.module] == 1
            and all(self.trace.ops[call].name == "batch_norm" for call in readers)
        )

    def _has_its_weights_to_itself(self, layer: int) -> bool:
        """Whether weight and bias are parameters of the layer's module and of no other, and only this call uses them."""
        op = self.trace.ops[layer]
        held = {weight.tensor for weight in self.trace.modules[op.module].parameters}
        return all(
            tensor in held
            and self.owners[tensor] == 1
            and self.touched[self.trace.tensors[tensor].storage] == {layer}
            for tensor in op.inputs[1:]
            if tensor is not None
        )


def _call(op: Op, index: int) -> int:
    """The call that an operator is a part of."""
    return index if op.parent is None else op.parent


def _given(op: Op, position: int) -> int:
    """The tensor at a position that is not optional, or known to be there."""
    return cast("int", op.inputs[position])


def _rewrite(trace: Trace, folds: list[_Fold]) -> Trace:
    trace, biases = _with_new_biases(trace, folds)
    same = {trace.ops[fold.norm].outputs[0]: _given(trace.ops[fold.norm], 0) for fold in folds}
    norms = {fold.norm for fold in folds}
    stays = [_call(op, index) not in norms for index, op in enumerate(trace.ops)]
    position = list(accumulate(stays, initial=0))
    ops = (
        _rewrite_op(op, biases.get(_call(op, index)), same, position)
        for index, op in enumerate(trace.ops)
        if stays[index]
    )
    return replace(
        trace,
        modules=_rewrite_modules(trace, folds, biases, same),
        freed=_rewrite_freed(trace, same, position),
        ops=tuple(ops),
        outputs=tuple(same.get(tensor, tensor) for tensor in trace.outputs),
    )


def _with_new_biases(trace: Trace, folds: list[_Fold]) -> tuple[Trace, dict[int, int]]:
    """The trace with a tensor more for each layer without a bias, and these by layer."""
    without = [fold for fold in folds if trace.ops[fold.layer].inputs[2] is None]
    added = [
        _new_bias(trace, fold, len(trace.storages) + number) for number, fold in enumerate(without)
    ]
    extended = replace(
        trace,
        tensors=(*trace.tensors, *added),
        storages=(*trace.storages, *(bias.numel * BYTES[bias.dtype] for bias in added)),
        freed=(*trace.freed, *(None for _ in added)),
    )
    return extended, {
        fold.layer: len(trace.tensors) + number for number, fold in enumerate(without)
    }


def _new_bias(trace: Trace, fold: _Fold, storage: int) -> Tensor:
    weight, mean = _given(trace.ops[fold.layer], 1), _given(trace.ops[fold.norm], 3)
    return Tensor(trace.tensors[mean].shape, trace.tensors[weight].dtype, storage)


def _rewrite_op(op: Op, bias: int | None, same: Mapping[int, int], position: list[int]) -> Op:
    op = op._replace(
        inputs=tuple(
            tensor if tensor is None else same.get(tensor, tensor) for tensor in op.inputs
        ),
        outputs=tuple(same.get(tensor, tensor) for tensor in op.outputs),
        parent=None if op.parent is None else position[op.parent],
    )
    if bias is not None and op.name in LAYERS:
        return op._replace(inputs=(*op.inputs[:2], bias))
    if bias is not None and op.name == "mm":
        return op._replace(name="addmm", inputs=(bias, *op.inputs))
    return op


def _rewrite_modules(
    trace: Trace, folds: list[_Fold], biases: Mapping[int, int], same: Mapping[int, int]
) -> tuple[Module, ...]:
    modules = [
        m._replace(outputs=tuple(same.get(tensor, tensor) for tensor in m.outputs))
        for m in trace.modules
    ]
    parents = {module.path.rpartition(".")[0] for module in modules if module.path}
    for fold in folds:
        at, norm = trace.ops[fold.norm].module, modules[trace.ops[fold.norm].module]
        name = (
            norm.type if norm.path in parents else "Identity"
        )  # some run an activation of their own
        modules[at] = norm._replace(type=name, parameters=(), buffers=())
    for layer, bias in biases.items():
        at = trace.ops[layer].module
        weight = next(w for w in modules[at].parameters if w.tensor == trace.ops[layer].inputs[1])
        added = Weight("bias", bias, weight.trainable)
        modules[at] = modules[at]._replace(parameters=(*modules[at].parameters, added))
    return tuple(modules)


def _rewrite_freed(
    trace: Trace, same: Mapping[int, int], position: list[int]
) -> tuple[int | None, ...]:
    """When storages are let go: the layer's output when the norm's was, if that is later."""
    freed = list(trace.freed)
    for norm_output, output in same.items():
        mine, other = (trace.tensors[tensor].storage for tensor in (output, norm_output))
        times = (freed[mine], freed[other])
        freed[mine] = None if None in times else max(time for time in times if time is not None)
    return tuple(time if time is None else position[time] for time in freed)
