"""From a checkpoint, and a network that loads it, to the zeros in its data."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from ucseg_cli.analysis.comparing.loading import Loading, load_into
from ucseg_cli.analysis.narrowing.sparse_weights import SparseWeights, sparse_weights
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import ModelError, UsageError, shortened
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.state_dict import StateDict, pruning_masks, unwrapped
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache
from ucseg_cli.references import FromCheckpoint, Reference
from ucseg_cli.report.answers.choose.loading_tables import loading_sentence
from ucseg_cli.terminal.progress import progress_in_words, show_progress
from ucseg_cli.workflow.checkpoints.find_checkpoint import HOW_TO_NAME, find_whole
from ucseg_cli.workflow.measure import measure

DISTRIBUTED = "distributed"
A_WHILE = 1.0
"""Seconds after which it is said how far the counting is."""
OFTEN = 0.1
"""Seconds between two such lines."""
MOST_NAMED = 4


def measure_zeros(
    checkpoint: Reference,
    network: Reference | None,
    conditions: Conditions,
    settings: Settings,
    cache: Cache | None,
    *,
    deploy: bool = False,
) -> SparseWeights:
    """The zeros of a checkpoint; with a *network* also the channels that it can do without.

    Raises UsageError for a model that is not a checkpoint or is to be folded for *deploy*, and for
    a network that is one; ModelError where the network does not load the checkpoint.
    """
    whole = _read(checkpoint, deploy=deploy)
    if network is None:
        return _counted(checkpoint.name, unwrapped(whole), None)
    if isinstance(network.model, FromCheckpoint):
        what = f"{network.name} is a checkpoint, which has no layers"
        raise UsageError(
            what, where=f"--model {network.name}", help="name a network, as in --model net.py:Net"
        )
    (subject,) = measure([network], [conditions], settings, cache=cache)
    loading = load_into(subject.trace, whole)
    if not loading.is_strict:
        raise _not_loaded(checkpoint.name, network.name, loading)
    return _counted(checkpoint.name, loading.state, subject)


def _read(checkpoint: Reference, *, deploy: bool) -> StateDict:
    state = find_whole(checkpoint, deploy=deploy)
    if state is None or not isinstance(checkpoint.model, FromCheckpoint):
        what = f"{checkpoint.name} is not a checkpoint, so there are no values to count"
        raise UsageError(what, where="--sparsity", help=HOW_TO_NAME)
    if state.format == DISTRIBUTED:
        raise ModelError(
            f"{checkpoint.name} keeps its values in pieces, which are not put together here",
            where="--sparsity",
            help="write one file: python -m torch.distributed.checkpoint.format_utils "
            f"dcp_to_torch {checkpoint.model.path} weights.pt",
        )
    return state


def _not_loaded(checkpoint: str, network: str, loading: Loading) -> ModelError:
    """The sentence that compare ends with, and the first entries."""
    names = [shortened(one.name, 80) for one in loading.differences]
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    fix = f"`ucseg compare {network} {checkpoint}` shows all of them"
    if pruning_masks([entry.name for entry in loading.state.entries]):
        fix = "make the pruning permanent first: torch.nn.utils.prune.remove(module, 'weight')"
    return ModelError(
        loading_sentence(checkpoint, network, loading).removesuffix("."),
        where=f"--model {network}",
        notes=(f"entries: {', '.join(names[:MOST_NAMED])}{more}",),
        help=fix,
    )


def _counted(name: str, state: StateDict, network: Subject | None) -> SparseWeights:
    masks = pruning_masks([entry.name for entry in state.entries])
    with show_progress() as say:
        zeros = tracing.count_zeros(state.entries, masks, _announcement(say))
    return sparse_weights(name, state, zeros, network)


def _announcement(say: Callable[[str], None]) -> Callable[[int, int], Any]:
    begun = monotonic()
    said = begun + A_WHILE - OFTEN

    def announce(done: int, size: int) -> None:
        nonlocal said
        now = monotonic()
        if now - said >= OFTEN:
            said = now
            say(f"counting zeros: {progress_in_words(done, size, now - begun)}")

    return announce
