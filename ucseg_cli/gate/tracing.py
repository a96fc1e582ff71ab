"""The only door to torch: answers from the cache, else imports the engine inside the function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple

from ucseg_cli.errors import ModelError, UcsegError
from ucseg_cli.facts.choices import TIMEOUT
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.count import Count
from ucseg_cli.facts.trace import NO_FORWARD, Price, Trace
from ucseg_cli.gate.cache import Cache
from ucseg_cli.gate.fingerprints import fingerprint, library_fingerprint, totals_fingerprint
from ucseg_cli.references import (
    Buildable,
    FromCheckpoint,
    FromLibrary,
    Model,
    OwnCode,
    Unbuildable,
)
from ucseg_cli.references.designs import constructor
from ucseg_cli.references.variants import Variant

if TYPE_CHECKING:
    from ucseg_cli.facts.design import Design
    from ucseg_cli.facts.question import Question
    from ucseg_cli.facts.state_dict import Entry, StateDict, Zeros
    from ucseg_cli.gate.committed import Committed
    from ucseg_cli.system.checkout import Dependencies


class Request(NamedTuple):
    """A trace that is needed. Equal requests are recorded once."""

    model: Model
    conditions: Conditions


Failures = dict[Request, UcsegError]
"""By request, why its trace is missing."""


def trace_all(
    requests: Iterable[Request],
    cache: Cache | None,
    announce: Callable[[int], None],
    timeout: float = TIMEOUT,
    patience: float | None = None,
    failures: Failures | None = None,
    *,
    prices: tuple[Price, ...] = (),
    together: bool = False,
) -> dict[Request, Trace]:
    """The trace of each request, from the cache where it is there.

    Args:
        requests: what is needed.
        cache: where to look and to keep; None records everything again and keeps nothing.
        announce: called with the number of networks to record, before torch is imported.
        timeout: seconds that a user's code may take.
        patience: seconds that its pass may take where the modules are enough, None for no end.
        failures: gets the error of each request that has no trace; without it the first is raised.
        prices: the project's own, which every trace gets.
        together: whether the user's code is of one design on one input, and runs in one process.
    """
    wanted = list(dict.fromkeys(requests))
    traces = _find_all(wanted, cache) if cache else {}
    missing = [request for request in wanted if request not in traces]
    if missing:
        traces.update(_read_all(missing, failures))
        limits = _Limits(timeout, patience, together)
        with committed_models(cache, missing) as committed:
            left = _find_committed(missing, committed, traces, failures)
            while left:
                others, later = _first_of_each(left, committed)
                for recorded in _record_others(others, committed, announce, limits, failures):
                    traces.update(recorded)
                    if cache:  # at once, since what comes next may fail
                        _keep_all(recorded, cache)
                left = _find_committed(later, committed, traces, failures)
    return {request: trace.with_prices(prices) for request, trace in traces.items()}


@contextmanager
def committed_models(
    cache: Cache | None, requests: Iterable[Request]
) -> Iterator[Committed | None]:
    """Where traces of committed models are; None if no request is of a user's code."""
    if not any(isinstance(request.model, OwnCode) for request in requests):
        yield None
        return
    from ucseg_cli.gate.committed import Committed  # only a user's code needs git
    from ucseg_cli.gate.revisions import Revisions

    with Revisions() as revisions:
        yield Committed(revisions, cache)


def count_with_others(request: Request, timeout: float = TIMEOUT) -> tuple[Count, ...]:
    """The counts of every other counter, run for real. Never from the cache: running is the point.

    Raises ModelError for a checkpoint, which has nothing to run, and for a module in memory.
    """
    if isinstance(request.model, Unbuildable):
        is_file = isinstance(request.model, FromCheckpoint)
        what = NO_FORWARD if is_file else "other counters run a model that they may change"
        raise ModelError(what, where=str(request.model))
    if isinstance(request.model, OwnCode):
        from ucseg_cli.facts.question import Question
        from ucseg_cli.gate.child_process import child_processes

        question = Question("count", [request.model], [request.conditions])
        with child_processes([question], timeout) as (child,):
            (counts,) = child.wait_for_results()
            if isinstance(counts, UcsegError):
                raise counts
            return tuple(starmap(Count, counts))
    from ucseg_cli.engine.require_torch import require_torch

    require_torch()
    from ucseg_cli.engine.counters import count_model_of

    return count_model_of(request.model, request.conditions)


def totals_key(requests: Iterable[Request], prices: Iterable[Price], *, deploy: bool) -> str | None:
    """The name under which the totals of several models are kept; None if one cannot be."""
    keys = list(map(trace_key, requests))
    known = [key for key in keys if key is not None]
    complete = len(known) == len(keys)
    return totals_fingerprint(known, prices, deploy=deploy) if complete else None


def list_designs(source: Buildable, timeout: float = TIMEOUT) -> list[Design]:
    """The design of that name, or without a name all that a user's file or module defines."""
    if isinstance(source, OwnCode):
        from ucseg_cli.facts.question import Question
        from ucseg_cli.gate.child_process import child_processes

        question = Question("list", [source], [Conditions()])
        with child_processes([question], timeout) as (child,):
            return child.wait_for_designs()
    from ucseg_cli.engine.require_torch import require_torch

    require_torch()
    from ucseg_cli.engine.user_code.import_model import designs_in

    return designs_in(source)


def read_state_dict(source: FromCheckpoint) -> StateDict:
    """The state dict in a checkpoint, without its data; only torch's own files import torch."""
    from ucseg_cli.engine.checkpoints.read_checkpoint import read_state_dict

    return read_state_dict(source.path, source.key)


def count_zeros(
    entries: Iterable[Entry], masks: Mapping[str, str], announce: Callable[[int, int], None]
) -> dict[str, Zeros]:
    """The zeros of each entry of a state dict, by name; see the engine's count_zeros."""
    from ucseg_cli.engine.checkpoints.count_zeros import count_zeros

    return count_zeros(entries, masks, announce)


def _find_all(requests: Iterable[Request], cache: Cache) -> dict[Request, Trace]:
    keys = ((request, trace_key(request)) for request in requests)
    found = ((request, cache.get(key)) for request, key in keys if key is not None)
    return {request: trace for request, trace in found if trace is not None}


def _keep_all(recorded: Mapping[Request, Trace], cache: Cache) -> None:
    for request, trace in recorded.items():
        key = trace_key(request)
        if key is not None and trace.failure is None:  # a failure may be this machine's
            cache.put(key, trace)


def trace_key(request: Request) -> str | None:
    """The name of its cache entry; None for a user's own code, whose dependencies are unknown."""
    match request.model:
        case Variant() as variant:
            return fingerprint(variant, request.conditions)
        case FromLibrary() as source:
            return library_fingerprint(source, request.conditions)
        case _:
            return None


def _find_committed(
    requests: Iterable[Request],
    committed: Committed | None,
    traces: dict[Request, Trace],
    failures: Failures | None,
) -> list[Request]:
    """Add the traces of committed models that are known; gives the requests that are left.

    A model whose revision or file is not there has failed, and is not among them.
    """
    left = []
    for request in requests:
        model, conditions = request
        if committed is None or not isinstance(model, OwnCode):
            left.append(request)
            continue
        with _noting_failures([request], failures):
            outcome = committed.find(model, conditions)
            if outcome is None:
                committed.refuse(model)
                left.append(request)
            elif isinstance(outcome, UcsegError):
                raise outcome
            else:
                traces[request] = outcome
    return left


def _first_of_each(
    requests: Iterable[Request], committed: Committed | None
) -> tuple[list[Request], list[Request]]:
    """One of the models that are likely to be the same at several revisions, and the others."""
    first: dict[object, Request] = {}
    later = []
    for request in requests:
        model, conditions = request
        key: object = request
        if committed is not None and isinstance(model, OwnCode):
            key = committed.likeness(model, conditions)
        if first.setdefault(key, request) is not request:
            later.append(request)
    return list(first.values()), later


@contextmanager
def _noting_failures(of: Iterable[Request], failures: Failures | None) -> Iterator[None]:
    """Note an error of these requests instead of raising it, if there is a place for that."""
    try:
        yield
    except UcsegError as error:
        if failures is None:
            raise
        failures.update(dict.fromkeys(of, error))


def _read_all(requests: Iterable[Request], failures: Failures | None) -> dict[Request, Trace]:
    """The traces of checkpoints, each read once; reading one is as fast as a cache would be."""
    # a network has no use for it
    from ucseg_cli.facts.state_dict import state_dict_trace, unwrapped

    traces: dict[FromCheckpoint, Trace] = {}
    found: dict[Request, Trace] = {}
    for request in requests:
        if isinstance(source := request.model, FromCheckpoint):
            with _noting_failures([request], failures):
                if source not in traces:
                    traces[source] = state_dict_trace(unwrapped(read_state_dict(source)))
                found[request] = traces[source]
    return found


class _Limits(NamedTuple):
    """How users' code is run; see trace_all."""

    timeout: float
    patience: float | None
    together: bool


def _record_others(
    requests: Iterable[Request],
    committed: Committed | None,
    announce: Callable[[int], None],
    limits: _Limits,
    failures: Failures | None,
) -> Iterator[dict[Request, Trace]]:
    """The traces of all that has to run, announced first; users' code runs in child processes."""
    others = [request for request in requests if not isinstance(request.model, FromCheckpoint)]
    if not others:
        return
    announce(len(others))
    own = [request for request in others if isinstance(request.model, OwnCode)]
    ours = [request for request in others if not isinstance(request.model, OwnCode)]
    if not own:
        yield _record_all(ours, failures)
        return
    from ucseg_cli.gate.child_process import child_processes  # only a user's code needs processes

    questions = _questions(own, together=limits.together)
    with child_processes(questions, limits.timeout, limits.patience) as children:
        if ours:
            yield _record_all(ours, failures)
        for child in children:
            requested = list(starmap(Request, child.question.points))
            with _noting_failures(requested, failures):
                outcomes = child.wait_for_traces()
                _keep_committed(requested, outcomes, child.dependencies(), committed)
                yield _without_errors(requested, outcomes, failures)


def _keep_committed(
    requests: Iterable[Request],
    outcomes: Iterable[Trace | UcsegError],
    dependencies: Iterable[Dependencies | None],
    committed: Committed | None,
) -> None:
    for request, outcome, found in zip(requests, outcomes, dependencies, strict=True):
        model, conditions = request
        if committed is not None and isinstance(model, OwnCode):
            committed.keep(model, conditions, outcome, found)


def _without_errors(
    requests: Iterable[Request],
    found: Iterable[Trace | UcsegError],
    failures: Failures | None,
) -> dict[Request, Trace]:
    traces: dict[Request, Trace] = {}
    for request, trace in zip(requests, found, strict=True):
        with _noting_failures([request], failures):
            if isinstance(trace, UcsegError):
                raise trace
            traces[request] = trace
    return traces


def _questions(requests: Iterable[Request], *, together: bool) -> list[Question]:
    """One for each model of a user's with all its inputs, or one for all models *together*.

    Models that are at several revisions share one as well, since its process forks for each.
    """
    from ucseg_cli.facts.question import CAN_FORK, Question

    inputs: dict[OwnCode, list[Conditions]] = {}
    for request in requests:
        if isinstance(request.model, OwnCode):
            inputs.setdefault(request.model, []).append(request.conditions)
    at_revisions = {constructor(source) for source in inputs if source.revision is not None}
    groups: dict[object, list[OwnCode]] = {}
    for source, conditions in inputs.items():
        design = constructor(source)
        alone = () if together or (CAN_FORK and design in at_revisions) else (source,)
        revision = "" if CAN_FORK else source.revision
        groups.setdefault((design, tuple(conditions), revision, *alone), []).append(source)
    return [Question("trace", sources, inputs[sources[0]]) for sources in groups.values()]


def _record_all(
    requests: Iterable[Request], failures: Failures | None = None
) -> dict[Request, Trace]:
    from ucseg_cli.engine.require_torch import require_torch

    require_torch()
    from ucseg_cli.engine.trace_model import Tracer

    tracer = Tracer()
    found: dict[Request, Trace] = {}
    for request in requests:
        if not isinstance(request.model, FromCheckpoint):
            with _noting_failures([request], failures):
                found[request] = tracer.trace(request.model, request.conditions)
    return found
