"""A model that is ready to be run with a clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import nn

from ucseg_cli.engine.timing.module_clock import time_modules
from ucseg_cli.engine.timing.runtimes import (
    call_of,
    eager_call,
    largest_difference,
    placed,
    refuse_difference,
    without_gradients,
)
from ucseg_cli.engine.timing.timing_devices import Call, Device, find_device
from ucseg_cli.engine.trace_model import runnable_model
from ucseg_cli.engine.user_code.isolation import seed_generators
from ucseg_cli.facts.choices import EAGER
from ucseg_cli.facts.timing.block import Block
from ucseg_cli.facts.timing.timing_question import TimingQuestion
from ucseg_cli.references import Buildable
from ucseg_cli.references.variants import Variant


class TimedModel(NamedTuple):
    """A model on its device.

    *eager* and *call* run it in eager mode, and as the setup says.
    """

    question: TimingQuestion
    module: nn.Module
    device: Device
    eager: Call
    call: Call

    def run_block(self, count: int) -> Block:
        """So many calls."""
        return self.device.run_block(self.call, count)

    def run_first(self) -> tuple[Block, float | None]:
        """The first call, and by how much its outputs differ from those of eager mode.

        Raises ModelError where that is too much. None in eager mode.
        """
        setup = self.question.setup
        outputs: list[Any] = []
        expected = None if setup.runtime == EAGER else self.eager()
        block = self.device.run_block(lambda: outputs.append(self.call()), 1)
        if setup.runtime == EAGER:
            return block, None
        difference = largest_difference(expected, outputs[0])
        refuse_difference(difference, self.question.name, self.question.where, setup)
        return block, difference

    def time_modules(self, passes: int) -> dict[str, int]:
        """Nanoseconds that each module takes for itself in eager mode, by path."""
        return time_modules(self.module, self.eager, self.device.now, passes)


@contextmanager
def timed_model(question: TimingQuestion, model: Variant | Buildable) -> Iterator[TimedModel]:
    """The *model* of a question, which may be reached elsewhere; it may run while this lasts.

    It is in eval mode, and its weights are random, and the same every time.
    """
    setup = question.setup
    device = find_device(setup)
    seed_generators()
    with (
        runnable_model(model, question.conditions, real_devices=True) as built,
        without_gradients(setup),
    ):
        module, arguments = placed(*built, setup)
        call = call_of(module, arguments, setup, device)
        yield TimedModel(question, module, device, eager_call(module, arguments), call)
