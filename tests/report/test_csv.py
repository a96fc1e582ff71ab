from __future__ import annotations

import csv
from fractions import Fraction
from io import StringIO

from ucseg_cli.report.document import Column, Kind, Report, Role, Row, Table
from ucseg_cli.report.formats.csv import render_csv


def test_csv_reads_back_as_raw_values(params: Report) -> None:
    records = _parse(render_csv(params))
    assert records[0] == {
        "path": "backbone.features.16.block.3.0",
        "type": "Conv2dNormActivation",
        "params": "1210432",
        "frozen": "0",
        "kernel": "24x3x3",
        "share": repr(1_210_432 / 1_600_000),
    }
    assert records[2]["frozen"] == ""


def test_totals_and_folded_rows_are_not_records(params: Report) -> None:
    assert len(_parse(render_csv(params))) == 4


def test_given_records_are_written_as_they_are(params: Report) -> None:
    records = Table(
        "r", "", (Column("path", "module"),), (Row(("",)), Row(("all",), role=Role.TOTAL))
    )
    assert render_csv(params._replace(records=records)) == 'path\n""\nall\n'


def test_a_name_that_a_spreadsheet_would_run_is_quoted_and_a_number_is_not() -> None:
    names = ("=SUM(A1)", "+cmd", "-1", "-1.5e3", "-x", "@here", "a=b")
    columns = (
        Column("name", "name"),
        Column("delta", "Δ", Kind.DELTA),
        Column("change", "Δ %", Kind.CHANGE),
    )
    table = Table("t", "", columns, tuple(Row((name, -7, Fraction(-1, 4))) for name in names))
    records = _parse(render_csv(Report("k", "t", {}, (table,), "s", {})))
    assert [record["name"] for record in records] == [
        "'=SUM(A1)",
        "'+cmd",
        "-1",
        "-1.5e3",
        "'-x",
        "'@here",
        "a=b",
    ]
    assert {(record["delta"], record["change"]) for record in records} == {("-7", "-0.25")}


def test_lines_end_with_a_line_feed_alone(params: Report) -> None:
    assert "\r" not in render_csv(params)


def _parse(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))
