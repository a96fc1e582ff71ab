"""The prices of thop, ptflops and torchinfo, as the steps that lead from our figure to theirs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import prod

from ucseg_cli.analysis.counters.hooked_modules import (
    UNSEEN,
    WITHOUT_BATCH,
    ModulePrice,
    NotDerivedError,
    Step,
    hooked,
    known_class,
    own_macs,
    refuse_shared,
    summed,
)
from ucseg_cli.analysis.counting.conventions import conv_macs, elements_in, elements_out, shape
from ucseg_cli.analysis.counting.module_tree import parent_path
from ucseg_cli.analysis.counting.parameters import own_params
from ucseg_cli.facts.trace import Module, Op, Trace

Beyond = Callable[[Trace, Op], int]


def thop_macs(trace: Trace) -> list[Step]:
    """``thop/profile.py``: register_hooks; ``thop/vision/calc_func.py``: the prices."""
    return summed(hooked(trace, THOP, THOP_ELSEWHERE))


def thop_params(trace: Trace) -> list[Step]:
    """``thop/vision/basic_hooks.py``: count_parameters, a hook: known classes that ran have any.

    The root's own are never among them (``profile.py``: dfs_count).
    """
    refuse_shared(trace)
    own = own_params(trace)
    known = {*THOP, *THOP_ELSEWHERE, *THOP_FREE}
    missed = [m.path for m in trace.modules if not (m.path and m.calls and known_class(m) in known)]
    label = "of modules without a rule, or that never ran"
    return summed(Step(label, -own[path]["params"]) for path in missed)


def ptflops_macs(trace: Trace) -> list[Step]:
    """``ptflops/pytorch_ops.py``: MODULES_MAPPING, FUNCTIONAL_MAPPING; sums: ``pytorch_engine.py``.

    Figures that hooks of modules find are averaged over the batch, those of functions are not.
    """
    hooks = list(hooked(trace, PTFLOPS, PTFLOPS_ELSEWHERE))
    called = (op for op in trace.ops if op.parent is None)
    functions = [step for op in called if (step := _patched_function(trace, op)) is not None]
    images = next((shape(trace, tensor)[:1] for tensor in trace.inputs), ()) or (1,)
    found = own_macs(trace).total() + sum(step.amount for step in hooks)
    label = f"modules averaged over {images[0]} images, functions not"
    return summed([*hooks, *functions, Step(label, found // images[0] - found)])


def ptflops_params(trace: Trace) -> list[Step]:
    """``ptflops/pytorch_engine.py``: get_model_parameters_number."""
    return summed(Step("frozen parameters", -own["frozen"]) for own in own_params(trace).values())


def torchinfo_mult_adds(trace: Trace) -> list[Step]:
    """``torchinfo/layer_info.py``: calculate_macs.

    Only modules without children are summed (``model_statistics.py``).
    """
    macs = own_macs(trace)
    containers = {parent_path(module.path) for module in trace.modules if module.path}
    steps: list[Step] = []
    for module in trace.modules:
        if module.calls and module.parameters and module.path not in containers:
            steps += _parameters_as_mult_adds(trace, module, macs.pop(module.path, 0))
    return summed([*steps, Step(UNSEEN, -macs.total())])


def torchinfo_params(trace: Trace) -> list[Step]:
    """``torchinfo/model_statistics.py``: total_params, which are ours unless modules share."""
    refuse_shared(trace)
    return []


def _bias(trace: Trace, op: Op) -> int:
    """1 per output element where there is a bias."""
    return 0 if op.inputs[2] is None else elements_out(trace, op)


def _at_output(trace: Trace, op: Op) -> int:
    """Output elements × input channels of a group × kernel; a transposed conv has other MACs."""
    x, weight = (shape(trace, tensor) for tensor in op.inputs[:2])
    price: int = elements_out(trace, op) * (x[1] // op.attributes["groups"]) * prod(weight[2:])
    return price - conv_macs(trace, op)


def _normalised(affine: int, plain: int) -> Beyond:
    return lambda trace, op: (plain if op.inputs[1] is None else affine) * elements_in(trace, op)


def _pooled(trace: Trace, op: Op) -> int:
    """The mean over windows of input ÷ output elements, plus one division, per output element."""
    x, out = shape(trace, op.inputs[0]), shape(trace, op.outputs[0])
    if len(x) != len("NC") + int(op.name[-2]):
        raise NotDerivedError(WITHOUT_BATCH)
    if any(length % parts for length, parts in zip(x[2:], out[2:], strict=True)):
        raise NotDerivedError("it rounds the windows of a pooling that do not divide the map")
    return prod(x) + prod(out)


_RANKS = (1, 2, 3)
_POOLS = {f"AdaptiveAvgPool{rank}d": f"adaptive_avg_pool{rank}d" for rank in _RANKS}
_NOT_DERIVED = frozenset(
    {"RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell", "LayerNorm", "Upsample", "PReLU"}
    | {f"InstanceNorm{rank}d" for rank in _RANKS}
    | {f"AvgPool{rank}d" for rank in _RANKS}
)
"""Classes that both thop and ptflops price in a way that is not derived here."""


def _by_class(
    conv: tuple[str, Beyond], norm: tuple[str, Beyond], pool: tuple[str, Beyond]
) -> dict[str, ModulePrice]:
    """Prices of convs, batch norms and adaptive average pooling of every rank."""
    convs = [f"{kind}{rank}d" for kind in ("Conv", "ConvTranspose") for rank in _RANKS]
    norms = [f"BatchNorm{rank}d" for rank in _RANKS]
    return {
        **dict.fromkeys(convs, ModulePrice("convolution", *conv)),
        **dict.fromkeys(norms, ModulePrice("batch_norm", *norm)),
        **{kind: ModulePrice(runs, *pool) for kind, runs in _POOLS.items()},
    }


THOP = {
    **_by_class(
        conv=("transposed convs at the output's positions", _at_output),
        norm=("batch norm modules, 4 per element, 2 where not affine", _normalised(4, 2)),
        pool=("adaptive average pooling modules, 1 per input and per output element", _pooled),
    ),
    "Linear": ModulePrice("linear", "", lambda *_: 0),
}
"""Classes that thop prices, with prices."""
THOP_ELSEWHERE = _NOT_DERIVED | {
    *("SyncBatchNorm", "Softmax", "UpsamplingBilinear2d", "UpsamplingNearest2d")
}
"""Classes that thop prices in a way that is not derived here."""
THOP_FREE = frozenset(
    {"ZeroPad2d", "ReLU", "ReLU6", "LeakyReLU", "Dropout", "Sequential", "PixelShuffle"}
    | {f"{kind}MaxPool{rank}d" for kind in ("", "Adaptive") for rank in _RANKS}
)
"""Classes that thop knows and that cost nothing."""

PTFLOPS = {
    **_by_class(
        conv=("bias of convs, 1 per output element", _bias),
        norm=("batch norm modules, 2 per element, 1 where not affine", _normalised(2, 1)),
        pool=("adaptive average pooling modules, 1 per input element", elements_in),
    ),
    "ReLU": ModulePrice("relu", "ReLU modules, 1 per element", elements_out),
    "Linear": ModulePrice("linear", "bias of linear layers, 1 per output element", _bias),
}
"""Classes that ptflops prices, with prices."""
PTFLOPS_ELSEWHERE = (
    _NOT_DERIVED
    | {"GroupNorm", "ELU", "LeakyReLU", "ReLU6", "GELU", "MultiheadAttention"}
    | {"torchvision.DeformConv2d", "timm.Attention"}
    | {f"{kind}Pool{rank}d" for kind in ("Max", "AdaptiveMax") for rank in _RANKS}
)
"""Classes that ptflops prices in a way that is not derived here."""
PATCHED_FUNCTION = re.compile(
    r"(relu6?|prelu|elu|hardtanh|gelu|silu|softmax|_softmax|((adaptive_)?max|avg)_pool[123]d\w*)_?"
    r"|matmul|mm|bmm|addmm|baddbmm|mul|add"
)
"""Operators that ptflops sees as a function that it patched, and not as ``+``, ``*`` or ``@``."""
WRITES_OPERATORS = frozenset({"torchvision.SqueezeExcitation"})
"""Classes of torchvision known to write ``scale * input``."""


def _patched_function(trace: Trace, op: Op) -> Step | None:
    """The cost of a call as a function of torch.nn.functional, even if a priced module made it."""
    kind = known_class(trace.modules[op.module])
    again = " again, as the function that the module calls"
    how = again if kind in PTFLOPS else ", called as a function"
    if op.name in _POOLS.values():
        return Step(f"adaptive average pooling{how}", elements_in(trace, op))
    if kind == "ReLU" and op.name.removesuffix("_") == "relu":
        return Step(f"ReLU{how}", elements_out(trace, op))
    if op.name.removeprefix("_").startswith("upsample_"):
        if any(factor != int(factor) for factor in op.attributes.get("scale_factors", ())):
            raise NotDerivedError("it rounds F.interpolate's result where a scale is not whole")
        return Step("F.interpolate, 1 per output element", elements_out(trace, op))
    if PATCHED_FUNCTION.fullmatch(op.name) and kind not in WRITES_OPERATORS:
        called = f"it sees {op.name} if called as a function"
        raise NotDerivedError(f"{called}, which a trace does not show")
    return None


def _parameters_as_mult_adds(trace: Trace, module: Module, macs: int) -> Iterator[Step]:
    """Parameters × output positions for a class with Conv in its name, × images for any other."""
    if module.calls > 1 or not module.outputs:
        path = module.path or "the model"
        raise NotDerivedError(f"a trace does not show what every call of {path} returned")
    out = shape(trace, module.outputs[0])
    if not out and module.parameters:
        raise NotDerivedError(f"it fails on the scalar that {module.path or 'the model'} returns")
    positions, per_image = prod(out[:1] + out[2:]), 0
    for weight in module.parameters:
        name, numel = weight.name, trace.tensors[weight.tensor].numel
        if name.endswith("_orig"):
            what = f"what is left of the pruned {name} of {module.path}"
            raise NotDerivedError(f"it counts {what}")
        if name not in {"weight", "bias"}:
            named = "weight" in name or "bias" in name
            per_image += numel * prod(out[:2]) if named else 0
        elif "Conv" not in module.type:
            per_image += numel * out[0]
        elif name == "bias":
            yield Step("bias of convs, 1 per output element", numel * positions)
        else:
            yield Step("transposed convs at the output's positions", numel * positions - macs)
            macs = 0
    yield Step(f"{module.type}, its parameters once per image", per_image - macs)
