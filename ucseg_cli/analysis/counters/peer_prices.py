"""How thop, ptflops and torchinfo price modules, as the steps that lead from our figure to theirs."""

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
    elements_in,
    elements_out,
    hooked,
    own_macs,
    refuse_shared,
    shape,
    summed,
    total_macs,
    unhooked_macs,
)
from ucseg_cli.analysis.counting.conventions import conv_macs
from ucseg_cli.analysis.counting.module_tree import parent_path
from ucseg_cli.analysis.counting.parameters import own_params
from ucseg_cli.facts.trace import Module, Op, Tensor, Trace


def thop_macs(trace: Trace) -> list[Step]:
    """``thop/profile.py``: register_hooks; ``thop/vision/calc_func.py``: the prices."""
    return summed([*hooked(trace, THOP, THOP_ELSEWHERE), *unhooked_macs(trace, THOP)])


def thop_params(trace: Trace) -> list[Step]:
    """``thop/vision/basic_hooks.py``: count_parameters is a hook too, so that only a known class that ran has any.

    The root's own are never among them (``profile.py``: dfs_count).
    """
    refuse_shared(trace)
    own = own_params(trace)
    known = {*THOP, *THOP_ELSEWHERE, *THOP_FREE}
    missed = [m for m in trace.modules if not (m.path and m.calls and m.type in known)]
    return summed(
        Step("of modules without a rule, or that never ran", -own[m.path]["params"]) for m in missed
    )


def ptflops_macs(trace: Trace) -> list[Step]:
    """``ptflops/pytorch_ops.py``: MODULES_MAPPING, FUNCTIONAL_MAPPING; ``pytorch_engine.py``: how they are summed.

    What the hooks of modules find is averaged over the batch, what the patched functions find is not.
    """
    hooks = [*hooked(trace, PTFLOPS, PTFLOPS_ELSEWHERE), *unhooked_macs(trace, PTFLOPS)]
    functions = [
        step for op in _called(trace) if (step := _patched_function(trace, op)) is not None
    ]
    images = _images(trace)
    found = total_macs(trace) + sum(step.amount for step in hooks)
    averaged = Step(
        f"modules averaged over {images} images, functions not", found // images - found
    )
    return summed([*hooks, *functions, averaged])


def ptflops_params(trace: Trace) -> list[Step]:
    """``ptflops/pytorch_engine.py``: get_model_parameters_number."""
    return summed(Step("frozen parameters", -own["frozen"]) for own in own_params(trace).values())


def torchinfo_mult_adds(trace: Trace) -> list[Step]:
    """``torchinfo/layer_info.py``: calculate_macs; ``model_statistics.py``: only modules without children are summed."""
    macs = own_macs(trace)
    containers = {parent_path(module.path) for module in trace.modules if module.path}
    seen = [m for m in trace.modules if m.calls and m.parameters and m.path not in containers]
    steps = [
        step
        for module in seen
        for step in _parameters_as_mult_adds(trace, module, macs.pop(module.path, 0))
    ]
    return summed([*steps, Step(UNSEEN, -sum(macs.values()))])


def torchinfo_params(trace: Trace) -> list[Step]:
    """``torchinfo/model_statistics.py``: total_params, which are ours unless modules share."""
    refuse_shared(trace)
    return []


_CONVS = tuple(f"{kind}{rank}d" for kind in ("Conv", "ConvTranspose") for rank in (1, 2, 3))
_NORMS = tuple(f"BatchNorm{rank}d" for rank in (1, 2, 3))
_POOLS = {f"AdaptiveAvgPool{rank}d": f"adaptive_avg_pool{rank}d" for rank in (1, 2, 3)}
_RECURRENT = frozenset({"RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell"})
_OTHER_NORMS = frozenset({"LayerNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"})


def _bias(trace: Trace, op: Op) -> int:
    """1 per output element where there is a bias."""
    return 0 if op.inputs[2] is None else elements_out(trace, op)


def _at_output(trace: Trace, op: Op) -> int:
    """Output elements × input channels of a group × kernel, which for a transposed conv is not its MACs."""
    x, weight = (shape(trace, tensor) for tensor in op.inputs[:2])
    price: int = elements_out(trace, op) * (x[1] // op.attributes["groups"]) * prod(weight[2:])
    return price - conv_macs(trace, op)


def _normalised(affine: int, plain: int) -> Callable[[Trace, Op], int]:
    return lambda trace, op: (plain if op.inputs[1] is None else affine) * elements_in(trace, op)


def _pooled(trace: Trace, op: Op) -> int:
    """The mean over windows of input ÷ output elements, plus one division, per output element."""
    x, out = shape(trace, op.inputs[0]), shape(trace, op.outputs[0])
    if len(x) != len("NC") + int(op.name[-2]):
        raise NotDerivedError(WITHOUT_BATCH)
    if any(length % parts for length, parts in zip(x[2:], out[2:], strict=True)):
        raise NotDerivedError("it rounds the windows of a pooling that do not divide the map")
    return prod(x) + prod(out)


THOP = {
    **dict.fromkeys(
        _CONVS, ModulePrice("convolution", "transposed convs at the output's positions", _at_output)
    ),
    **dict.fromkeys(
        _NORMS,
        ModulePrice(
            "batch_norm", "batch norm modules, 4 per element, 2 where not affine", _normalised(4, 2)
        ),
    ),
    **{
        kind: ModulePrice(
            runs, "adaptive average pooling modules, 1 per input and per output element", _pooled
        )
        for kind, runs in _POOLS.items()
    },
    "Linear": ModulePrice("linear", "", lambda *_: 0),
}
"""Classes that thop prices, with prices."""
THOP_ELSEWHERE = (
    _RECURRENT
    | _OTHER_NORMS
    | {"SyncBatchNorm", "PReLU", "Softmax", "AvgPool1d", "AvgPool2d", "AvgPool3d"}
    | {"Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"}
)
"""Classes that thop prices in a way that is not derived here."""
THOP_FREE = frozenset(
    {"ZeroPad2d", "ReLU", "ReLU6", "LeakyReLU", "Dropout", "Sequential", "PixelShuffle"}
    | {f"{kind}MaxPool{rank}d" for kind in ("", "Adaptive") for rank in (1, 2, 3)}
)
"""Classes that thop knows and that cost nothing."""

PTFLOPS = {
    **dict.fromkeys(
        _CONVS, ModulePrice("convolution", "bias of convs, 1 per output element", _bias)
    ),
    **dict.fromkeys(
        _NORMS,
        ModulePrice(
            "batch_norm", "batch norm modules, 2 per element, 1 where not affine", _normalised(2, 1)
        ),
    ),
    **{
        kind: ModulePrice(
            runs, "adaptive average pooling modules, 1 per input element", elements_in
        )
        for kind, runs in _POOLS.items()
    },
    "ReLU": ModulePrice("relu", "ReLU modules, 1 per element", elements_out),
    "Linear": ModulePrice("linear", "bias of linear layers, 1 per output element", _bias),
}
"""Classes that ptflops prices, with prices."""
PTFLOPS_ELSEWHERE = (
    _RECURRENT
    | _OTHER_NORMS
    | {
        "GroupNorm",
        "PReLU",
        "ELU",
        "LeakyReLU",
        "ReLU6",
        "GELU",
        "Upsample",
        "MultiheadAttention",
        "DeformConv2d",
    }
    | {f"{kind}Pool{rank}d" for kind in ("Max", "Avg", "AdaptiveMax") for rank in (1, 2, 3)}
)
"""Classes that ptflops prices in a way that is not derived here."""
PATCHED_FUNCTION = re.compile(
    r"(relu|prelu|elu|hardtanh|gelu|silu|softmax|_softmax|((adaptive_)?max|avg)_pool[123]d\w*)_?"
    r"|matmul|mm|bmm|addmm|baddbmm|mul|add"
)
"""Operators that ptflops sees if the model calls a function that it patched, and not if written ``+``, ``*``, ``@``."""
WRITES_OPERATORS = frozenset({"SqueezeExcitation"})
"""Classes of torchvision known to write ``scale * input``."""


def _patched_function(trace: Trace, op: Op) -> Step | None:
    """What a call costs as a function of torch.nn.functional, again where a priced module made it."""
    kind = trace.modules[op.module].type
    again = (
        " again, as the function that the module calls"
        if kind in PTFLOPS
        else ", called as a function"
    )
    if op.name in _POOLS.values():
        return Step(f"adaptive average pooling{again}", elements_in(trace, op))
    if kind == "ReLU" and op.name.removesuffix("_") == "relu":
        return Step(f"ReLU{again}", elements_out(trace, op))
    if op.name.removeprefix("_").startswith("upsample_"):
        return Step("F.interpolate, 1 per output element", _interpolated(trace, op))
    if PATCHED_FUNCTION.fullmatch(op.name) and kind not in WRITES_OPERATORS:
        raise NotDerivedError(
            f"it sees {op.name} if called as a function, which a trace does not tell"
        )
    return None


def _interpolated(trace: Trace, op: Op) -> int:
    if any(factor != int(factor) for factor in op.attributes.get("scale_factors", ())):
        raise NotDerivedError("it rounds what F.interpolate returns for a scale that is not whole")
    return elements_out(trace, op)


def _parameters_as_mult_adds(trace: Trace, module: Module, macs: int) -> Iterator[Step]:
    """Parameters × output positions for a class with Conv in its name, × images for any other."""
    if module.calls > 1 or not module.outputs:
        raise NotDerivedError(
            f"a trace does not tell what every call of {module.path or 'the model'} returned"
        )
    out = shape(trace, module.outputs[0])
    per_image = 0
    for weight in module.parameters:
        numel = trace.tensors[weight.tensor].numel
        if weight.name.endswith("_orig"):
            raise NotDerivedError(
                f"it counts what is left of the pruned {weight.name} of {module.path}"
            )
        if weight.name not in {"weight", "bias"}:
            named = "weight" in weight.name or "bias" in weight.name
            per_image += numel * prod(out[:2]) if named else 0
        elif "Conv" not in module.type:
            per_image += numel * out[0]
        elif weight.name == "bias":
            yield Step("bias of convs, 1 per output element", numel * prod(out[:1] + out[2:]))
        else:
            yield Step(
                "transposed convs at the output's positions", numel * prod(out[:1] + out[2:]) - macs
            )
            macs = 0
    yield Step(f"{module.type}, its parameters once per image", per_image - macs)


def _called(trace: Trace) -> Iterator[Op]:
    """The operators as the model called them."""
    return (op for op in trace.ops if op.parent is None)


def _images(trace: Trace) -> int:
    first: Tensor | None = next((trace.tensors[tensor] for tensor in trace.inputs), None)
    return first.shape[0] if first and first.shape else 1
