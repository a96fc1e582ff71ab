"""From a name to the state dict that it stands for, where it stands for one."""

from __future__ import annotations

from ucseg_cli.errors import UsageError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.state_dict import StateDict
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate import tracing
from ucseg_cli.references import FromCheckpoint
from ucseg_cli.references.variants import Variant
from ucseg_cli.terminal.streams import say_while
from ucseg_cli.workflow.measure import find_model, open_cache

HOW_TO_NAME = "name a .pt, .pth, .pth.tar, .bin, .ckpt or .safetensors file, or one with another ending by its path, as in ./weights"


def find_state_dict(name: str, settings: Settings, *, deploy: bool = False) -> StateDict | None:
    """What the checkpoint of that name holds; None where it is no checkpoint's.

    Raises UsageError where it is to be folded for *deploy*, which takes a forward pass.
    """
    model = find_model(name, settings).model
    if not isinstance(model, FromCheckpoint):
        return None
    if deploy:
        raise UsageError(
            f"a state dict does not tell which batch norms fold into which layers: {name}",
            where="--deploy",
            help="name the model itself",
        )
    return tracing.read_state_dict(model)


def read_checkpoint(name: str, settings: Settings) -> StateDict:
    """What the checkpoint of that name holds; raises UsageError where it is no checkpoint's."""
    try:
        state = find_state_dict(name, settings)
    except UsageError as error:
        if _may_be_file(name):
            raise
        raise _no_checkpoint(name) from error
    if state is None:
        raise _no_checkpoint(name)
    return state


def trace_candidate(variant: Variant, *, no_cache: bool) -> Trace:
    """The trace of a variant that a checkpoint may be of; its names and shapes do not depend on the input."""
    request = tracing.Request(variant, Conditions())
    with say_while() as announce:
        return tracing.trace_all(
            [request],
            None if no_cache else open_cache(),
            lambda _: announce("recording 1 network…"),
        )[request]


def _may_be_file(name: str) -> bool:
    return "/" in name or "." in name


def _no_checkpoint(name: str) -> UsageError:
    return UsageError(f"'{name}' is no checkpoint", where=name, help=HOW_TO_NAME)
