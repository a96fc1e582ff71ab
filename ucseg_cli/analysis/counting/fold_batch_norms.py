"""The network as it is deployed: batch norms folded into the convolution or linear layer before.

In eval mode a batch norm is an affine map of each channel, and so is the end of a convolution:
scaling the weight's output channels and shifting the bias gives the same outputs (what
``torch.nn.utils.fusion`` does to real weights). A trace has no weights, so here only the shapes,
the operators and who owns what change.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple, cast

from ucseg_cli.analysis.counting.module_tree import parent_path
from ucseg_cli.analysis.counting.operations import TAKEN_APART, whole_call
from ucseg_cli.facts.element_types import size_in_bytes
from ucseg_cli.facts.trace import Module, Op, Tensor, Trace, Weight

LAYERS = TAKEN_APART | {"convolution", "linear"}
"""Calls that a norm can be folded into; all take input, weight and bias."""
KERNELS = {"convolution", "mm", "addmm"}
"""Kernels of these calls whose output has the channels second, where the norm has them."""

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
    """The trace after folding, the pairs that were folded, and the norms that were not."""

    trace: Trace
    folded: tuple[Pair, ...]
    kept: tuple[Kept, ...]


def fold_batch_norms(trace: Trace) -> Folding:
    """The same network with every batch norm folded into the layer before it, where that can be.

    Its operators disappear and its module becomes an identity without parameters or buffers. The
    layer gets a bias if it had none, trainable as its weight. A norm stays where folding would
    change what anything else computes. Pairs and norms stand in the order they ran.
    """
    uses = _Uses(trace)
    layers: dict[int, int] = {}
    kept: list[Kept] = []
    for index, op in enumerate(trace.ops):
        if op.name == "batch_norm" and op.parent is None:
            match uses.layer_for(index):
                case int() as layer:
                    layers[index] = layer
                case reason:
                    kept.append(Kept(_path(trace, index), reason))
    pairs = (Pair(_path(trace, layer), _path(trace, norm)) for norm, layer in layers.items())
    return Folding(_Rewrite(trace, layers).trace(), tuple(pairs), tuple(kept))


def _path(trace: Trace, op: int) -> str:
    return trace.modules[trace.ops[op].module].path


class _Uses:
    """Who makes, touches and owns each tensor of a trace; calls are those that the model made."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.maker: dict[int, int] = {}
        self.touched: defaultdict[int, set[int]] = defaultdict(set)
        self.calls_of = Counter(op.module for op in trace.ops if op.parent is None)
        self.owners = Counter(weight.tensor for m in trace.modules for weight in m.parameters)
        tapped = (tensor for tap in trace.taps for tensor in trace.by_path[tap.module].outputs)
        self.shown = set(map(self.storage, (*trace.inputs, *trace.outputs, *tapped)))
        for index, op in enumerate(trace.ops):
            for tensor in (*_present(op.inputs), *op.outputs):
                self.touched[self.storage(tensor)].add(whole_call(trace, index))
            if not op.composite:
                self.maker.update(dict.fromkeys(op.outputs, index))

    def storage(self, tensor: int) -> int:
        return self.trace.tensors[tensor].storage

    def layer_for(self, norm: int) -> int | str:
        """The layer that a norm can be folded into, or why there is none; both calls by index."""
        op, layer = self.trace.ops[norm], self._layer_before(norm)
        if op.attributes.get("training") or None in op.inputs[3:5]:
            return BATCH_STATISTICS
        if layer is None:
            return NO_LAYER
        if not self._is_its_own(op):
            return NOT_ITS_OWN
        if not self._has_its_weights_to_itself(layer):
            return SHARED_LAYER
        normalised = self.storage(_given(op, 0))
        if normalised in self.shown or self.touched[normalised] != {layer, norm}:
            return READ_ELSEWHERE
        return layer

    def _layer_before(self, norm: int) -> int | None:
        maker = self.maker.get(_given(self.trace.ops[norm], 0))
        if maker is None or self.trace.ops[maker].name not in KERNELS:
            return None
        call = whole_call(self.trace, maker)
        return call if self.trace.ops[call].name in LAYERS else None

    def _is_its_own(self, norm: Op) -> bool:
        """Whether its module holds its tensors alone, runs it once, and only norms read them."""
        module = self.trace.modules[norm.module]
        held = {
            weight.tensor
            for weight in (*module.parameters, *module.buffers)
            if weight.name != "num_batches_tracked"
        }
        used = set(_present(norm.inputs[1:]))
        # A second reader of the norm's scale would still need it after folding.
        readers = {call for tensor in used for call in self.touched[self.storage(tensor)]}
        return (
            held == used
            and module.calls == self.calls_of[norm.module] == 1
            and all(self.trace.ops[call].name == "batch_norm" for call in readers)
        )

    def _has_its_weights_to_itself(self, layer: int) -> bool:
        """Whether its weight and bias are parameters of its module alone, and only it uses them."""
        op = self.trace.ops[layer]
        held = {weight.tensor for weight in self.trace.modules[op.module].parameters}
        return all(
            tensor in held
            and self.owners[tensor] == 1
            and self.touched[self.storage(tensor)] == {layer}
            for tensor in _present(op.inputs[1:])
        )


def _present(tensors: Iterable[int | None]) -> list[int]:
    return [tensor for tensor in tensors if tensor is not None]


def _given(op: Op, position: int) -> int:
    """The tensor at a position that is not optional, or known to be there."""
    return cast("int", op.inputs[position])


class _Rewrite:
    """A trace after folding. Tensors and modules keep their indices, operators move up.

    *layers* are calls by the call of the norm that goes into each.
    """

    def __init__(self, trace: Trace, layers: Mapping[int, int]) -> None:
        self.before, self.norms, ops = trace, layers.keys(), trace.ops
        self.same = {ops[norm].outputs[0]: _given(ops[norm], 0) for norm in layers}
        self.stays = [whole_call(trace, index) not in layers for index in range(len(ops))]
        # Where an operator stands once those before it that go are gone.
        self.position = list(accumulate(self.stays, initial=0))
        self.added: list[Tensor] = []
        self.biases: dict[int, int] = {}
        for norm, layer in layers.items():
            if ops[layer].inputs[2] is None:
                self.biases[layer] = len(trace.tensors) + len(self.added)
                self.added.append(self._new_bias(norm, layer))

    def trace(self) -> Trace:
        trace, added = self.before, self.added
        sizes = (size_in_bytes(bias.numel, bias.dtype) for bias in added)
        return replace(
            trace,
            modules=self._modules(),
            tensors=(*trace.tensors, *added),
            storages=(*trace.storages, *sizes),
            freed=(*self._freed(), *(None for _ in added)),
            ops=tuple(self._op(index) for index, stays in enumerate(self.stays) if stays),
            outputs=self._renamed(trace.outputs),
        )

    def _new_bias(self, norm: int, layer: int) -> Tensor:
        tensors, ops = self.before.tensors, self.before.ops
        weight, mean = tensors[_given(ops[layer], 1)], tensors[_given(ops[norm], 3)]
        return Tensor(mean.shape, weight.dtype, len(self.before.storages) + len(self.added))

    def _renamed(self, tensors: Iterable[int]) -> tuple[int, ...]:
        """With the layer's output in place of the norm's."""
        return tuple(self.same.get(tensor, tensor) for tensor in tensors)

    def _op(self, index: int) -> Op:
        op = self.before.ops[index]
        inputs = tuple(t if t is None else self.same.get(t, t) for t in op.inputs)
        parent = None if op.parent is None else self.position[op.parent]
        op = op._replace(inputs=inputs, outputs=self._renamed(op.outputs), parent=parent)
        bias = self.biases.get(whole_call(self.before, index))
        if bias is not None and op.name in LAYERS:
            return op._replace(inputs=(*inputs[:2], bias))
        if bias is not None and op.name == "mm":
            return op._replace(name="addmm", inputs=(bias, *inputs))
        return op

    def _modules(self) -> tuple[Module, ...]:
        ops = self.before.ops
        modules = [m._replace(outputs=self._renamed(m.outputs)) for m in self.before.modules]
        parents = {parent_path(module.path) for module in modules if module.path}
        for norm in self.norms:
            at = ops[norm].module
            # a norm with children runs an activation of its own and keeps its type
            kind = modules[at].type if modules[at].path in parents else "Identity"
            modules[at] = modules[at]._replace(type=kind, parameters=(), buffers=())
        for layer, bias in self.biases.items():
            at, weight = ops[layer].module, ops[layer].inputs[1]
            owned = modules[at].parameters
            trainable = next(own.trainable for own in owned if own.tensor == weight)
            modules[at] = modules[at]._replace(parameters=(*owned, Weight("bias", bias, trainable)))
        return tuple(modules)

    def _freed(self) -> list[int | None]:
        """When storages are freed: the layer's output when the norm's was, if that is later."""
        freed = list(self.before.freed)
        for norm_output, output in self.same.items():
            mine, other = (self.before.tensors[t].storage for t in (output, norm_output))
            # None is never: then the layer's output, which takes the norm's place, stays as well.
            times = [time for time in (freed[mine], freed[other]) if time is not None]
            freed[mine] = max(times) if len(times) == 2 else None
        return [time if time is None else self.position[time] for time in freed]
