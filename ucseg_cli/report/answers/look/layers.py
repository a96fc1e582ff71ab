"""``ucseg layers``: every layer in the order of running, equal neighbours as one row."""

from __future__ import annotations

from collections.abc import Sequence

from ucseg_cli.analysis.counting.conventions import Convention, tables_of
from ucseg_cli.analysis.counting.layer_rows import LayerRow, layer_rows
from ucseg_cli.analysis.counting.layers import Layer, Shape, Window, layers
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.counting.module_tree import Figures, sum_figures
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Highlight, Kind, Report, Role, Row
from ucseg_cli.report.fields import (
    Field,
    Fields,
    Output,
    make_entries,
    make_records,
    make_row,
    make_table,
)
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import exact_ratio, format_count, format_percent, format_shape, plural

FILES, SCREEN = Output.FILES, Output.SCREEN
NEVER = "never runs"


def layers_report(
    subject: Subject,
    conditions: Conditions,
    convention: Convention,
    *,
    depth: int | None,
    fold: bool,
) -> Report:
    """All layers of a model; on the screen *depth* levels, equal neighbours as one with *fold*."""
    trace = subject.trace
    every = layers(trace)
    types = {module.path: module.type for module in trace.modules}
    rows = layer_rows(every, types, depth=depth, fold=fold)
    total = sum_figures(layer.figures for layer in every)
    fields = _fields(convention)
    whole = _total(total)
    body: list[LayerRow | Row] = [make_row(fields, row, depth=row.depth - 1) for row in rows]
    body.append(make_row(fields, whole, role=Role.TOTAL))
    names = ("params", *tables_of(trace))
    return Report(
        kind="ucseg.layers",
        title=f"layers {subject.name}",
        conditions=shown_conditions([conditions], convention),
        tables=(make_table("layers", "Layers in the order of running", fields, body),),
        summary=_summary(subject, every, convention),
        payload={
            "conditions": raw_conditions([conditions], convention),
            "model": subject.name,
            "total": {name: total.get(name, 0) for name in names},
            "layers": make_entries(_raw_fields(names), every),
        },
        records=make_records("layers", _raw_fields(names), every),
        highlights=tuple(
            Highlight(METRICS[name].title, total.get(name, 0))
            for name in ("params", convention.name)
        ),
        notes=_notes(every),
    )


def _fields(convention: Convention) -> Fields[LayerRow]:
    """The columns of the screen."""
    name = convention.name
    return (
        Field("path", "layer", _label, Kind.PATH),
        Field("type", "type", _type, tier=1),
        Field("in", "in", lambda row: _shapes(row.inputs), tier=2),
        Field("out", "out", lambda row: _shapes(row.outputs)),
        Field("kernel", "kernel", lambda row: _kernel(row.window), tier=1),
        Field("stride", "stride", lambda row: _short(row, "stride"), tier=2),
        Field("dilation", "dilation", lambda row: _short(row, "dilation"), tier=3),
        Field("groups", "groups", _groups, tier=3),
        Field("params", "parameters", lambda row: row.figures.get("params", 0), Kind.QUANTITY),
        Field(name, convention.title, lambda row: row.figures.get(name, 0), Kind.QUANTITY),
    )


def _raw_fields(names: Sequence[str]) -> Fields[Layer]:
    """The keys of files, an entry for each layer."""

    def figure(name: str) -> Field[Layer]:
        return Field(name, name, lambda layer: layer.figures.get(name, 0), output=FILES)

    return (
        Field("path", "path", lambda layer: layer.path, output=FILES),
        Field("type", "type", lambda layer: layer.type, output=FILES),
        Field("operator", "operator", lambda layer: layer.is_operator, output=FILES),
        Field("call", "call", lambda layer: layer.call, output=FILES),
        Field("inputs", "", lambda layer: [*map(list, layer.inputs)], output=Output.JSON),
        Field("outputs", "", lambda layer: [*map(list, layer.outputs)], output=Output.JSON),
        Field("in", "in", lambda layer: _shapes(layer.inputs), output=Output.CSV),
        Field("out", "out", lambda layer: _shapes(layer.outputs), output=Output.CSV),
        *map(_window_field, ("kernel", "stride", "dilation", "groups")),
        *map(figure, names),
    )


def _window_field(name: str) -> Field[Layer]:
    return Field(name, name, lambda layer: getattr(layer.window, name, None), output=FILES)


def _label(row: LayerRow) -> str:
    """The module's path, with how often it comes and which is the last of equal ones."""
    path = row.path or ("" if row.is_operator else "the model")
    if row.is_operator:
        path = f"{path} ({row.type})".lstrip()
    if row.times == 1:
        return path
    last = row.last.rpartition(".")[2]
    until = f" to {last}" if row.last != row.path else ""
    return f"{path}{until} ×{row.times}"


def _type(row: LayerRow) -> str:
    """The class, and which call of the module it is if it was called before."""
    if row.call == 0:
        return f"{row.type}, {NEVER}"
    again = not row.is_operator and row.call is not None and row.call > 1
    return f"{row.type}, call {row.call}" if again else "" if row.is_operator else row.type


def _shapes(shapes: Sequence[Shape]) -> str:
    """One shape, or the first of several and how many there are beside it."""
    if not shapes:
        return ""
    first, *others = shapes
    several = f" +{len(others)}" if others else ""
    return f"{format_shape(first)}{several}"


def _short(row: LayerRow, name: str) -> str:
    """One number where every side has the same, else one for each."""
    sides = getattr(row.window, name, ())
    if len(set(sides)) > 1:
        return format_shape(sides)
    return str(sides[0]) if sides else ""


def _kernel(window: Window | None) -> str:
    return format_shape(window.kernel) if window else ""


def _groups(row: LayerRow) -> str:
    groups = row.window.groups if row.window else None
    return "" if groups is None else str(groups)


def _total(figures: Figures) -> LayerRow:
    """All layers together."""
    return LayerRow(
        path="total",
        last="total",
        type="",
        depth=1,
        times=1,
        inputs=(),
        outputs=(),
        window=None,
        figures=figures,
        call=None,
        is_operator=False,
        is_leaf=True,
    )


def _notes(every: Sequence[Layer]) -> tuple[str, ...]:
    """Which layers never ran."""
    idle = [layer.path for layer in every if layer.call == 0]
    if not idle:
        return ()
    return (f"{plural(len(idle), 'module')} with parameters never ran: {', '.join(idle[:6])}.",)


def _summary(subject: Subject, every: Sequence[Layer], convention: Convention) -> str:
    name = convention.name
    total = sum(layer.figures.get(name, 0) for layer in every)
    params = sum(layer.figures.get("params", 0) for layer in every)
    modules = sum(not layer.is_operator for layer in every)
    beside = len(every) - modules
    runs = f"{subject.name} runs {plural(modules, 'layer')}"
    runs += f" and {plural(beside, 'operator')} beside them" if beside else ""
    has = f"{format_count(params, exact=True)} parameters"
    takes = f"{runs}, with {has} and {format_count(total, exact=True)} {convention.noun}"
    heaviest = max(every, key=lambda layer: layer.figures.get(name, 0), default=None)
    if heaviest is None or not total:
        return f"{takes}."
    share = format_percent(exact_ratio(heaviest.figures[name], total))
    where = heaviest.path or f"{heaviest.type} in the model itself"
    return f"{takes}, {share} of them in {where}."
