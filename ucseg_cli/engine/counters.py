"""The same network counted by others, run for real: fvcore, torch's FlopCounterMode, and parameters one by one."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ucseg_cli.engine.trace_model import input_tensors, loaded
from ucseg_cli.engine.user_code.import_model import Importable, said
from ucseg_cli.errors import ModelError, ResourceError, UcsegError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.count import Count
from ucseg_cli.references.variants import Variant

TORCH_LABELS = {"convolution": "conv"}
"""FlopCounterMode's operator names where they differ from ours."""


def count_model_of(model: Variant | Importable, conditions: Conditions) -> tuple[Count, ...]:
    """What every other counter says of a model, built with weights and run on real tensors.

    Raises ResourceError where the memory does not suffice after all.
    """
    try:
        with loaded(model) as module:
            return count_model(module, *input_tensors(conditions, "cpu"))
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            raise ResourceError(
                f"a run on real tensors needs more memory than there is: {conditions}",
                help="verify at a smaller --size or --batch",
            ) from error
        raise


def count_model(model: nn.Module, *inputs: Tensor) -> tuple[Count, ...]:
    """What every other counter says of a module in eval mode on its inputs."""
    with torch.no_grad():
        return tuple(_count(counter, model, *inputs) for counter in COUNTERS)


def _count(counter: Callable[..., Count], model: nn.Module, *inputs: Tensor) -> Count:
    """One counter's word; raises ModelError where it fails on a model that runs."""
    try:
        return counter(model, *inputs)
    except (MemoryError, UcsegError):
        raise
    except Exception as error:
        if "allocate memory" in str(error):
            raise
        raise ModelError(
            f"{counter.__name__.removeprefix('count_').removeprefix('with_')} cannot count it: {said(error)[:200]}",
            where=f"verify {type(model).__name__}",
            notes=("what a counter cannot count, nothing can be held against",),
        ) from error


def count_parameters(model: nn.Module, *_inputs: Tensor) -> Count:
    """``sum(p.numel())`` of each module's parameters, shared ones once, for the module that comes first."""
    named = [(name, parameter.numel()) for name, parameter in model.named_parameters()]
    modules = {
        path: sum(count for name, count in named if not path or name.startswith(f"{path}."))
        for path, _ in model.named_modules()
    }
    return Count("numel", None, modules[""], modules)


def count_with_fvcore(model: nn.Module, *inputs: Tensor) -> Count:
    """Fvcore's FlopCountAnalysis, by module and by operator."""
    logging.getLogger("fvcore").setLevel(
        logging.ERROR
    )  # it would list what it does not count; so do we, elsewhere
    with warnings.catch_warnings(), _without_whole_blocks(model):
        warnings.simplefilter(
            "ignore"
        )  # torch.jit is deprecated, and warns of shapes read while tracing
        from fvcore.nn import FlopCountAnalysis

        counts = (
            FlopCountAnalysis(model, inputs)
            .unsupported_ops_warnings(enabled=False)
            .uncalled_modules_warnings(enabled=False)
        )
        return Count(
            "fvcore",
            "fvcore",
            _whole(counts.total()),
            _wholes(counts.by_module()),
            _wholes(counts.by_operator()),
        )


def count_with_torch(model: nn.Module, *inputs: Tensor) -> Count:
    """Torch's FlopCounterMode, which learns of modules from their calls."""
    counter = FlopCounterMode(display=False)
    # Out of inference mode a weight's gradient, that nobody asks for, decides which kernel a matmul becomes.
    with torch.inference_mode(), _without_whole_blocks(model), counter:
        model(*inputs)
    by_path = dict(counter.get_flop_counts())
    overall = by_path.pop("Global", {})  # absent where it priced nothing
    modules = {_below_root(path): sum(per_op.values()) for path, per_op in by_path.items()}
    operators = Counter({_torch_label(op): count for op, count in overall.items()})
    return Count(
        "torch", "torch", counter.get_total_flops(), modules, operators, sees_uncalled=False
    )


COUNTERS: tuple[Callable[..., Count], ...] = (count_parameters, count_with_fvcore, count_with_torch)


@contextmanager
def _without_whole_blocks(model: nn.Module) -> Iterator[None]:
    """While it lasts, no kernel stands for a whole attention, encoder or LSTM layer: none of the counters knows these.

    On the meta device there is none of them, and recording does without them too.
    """
    mha, cuda = torch.backends.mha, torch.backends.cuda
    with ExitStack() as stack:
        stack.callback(mha.set_fastpath_enabled, mha.get_fastpath_enabled())
        stack.callback(cuda.enable_flash_sdp, cuda.flash_sdp_enabled())  # type: ignore[no-untyped-call]
        mha.set_fastpath_enabled(False)
        cuda.enable_flash_sdp(enabled=False)
        if any(isinstance(module, nn.LSTM) for module in model.modules()):
            stack.callback(
                torch._C._set_mkldnn_enabled, torch._C._get_mkldnn_enabled()
            )  # torch.backends warns here
            torch._C._set_mkldnn_enabled(False)  # noqa: FBT003 - it takes no name
        yield


def _below_root(path: str) -> str:
    return path.partition(".")[2]


def _torch_label(op: object) -> str:
    name = str(op).removeprefix("aten.")
    return TORCH_LABELS.get(name, name)


def _wholes(counts: Mapping[str, float]) -> dict[str, int]:
    return {name: _whole(count) for name, count in counts.items()}


def _whole(count: float) -> int:
    """Fvcore's counts are floats for some operators and numpy integers for others."""
    return int(count)
