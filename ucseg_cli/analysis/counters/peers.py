"""The figures that other counters print, and the steps from ours that lead there exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from ucseg_cli.analysis.counters.hooked_modules import NotDerivedError, Step
from ucseg_cli.analysis.counters.peer_prices import (
    ptflops_macs,
    ptflops_params,
    thop_macs,
    thop_params,
    torchinfo_mult_adds,
    torchinfo_params,
)
from ucseg_cli.analysis.counters.switches import fvcore_failure, fvcore_unread
from ucseg_cli.analysis.counting.conventions import BILINEAR_PRICE, CONVENTIONS
from ucseg_cli.analysis.counting.operations import flops_by_operator, total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.facts.trace import Trace


class Peer(NamedTuple):
    """A figure that another counter prints.

    Args:
        name: the counter's distribution.
        figure: our figure that it is about, from which the steps start.
        unit: the counter's name for the unit.
        call: the code that a user runs to see it.
        why: how it counts, in a sentence.
        steps: from our figure to its; raises NotDerivedError.
    """

    name: str
    figure: Literal["macs", "params"]
    unit: str
    call: str
    why: str
    steps: Callable[[Trace], list[Step]]


class Reconciliation(NamedTuple):
    """The way from our figure to a counter's. *obstacle* says why there is none."""

    peer: Peer
    ours: int
    steps: tuple[Step, ...]
    obstacle: str | None = None

    @property
    def total(self) -> int | None:
        """The figure that the counter prints; None where that is not derived."""
        if self.obstacle is not None:
            return None
        return self.ours + sum(step.amount for step in self.steps)


def reconcile(trace: Trace) -> tuple[Reconciliation, ...]:
    """Every figure that others print for a network, with the way there."""
    ours = {"macs": total_flops(trace)["macs"], "params": total_params(trace)["params"]}
    return tuple(_reconcile(trace, peer, ours[peer.figure]) for peer in PEERS)


def _reconcile(trace: Trace, peer: Peer, ours: int) -> Reconciliation:
    try:
        return Reconciliation(peer, ours, tuple(peer.steps(trace)))
    except NotDerivedError as error:
        return Reconciliation(peer, ours, (), str(error))


_MATMULS = frozenset({"conv", "linear", "addmm", "mm", "bmm", "matmul", "einsum"})
_FVCORE_LABELS = {
    "batch_norm": "batch norm, 2 per element",
    "upsample_bilinear2d": f"bilinear upsampling, {BILINEAR_PRICE} per output element",
    "upsample_nearest2d": "nearest upsampling, 1 per output element",
    "adaptive_avg_pool2d": "adaptive average pooling, 1 per input element",
}


def _fvcore(trace: Trace) -> list[Step]:
    if failure := fvcore_failure(trace):
        raise NotDerivedError(failure)
    by_operator = flops_by_operator(trace, CONVENTIONS["fvcore"])
    missed = -total_flops(trace)["macs"]
    others = []
    for label, (_, count) in by_operator.items():
        if label in _MATMULS:
            missed += count
        else:
            others.append(Step(_FVCORE_LABELS.get(label, label), count))
    first = Step("conv and matmul that it takes whole or does not see", missed)
    unread = -sum(charge.cost for charge in fvcore_unread(trace))
    others.append(Step("calls that the output does not depend on, which it leaves out", unread))
    return [step for step in (first, *others) if step.amount]


def _torch(trace: Trace) -> list[Step]:
    if any(op.name == "scaled_dot_product_attention" for op in trace.ops):
        kernel = "torch has one kernel for it, as on the CPU"
        raise NotDerivedError(f"it misses attention where {kernel}")
    macs, priced = total_flops(trace)["macs"], total_flops(trace)["torch"] // 2
    unseen = Step("products with a vector or in groups, which it does not price", priced - macs)
    doubled = Step("every multiply-add as two operations", priced)
    return [step for step in (unseen, doubled) if step.amount]


_OF_PTFLOPS = "as_strings=False, input_constructor=lambda _: x"
_PTFLOPS = f"ptflops.get_model_complexity_info(model, (3, H, W), {_OF_PTFLOPS})"
_TORCHINFO = "torchinfo.summary(model, input_size=(N, 3, H, W))"

PEERS = (
    Peer(
        "fvcore",
        "macs",
        "FLOPs",
        "fvcore.nn.FlopCountAnalysis(model, x).total()",
        "Operators: batch norm, upsampling and pooling beside conv and matmul; "
        "no bias, no activation.",
        _fvcore,
    ),
    Peer(
        "torch",
        "macs",
        "FLOPs",
        "torch.utils.flop_counter.FlopCounterMode().get_total_flops()",
        "Kernels: conv and matmul only, each multiply-add as two operations.",
        _torch,
    ),
    Peer(
        "thop",
        "macs",
        "MACs",
        "thop.profile(model, inputs=(x,))[0]",
        "Modules: batch norm at 4 per element, and pooling; no bias, no activation, "
        "no function such as F.interpolate.",
        thop_macs,
    ),
    Peer(
        "ptflops",
        "macs",
        "MACs",
        f"{_PTFLOPS}[0]",
        "Modules and functions, so that ReLU and pooling modules count twice; "
        "bias, F.interpolate; no hardswish, + or *.",
        ptflops_macs,
    ),
    Peer(
        "torchinfo",
        "macs",
        "mult-adds",
        f"{_TORCHINFO}.total_mult_adds",
        "Parameters: of convs per output position, bias included, of others per image; "
        "nothing without parameters.",
        torchinfo_mult_adds,
    ),
    Peer(
        "thop",
        "params",
        "parameters",
        "thop.profile(model, inputs=(x,))[1]",
        "Only modules that ran and for which it has a rule.",
        thop_params,
    ),
    Peer(
        "ptflops", "params", "parameters", f"{_PTFLOPS}[1]", "Trainable ones only.", ptflops_params
    ),
    Peer(
        "torchinfo",
        "params",
        "parameters",
        f"{_TORCHINFO}.total_params",
        "All, trainable or frozen.",
        torchinfo_params,
    ),
)
"""Every figure, in the order to show them; a test runs the releases in constraints.txt for real."""
