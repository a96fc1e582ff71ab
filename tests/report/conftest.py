"""Made-up answers that hold every kind of cell."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ucseg_cli.report.document import Cell, Column, Highlight, Kind, Report, Role, Row, Table, Unit

MODULES = (
    ("backbone.features.16.block.3.0", "Conv2dNormActivation", 1_210_432),
    ("backbone.features.4.block.2.fc1", "SqueezeExcitation", 240_117),
    ("head.aspp.convs.1", "ASPPConv", 98_304),
    ("head", "ConvTranspose2d", 950),
)
WHOLE = 1_600_000
TITLE = "params v2"
SUMMARY = "v2 has 1.6M parameters, 75.7% of them in backbone.features.16.block.3.0."
NOTE = "shared parameters are counted once, where first used"


@pytest.fixture
def params() -> Report:
    """Names, quantities and shares that sum; folded rows, a total, depth, a missing value."""
    folded = WHOLE - sum(count for _, _, count in MODULES)
    rows = [
        Row((path, kind, count, 0, (24, 3, 3), Fraction(count, WHOLE)), depth=path.count("."))
        for path, kind, count in MODULES
    ]
    rows[2] = Row((*rows[2].cells[:3], None, *rows[2].cells[4:]))
    rows.append(
        Row(("37 more modules", None, folded, 0, None, Fraction(folded, WHOLE)), role=Role.FOLDED)
    )
    rows.append(Row(("total", None, WHOLE, 0, None, Fraction(1)), role=Role.TOTAL))
    columns = (
        Column("path", "module", Kind.PATH),
        Column("type", "type", Kind.TEXT, 3),
        Column("params", "params", Kind.QUANTITY),
        Column("frozen", "frozen", Kind.QUANTITY, 2),
        Column("kernel", "kernel", Kind.SHAPE, 3),
        Column("share", "share", Kind.SHARE, 1),
    )
    return Report(
        "ucseg.params",
        TITLE,
        {
            "input": "1×3×224×224",
            "dtype": "float32",
            "convention": "fvcore",
            "variant": "v2+backbone=10+rates=6,12",
        },
        (Table("modules", "Heaviest modules", columns, tuple(rows), NOTE),),
        SUMMARY,
        {
            "total": {"params": WHOLE},
            "modules": [{"path": path, "params": count} for path, _, count in MODULES],
        },
        highlights=(
            Highlight("parameters", WHOLE),
            Highlight("MACs", 482_113_920, change=Fraction(-11, 100)),
            Highlight("memory", 6_400_000, Unit.BYTES, Fraction(3, 100)),
        ),
        notes=(
            (
                "2 operators could not be counted: "
                "aten::grid_sampler (3 calls), aten::_fft_r2c (1 call)."
            ),
        ),
    )


@pytest.fixture
def comparison() -> Report:
    """Deltas, changes, words for what cannot be divided, statuses, and units that differ by row."""
    columns = (
        Column("metric", "metric"),
        Column("before", "v1", Kind.QUANTITY),
        Column("after", "v2", Kind.QUANTITY),
        Column("delta", "Δ", Kind.DELTA),
        Column("change", "Δ %", Kind.CHANGE, 1),
        Column("status", "budget", Kind.STATUS, 2),
    )
    totals = (
        _metric("parameters", 1_400_000, 1_600_000, "fail"),
        _metric("MACs", 541_703_280, 482_113_920, "pass"),
        _metric("peak memory", 6_200_000, 6_400_000, "warn", Unit.BYTES),
        Row(("aux head", None, 10_112, 10_112, "new", "agrees")),
        Row(("decoder", 512, None, -512, "gone", "differs")),
        Row(("taps", 4, 4, 0, Fraction(0), None)),
    )
    axes = (Column("axis", "axis"), Column("before", "v1"), Column("after", "v2"))
    return Report(
        "ucseg.compare",
        "compare v1 → v2",
        {"input": "1×3×384×640"},
        (
            Table("deltas", "Totals", columns, totals),
            Table("axes", "Axes", axes, (Row(("rates", "6,12,18", "6,12")),)),
            Table("taps", "Taps that moved", axes, ()),
        ),
        "v2 costs 11.0% fewer MACs than v1 for 14.3% more parameters.",
        {"verdict": {"summary": "v2 costs 11.0% fewer MACs than v1 for 14.3% more parameters."}},
    )


@pytest.fixture
def hostile() -> Report:
    """Names that are markup, formulas, table borders and escape codes."""
    names = (
        "<script>alert(1)</script>",
        "a|b`c`",
        "line\nbreak",
        "=SUM(A1)",
        "-1",
        "\x1b[31mred",
        "_under_ *star*",
        "[bold]",
    )
    rows = tuple(Row((name, count)) for count, name in enumerate(names, 1_000_000))
    columns = (Column("path", "module", Kind.PATH), Column("params", "params", Kind.QUANTITY))
    return Report(
        "ucseg.params",
        "params <b>&amp;",
        {"input": "<i>"},
        (Table("modules", "a|b", columns, rows),),
        "Done.",
        {},
    )


def _metric(name: str, before: int, after: int, status: str, unit: Unit = Unit.COUNT) -> Row:
    cells: tuple[Cell, ...] = (
        name,
        before,
        after,
        after - before,
        Fraction(after - before, before),
        status,
    )
    return Row(cells, unit=unit)
