"""A figure of an answer, named once for its column on screen and in CSV and its JSON key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Flag, auto
from typing import Any, Generic, NamedTuple, TypeVar

from ucseg_cli.report.document import Cell, Column, Kind, Role, Row, Table, Unit

Item = TypeVar("Item")


class Output(Flag):
    """Where a field appears."""

    SCREEN = auto()
    CSV = auto()
    JSON = auto()
    TABLES = SCREEN | CSV
    FILES = CSV | JSON
    ALL = SCREEN | CSV | JSON


_RATIOS = {Kind.SHARE, Kind.RATIO, Kind.CHANGE}
"""JSON has the integers from which they follow."""


class Field(NamedTuple, Generic[Item]):
    """One figure of an *Item*; *get* takes it out, raw. Tiers are as those of a Column."""

    key: str
    title: str
    get: Callable[[Item], Any]
    kind: Kind = Kind.TEXT
    tier: int = 0
    output: Output = Output.ALL
    legend: str = ""

    @property
    def column(self) -> Column:
        """Its heading."""
        return Column(self.key, self.title, self.kind, self.tier, self.legend)


Fields = Sequence[Field[Item]]


def make_row(
    fields: Fields[Item],
    item: Item,
    depth: int = 0,
    role: Role = Role.DATA,
    unit: Unit = Unit.COUNT,
) -> Row:
    """*item* as a row of the screen, such as the sum of several items in a total."""
    return Row(_cells(_on(fields, Output.SCREEN), item), depth, role, unit)


def make_table(
    key: str,
    title: str,
    fields: Fields[Item],
    items: Iterable[Item | Row],
    note: str | None = None,
) -> Table:
    """A table of the screen; a Row among *items* keeps its depth, role and unit."""
    shown = _on(fields, Output.SCREEN)
    rows = (item if isinstance(item, Row) else Row(_cells(shown, item)) for item in items)
    return Table(key, title, tuple(field.column for field in shown), tuple(rows), note)


def make_records(key: str, fields: Fields[Item], items: Iterable[Item]) -> Table:
    """The table that CSV writes."""
    return make_grouped_records(key, (), fields, [((), items)])


def make_grouped_records(
    key: str,
    by: Sequence[str],
    fields: Fields[Item],
    groups: Iterable[tuple[tuple[Cell, ...], Iterable[Item]]],
) -> Table:
    """The table that CSV writes, with the cells of an item's group, named *by*, before its own."""
    written = _on(fields, Output.CSV)
    columns = [Column(name, name) for name in by] + [field.column for field in written]
    rows = [Row((*group, *_cells(written, item))) for group, items in groups for item in items]
    return Table(key, "", tuple(columns), tuple(rows))


def make_entry(fields: Fields[Item], item: Item) -> dict[str, Any]:
    """*item* as a JSON object."""
    return {field.key: _raw(field.get(item)) for field in _in_json(fields)}


def make_entries(fields: Fields[Item], items: Iterable[Item]) -> list[dict[str, Any]]:
    """Each of *items* as a JSON object."""
    written = _in_json(fields)
    return [{field.key: _raw(field.get(item)) for field in written} for item in items]


def _on(fields: Fields[Item], output: Output) -> Fields[Item]:
    return [field for field in fields if output in field.output]


def _in_json(fields: Fields[Item]) -> Fields[Item]:
    return [field for field in _on(fields, Output.JSON) if field.kind not in _RATIOS]


def _cells(fields: Fields[Item], item: Item) -> tuple[Cell, ...]:
    return tuple(field.get(item) for field in fields)


def _raw(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
