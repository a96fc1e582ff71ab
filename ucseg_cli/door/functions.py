"""Every answer of the command line as a function; each has the options of its command.

A model is a reference (``v2+backbone=10``, ``net.py:Net``) or a module in memory, which is
afterwards as it was. A size is in pixels: 512, (384, 640) or a text. All raise UcsegError where the
command would exit with 2; `ucseg COMMAND --help` explains every option.
"""
# ruff: noqa: A002 - they are named as the options are

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ucseg_cli.door.answer import Answer
from ucseg_cli.door.ask import ask

if TYPE_CHECKING:
    from ucseg_cli.door.values import Choices, Inputs, Limits, Model, Size, Texts

Convention = Literal["fvcore", "macs", "torch"]


def show(
    model: Model | None = None,
    *,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    convention: Convention | None = None,
    deploy: bool = False,
) -> Answer:
    """One model at a glance: axes, totals, output and tap shapes, the heaviest modules."""
    return ask("show", **locals())


def overview(
    *models: Model,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    convention: Convention | None = None,
    depth: int = 2,
) -> Answer:
    """Everything about a model, or about several beside the first, on one page."""
    return ask("overview", **locals())


def layers(
    model: Model | None = None,
    *,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    convention: Convention | None = None,
    deploy: bool = False,
    depth: int | None = None,
    full: bool = False,
) -> Answer:
    """Every layer in the order of running, with shapes, kernel, parameters and operations."""
    return ask("layers", **locals())


def draw(
    *models: Model,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    depth: int | None = None,
) -> Answer:
    """A network as a diagram; of two models the second, with what changed against the first."""
    return ask("draw", **locals())


def params(
    model: Model | None = None,
    *,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    deploy: bool = False,
    sparsity: bool = False,
    network: Model | None = None,
    depth: int = 2,
    sort: str = "tree",
    top: int | None = None,
) -> Answer:
    """Parameters by module."""
    return ask("params", **locals())


def flops(
    model: Model | None = None,
    *,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    convention: Convention | None = None,
    deploy: bool = False,
    intensity: bool = False,
    dtype: str | None = None,
    reconcile: bool = False,
    train: bool = False,
    optimizer: str | None = None,
    loss: str | None = None,
    amp: bool = False,
    freeze: Texts | None = None,
    checkpoint: Texts | None = None,
    depth: int = 2,
    sort: str = "tree",
    top: int | None = None,
) -> Answer:
    """Operations by module and operator, under a convention."""
    return ask("flops", **locals())


def memory(
    model: Model | None = None,
    *,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    dtype: str | None = None,
    train: bool = False,
    optimizer: str | None = None,
    loss: str | None = None,
    amp: bool = False,
    freeze: Texts | None = None,
    checkpoint: Texts | None = None,
    fits: str | None = None,
    top: int | None = None,
) -> Answer:
    """The peak of activations in bytes, or with *train* of a training step."""
    return ask("memory", **locals())


def latency(
    *models: Model,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    device: str = "cpu",
    threads: int | None = None,
    runtime: str = "eager",
    dtype: str | None = None,
    cuda_graph: bool = False,
    seconds: float = 30.0,
    by_module: bool = False,
    max: Limits | None = None,
    on: str | None = None,
    depth: int = 2,
    top: int | None = None,
) -> Answer:
    """Measured time of one call beside its noise floor; each model runs in a process of its own."""
    return ask("latency", **locals())


def probe(
    *models: Model,
    size: Size | list[Size] | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    tap: Texts | None = None,
    top: int | None = None,
) -> Answer:
    """Shapes C×H×W, strides and receptive fields of taps."""
    return ask("probe", **locals())


def reach(
    model: Model | None = None,
    *,
    size: Size | list[Size] | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
) -> Answer:
    """How much of what dilated convs read is data rather than padding."""
    return ask("reach", **locals())


def compare(
    base: Model | None = None,
    *models: Model,
    since: str | None = None,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    convention: Convention | None = None,
    deploy: bool = False,
    latency: bool = False,
    train: bool = False,
    optimizer: str | None = None,
    loss: str | None = None,
    amp: bool = False,
    freeze: Texts | None = None,
    checkpoint: Texts | None = None,
    depth: int = 2,
    sort: str = "change",
    top: int | None = None,
    full: bool = False,
) -> Answer:
    """The differences of models and their reasons; *base* alone is compared with the baseline."""
    return ask("compare", **locals())


def sweep(
    model: Model | None = None,
    *,
    vary: Choices | None = None,
    yes: bool = False,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    max: Limits | None = None,
    min: Limits | None = None,
    budgets: bool = False,
    minimize: Texts | None = None,
    maximize: Texts | None = None,
    scores: str | Path | None = None,
    score: str | None = None,
    nearest: bool = False,
    optimizer: str | None = None,
    loss: str | None = None,
    amp: bool = False,
    freeze: Texts | None = None,
    checkpoint: Texts | None = None,
    top: int | None = None,
    verify: int | None = None,
    latency: int | None = None,
) -> Answer:
    """Every variant of a space under limits, the exact front, and the nearest that fits."""
    return ask("sweep", **locals())


def shrink(
    model: Model | None = None,
    *,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    layers: bool = False,
    sort: str | None = None,
    top: int | None = None,
) -> Answer:
    """The cost and the saving of one step down along each axis, or in each layer."""
    return ask("shrink", **locals())


def lint(
    model: Model | None = None,
    *,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    select: Texts | None = None,
    ignore: Texts | None = None,
    fail_on: str | None = None,
) -> Answer:
    """The waste in a model, with proven fixes."""
    return ask("lint", **locals())


def history(
    model: Model | None = None,
    *,
    since: str | None = None,
    max_count: int = 100,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    metric: Texts | None = None,
    convention: Convention | None = None,
) -> Answer:
    """The commits at which a metric changed."""
    return ask("history", **locals())


def check(
    *models: Model,
    since: str | None = None,
    size: Size | list[Size] | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
    deploy: bool = False,
    max: Limits | None = None,
    locked: bool = False,
    docs: Texts | None = None,
    fix: bool = False,
) -> Answer:
    """Whether models keep their budgets; without any, all that are configured."""
    return ask("check", **locals())


def identify(checkpoint: str | Path, *, no_cache: bool = False, top: int | None = None) -> Answer:
    """Which variant of the family the weights in a file fit."""
    return ask("identify", **locals())


def verify(
    model: Model | None = None,
    *,
    size: Size | None = None,
    batch: int = 1,
    input: Inputs | None = None,
    timeout: float | None = None,
    no_cache: bool = False,
) -> Answer:
    """Whether other counters, run on real tensors, print the same figures."""
    return ask("verify", **locals())
