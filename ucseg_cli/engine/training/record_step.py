"""One training step as a Trace: forward, loss, backward and update, without data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ucseg_cli.engine.recording.record import (
    Recorder,
    not_compiled,
    passing,
    without_compiling,
    without_lazy_modules,
)
from ucseg_cli.engine.recording.restore import Snapshot, restored_afterwards
from ucseg_cli.engine.recording.tensor_numbers import argument_names
from ucseg_cli.engine.recording.way_on_cpu import run
from ucseg_cli.engine.training.losses import targets_for, total_loss, trained_outputs
from ucseg_cli.engine.training.modules_of_nodes import TrainedModules
from ucseg_cli.engine.training.optimizers import State, state_of, update
from ucseg_cli.errors import UsageError, nearest_name
from ucseg_cli.facts import trace
from ucseg_cli.facts.training import Training
from ucseg_cli.references.path_pattern import path_pattern

AUTOCAST = torch.bfloat16


def record_step(
    model: nn.Module,
    *inputs: Any,
    training: Training,
    keywords: Mapping[str, Any] | None = None,
    taps: Mapping[str, str] | None = None,
) -> trace.Trace:
    """The second of two equal steps in train mode: gradients are none, the optimizer has its state.

    What the model returns and the loss are held to the end, as in a loop that names them.
    Everything is afterwards as it was, as after *record*, which has the other arguments. Raises
    UsageError for a pattern that fits nothing, ModelError where there is nothing to train, and
    whatever forward raises.
    """
    model, keywords = not_compiled(model), dict(keywords or {})
    names = argument_names(inputs, keywords)
    with ExitStack() as stack:
        snapshot = stack.enter_context(restored_afterwards(model, *inputs, keywords))
        model = without_lazy_modules(model, inputs, keywords)
        refuse_unknown_modules(model, training)
        _freeze(model, training.frozen)
        recorder = StepRecorder(model, (*inputs, keywords), snapshot)
        stack.enter_context(without_compiling())
        stack.enter_context(torch.enable_grad())
        stack.enter_context(recorder.modules.following_calls())
        model.train()
        _checkpoint(model, training.checkpointed, recorder.modules)
        for parameter in model.parameters():
            parameter.grad = None
        with passing(recorder):
            outputs = recorder.step(model, inputs, keywords, training)
        found = recorder.traced(model, outputs, names, taps)
        return replace(found, trained=recorder.trained)


class StepRecorder(Recorder):
    """Sees every operator of a step."""

    modules: TrainedModules

    def __init__(self, model: nn.Module, arguments: Any, snapshot: Snapshot) -> None:
        super().__init__(model, arguments, snapshot, TrainedModules)
        self.trained = trace.Trained(0, 0, 0)

    def step(
        self, model: nn.Module, inputs: Any, keywords: Mapping[str, Any], training: Training
    ) -> Any:
        """Run it; gives what the model returned."""
        with _autocast(training):
            with self:
                returned = model(*inputs, **keywords)
            outputs = trained_outputs(returned)
            targets = targets_for(outputs, training.loss)
            given = self.tensors.indices([one for one in targets if one is not None])
            before_loss = len(self.ops)
            with self:
                loss = total_loss(outputs, targets)
        before_backward = len(self.ops)
        with self:
            loss.backward()  # type: ignore[no-untyped-call]
        before_update = len(self.ops)
        gradients, state = self._update(model, training)
        self.trained = trace.Trained(
            *(before_loss, before_backward, before_update),
            targets=given,
            gradients=self.tensors.indices(gradients),
            state=self.tensors.indices(state.tensors),
        )
        return returned

    def _update(self, model: nn.Module, training: Training) -> tuple[list[Tensor], State]:
        parameters = [one for one in model.parameters() if one.grad is not None]
        gradients = [one.grad for one in parameters if one.grad is not None]
        with torch.no_grad():
            state = state_of(training.optimizer, parameters)
            self._run = run  # numbers of steps have data, whatever the parameters are
            self.tensors.indices(state.tensors)
            with self:
                update(training.optimizer, [*parameters], gradients, state)
        return gradients, state


def _autocast(training: Training) -> Any:
    return torch.autocast("cpu", AUTOCAST) if training.amp else nullcontext()


def refuse_unknown_modules(model: nn.Module, training: Training) -> None:
    """Raise UsageError for a pattern that fits no module, or nothing to freeze."""
    for pattern in training.frozen:
        if not _frozen_by(model, pattern):
            raise _fits_nothing(model, "--freeze", pattern)
    for pattern in training.checkpointed:
        if not _segments(model, pattern):
            raise _fits_nothing(model, "--checkpoint", pattern)


def _freeze(model: nn.Module, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        for parameter in _frozen_by(model, pattern):
            parameter.requires_grad = False


def _frozen_by(model: nn.Module, pattern: str) -> list[nn.Parameter]:
    """The parameters that a pattern fits, and those in a module that it fits."""
    fits, named = path_pattern(pattern), model.named_parameters(remove_duplicate=False)
    return [one for path, one in named if any(map(fits.fullmatch, _around(path)))]


def _around(path: str) -> Iterator[str]:
    """A path and those of all modules around it."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def _checkpoint(model: nn.Module, patterns: tuple[str, ...], modules: TrainedModules) -> None:
    """Let the outermost modules that patterns fit run as checkpointed segments."""
    chosen: dict[str, nn.Module] = {}
    for pattern in patterns:
        chosen.update(_segments(model, pattern))
    for path, module in chosen.items():
        if not any(around in chosen for around in _around(path.rpartition(".")[0])):
            module.forward = _segment(module, modules)


def _segments(model: nn.Module, pattern: str) -> dict[str, nn.Module]:
    fits = path_pattern(pattern)
    return {path: one for path, one in model.named_modules() if path and fits.fullmatch(path)}


def _segment(module: nn.Module, modules: TrainedModules) -> Any:
    forward = module.forward
    run_segment: Any = checkpoint
    # without its wrapper, which imports torch's compiler to switch it off
    run_segment = getattr(checkpoint, "__wrapped__", checkpoint)

    def run_inside(*args: Any, **keywords: Any) -> Any:
        with modules.inside(module):
            return forward(*args, **keywords)

    def checkpointed(*args: Any, **keywords: Any) -> Any:
        return run_segment(run_inside, *args, use_reentrant=False, **keywords)

    return checkpointed


def _fits_nothing(model: nn.Module, option: str, pattern: str) -> UsageError:
    known = [path for path, _ in model.named_modules() if path]
    nearest = nearest_name(pattern, known)
    fix = f"did you mean '{nearest}'?" if nearest else "* is within a name, ** crosses names"
    what = f"no module of {type(model).__name__} is named '{pattern}'"
    return UsageError(what, where=f"{option} {pattern}", help=fix)
