"""Notes on a training step: what it runs, and what is not seen of its memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention
from ucseg_cli.analysis.counting.operations import charges
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.trace import Trace
from ucseg_cli.facts.training import Training
from ucseg_cli.units import format_count, plural

THE_STEP = (
    "The second of two such steps: gradients set to none, forward, loss, backward, update "
    "parameter by parameter (foreach=False). Outputs and loss are held to the end."
)
AUTOCAST = "Autocast as on the CPU, in bfloat16; CUDA casts other operators."

UNSEEN = "Memory that kernels allocate for themselves, and the allocator's rounding, are not seen."
RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
NAMED = 6
"""How many layers a note names."""


def step_notes(subjects: Sequence[Subject], training: Training) -> Iterator[str]:
    """Sentences on the step of models, each sentence once."""
    yield THE_STEP
    if training.amp:
        yield AUTOCAST
    yield from dict.fromkeys(note for subject in subjects for note in _recurrent_notes(subject))
    yield UNSEEN


def _recurrent_notes(subject: Subject) -> Iterator[str]:
    """A sentence where layers run as their parts that the CPU runs otherwise."""
    layers = [one.path for one in subject.trace.modules if one.type in RECURRENT and one.calls]
    if layers:
        shown = ", ".join(path or "the model itself" for path in layers[:NAMED])
        others = [plural(len(layers) - NAMED, "other")] if len(layers) > NAMED else []
        yield (
            f"Not exact, since recurrent layers run as their parts here: {shown}"
            + "".join(f" and {one}" for one in others)
            + "."
        )


def grouped_conv_notes(traces: Sequence[Trace], convention: Convention) -> Iterator[str]:
    """A sentence where FlopCounterMode counts the backward pass of grouped convs too often."""
    if convention.name != "torch":
        return
    if excess := [excess for excess in map(_counted_too_often, traces) if excess]:
        yield (
            f"{' and '.join(map(format_count, excess))} of these are counted too often: "
            "FlopCounterMode takes the gradient of a grouped conv's weight for that of a conv "
            "without groups; -c macs does not."
        )


def _counted_too_often(trace: Trace) -> int:
    """Operations of backward under ``torch`` beyond two for each multiply-add."""
    macs = CONVENTIONS["macs"].prices["convolution_backward"]
    grouped = (
        charge
        for charge in charges(trace, CONVENTIONS["torch"])
        if trace.ops[charge.op].name == "convolution_backward"
    )
    return sum(charge.cost - 2 * macs(trace, trace.ops[charge.op]) for charge in grouped)
