"""From a reference to the state dict that it stands for."""

from __future__ import annotations

from collections.abc import Sequence

from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import UsageError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.state_dict import StateDict, unwrapped
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache
from ucseg_cli.references import FromCheckpoint, Reference
from ucseg_cli.references.variants import Variant
from ucseg_cli.terminal.progress import show_progress

HOW_TO_NAME = (
    "name a .pt, .pth, .pth.tar, .bin, .ckpt or .safetensors file, "
    "or one with another ending by its path, as in ./weights"
)


def find_state_dict(reference: Reference, *, deploy: bool = False) -> StateDict | None:
    """The state dict in a checkpoint, without wrappers; None for any other model.

    Raises UsageError if it is to be folded for *deploy*, which takes a forward pass.
    """
    state = find_whole(reference, deploy=deploy)
    return state and unwrapped(state)


def find_whole(reference: Reference, *, deploy: bool) -> StateDict | None:
    """As find_state_dict, with wrappers."""
    if not isinstance(reference.model, FromCheckpoint):
        return None
    if deploy:
        raise UsageError(
            f"a state dict does not say which batch norms fold into which layers: {reference.name}",
            where="--deploy",
            help="name the model itself",
        )
    return tracing.read_state_dict(reference.model)


def with_state_dicts(
    references: Sequence[Reference], subjects: Sequence[Subject], *, deploy: bool = False
) -> list[Subject]:
    """Checkpoints with their state dicts, if a network is among them that may load one."""
    models = [reference.model for reference in references]
    if all(isinstance(model, FromCheckpoint) for model in models):
        return [*subjects]
    found = (find_whole(reference, deploy=deploy) for reference in references)
    return [subject._replace(state=state) for subject, state in zip(subjects, found, strict=True)]


def read_checkpoint(name: str, settings: Settings) -> StateDict:
    """The state dict in the checkpoint of that name; raises UsageError for any other model."""
    not_one = UsageError(f"'{name}' is not a checkpoint", where=name, help=HOW_TO_NAME)
    try:
        state = find_state_dict(settings.find(name))
    except UsageError as error:
        if "/" in name or "." in name:  # it may be a file, so the error is about that
            raise
        raise not_one from error
    if state is None:
        raise not_one
    return state


def trace_candidate(variant: Variant, cache: Cache | None) -> Trace:
    """The trace of a variant that may fit a checkpoint; its names and shapes hold at any input."""
    request = tracing.Request(variant, Conditions())
    with show_progress() as announce:
        return tracing.trace_all([request], cache, lambda _: announce("recording 1 network…"))[
            request
        ]
