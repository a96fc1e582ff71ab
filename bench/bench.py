"""``make bench``: the speed we promise, as ratios of whole processes.

Both are measured in turn, so that a noisy machine cancels out. The work after imports, in one
process, is measured by sweeping.py, training.py, in_python.py and recording.py, which run last.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
PYTHON = sys.executable
UCSEG = (PYTHON, "-m", "ucseg_cli")
PACKAGE = (PYTHON, "-c", "import ucseg_cli")
TORCH = (PYTHON, "-c", "import torch")
TORCH_AND_TORCHVISION = (PYTHON, str(HERE / "import_torchvision.py"))
SINCE = (*UCSEG, "compare", "net.py:Net", "--since", "HEAD~10")
SPACE = {
    "backbone": "8..13",
    "conv": "*",
    "rates": "6,12|6,12,18",
    "decoder_blocks": "1..3",
    "aspp_channels": "32,48,64,96,128",
    "decoder_channels": "32,48,64,96",
    "low_skip": "0,16",
    "head": "*",
}
VARY = (word for axis, values in SPACE.items() for word in ("--vary", f"{axis}={values}"))
SWEEP = (*UCSEG, "sweep", "v2", "--size", "512", *VARY)
LAST = tuple(
    (PYTHON, str(HERE / f"{name}.py"))
    for name in ("sweeping", "training", "in_python", "recording")
)
RUNS = 7


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process: processor and wall seconds, and peak memory in KiB."""

    cpu: float
    wall: float
    peak: int


WIDTHS = (16, 20, 24, 28, 32)
COMMITS = 50
NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.body = nn.Sequential(*(nn.Conv2d(width, width, 3, padding=1) for _ in range(8)))

    def forward(self, image):
        return self.body(self.stem(image))
"""
REPOSITORY = Path(tempfile.gettempdir()) / f"ucseg-bench-{os.getpid()}"
"""A repository with a network at COMMITS commits, which has one width after the other."""


@dataclass(frozen=True, slots=True)
class Promise:
    """*command*, run in *folder*, costs at most *most_time* and *most_memory* times *yardstick*.

    None promises nothing.
    """

    title: str
    command: Sequence[str]
    yardstick: Sequence[str]
    most_time: float | None = None
    most_memory: float | None = None
    folder: Path = HERE


PROMISES = (
    Promise("ucseg --help / import torch", (*UCSEG, "--help"), TORCH, most_time=0.08),
    Promise("import ucseg_cli / import torch", PACKAGE, TORCH, most_time=0.03),
    Promise(
        "cached compare v1 v2 / import torch",
        (*UCSEG, "compare", "v1", "v2"),
        TORCH,
        most_time=0.12,
    ),
    Promise(
        "cached check of 20 budgets over 5 variants / import torch",
        (*UCSEG, "check"),
        TORCH,
        most_time=0.15,
        folder=HERE / "budgets",
    ),
    Promise(
        "uncached compare v1 v2, with attribution and lint / import torch, torchvision",
        (*UCSEG, "compare", "v1", "v2", "--no-cache"),
        TORCH_AND_TORCHVISION,
        most_time=1.2,
        most_memory=1.1,
    ),
    Promise(
        "uncached sweep of 5,760 variants at 512 / import torch, torchvision",
        (*SWEEP, "--no-cache"),
        TORCH_AND_TORCHVISION,
        most_time=3.0,
    ),
    Promise(
        "the same with receptive fields and output strides / import torch, torchvision",
        (*SWEEP, "--min", "receptive-field=400", "--max", "output-stride=32", "--no-cache"),
        TORCH_AND_TORCHVISION,
        most_time=3.5,
    ),
    Promise(
        "the sweep of 5,760 variants cached / import torch, torchvision",
        SWEEP,
        TORCH_AND_TORCHVISION,
        most_time=1.0,
    ),
    Promise(
        "recording v2 twenty times, at 8192 / at 224",
        (PYTHON, str(HERE / "record.py"), "8192"),
        (PYTHON, str(HERE / "record.py"), "224"),
        most_time=1.2,
        most_memory=1.05,
    ),
    Promise(
        "uncached compare v1 v2 / the same from fvcore's and torchinfo's API",
        (*UCSEG, "compare", "v1", "v2", "--no-cache"),
        (PYTHON, str(HERE / "peers.py")),
    ),
    Promise(
        "cached compare of two commits / import torch",
        SINCE,
        TORCH,
        most_time=0.15,
        folder=REPOSITORY,
    ),
    Promise(
        "uncached compare of two commits / import torch, torchvision",
        (*SINCE, "--no-cache"),
        TORCH_AND_TORCHVISION,
        most_time=1.3,
        folder=REPOSITORY,
    ),
    Promise(
        "uncached history of 50 commits with 5 networks / uncached compare of two",
        (*UCSEG, "history", "net.py:Net", "--no-cache"),
        (*SINCE, "--no-cache"),
        most_time=2.5,
        folder=REPOSITORY,
    ),
)


def main() -> int:
    """Measure every promise; 1 where one is broken."""
    print(f"{RUNS} pairs each, in turn; median (smallest to largest) of the ratios, pair by pair")
    with repository(), tempfile.TemporaryDirectory() as directory:
        kept = [report(promise, measure(promise, Path(directory))) for promise in PROMISES]
    report(
        Promise("this machine's noise: import torch / import torch", TORCH, TORCH),
        list(pairs(TORCH, TORCH, {})),
    )
    print(flush=True)
    kept += [subprocess.run(command, check=False).returncode == 0 for command in LAST]
    return 0 if all(kept) else 1


@contextmanager
def repository() -> Iterator[None]:
    """REPOSITORY, as long as it is measured."""
    REPOSITORY.mkdir()
    git = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com")
    try:
        subprocess.run([*git, "init", "--quiet"], cwd=REPOSITORY, check=True)
        for number in range(COMMITS):
            width = WIDTHS[number * len(WIDTHS) // COMMITS]
            (REPOSITORY / "net.py").write_text(NET.replace("width=16", f"width={width}"))
            (REPOSITORY / "README").write_text(f"{number}")
            subprocess.run([*git, "add", "."], cwd=REPOSITORY, check=True)
            made = [*git, "commit", "--quiet", "--message", f"commit {number}"]
            subprocess.run(made, cwd=REPOSITORY, check=True)
        yield
    finally:
        shutil.rmtree(REPOSITORY)


def measure(promise: Promise, directory: Path) -> list[tuple[Run, Run]]:
    """Pairs of runs; the cache is filled before where the promise is about a cached answer."""
    environment = {"UCSEG_CACHE_DIR": str(directory / "cache")}
    return list(pairs(promise.command, promise.yardstick, environment, promise.folder))


def pairs(
    first: Sequence[str], second: Sequence[str], environment: Mapping[str, str], folder: Path = HERE
) -> Iterator[tuple[Run, Run]]:
    """Both commands in turn, after one run of each that is not counted and fills every cache."""
    run(first, environment, folder)
    run(second, environment, folder)
    for _ in range(RUNS):
        yield run(first, environment, folder), run(second, environment, folder)


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Run:
    """One process from start to end, as the operating system accounts for it."""
    begin = time.perf_counter()
    with quiet(command, environment, folder) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} exited with {process.returncode}")
    return Run(usage.ru_utime + usage.ru_stime, time.perf_counter() - begin, peak_of(usage))


@contextmanager
def quiet(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The process with its output thrown away."""
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield process


def peak_of(usage: resource.struct_rusage) -> int:
    """Peak memory in KiB; macOS reports bytes."""
    return usage.ru_maxrss // 1024 if sys.platform == "darwin" else usage.ru_maxrss


def report(promise: Promise, measured: Sequence[tuple[Run, Run]]) -> bool:
    """Print what was measured; whether the medians keep the promise."""
    print(f"\n{promise.title}")
    kept = True
    for name, attribute, limit in (
        ("processor time", "cpu", promise.most_time),
        ("wall time", "wall", promise.most_time),
        ("peak memory", "peak", promise.most_memory),
    ):
        ratios = [
            getattr(first, attribute) / getattr(second, attribute) for first, second in measured
        ]
        kept = kept and (limit is None or median(ratios) <= limit)
        print(f"  {name:16}{spread(ratios, limit)}")
    return kept


def spread(ratios: Sequence[float], limit: float | None) -> str:
    """Median, range, and the limit with its verdict."""
    middle = median(ratios)
    verdict = (
        "" if limit is None else f"  at most {limit:g}: {'kept' if middle <= limit else 'BROKEN'}"
    )
    return f"{middle:.3f} ({min(ratios):.3f} to {max(ratios):.3f}){verdict}"


if __name__ == "__main__":
    sys.exit(main())
