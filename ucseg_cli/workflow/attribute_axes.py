"""The effect of each changed axis: the variants between two, of which only the totals are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ucseg_cli.analysis.comparing.attribution import Attribution, Taken, attribute
from ucseg_cli.analysis.comparing.comparison import Comparison
from ucseg_cli.analysis.counting.metrics import METRICS, totals
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.gate import tracing
from ucseg_cli.gate.cache import Cache, Totals
from ucseg_cli.gate.fingerprints import lattice_fingerprint
from ucseg_cli.references.variants import Variant
from ucseg_cli.references.variants.lattice import lattice
from ucseg_cli.terminal.progress import show_progress
from ucseg_cli.units import plural


def attribute_axes(
    comparison: Comparison, conditions: Conditions, *, cache: Cache | None
) -> list[Attribution]:
    """The effect of each changed axis on every metric; empty if none changed that counts."""
    changed = [change for change in comparison.axes if change.axis.counted]
    if not changed:
        return []
    axes = [change.axis.name for change in changed]
    kinds = {change.axis.name for change in changed if isinstance(change.before, str)}
    points = measure_lattice(comparison.baseline, comparison.model, conditions, cache=cache)
    found = []
    for metric in METRICS:
        values = {taken: figures[metric] for taken, figures in points.items()}
        delta = comparison.totals[metric]
        # A user's own model that was recognised may differ from the variant in what no axis
        # decides, such as the order of operators; then the axes do not explain the difference.
        if (values[frozenset()], values[max(values, key=len)]) == (delta.before, delta.after):
            found.append(attribute(metric, values, axes, kinds))
    return found


def measure_lattice(
    baseline: Subject, model: Subject, conditions: Conditions, *, cache: Cache | None
) -> dict[Taken, Mapping[str, int]]:
    """Every metric of each variant between two, and of both, by the axes taken from the second.

    All are of the built-in network, even if a user's own model was recognised as one of the two.
    """
    if baseline.variant is None or model.variant is None:
        return {}
    variants = lattice(baseline.variant, model.variant)
    ends = {
        taken: totals(subject.trace)
        for taken, subject in ((frozenset[str](), baseline), (max(variants, key=len), model))
        if subject.known_as is None
    }
    # Named variants are traced already; only what lies between is recorded.
    inner = {taken: variant for taken, variant in variants.items() if taken not in ends}
    if not inner:
        return dict(ends)
    deploy = baseline.folding is not None
    key = lattice_fingerprint(baseline.variant, model.variant, conditions)
    key += "-deploy" if deploy else ""
    known = cache.get_totals(key) if cache else None
    if known is None or not _is_complete(known, inner):
        known = _measure(inner, conditions, deploy=deploy)
        if cache:
            cache.put_totals(key, known)
    return {**ends, **{taken: known[_name(taken)] for taken in inner}}


def _measure(variants: Mapping[Taken, Variant], conditions: Conditions, *, deploy: bool) -> Totals:
    requests = {taken: tracing.Request(variant, conditions) for taken, variant in variants.items()}
    with show_progress() as announce:
        traces = tracing.trace_all(
            requests.values(),
            None,
            announce=lambda count: announce(f"recording {plural(count, 'variant')} between…"),
        )
    seen = {taken: traces[request] for taken, request in requests.items()}
    if deploy:
        from ucseg_cli.analysis.counting.fold_batch_norms import fold_batch_norms

        seen = {taken: fold_batch_norms(trace).trace for taken, trace in seen.items()}
    return {_name(taken): totals(trace) for taken, trace in seen.items()}


def _is_complete(known: Totals, needed: Iterable[Taken]) -> bool:
    return all(METRICS.keys() <= known.get(_name(taken), {}).keys() for taken in needed)


def _name(taken: Taken) -> str:
    return ",".join(sorted(taken))
