"""The switches under which other counters are run, and what they print without them."""

from __future__ import annotations

from collections import Counter

from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention, shape
from ucseg_cli.analysis.counting.operations import Charge, charges
from ucseg_cli.analysis.memory.peak_memory import fused_calls
from ucseg_cli.facts.trace import Op, Trace
from ucseg_cli.units import plural

SWITCHES = (
    "eval mode",
    "no gradients",
    "attention taken apart",
    "encoder layers taken apart",
    "LSTM layers taken apart",
)
"""How the engine runs fvcore and FlopCounterMode: as a trace is recorded."""
FAST_PATH = (
    "In eval mode without gradients torch runs nn.MultiheadAttention and "
    "nn.TransformerEncoderLayer with batch_first as one kernel {}. Here they are taken apart."
)
UNPRICED = "that {} cannot price, so that a plain figure is lower"
UNSEEN = "whose own memory is not seen"
COUNTERS = {"fvcore": "fvcore", "torch": "FlopCounterMode"}
"""By convention; no counter prints the MACs."""
NORMS, AXES = ("group_norm", "layer_norm", "instance_norm"), range(2, 6)
"""The norms that fvcore prices by elements, and how many axes it accepts there."""
PROJECTION = "NonDynamicallyQuantizableLinear"
"""The class of ``nn.MultiheadAttention.out_proj``, which torch has for nothing else."""


def plain_notes(trace: Trace, *conventions: Convention) -> tuple[str, ...]:
    """A sentence for each switch that the figures of the conventions' counters depend on."""
    counters = [COUNTERS[one.name] for one in conventions if one.name in COUNTERS]
    notes = []
    kernels = Counter(_unpriced_kernels(trace).values())
    if COUNTERS["torch"] in counters and kernels:
        named = " and ".join(f"{name} ({plural(n, 'call')})" for name, n in kernels.items())
        notes.append(
            f"FlopCounterMode itself prints {plain_total(trace):,} on the CPU, where {named} runs "
            "as one kernel that it cannot price. Here it is taken apart, as on the meta device."
        )
    if COUNTERS["fvcore"] in counters and (failure := fvcore_failure(trace)):
        notes.append(f"fvcore itself gives no figure: {failure}.")
    elif COUNTERS["fvcore"] in counters and (unread := fvcore_unread(trace)):
        places = " and ".join(dict.fromkeys(charge.module or "the model" for charge in unread))
        left = sum(charge.cost for charge in unread)
        notes.append(
            f"fvcore itself leaves out {left:,} FLOPs in {places}: no tensor leads from there to "
            "the output."
        )
    if counters and _has_fast_path(trace):
        notes.append(FAST_PATH.format(UNPRICED.format(" and ".join(counters))))
    return tuple(notes)


def memory_notes(trace: Trace) -> tuple[str, ...]:
    """A sentence for the switch that the peak of memory depends on."""
    return (FAST_PATH.format(UNSEEN),) if _has_fast_path(trace) else ()


def _has_fast_path(trace: Trace) -> bool:
    return any(module.type == PROJECTION for module in trace.modules)


def fvcore_failure(trace: Trace) -> str | None:
    """Why fvcore raises on a call that it would price; None where none is known to."""
    unread = {charge.op for charge in fvcore_unread(trace)}
    for charge in charges(trace, CONVENTIONS["fvcore"]):
        if charge.op not in unread and (call := _failing(trace, trace.ops[charge.op])):
            return f"it fails on {call}, in {charge.module or 'the model itself'}"
    return None


def _failing(trace: Trace, op: Op) -> str:
    """``fvcore/nn/jit_handles.py``: matmul_flop_jit and norm_flop_counter read no other shapes."""
    if op.name == "matmul" and len(shape(trace, op.inputs[1])) == 1:
        return "the product with a vector"
    is_norm = op.name in NORMS or (op.name == "batch_norm" and op.attributes.get("training"))
    axes = len(shape(trace, op.inputs[0]))
    return (
        f"the {op.name} of {plural(axes, 'axis', 'axes')}" if is_norm and axes not in AXES else ""
    )


def fvcore_unread(trace: Trace) -> list[Charge]:
    """Priced calls from which no tensor leads to the output, as torch.jit's trace has them."""
    needed = {trace.tensors[tensor].storage for tensor in trace.outputs}
    needless: set[int] = set()
    for index, op in reversed([*enumerate(trace.ops)]):
        made = {trace.tensors[tensor].storage for tensor in op.outputs}
        if made.isdisjoint(needed):
            needless.add(index)
        elif not op.composite:  # its parts say what it reads
            read = (tensor for tensor in op.inputs if tensor is not None)
            needed.update(trace.tensors[tensor].storage for tensor in read)
    found = (charge for charge in charges(trace, CONVENTIONS["fvcore"]) if charge.op in needless)
    return [charge for charge in found if charge.cost]


def plain_total(trace: Trace) -> int:
    """The figure of FlopCounterMode on the CPU with gradients: nothing for unpriced kernels."""
    unpriced = _unpriced_kernels(trace)
    return sum(
        charge.cost
        for charge in charges(trace, CONVENTIONS["torch"])
        if trace.ops[charge.op].parent not in unpriced
    )


def _unpriced_kernels(trace: Trace) -> dict[int | None, str]:
    """Calls that are one kernel on the CPU, unknown to FlopCounterMode: their names, by index."""
    return {call: trace.ops[call].name for call in sorted(fused_calls(trace))}
