"""``ucseg.show`` on a module in memory beside torchinfo's summary, in one process, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import import_torchvision  # noqa: F401 - before anything else asks for torchvision
import torchinfo
from torch import nn
from torchvision import models

import ucseg_cli as ucseg

ROUNDS, MOST_TIME = 9, 1.0
SHAPE = (1, 3, 224, 224)


def main() -> int:
    """Measure resnet50, text included; 1 if torchinfo is faster."""
    model = models.resnet50().eval()
    for warm in (ours, theirs):
        warm(model)
    ratios = [seconds(ours, model) / seconds(theirs, model) for _ in range(ROUNDS)]
    ratio, kept = median(ratios), median(ratios) <= MOST_TIME
    print(
        f"ucseg.show of a resnet50 in memory / torchinfo.summary: {ratio:.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}), promised {MOST_TIME:g}: "
        f"{'kept' if kept else 'BROKEN'}"
    )
    return 0 if kept else 1


def ours(model: nn.Module) -> str:
    """Our answer as text."""
    return str(ucseg.show(model))


def theirs(model: nn.Module) -> str:
    """The peer's answer as text, on the same input and device."""
    return str(torchinfo.summary(model, input_size=SHAPE, verbose=0, device="cpu"))


def seconds(answer: Callable[[nn.Module], str], model: nn.Module) -> float:
    """The time of one answer."""
    began = time.perf_counter()
    answer(model)
    return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
