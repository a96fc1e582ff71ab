"""The effect of each changed axis: the models between two, of which only the totals are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ucseg_cli.analysis.comparing.attribution import Gap, Reasons, Taken, attribute, first_order
from ucseg_cli.analysis.comparing.comparison import Comparison, one_design
from ucseg_cli.analysis.counting.metrics import metrics_of, totals
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import UcsegError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache, Totals
from ucseg_cli.references.designs import REVISION, changed_arguments, lattice, revision_of
from ucseg_cli.references.variants import Variant
from ucseg_cli.terminal.progress import show_progress
from ucseg_cli.units import plural


def attribute_axes(
    comparison: Comparison, conditions: Conditions, settings: Settings, *, cache: Cache | None
) -> Reasons:
    """The effect of each changed axis on every metric; empty if none changed that counts."""
    axes = _axes_to_take(comparison, conditions)
    if not axes:
        return Reasons()
    points, gaps = measure_lattice(
        comparison.baseline, comparison.model, axes, conditions, settings, cache=cache
    )
    kinds = {change.axis.name for change in comparison.axes if isinstance(change.before, str)}
    found = []
    for metric, delta in comparison.totals.items():
        values = {taken: known[metric] for taken, known in points.items() if metric in known}
        ends = values.get(frozenset()), values.get(frozenset(axes))
        # A user's own model that was recognised may differ from the variant in what no axis
        # decides, such as the order of operators; then the axes do not explain the difference.
        explained = delta.known and ends == (delta.before, delta.after)
        if explained and first_order(values, axes) is not None:
            found.append(attribute(metric, values, axes, kinds))
    return Reasons(tuple(found), gaps)


def _axes_to_take(comparison: Comparison, conditions: Conditions) -> list[str]:
    """The changed axes that can have an effect, and that can be set one without the others.

    A training step saves something for backward in layers that count for nothing in a forward pass.
    """
    models = one_design(comparison.baseline, comparison.model)
    if models is None:
        return []
    every = conditions.training is not None
    changed = [change.axis.name for change in comparison.axes if every or change.axis.counted]
    if isinstance(models[0], Variant):
        return changed
    given = changed_arguments(*models)
    if revision_of(models[0]) != revision_of(models[1]) and REVISION not in changed:
        return []  # an argument of that name stands in its place
    return [name for name in changed if name in given]


def measure_lattice(
    baseline: Subject,
    model: Subject,
    axes: list[str],
    conditions: Conditions,
    settings: Settings,
    *,
    cache: Cache | None,
) -> tuple[dict[Taken, Mapping[str, int]], tuple[Gap, ...]]:
    """Every metric of each model between two, and of both, by the axes taken from the second.

    Those between recognised models are of the built-in network. Models that cannot be built or run
    are not among them, but in the gaps.
    """
    models = one_design(baseline, model)
    if models is None:
        return {}, ()
    points = lattice(*models, axes)
    is_own = not isinstance(models[0], Variant)
    ends = {
        taken: totals(subject.trace)
        for taken, subject in ((frozenset[str](), baseline), (frozenset(axes), model))
        if is_own or subject.known_as is None
    }
    # The two are traced already; only what lies between is recorded.
    inner = {taken: between for taken, between in points.items() if taken not in ends}
    if not inner:
        return dict(ends), ()
    deploy = baseline.folding is not None
    at = conditions if is_own else conditions.by_place
    requests = {taken: tracing.Request(between, at) for taken, between in inner.items()}
    key = tracing.totals_key(requests.values(), settings.prices, deploy=deploy)
    known = cache.get_totals(key) if cache and key else None
    gaps: tuple[Gap, ...] = ()
    metrics = metrics_of(baseline.trace, model.trace)
    if known is None or not _is_complete(known, inner, metrics):
        known, gaps = _measure(requests, settings, deploy=deploy)
        if cache and key and not gaps:
            cache.put_totals(key, known)
    found = {taken: known[_name(taken)] for taken in inner if _name(taken) in known}
    return {**ends, **found}, gaps


def _measure(
    requests: Mapping[Taken, tracing.Request], settings: Settings, *, deploy: bool
) -> tuple[Totals, tuple[Gap, ...]]:
    failures: tracing.Failures = {}
    with show_progress() as announce:
        traces = tracing.trace_all(
            requests.values(),
            None,
            announce=lambda count: announce(f"recording {plural(count, 'variant')} between…"),
            timeout=settings.timeout,
            failures=failures,
            prices=settings.prices,
            together=True,
        )
    known: dict[str, Mapping[str, int]] = {}
    gaps = []
    for taken, request in requests.items():
        trace = traces.get(request)
        if trace is None or trace.failure is not None:
            gaps.append(Gap(taken, _why(trace, failures.get(request))))
            continue
        if deploy:
            from ucseg_cli.analysis.counting.fold_batch_norms import fold_batch_norms

            trace = fold_batch_norms(trace).trace
        known[_name(taken)] = totals(trace)
    return known, tuple(gaps)


def _why(trace: Trace | None, error: UcsegError | None) -> str:
    return error.what if error is not None else f"it does not run: {trace and trace.failure}"


def _is_complete(known: Totals, needed: Iterable[Taken], metrics: Collection[str]) -> bool:
    return all(known.get(_name(taken), {}).keys() >= set(metrics) for taken in needed)


def _name(taken: Taken) -> str:
    return ",".join(sorted(taken))
