"""The same network counted by other counters on real tensors: fvcore, torch's, and ``numel``."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.flop_counter import FlopCounterMode

from ucseg_cli.engine.recording.fused_kernels import (
    without_attention_kernels,
    without_lstm_kernel,
)
from ucseg_cli.engine.recording.record import without_lazy_modules
from ucseg_cli.engine.recording.tensor_numbers import named_tensors_in
from ucseg_cli.engine.trace_model import runnable_model
from ucseg_cli.engine.user_code.import_model import error_text
from ucseg_cli.errors import ResourceError, UcsegError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.count import Count
from ucseg_cli.references import Buildable
from ucseg_cli.references.variants import Variant

ACTIVATIONS = "activations"
"""The metric that is fvcore's count of activations."""
TORCH_LABELS = {"convolution": "conv"}
"""FlopCounterMode's operator names where they differ from ours."""


def count_model_of(model: Variant | Buildable, conditions: Conditions) -> tuple[Count, ...]:
    """The counts of every other counter for a model with random weights, run on real tensors.

    Raises ResourceError where the memory is too small after all.
    """
    try:
        with runnable_model(model, conditions) as (module, arguments):
            return count_model(module, *arguments.positional, **arguments.keywords)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise ResourceError(
            f"a run on real tensors needs more memory than there is: {conditions}",
            help="verify at a smaller --size or --batch",
        ) from error


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "allocate memory" in str(error)


def count_model(model: nn.Module, /, *inputs: Any, **keywords: Any) -> tuple[Count, ...]:
    """The counts of every other counter for a module in eval mode on its arguments."""
    with torch.no_grad():
        model = without_lazy_modules(model, inputs, keywords)
        with tracing_once():
            return tuple(_count(counter, model, *inputs, **keywords) for counter in COUNTERS)


def _count(
    counter: Callable[..., Count], model: nn.Module, /, *inputs: Any, **keywords: Any
) -> Count:
    """One counter's count, or why it fails on a model that runs."""
    try:
        return counter(model, *inputs, **keywords)
    except UcsegError:
        raise
    except Exception as error:
        if _is_out_of_memory(error):
            raise
        name, convention = NAMES[counter]
        return Count(name, convention, 0, {}, failure=error_text(error)[:200])


def count_parameters(model: nn.Module, /, *_inputs: Any, **_keywords: Any) -> Count:
    """``sum(p.numel())`` by module; a shared parameter counts once, where it comes first."""
    named = [(name, parameter.numel()) for name, parameter in model.named_parameters()]

    def at_or_below(path: str) -> int:
        return sum(count for name, count in named if not path or name.startswith(f"{path}."))

    modules = {path: at_or_below(path) for path, _ in model.named_modules()}
    return Count("numel", None, modules[""], modules)


def count_with_fvcore(model: nn.Module, /, *inputs: Any, **keywords: Any) -> Count:
    """Fvcore's FlopCountAnalysis, by module and by operator."""
    return _fvcore_count("FlopCountAnalysis", count_with_fvcore, model, inputs, keywords)


def count_activations(model: nn.Module, /, *inputs: Any, **keywords: Any) -> Count:
    """Fvcore's ActivationCountAnalysis, by module and by operator."""
    return _fvcore_count("ActivationCountAnalysis", count_activations, model, inputs, keywords)


def _fvcore_count(
    analysis: str,
    counter: Callable[..., Count],
    model: nn.Module,
    inputs: Sequence[Any],
    keywords: Mapping[str, Any],
) -> Count:
    of_tensors = _OfTensors(model, inputs, keywords)
    # It would list the operators it does not count; ours are listed elsewhere.
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings(), _without_fused_kernels(model):
        # torch.jit is deprecated, and warns of shapes read while tracing.
        warnings.simplefilter("ignore")
        from fvcore import nn as fvcore

        counts = getattr(fvcore, analysis)(of_tensors, of_tensors.tensors)
        counts = counts.unsupported_ops_warnings(enabled=False)
        counts = counts.uncalled_modules_warnings(enabled=False)
        total, modules = int(counts.total()), of_tensors.by_path(_integers(counts.by_module()))
        return Count(*NAMES[counter], total, modules, _integers(counts.by_operator()))


@contextmanager
def tracing_once() -> Iterator[None]:
    """While it lasts, fvcore's analyses of one model on one input share the graph of its trace.

    Nearly all of their time goes into that graph, and they only read it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        from fvcore.nn import jit_analysis

    really, graphs = jit_analysis._get_scoped_trace_graph, {}

    def trace(module: Any, inputs: Any, aliases: Any) -> Any:
        key = id(getattr(module, "model", module))
        if key not in graphs:
            graphs[key] = really(module, inputs, aliases)
        return graphs[key]

    jit_analysis._get_scoped_trace_graph = trace
    try:
        yield
    finally:
        jit_analysis._get_scoped_trace_graph = really


class _OfTensors(nn.Module):
    """A model that takes and returns tensors alone, since torch.jit traces nothing else.

    The tensors in the arguments of the *model* go in; what else they hold is part of it.
    """

    def __init__(
        self, model: nn.Module, inputs: Sequence[Any], keywords: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.model = model
        self._values, self._nest = tree_flatten((tuple(inputs), dict(keywords)))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Those in the arguments, in order."""
        return tuple(value for value in self._values if isinstance(value, Tensor))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        left = iter(tensors)
        values = [next(left) if isinstance(v, Tensor) else v for v in self._values]
        inputs, keywords = tree_unflatten(values, self._nest)
        returned = self.model(*inputs, **keywords)
        return tuple(tensor for _, tensor in named_tensors_in(returned))

    def by_path(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Counts by the modules of the model, given those of this one."""
        inside = {f".{path}": count for path, count in counts.items() if path}
        return {path.removeprefix(".model").lstrip("."): count for path, count in inside.items()}


def count_with_torch(model: nn.Module, /, *inputs: Any, **keywords: Any) -> Count:
    """Torch's FlopCounterMode, which learns of modules from their calls."""
    with torch.inference_mode(), _without_fused_kernels(model):
        try:
            counter = _flop_counter(model, inputs, keywords)
        except AttributeError:
            # A weight or a view of one that goes into a module, or comes out, has no gradient to
            # follow, but the counter tries. Only then, since a weight that needs none may become
            # another kernel.
            with _frozen(model):
                counter = _flop_counter(model, inputs, keywords)
    by_path = dict(counter.get_flop_counts())
    overall = by_path.pop("Global", {})  # absent if it priced nothing
    modules = {path.partition(".")[2]: sum(per_op.values()) for path, per_op in by_path.items()}
    operators = Counter({_torch_label(op): count for op, count in overall.items()})
    total = counter.get_total_flops()
    return Count("torch", "torch", total, modules, operators, sees_uncalled=False)


def _flop_counter(
    model: nn.Module, inputs: Sequence[Any], keywords: Mapping[str, Any]
) -> FlopCounterMode:
    """The counter after it has seen the model run."""
    counter = FlopCounterMode(display=False)
    with counter:
        model(*inputs, **keywords)
    return counter


NAMES: dict[Callable[..., Count], tuple[str, str | None]] = {
    count_parameters: ("numel", None),
    count_with_fvcore: ("fvcore", "fvcore"),
    count_activations: (ACTIVATIONS, ACTIVATIONS),
    count_with_torch: ("torch", "torch"),
}
COUNTERS = tuple(NAMES)


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """While it lasts, no parameter needs a gradient."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad = True


@contextmanager
def _without_fused_kernels(model: nn.Module) -> Iterator[None]:
    """While it lasts, the model runs as it is recorded, without kernels that no counter knows."""
    has_lstm = any(isinstance(module, nn.LSTM) for module in model.modules())
    with without_attention_kernels(), without_lstm_kernel() if has_lstm else nullcontext():
        yield


def _torch_label(op: object) -> str:
    name = str(op).removeprefix("aten.")
    return TORCH_LABELS.get(name, name)


def _integers(counts: Mapping[str, float]) -> dict[str, int]:
    """Fvcore's counts are floats for some operators and numpy integers for others."""
    return {name: int(count) for name, count in counts.items()}
