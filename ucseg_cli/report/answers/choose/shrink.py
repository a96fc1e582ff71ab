"""``ucseg shrink``: which axis or layer to make smaller first, and what each step saves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, cast

from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.narrowing.axis_steps import LeftOut
from ucseg_cli.analysis.narrowing.layer_steps import Layer, LayerStep, NotNarrowable
from ucseg_cli.analysis.narrowing.shrunk import Effect, Failed, Shrinking
from ucseg_cli.analysis.space.benefits import BENEFITS
from ucseg_cli.facts.choices import DEFAULT_CONVENTION
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.answers.choose.shrink_sentence import (
    change_of,
    changes_of,
    dependents,
    name_of,
    shrink_sentence,
)
from ucseg_cli.report.document import First, Highlight, Kind, Report, Role, Row, Table, Unit
from ucseg_cli.report.fields import (
    Field,
    Fields,
    Output,
    make_entries,
    make_entry,
    make_records,
    make_row,
    make_table,
)
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.units import exact_ratio, plural

_TIERS = {"params": 1, DEFAULT_CONVENTION: 2, "peak-memory": 2}
SHOWN = tuple(_TIERS)
SHORT = {"params": "params", "bytes": "bytes", "peak-memory": "peak", "fvcore": "FLOPs"}
"""Titles of columns where a metric's own is long."""
MOST_STEPS, MOST_FIXED = 20, 8
"""Rows of a screen that is not asked for more."""
QUARTER = "A step of channels is a quarter fewer: the quarter is rounded down, and at least one."
WIDTHS_KEEP = (
    "Fewer channels change no receptive field, no stride and no kernel position; the operators are "
    "those of this pass."
)
TABLES, SCREEN, FILES, JSON, CSV = (
    Output.TABLES,
    Output.SCREEN,
    Output.FILES,
    Output.JSON,
    Output.CSV,
)

FAILED: Fields[Failed] = (
    Field("axis", "axis", attrgetter("step.axis")),
    Field("step", "step", lambda failed: change_of(failed.step), output=SCREEN),
    Field("reference", "reference", attrgetter("step.reference.name"), output=FILES),
    Field("reason", "reason", attrgetter("reason"), Kind.PROSE),
)
LEFT_OUT: Fields[LeftOut] = (
    Field("axis", "axis", attrgetter("axis")),
    Field("value", "value", attrgetter("value")),
    Field("reason", "reason", attrgetter("reason"), Kind.PROSE),
)
FIXED: Fields[NotNarrowable] = (
    Field("path", "layer", lambda layer: label(layer.path, own=not layer.path), Kind.PATH),
    Field("channels", "channels", attrgetter("channels"), Kind.EXACT),
    Field("reason", "reason", attrgetter("reason"), Kind.PROSE),
)


def _layers(effect: Effect) -> LayerStep:
    return cast("LayerStep", effect.step)


_AXIS: Fields[Effect] = (
    Field("axis", "axis", attrgetter("step.axis")),
    Field("step", "step", lambda effect: change_of(effect.step), output=SCREEN),
    Field("before", "", attrgetter("step.before"), output=FILES),
    Field("after", "", attrgetter("step.after"), output=FILES),
    Field("reference", "", attrgetter("step.reference.name"), output=FILES),
    Field("same_function", "", attrgetter("step.same_function"), output=JSON),
)
_LAYER: Fields[Effect] = (
    Field("layers", "layer", lambda effect: name_of(effect.step), Kind.PATH, output=SCREEN),
    Field("step", "channels", lambda effect: change_of(effect.step), output=SCREEN),
    Field(
        "layers",
        "",
        lambda effect: " ".join(layer.path for layer in _layers(effect).layers),
        output=CSV,
    ),
    Field("layers", "", lambda effect: [*map(Layer._asdict, _layers(effect).layers)], output=JSON),
    Field("before", "", lambda effect: _layers(effect).layers[0].before, output=CSV),
    Field("after", "", lambda effect: _layers(effect).layers[0].after, output=CSV),
    Field("dependent", "", attrgetter("step.dependent"), output=JSON),
)
_DEPENDENT: Field[Effect] = Field(
    "dependent", "with it", lambda effect: dependents(_layers(effect)), tier=2, output=SCREEN
)


def shrink_report(found: Shrinking, conditions: Conditions, *, top: int | None) -> Report:
    """The steps, most saved first, then the axes and layers that have none; *top* shows the first.

    Files have every metric after each step, and JSON what it saves of each, in integers.
    """
    fields, benefits = _fields(found), found.benefits
    sort = METRICS[found.metric]
    return Report(
        kind="ucseg.shrink",
        title=f"shrink {found.subject.name}",
        conditions={**shown_conditions([conditions]), "sorted by": sort.title},
        tables=tuple(_tables(found, fields, top, None)),
        summary=shrink_sentence(found, conditions),
        payload={
            "conditions": raw_conditions([conditions]),
            "model": found.subject.name,
            "by": "layers" if found.by_layers else "axes",
            "sort": found.metric,
            "total": found.total,
            "benefits": benefits,
            "steps": [_entry(fields, effect) for effect in found.effects],
            "failed": make_entries(FAILED, found.failed),
            "left_out": make_entries(LEFT_OUT, found.left_out),
            "not_narrowable": make_entries(FIXED, found.fixed),
        },
        records=make_records("steps", fields, found.effects),
        highlights=_highlights(found),
        notes=tuple(_notes(found)),
        first=_on_one_screen(found, fields) if top is None else None,
    )


def _on_one_screen(found: Shrinking, fields: Fields[Effect]) -> First | None:
    """The first rows of long tables, and the option that shows all; None if no table is long."""
    hidden = max(len(found.effects) - MOST_STEPS, len(found.fixed) - MOST_FIXED)
    if hidden <= 0:
        return None
    tables = tuple(_tables(found, fields, MOST_STEPS, MOST_FIXED))
    return First(tables, f"`--top {len(found.effects)}` shows every row.")


def _tables(
    found: Shrinking, fields: Fields[Effect], top: int | None, top_fixed: int | None
) -> Iterator[Table]:
    title = "A quarter fewer channels" if found.by_layers else "One step down"
    unit = Unit.BYTES if METRICS[found.metric].in_bytes else Unit.COUNT
    rows = [make_row(fields, effect, unit=unit) for effect in found.effects]
    yield make_table("steps", title, fields, _first(rows, top, "step"))
    if found.failed:
        yield make_table("failed", "Cannot be built or run", FAILED, found.failed)
    if found.left_out:
        yield make_table("left_out", "Axes without a step", LEFT_OUT, found.left_out)
    if found.fixed:
        fixed = [make_row(FIXED, layer) for layer in found.fixed]
        shown = _first(fixed, top_fixed, "layer")
        yield make_table("not_narrowable", "Not narrowable", FIXED, shown)


def _first(rows: Sequence[Row], top: int | None, noun: str) -> Sequence[Row]:
    """The first *top* rows, and one that counts the others; steps do not add up."""
    shown = rows[:top]
    folded = len(rows) - len(shown)
    if not folded:
        return rows
    blank = (None,) * (len(rows[0].cells) - 1)
    return [*shown, Row((plural(folded, f"other {noun}"), *blank), role=Role.FOLDED)]


def _fields(found: Shrinking) -> Fields[Effect]:
    metric, total, benefits = found.metric, found.total, found.benefits
    changes: Field[Effect] = Field(
        "changes", "changes", lambda effect: changes_of(effect, benefits), Kind.PROSE, output=SCREEN
    )
    return [
        *(_LAYER if found.by_layers else _AXIS),
        Field("saved", f"Δ {_short(metric)}", _change(metric), Kind.DELTA, output=SCREEN),
        *(_share_field(name, total[name], metric) for name in dict.fromkeys((metric, *SHOWN))),
        _DEPENDENT if found.by_layers else changes,
        *(Field(name, "", _after(name), output=CSV) for name in METRICS),
        *_BENEFITS,
    ]


def _share_field(name: str, whole: int, sort: str) -> Field[Effect]:
    """The relative change of a metric; beside the absolute one it needs no name."""
    is_first = name == sort
    title = "Δ%" if is_first else _short(name)
    return Field(
        name,
        title,
        lambda effect: exact_ratio(-effect.saved[name], whole),
        Kind.CHANGE,
        0 if is_first else _TIERS[name],
        SCREEN,
    )


def _benefit(name: str) -> Callable[[Effect], int | None]:
    return lambda effect: effect.benefits[name]


_BENEFITS: Fields[Effect] = tuple(
    Field(name, "", _benefit(name), Kind.EXACT, output=CSV) for name in BENEFITS
)


def _entry(fields: Fields[Effect], effect: Effect) -> dict[str, Any]:
    return {
        **make_entry(fields, effect),
        "total": dict(effect.total),
        "saved": dict(effect.saved),
        "raises": list(effect.raises),
        "benefits": effect.benefits,
        "outputs": [list(shape) for shape in effect.outputs],
        "keeps_output": effect.keeps_output,
    }


def _short(metric: str) -> str:
    return SHORT.get(metric, METRICS[metric].title)


def _change(metric: str) -> Callable[[Effect], int]:
    return lambda effect: -effect.saved[metric]


def _after(metric: str) -> Callable[[Effect], int]:
    return lambda effect: effect.total[metric]


def _highlights(found: Shrinking) -> tuple[Highlight, ...]:
    """The metrics of the model, each with what the first step does to it."""
    shown = dict.fromkeys((found.metric, *SHOWN))
    return tuple(_highlight(found, metric) for metric in shown)


def _highlight(found: Shrinking, metric: str) -> Highlight:
    total, first = found.total[metric], found.first
    unit = Unit.BYTES if METRICS[metric].in_bytes else Unit.COUNT
    change = None if first is None else exact_ratio(-first.saved[metric], total)
    return Highlight(METRICS[metric].title, total, unit, change)


def _notes(found: Shrinking) -> Iterator[str]:
    yield QUARTER
    if found.by_layers:
        yield WIDTHS_KEEP
