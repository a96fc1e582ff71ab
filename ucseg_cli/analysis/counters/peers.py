"""What other counters print for a network, and the steps from our figure that lead there: each adds up exactly."""

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
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.operations import flops_by_operator, total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.facts.trace import Trace


class Peer(NamedTuple):
    """A figure that another counter prints.

    Args:
        name: the counter's distribution.
        figure: our figure that it is about, from which the steps start.
        unit: what it calls the unit.
        call: what a person runs to see it.
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
        """What the counter prints; None where that is not derived."""
        return (
            None
            if self.obstacle is not None
            else self.ours + sum(step.amount for step in self.steps)
        )


def reconcile(trace: Trace) -> tuple[Reconciliation, ...]:
    """Every figure that others print of a network, with the way there."""
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
    "upsample_bilinear2d": "bilinear upsampling, 4 per output element",
    "upsample_nearest2d": "nearest upsampling, 1 per output element",
    "adaptive_avg_pool2d": "adaptive average pooling, 1 per input element",
}


def _fvcore(trace: Trace) -> list[Step]:
    if any(isinstance(op.attributes.get("padding"), str) for op in trace.ops):
        raise NotDerivedError("it misses convs whose padding is a word")
    counts = {
        label: count
        for label, (_, count) in flops_by_operator(trace, CONVENTIONS["fvcore"]).items()
    }
    priced = sum(count for label, count in counts.items() if label in _MATMULS)
    missed = Step(
        "conv and matmul within operators that it takes whole", priced - total_flops(trace)["macs"]
    )
    others = [
        Step(_FVCORE_LABELS.get(label, label), counts[label])
        for label in counts
        if label not in _MATMULS
    ]
    return [step for step in (missed, *others) if step.amount]


def _torch(trace: Trace) -> list[Step]:
    if any(op.name == "scaled_dot_product_attention" for op in trace.ops):
        raise NotDerivedError(
            "it misses attention where torch has one kernel for it, as on the CPU"
        )
    doubled = Step("every multiply-add as two operations", total_flops(trace)["macs"])
    return [doubled] if doubled.amount else []


PEERS = (
    Peer(
        name="fvcore",
        figure="macs",
        unit="FLOPs",
        call="fvcore.nn.FlopCountAnalysis(model, x).total()",
        why="Operators: batch norm, upsampling and pooling beside conv and matmul; no bias, no activation.",
        steps=_fvcore,
    ),
    Peer(
        name="torch",
        figure="macs",
        unit="FLOPs",
        call="torch.utils.flop_counter.FlopCounterMode().get_total_flops()",
        why="Kernels: conv and matmul only, each multiply-add as two operations.",
        steps=_torch,
    ),
    Peer(
        name="thop",
        figure="macs",
        unit="MACs",
        call="thop.profile(model, inputs=(x,))[0]",
        why="Modules: batch norm at 4 per element, and pooling; no bias, no activation, no function such as F.interpolate.",
        steps=thop_macs,
    ),
    Peer(
        name="ptflops",
        figure="macs",
        unit="MACs",
        call="ptflops.get_model_complexity_info(model, (3, H, W), as_strings=False, input_constructor=lambda _: x)[0]",
        why="Modules and functions, so that ReLU and pooling modules count twice; bias, F.interpolate; no hardswish, + or *.",
        steps=ptflops_macs,
    ),
    Peer(
        name="torchinfo",
        figure="macs",
        unit="mult-adds",
        call="torchinfo.summary(model, input_size=(N, 3, H, W)).total_mult_adds",
        why="Parameters: of convs per output position, bias included, of others per image; nothing without parameters.",
        steps=torchinfo_mult_adds,
    ),
    Peer(
        name="thop",
        figure="params",
        unit="parameters",
        call="thop.profile(model, inputs=(x,))[1]",
        why="Of modules that ran and for which it has a rule.",
        steps=thop_params,
    ),
    Peer(
        name="ptflops",
        figure="params",
        unit="parameters",
        call="ptflops.get_model_complexity_info(model, (3, H, W), as_strings=False, input_constructor=lambda _: x)[1]",
        why="Trainable ones only.",
        steps=ptflops_params,
    ),
    Peer(
        name="torchinfo",
        figure="params",
        unit="parameters",
        call="torchinfo.summary(model, input_size=(N, 3, H, W)).total_params",
        why="All, trainable or frozen.",
        steps=torchinfo_params,
    ),
)
"""Every figure, in the order to show them; held against the releases in constraints.txt, run for real, by a test."""
