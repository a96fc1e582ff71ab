"""Recording torchvision's networks on meta, compared with the peers, and its memory at any size.

Each peer does its most usual task: fvcore counts in total, by module and by operator; torchinfo
sums up every layer. Both get a network without weights on meta where they run there, and else the
real one; fvcore traces with torch.jit, which does not run on meta. We record everything that ours
and their tables are made of. Rounds are taken in turn, and each ratio is between neighbours, so
that a noisy machine cancels out.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import import_torchvision  # noqa: F401 - before anything else asks for torchvision
import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn
from torchvision import models

from ucseg_cli.engine.recording.record import record

ROUNDS = 7
SIDE, LARGE_SIDE = 224, 2048
MOST_TIME, MOST_MEMORY = 1.0, 1.02

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "resnet50": models.resnet50,
    "mobilenet_v3_large": models.mobilenet_v3_large,
    "deeplabv3_resnet50": models.segmentation.deeplabv3_resnet50,
    "swin_t": models.swin_t,
}


def main() -> int:
    """Measure every network; 1 if a peer is faster, or if a larger input takes more memory."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    print(
        "recording a network on meta / a peer's answer, both after imports: "
        f"{ROUNDS} rounds in turn, wall time"
    )
    kept = [report(name, build) for name, build in NETWORKS.items()]
    return 0 if all([*kept, report_memory()]) else 1


def report(name: str, build: Callable[..., nn.Module]) -> bool:
    """Print one network's ratios; whether each is below what is promised."""
    (bare, x), real = on(torch.device("meta"), build), on(torch.device("cpu"), build)
    peers = {
        "fvcore": (count_with_fvcore, *(real if raises(count_with_fvcore, bare, x) else (bare, x))),
        "torchinfo": (
            sum_up_with_torchinfo,
            *(real if raises(sum_up_with_torchinfo, bare, x) else (bare, x)),
        ),
    }
    kept = True
    for peer, (answer, model, given) in peers.items():
        record(bare, x)
        answer(model, given)
        rounds = [(seconds(record, bare, x), seconds(answer, model, given)) for _ in range(ROUNDS)]
        ratios = [ours / theirs for ours, theirs in rounds]
        kept = kept and median(ratios) <= MOST_TIME
        title = f"{name} / {peer} on {given.device}"
        ours, theirs = (1000 * median(side) for side in zip(*rounds, strict=True))
        print(f"  {title:44}{spread(ratios, MOST_TIME)}  {ours:.0f} ms / {theirs:.0f} ms")
    return kept


def report_memory() -> bool:
    """Print the ratio of Python's peak memory at a larger input; whether it is as promised."""
    model, _ = on(torch.device("meta"), models.resnet50)
    record(model, picture(SIDE))
    ratios = [peak(model, LARGE_SIDE) / peak(model, SIDE) for _ in range(ROUNDS)]
    print(f"peak memory of recording resnet50 at {LARGE_SIDE} / at {SIDE}")
    print(f"  {'allocated by Python':44}{spread(ratios, MOST_MEMORY)}")
    return median(ratios) <= MOST_MEMORY


def on(device: torch.device, build: Callable[..., nn.Module]) -> tuple[nn.Module, Tensor]:
    """A network in eval mode and its input."""
    with device:
        options: dict[str, Any] = (
            {"weights_backbone": None} if "segmentation" in build.__module__ else {}
        )
        return build(weights=None, **options).eval(), torch.zeros(1, 3, SIDE, SIDE)


def picture(side: int) -> Tensor:
    """An input without data."""
    return torch.empty(1, 3, side, side, device="meta")


def count_with_fvcore(model: nn.Module, x: Tensor) -> object:
    """The total, by module and by operator."""
    with torch.no_grad():
        counts = FlopCountAnalysis(model, x).unsupported_ops_warnings(enabled=False)
        counts = counts.uncalled_modules_warnings(enabled=False)
        return counts.total(), counts.by_module(), counts.by_operator()


def sum_up_with_torchinfo(model: nn.Module, x: Tensor) -> object:
    """Every layer with its parameters and multiply-adds."""
    return torchinfo.summary(model, input_size=tuple(x.shape), device=x.device.type, verbose=0)


def raises(answer: Callable[[nn.Module, Tensor], object], model: nn.Module, x: Tensor) -> bool:
    """Whether a peer cannot answer."""
    try:
        answer(model, x)
    except Exception:  # noqa: BLE001 - any error means that it cannot
        return True
    return False


def seconds(answer: Callable[[nn.Module, Tensor], object], model: nn.Module, x: Tensor) -> float:
    """How long an answer takes; what earlier ones left behind is cleared away before."""
    gc.collect()
    begin = time.perf_counter()
    answer(model, x)
    return time.perf_counter() - begin


def peak(model: nn.Module, side: int) -> int:
    """The most bytes that Python holds while recording."""
    gc.collect()
    tracemalloc.start()
    try:
        record(model, picture(side))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def spread(ratios: list[float], limit: float) -> str:
    """Median, range, and the limit with its verdict."""
    verdict = f"at most {limit:g}: {'kept' if median(ratios) <= limit else 'BROKEN'}"
    return f"{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})  {verdict}"


if __name__ == "__main__":
    sys.exit(main())
