"""A report as the Markdown of a pull request's comment: what matters in sight, the rest folded."""

from __future__ import annotations

from collections.abc import Iterator

from ucseg_cli.report.document import Kind, Report, Role, Row, Table
from ucseg_cli.report.formats.cells import Tone, tone_of
from ucseg_cli.report.formats.markdown import escape, render_markdown, render_table
from ucseg_cli.units import plural

MOST = 65_536
"""Characters that GitHub takes for a comment."""
MOST_ROWS = 40
"""Rows of a table that are in sight."""
_SIGNS = {Tone.BAD: "❌", Tone.CAUTION: "⚠️", Tone.GOOD: "✅"}
_STATES = {
    "fail": Tone.BAD,
    "differs": Tone.BAD,
    "warn": Tone.CAUTION,
    "pass": Tone.GOOD,
    "agrees": Tone.GOOD,
}


def render_comment(report: Report, *, exact: bool = False, most: int = MOST) -> str:
    """The headline, the rows that differ, and the rest folded, for a pull request.

    It begins with a hidden marker, by which a bot finds its comment again. Text beyond *most*
    characters is left out, and the comment says so: the fold first, then rows.
    """
    head = _head(report)
    changed = [part for table in report.tables if (part := _changed(table)) is not None]
    shown = "\n\n".join(text for table in changed for text in render_table(table, exact=exact))
    whole = render_markdown(report, exact=exact)
    details = f"<details><summary>The whole report</summary>\n\n{whole}\n</details>"
    parts = [head, *(text for text in (shown, details) if text)]
    for kept in range(len(parts), 0, -1):
        text = "\n\n".join((*parts[:kept], *([_TOO_LONG] if kept < len(parts) else []))) + "\n"
        if len(text) <= most:
            return text
    return f"{head[: most - len(_TOO_LONG) - 4]}…\n\n{_TOO_LONG}\n"


_TOO_LONG = "_The rest is too long for a comment; the job's log and its summary have it._"


def _head(report: Report) -> str:
    verdict = str(report.payload.get("verdict", {}).get("status", ""))
    sign = _SIGNS.get(_STATES.get(verdict, Tone.NEUTRAL), "")
    conditions = " · ".join(f"{key} {value}" for key, value in report.conditions.items())
    lines = [
        f"<!-- {report.kind} -->",
        f"### {sign} {escape(report.title)}".replace("  ", " "),
        escape(report.summary),
    ]
    return "\n\n".join((*lines, *([f"<sub>{escape(conditions)}</sub>"] if conditions else [])))


def _changed(table: Table) -> Table | None:
    """Only the rows that say something new; None where there are none."""
    rows = tuple(
        row
        for row in table.rows
        if row.role is Role.DATA and (table.news or any(_news(table, row)))
    )
    others = (
        f"and {plural(len(rows) - MOST_ROWS, 'other')}, in the whole report"
        if len(rows) > MOST_ROWS
        else None
    )
    return table._replace(rows=rows[:MOST_ROWS], note=others) if rows else None


def _news(table: Table, row: Row) -> Iterator[bool]:
    for cell, column in zip(row.cells, table.columns, strict=True):
        tone = tone_of(cell, column.kind)
        yield tone in {Tone.BAD, Tone.CAUTION} or (
            tone is Tone.GOOD and column.kind is not Kind.STATUS
        )
