"""A field of an answer: its column, its CSV cell and its JSON value."""

from __future__ import annotations

from fractions import Fraction

from ucseg_cli.report.document import Column, Kind
from ucseg_cli.report.fields import Field, Fields, Output, make_entry, make_records, make_table

FIELDS: Fields[int] = (
    Field("count", "counted", lambda item: item, Kind.QUANTITY, legend="of all"),
    Field("share", "part", lambda item: Fraction(item, 8), Kind.SHARE, tier=1),
    Field("shape", "C×H", lambda item: (item, 2), Kind.SHAPE, output=Output.FILES),
    Field("missing", "missing", lambda _: None, output=Output.JSON),
)


def test_the_screen_has_the_fields_meant_for_it_with_title_tier_and_legend() -> None:
    table = make_table("items", "Items", FIELDS, [2])
    assert table.columns == (
        Column("count", "counted", Kind.QUANTITY, 0, "of all"),
        Column("share", "part", Kind.SHARE, 1),
    )
    assert table.rows[0].cells == (2, Fraction(1, 4))


def test_a_legend_is_printed_only_while_its_column_is_shown() -> None:
    table = make_table("items", "Items", FIELDS, [2], note="A note.")
    assert table.footnote(table.columns) == "A note. counted: of all."
    assert table.footnote(table.columns[1:]) == "A note."


def test_csv_has_raw_cells_and_shares_too() -> None:
    records = make_records("items", FIELDS, [2])
    assert [column.key for column in records.columns] == ["count", "share", "shape"]
    assert records.rows[0].cells == (2, Fraction(1, 4), (2, 2))


def test_json_has_lists_for_tuples_keeps_none_and_leaves_out_shares() -> None:
    assert make_entry(FIELDS, 2) == {"count": 2, "shape": [2, 2], "missing": None}
