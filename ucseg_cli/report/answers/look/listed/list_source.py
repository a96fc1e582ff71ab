"""``ucseg list SOURCE``: what can be built there, or the axes of one design."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ucseg_cli.analysis.subject import constructor_axis
from ucseg_cli.facts.design import Design
from ucseg_cli.facts.trace import REQUIRED, ConstructorAxis
from ucseg_cli.report.document import Kind, Report
from ucseg_cli.report.fields import Field, Fields, Output, make_entries, make_records, make_table
from ucseg_cli.units import plural

TABLES, JSON = Output.TABLES, Output.JSON


def _shown(axis: ConstructorAxis) -> str:
    return constructor_axis(axis).write(axis.default)


def _raw(axis: ConstructorAxis) -> Any:
    return None if axis.default == REQUIRED else axis.default


def _in_short(design: Design) -> str:
    """The axes as a call has them, those that are required without a value."""
    return ", ".join(
        axis.name if axis.default == REQUIRED else f"{axis.name}={_shown(axis)}"
        for axis in design.axes
    )


AXES: Fields[ConstructorAxis] = (
    Field("axis", "axis", lambda axis: axis.name),
    Field("default", "default", _shown, Kind.PROSE, output=TABLES),
    Field("accepts", "accepts", lambda axis: constructor_axis(axis).accepts, Kind.PROSE, tier=1),
    Field("required", "", lambda axis: axis.default == REQUIRED, output=JSON),
    Field("default", "", _raw, output=JSON),
    Field("choices", "", lambda axis: list(axis.choices), output=JSON),
)

DESIGNS: Fields[Design] = (
    Field("name", "name", lambda design: design.name, Kind.PATH),
    Field("kind", "kind", lambda design: design.kind, tier=1),
    Field("axes", "axes", _in_short, Kind.PROSE, output=TABLES),
    Field("about", "about", lambda design: design.about, Kind.PROSE, tier=2),
    Field("axes", "", lambda design: make_entries(AXES, design.axes), output=JSON),
)


def designs_report(source: str, designs: Sequence[Design]) -> Report:
    """All that *source* defines, a line each."""
    first = next(iter(designs), None)
    how = f"`ucseg list {source}:{first.name}` shows the axes of one." if first else ""
    return Report(
        kind="ucseg.list",
        title=f"list {source}",
        conditions={},
        tables=(make_table("designs", "Designs", DESIGNS, designs),),
        summary=f"{source} defines {plural(len(designs), 'model')}. {how}".rstrip(),
        payload={"source": source, "designs": make_entries(DESIGNS, designs)},
        records=make_records("designs", DESIGNS, designs),
    )


def axes_report(source: str, design: Design) -> Report:
    """The axes of one design, with their defaults and what they accept."""
    axes = design.axes
    example = next((axis for axis in axes if isinstance(axis.default, int | float)), None)
    how = f"; write {source}+{example.name}={_shown(example)} to set one" if example else ""
    about = (design.about,) if design.about else ()
    return Report(
        kind="ucseg.list",
        title=f"list {source}",
        conditions={},
        tables=(make_table("axes", "Axes", AXES, axes),),
        summary=f"{source} has {plural(len(axes), 'axis', 'axes')}{how}.",
        notes=about,
        payload={"source": source, "designs": make_entries(DESIGNS, [design])},
        records=make_records("axes", AXES, axes),
    )
