"""The parts of a training step's memory: their titles, and the peak for scripts."""

from __future__ import annotations

from typing import Any

from ucseg_cli.analysis.memory.training_memory import (
    GRADIENTS,
    INPUT,
    OPTIMIZER,
    SAVED,
    TEMPORARY,
    WEIGHTS,
    TrainingPeak,
)

TITLES = {
    WEIGHTS: "weights and buffers",
    GRADIENTS: "gradients",
    OPTIMIZER: "optimizer's state",
    SAVED: "saved for backward",
    TEMPORARY: "temporary",
    INPUT: "input and target",
}


def peak_payload(peak: TrainingPeak) -> dict[str, Any]:
    """A peak in raw bytes, and where it is."""
    activations = {name: peak.parts[name] for name in (SAVED, TEMPORARY)}
    kept = {name: peak.parts[name] for name in (WEIGHTS, GRADIENTS, OPTIMIZER)}
    return {
        "peak": peak.bytes,
        "parts": {**kept, "activations": sum(activations.values()), INPUT: peak.parts[INPUT]},
        "activations": activations,
        "at": {"phase": peak.phase, "module": peak.module, "op": peak.op},
    }
