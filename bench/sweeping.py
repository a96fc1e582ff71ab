"""``ucseg sweep`` beside loops that people write: FlopCounterMode on meta, fvcore with weights.

Both see the same variants in one process, after imports, in turn.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from statistics import median

import import_torchvision  # noqa: F401 - before anything else asks for torchvision
import torch
from fvcore.nn import FlopCountAnalysis
from torch.utils.flop_counter import FlopCounterMode

from ucseg_cli import build_model
from ucseg_cli.analysis.space.assembled import OutcomeFigures
from ucseg_cli.engine.parts.record_space import SpaceRecorder
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.references import Argument, FromFile
from ucseg_cli.references.variants import CATALOGUE

sys.path.append(str(Path(__file__).parent))

from swept_net import Net

AXES = {
    "width": (16, 20, 24, 28, 32),
    "depth": (1, 2, 3, 4),
    "gated": (True, False),
    "classes": (10, 19, 21, 32, 64),
}
MOST_TIME = 1 / 3
ROUNDS, SIDE, FEW = 3, 224, 20
SPACE = 5760


def main() -> int:
    """Measure both; 1 if the sweep takes more than is promised."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    variants = [dict(zip(AXES, values, strict=True)) for values in product(*AXES.values())]
    pairs = [(seconds(sweep, variants), seconds(count_each, variants)) for _ in range(ROUNDS)]
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    kept = median(ratios) <= MOST_TIME
    print(
        f"sweep of {len(variants)} variants of a class / FlopCounterMode on each, on meta: "
        f"{median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}), "
        f"promised {MOST_TIME:.3f}: {'kept' if kept else 'BROKEN'}"
    )
    each = seconds(count_with_fvcore, range(FEW)) / FEW
    print(f"fvcore on a variant at 512: {each:.2f} s; on {SPACE:,} of them {each * SPACE:,.0f} s")
    return 0 if kept else 1


def seconds(run: Callable[..., object], given: Sequence[object]) -> float:
    """The wall time of a call."""
    began = time.perf_counter()
    run(given)
    return time.perf_counter() - began


def sweep(variants: Sequence[dict[str, object]]) -> None:
    """Every metric of each variant, as ``ucseg sweep`` gets it."""
    source = FromFile(str(Path(__file__).parent / "swept_net.py"), "Net")
    models = [
        source._replace(arguments=tuple(Argument(name, str(value)) for name, value in one.items()))
        for one in variants
    ]
    recorder = SpaceRecorder([Conditions(Size(SIDE, SIDE))])
    figures = OutcomeFigures(recorder.book)
    for (outcome,) in recorder.record(models):
        figures.figure(outcome, "peak-memory")


def count_each(variants: Sequence[dict[str, int]]) -> None:
    """Build each on meta, and run torch's counter."""
    for one in variants:
        with torch.device("meta"):
            network = Net(**one).eval()
            image = torch.empty(1, 3, SIDE, SIDE)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(image)
        counter.get_total_flops()


def count_with_fvcore(numbers: Sequence[int]) -> None:
    """Build variants of the family with weights, and run fvcore."""
    for number in numbers:
        variant = CATALOGUE["v2"]._replace(aspp_channels=32 + number)
        network = build_model(variant).eval()
        FlopCountAnalysis(network, torch.zeros(1, 3, 512, 512)).total()


if __name__ == "__main__":
    sys.exit(main())
