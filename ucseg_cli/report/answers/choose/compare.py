"""``ucseg compare``: totals, axes, modules and taps side by side, and the sentence that sums them up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from ucseg_cli.analysis.comparing.attribution import Attribution
from ucseg_cli.analysis.comparing.comparison import Comparison, Delta, ModuleDelta
from ucseg_cli.analysis.counting.conventions import Convention
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.geometry.tap_shapes import TapShape
from ucseg_cli.analysis.rules.lint_checks import Finding
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.references.variants import AXES
from ucseg_cli.report.answers.choose.lint import finding_place
from ucseg_cli.report.document import Cell, Column, Highlight, Kind, Report, Role, Row, Table, Unit
from ucseg_cli.report.parts.attribution_tables import attribution_payload, attribution_tables
from ucseg_cli.report.parts.compare_payload import compare_payload, compare_records
from ucseg_cli.report.parts.compare_sentence import compare_sentence
from ucseg_cli.report.parts.conditions_header import shown_conditions
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.report.parts.short_names import column_names
from ucseg_cli.report.parts.tap_cells import all_maps, shape_cell, shape_title, stride_cell
from ucseg_cli.units import plural

Comparisons = Sequence[Comparison]


def compare_report(
    comparisons: Comparisons,
    conditions: Conditions,
    convention: Convention,
    *,
    sort: str,
    top: int | None,
    attributions: Sequence[Attribution] = (),
) -> Report:
    """One or more models held against the same baseline; modules by absolute change unless *sort* is ``path``.

    *attributions* tell why the one model differs, for every metric.
    """
    baseline = comparisons[0].baseline
    runs = all(each.totals[convention.name].known for each in comparisons)
    tables = (
        _totals_table(comparisons),
        *_axes_tables(comparisons),
        *_why_tables(comparisons[0], attributions, convention),
        _modules_table(comparisons, "params", "Parameters by module", sort, top),
        *(
            [
                _modules_table(
                    comparisons, convention.name, f"{convention.title} by module", sort, top
                )
            ]
            if runs
            else []
        ),
        *_taps_tables(comparisons),
        *(_lint_tables(comparisons) if runs else []),
    )
    return Report(
        kind="ucseg.compare",
        title=f"compare {baseline.name} → {', '.join(each.model.name for each in comparisons)}",
        conditions=shown_conditions([conditions], convention),
        tables=tables,
        summary=" ".join(
            compare_sentence(comparison, convention, attributions) for comparison in comparisons
        ),
        notes=_notes(comparisons, attributions),
        payload={
            **compare_payload(comparisons, conditions, convention),
            "attribution": attribution_payload(attributions),
        },
        records=compare_records(comparisons),
        highlights=tuple(
            Highlight(
                f"{METRICS[metric].title}, {_short_names(comparisons)[each.model.name]}",
                each.totals[metric].after or 0,
                Unit.COUNT,
                change if not isinstance(change := each.totals[metric].change, str) else None,
            )
            for each in comparisons
            for metric in ("params", convention.name)
            if each.totals[metric].known
        ),
    )


def _notes(comparisons: Comparisons, attributions: Sequence[Attribution]) -> tuple[str, ...]:
    """Where the tables that tell why are, if they are not here."""
    several = len(comparisons) > 1 and any(each.axes for each in comparisons)
    if attributions or not several:
        return ()
    first, last = comparisons[0].baseline.name, comparisons[-1].model.name
    return (
        f"Why they differ is told of two models at a time, as in `ucseg compare {first} {last}`.",
    )


def _why_tables(
    comparison: Comparison, attributions: Sequence[Attribution], convention: Convention
) -> list[Table]:
    shown = [
        each for each in attributions if each.metric in {"params", convention.name, "peak-memory"}
    ]
    return attribution_tables(
        shown, comparison.axes, comparison.baseline.name, comparison.model.name
    )


def _short_names(comparisons: Comparisons) -> dict[str, str]:
    return column_names([comparisons[0].baseline.name, *(each.model.name for each in comparisons)])


def _delta_columns(comparisons: Comparisons) -> tuple[Column, ...]:
    short, alone = _short_names(comparisons), len(comparisons) == 1
    return (
        Column("before", short[comparisons[0].baseline.name], Kind.QUANTITY, tier=1),
        *(
            column
            for each in comparisons
            for column in (
                Column(f"{each.model.name}.after", short[each.model.name], Kind.QUANTITY),
                Column(
                    f"{each.model.name}.delta",
                    "Δ" if alone else f"Δ {short[each.model.name]}",
                    Kind.DELTA,
                ),
                Column(f"{each.model.name}.change", "Δ %", Kind.CHANGE, tier=2),
            )
        ),
    )


def _delta_cells(deltas: Sequence[Delta]) -> tuple[Cell, ...]:
    cells = ((delta.after, None if delta.absent else delta.delta, delta.change) for delta in deltas)
    return (deltas[0].before, *chain.from_iterable(cells))


def _totals_table(comparisons: Comparisons) -> Table:
    shown = [metric for metric in METRICS.values() if not _is_redundant(metric.name, comparisons)]
    rows = [
        Row(
            (metric.title, *_delta_cells([each.totals[metric.name] for each in comparisons])),
            unit=Unit.BYTES if metric.in_bytes else Unit.COUNT,
        )
        for metric in shown
    ]
    return Table(
        "totals", "Totals", (Column("metric", "metric"), *_delta_columns(comparisons)), tuple(rows)
    )


def _is_redundant(metric: str, comparisons: Comparisons) -> bool:
    """Trainable and frozen say nothing beside the parameters where nothing is frozen."""
    frozen = any(
        each.totals["frozen"].before or each.totals["frozen"].after for each in comparisons
    )
    return metric in {"trainable", "frozen"} and not frozen


def _axes_tables(comparisons: Comparisons) -> list[Table]:
    """The axes on which any model differs; none for models outside the family."""
    variants = [comparisons[0].baseline.variant, *(each.model.variant for each in comparisons)]
    if None in variants:
        return []
    changed = {change.axis.name for each in comparisons for change in each.axes}
    rows = [
        Row((axis.name, *(axis.show(getattr(variant, axis.name)) for variant in variants)))
        for axis in AXES
        if axis.name in changed
    ]
    names, short = (
        [comparisons[0].baseline.name, *(each.model.name for each in comparisons)],
        _short_names(comparisons),
    )
    columns = (
        Column("axis", "axis"),
        *(Column(f"{index}.{name}", short[name]) for index, name in enumerate(names)),
    )
    note = _unchanged_note(len(AXES) - len(changed), "axis", "axes")
    return [Table("axes", "Axes", columns, tuple(rows), note, news=True)]


def _modules_table(
    comparisons: Comparisons, metric: str, title: str, sort: str, top: int | None
) -> Table:
    by_module = _align(comparisons)
    changed = {
        key: deltas
        for key, deltas in by_module.items()
        if any(each.figures[metric].delta for each in deltas)
    }
    ordered = sorted(changed.items(), key=lambda item: _order(item, metric, sort))
    shown, folded = ordered[:top], ordered[top:] if top is not None else []
    unchanged = [deltas for key, deltas in by_module.items() if key not in changed]
    rows = [
        *(
            Row((_label(key, deltas), *_delta_cells([each.figures[metric] for each in deltas])))
            for key, deltas in shown
        ),
        *_folded_row(plural(len(folded), "other"), [deltas for _, deltas in folded], metric),
        *_folded_row(f"{len(unchanged)} unchanged", unchanged, metric),
        Row(
            ("total", *_delta_cells([each.totals[metric] for each in comparisons])), role=Role.TOTAL
        ),
    ]
    return Table(
        f"modules.{metric}",
        title,
        (Column("path", "module", Kind.PATH), *_delta_columns(comparisons)),
        tuple(rows),
    )


Key = tuple[bool, str]
"""Whether the baseline has a module, and its label there, else in the models that have it."""


def _align(comparisons: Comparisons) -> dict[Key, list[ModuleDelta]]:
    """Each module of the baseline, and each that only others have, with its delta in every comparison."""
    each_by_key = [{_key(d): d for d in each.modules} for each in comparisons]
    keys = dict.fromkeys(key for by_key in each_by_key for key in by_key)
    return {
        key: [by_key.get(key) or _absent(key, each_by_key) for by_key in each_by_key]
        for key in keys
    }


def _key(module: ModuleDelta) -> Key:
    is_old = module.figures["params"].before is not None
    return is_old, label(module.was or module.path if is_old else module.path, own=module.own)


def _label(key: Key, deltas: Sequence[ModuleDelta]) -> str:
    """Of one comparison the name in the model, with what the baseline calls it; of several the baseline's."""
    only = deltas[0]
    if len(deltas) > 1 or not only.was:
        return key[1]
    return f"{label(only.path, own=only.own)} (was {only.was})"


def _absent(key: Key, each_by_key: Iterable[dict[Key, ModuleDelta]]) -> ModuleDelta:
    """A module that another model has, and neither the baseline nor this one."""
    known = next(by_key[key] for by_key in each_by_key if key in by_key)
    return ModuleDelta(
        known.path, known.type, dict.fromkeys(known.figures, Delta(None, None)), known.own
    )


def _order(item: tuple[Key, list[ModuleDelta]], metric: str, sort: str) -> tuple[int, str]:
    key, deltas = item
    return (
        0 if sort == "path" else -max(abs(each.figures[metric].delta) for each in deltas)
    ), _label(key, deltas)


def _folded_row(name: str, folded: Sequence[Sequence[ModuleDelta]], metric: str) -> list[Row]:
    if not folded:
        return []
    columns = zip(*folded, strict=True)
    sums = [
        Delta(
            sum(d.figures[metric].before or 0 for d in column),
            sum(d.figures[metric].after or 0 for d in column),
        )
        for column in map(list, columns)
    ]
    return [Row((name, *_delta_cells(sums)), role=Role.FOLDED)]


def _taps_tables(comparisons: Comparisons) -> list[Table]:
    """None where the networks have no name of a tap in common."""
    common = any(tap.before and tap.after for each in comparisons for tap in each.taps)
    return [_taps_table(comparisons)] if common else []


def _taps_table(comparisons: Comparisons) -> Table:
    names = list(dict.fromkeys(tap.name for each in comparisons for tap in each.taps))
    taps = {
        name: [next((tap for tap in each.taps if tap.name == name), None) for each in comparisons]
        for name in names
    }
    changed = {
        name: found for name, found in taps.items() if any(tap and tap.changed for tap in found)
    }
    sides = {
        name: [
            next((tap.before for tap in found if tap and tap.before), None),
            *(tap and tap.after for tap in found),
        ]
        for name, found in changed.items()
    }
    as_maps = all_maps(tap for each in sides.values() for tap in each)
    rows = [
        Row((name, *(cell for tap in each for cell in _tap_cells(tap, as_maps=as_maps))))
        for name, each in sides.items()
    ]
    models = [comparisons[0].baseline.name, *(each.model.name for each in comparisons)]
    short = _short_names(comparisons)
    columns = (
        Column("tap", "tap", Kind.PATH),
        *(
            column
            for index, name in enumerate(models)
            for column in (
                Column(
                    f"{index}.{name}.shape",
                    f"{short[name]} {shape_title(as_maps=as_maps)}",
                    Kind.SHAPE,
                ),
                Column(f"{index}.{name}.stride", "stride", Kind.EXACT, tier=1),
                Column(f"{index}.{name}.module", "module", Kind.PATH, tier=2),
            )
        ),
    )
    return Table(
        "taps",
        "Taps",
        columns,
        tuple(rows),
        _unchanged_note(len(taps) - len(changed), "tap"),
        news=True,
    )


def _lint_tables(comparisons: Comparisons) -> list[Table]:
    """What each model adds to the baseline's findings, and what it fixes."""
    rows = [
        Row((each.model.name, change, finding.rule.code, finding_place(finding), message))
        for each in comparisons
        for change, finding, message in _told(each)
    ]
    columns = (
        Column("model", "model", tier=3 if len(comparisons) == 1 else 0),
        Column("change", "change", Kind.CHANGE),
        Column("code", "rule"),
        Column("module", "module", Kind.PATH, tier=1),
        Column("message", "finding", Kind.PROSE),
    )
    unchanged = [
        f"{plural(each.lint.unchanged, 'finding')} of {each.model.name} unchanged"
        for each in comparisons
    ]
    return [Table("lint", "Lint", columns, tuple(rows), "; ".join(unchanged))]


def _evidence_changes(before: Finding, after: Finding) -> str:
    changed = (name for name in after.evidence if before.evidence.get(name) != after.evidence[name])
    return ", ".join(
        f"{name.replace('_', ' ')} {before.evidence.get(name, 0):,} → {after.evidence[name]:,}"
        for name in changed
    )


def _told(comparison: Comparison) -> list[tuple[str, Finding, str]]:
    """Each finding that is new, gone, or no longer what it was."""
    lint = comparison.lint
    return [
        *(("new", finding, finding.message) for finding in lint.added),
        *(("gone", finding, finding.message) for finding in lint.removed),
        *(
            ("changed", after, f"{after.message} ({_evidence_changes(before, after)})")
            for before, after in lint.altered
        ),
    ]


def _tap_cells(tap: TapShape | None, *, as_maps: bool) -> tuple[Cell, Cell, Cell]:
    return shape_cell(tap, as_maps=as_maps), stride_cell(tap), tap and tap.module


def _unchanged_note(count: int, noun: str, nouns: str | None = None) -> str | None:
    return f"{plural(count, noun, nouns)} unchanged" if count else None
