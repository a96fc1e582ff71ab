"""The only door to torch: answers from the cache, else imports the engine inside the function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ucseg_cli.errors import ModelError, ResourceError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.count import Count
from ucseg_cli.facts.state_dict import NO_FORWARD, StateDict, state_dict_trace
from ucseg_cli.facts.trace import Trace, decode_trace
from ucseg_cli.gate.cache import Cache
from ucseg_cli.gate.fingerprints import fingerprint, torchvision_fingerprint
from ucseg_cli.references import FromCheckpoint, FromTorchvision, Model, OwnCode
from ucseg_cli.references.variants import Variant


class Request(NamedTuple):
    """A trace that is needed. Equal requests are recorded once."""

    model: Model
    conditions: Conditions


def trace_all(
    requests: Iterable[Request], cache: Cache | None, announce: Callable[[int], None]
) -> dict[Request, Trace]:
    """The trace of each request, from the cache where it is there.

    Args:
        requests: what is needed.
        cache: where to look and to keep; None records everything afresh and keeps nothing.
        announce: told how many networks have to be recorded, before torch is imported.
    """
    wanted = list(dict.fromkeys(requests))
    traces = _find_all(wanted, cache) if cache else {}
    missing = [request for request in wanted if request not in traces]
    if missing:
        recorded = {**_read_all(missing), **_record_others(missing, announce)}
        traces.update(recorded)
        if cache:
            _keep_all(recorded, cache)
    return traces


def count_with_others(request: Request) -> tuple[Count, ...]:
    """What every other counter says, run for real. Never from the cache: running them is the point.

    Raises ModelError for a checkpoint, which has nothing to run.
    """
    if isinstance(request.model, FromCheckpoint):
        raise ModelError(NO_FORWARD, where=request.model.path)
    if isinstance(request.model, OwnCode):
        from ucseg_cli.facts.question import Question
        from ucseg_cli.gate.child_process import asked_apart

        with asked_apart([Question("count", request.model, [request.conditions])]) as (asked,):
            return tuple(Count(*each) for each in asked.result()[0])
    _require_torch()
    from ucseg_cli.engine.counters import count_model_of

    return count_model_of(request.model, request.conditions)


def read_state_dict(source: FromCheckpoint) -> StateDict:
    """What a checkpoint holds, without its data; torch is imported for torch's own files alone."""
    from ucseg_cli.engine.checkpoints.read_checkpoint import read_state_dict

    return read_state_dict(source.path, source.key)


def _find_all(requests: Iterable[Request], cache: Cache) -> dict[Request, Trace]:
    keys = ((request, _key(request)) for request in requests)
    found = ((request, cache.get(key)) for request, key in keys if key is not None)
    return {request: trace for request, trace in found if trace is not None}


def _keep_all(recorded: Mapping[Request, Trace], cache: Cache) -> None:
    for request, trace in recorded.items():
        if (
            key := _key(request)
        ) is not None and trace.failure is None:  # a failure may be this machine's
            cache.put(key, trace)


def _key(request: Request) -> str | None:
    """Under which name the trace is kept; None where nobody can know everything that it depends on."""
    match request.model:
        case Variant() as variant:
            return fingerprint(variant, request.conditions)
        case FromTorchvision() as source:
            return torchvision_fingerprint(source, request.conditions)
        case _:
            return None


def _read_all(requests: Iterable[Request]) -> dict[Request, Trace]:
    """The traces of checkpoints, each read once whatever the input; reading one costs no more than a cache would."""
    sources = {
        request: request.model for request in requests if isinstance(request.model, FromCheckpoint)
    }
    traces = {
        source: state_dict_trace(read_state_dict(source))
        for source in dict.fromkeys(sources.values())
    }
    return {request: traces[source] for request, source in sources.items()}


def _record_others(
    requests: Iterable[Request], announce: Callable[[int], None]
) -> dict[Request, Trace]:
    """The traces of all that has to run, after *announce* was told how many these are.

    A person's code runs beside us meanwhile.
    """
    others = [request for request in requests if not isinstance(request.model, FromCheckpoint)]
    if not others:
        return {}
    announce(len(others))
    foreign = _by_source(others)
    ours = [request for request in others if not isinstance(request.model, OwnCode)]
    if not foreign:
        return _record_all(ours)
    from ucseg_cli.facts.question import Question  # nothing else has use for processes
    from ucseg_cli.gate.child_process import asked_apart

    with asked_apart(
        [Question("trace", source, conditions) for source, conditions in foreign.items()]
    ) as asked:
        recorded = _record_all(ours) if ours else {}
        for each in asked:
            found = zip(each.question.conditions, map(decode_trace, each.result()), strict=True)
            recorded.update(
                (Request(each.question.source, conditions), trace) for conditions, trace in found
            )
    return recorded


def _by_source(requests: Iterable[Request]) -> dict[OwnCode, list[Conditions]]:
    """The inputs of each model that is a person's own code."""
    found: dict[OwnCode, list[Conditions]] = {}
    for request in requests:
        if isinstance(request.model, OwnCode):
            found.setdefault(request.model, []).append(request.conditions)
    return found


def _record_all(requests: Iterable[Request]) -> dict[Request, Trace]:
    _require_torch()
    from ucseg_cli.engine.trace_model import Tracer

    tracer = Tracer()
    return {
        request: tracer.trace(request.model, request.conditions)
        for request in requests
        if not isinstance(request.model, FromCheckpoint)
    }


def _require_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ResourceError(
            f"torch cannot be imported: {error}", help="pip install torch torchvision"
        ) from error
