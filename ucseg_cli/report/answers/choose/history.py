"""``ucseg history``: the commits at which metrics of a model changed, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from ucseg_cli.analysis.comparing.history_steps import End, History, Step, steps_of, values_of
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Kind, Report, Row, Table, Unit
from ucseg_cli.report.fields import Field, Fields, Output, make_entries, make_records, make_row
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import (
    exact_ratio,
    format_bytes,
    format_percent,
    plural,
    shown_day,
    spoken_count,
)

SHORT = 10
"""Letters of a commit's hash."""
BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 40


class Line(NamedTuple):
    """A metric over all commits."""

    metric: str
    values: Sequence[int | None]
    steps: Sequence[Step]

    @property
    def known(self) -> list[int]:
        """The values that there are, the oldest first."""
        return [value for value in self.values if value is not None]

    @property
    def newest(self) -> int | None:
        """The value now; None if it has none."""
        return self.values[-1] if self.values else None

    @property
    def delta(self) -> int | None:
        """The value now minus the oldest that there is."""
        return None if self.newest is None else self.newest - self.known[0]


def _hash(step: Step) -> str:
    return step.commit.id[:SHORT]


def _with_reason(step: Step) -> str:
    subject = step.commit.subject
    if step.status == "fails":
        return f"{subject} ({step.reason})"
    return f"{subject} (the oldest that was looked at)" if step.status == "oldest" else subject


STEPS: Fields[Step] = (
    Field("metric", "metric", attrgetter("metric"), output=Output.FILES),
    Field("commit", "commit", _hash, output=Output.SCREEN),
    Field("commit", "commit", lambda step: step.commit.id, output=Output.FILES),
    Field("date", "date", lambda step: shown_day(step.commit.seconds), tier=2),
    Field("value", "value", attrgetter("after"), Kind.QUANTITY),
    Field("delta", "Δ", attrgetter("delta"), Kind.DELTA),
    Field("change", "Δ%", attrgetter("change"), Kind.CHANGE, 1),
    Field("status", "status", attrgetter("status"), output=Output.FILES),
    Field("subject", "subject", lambda step: step.commit.subject, output=Output.FILES),
    Field("reason", "reason", attrgetter("reason"), output=Output.FILES),
    Field("subject", "subject", _with_reason, Kind.PROSE, output=Output.SCREEN),
)
LINES: Fields[Line] = (
    Field("metric", "metric", lambda line: METRICS[line.metric].title),
    Field("oldest", "oldest", lambda line: next(iter(line.known), None), Kind.QUANTITY, 1),
    Field("newest", "newest", attrgetter("newest"), Kind.QUANTITY),
    Field("delta", "Δ", attrgetter("delta"), Kind.DELTA),
    Field(
        "change",
        "Δ%",
        lambda line: exact_ratio(line.delta, next(iter(line.known), None)),
        Kind.CHANGE,
        1,
    ),
    Field("trend", "trend", lambda line: sparkline(line.values), tier=2),
)


def history_report(history: History, metrics: Sequence[str], conditions: Conditions) -> Report:
    """Each metric over all commits, then the commits that changed it, and a sentence."""
    lines = [
        Line(metric, values_of(history, metric), steps_of(history, metric)) for metric in metrics
    ]
    steps = [step for line in lines for step in line.steps]
    return Report(
        kind="ucseg.history",
        title=f"history {history.name}",
        conditions=shown_conditions([conditions]),
        tables=(_overview(lines), *map(_steps_table, lines)),
        summary=_summary(history, lines[0]),
        payload={
            "conditions": raw_conditions([conditions]),
            "model": history.name,
            "metrics": list(metrics),
            "commits": len(history.stages),
            "end": history.end.value,
            "steps": make_entries(STEPS, steps),
        },
        records=make_records("steps", STEPS, steps),
        notes=tuple(_notes(history)),
    )


def sparkline(values: Sequence[int | None]) -> str:
    """Values as bars from the least to the most, a dot for one that is missing.

    Of more than there is room for, the last of each stretch.
    """
    count = len(values)
    room = min(count, MOST_BARS)
    shown = [values[(place + 1) * count // room - 1] for place in range(room)]
    known = [value for value in shown if value is not None]
    least, most = min(known, default=0), max(known, default=0)
    top = len(BARS) - 1
    return "".join(
        "·" if value is None else BARS[(value - least) * top // max(most - least, 1)]
        for value in shown
    )


def _unit(metric: str) -> Unit:
    return Unit.BYTES if METRICS[metric].in_bytes else Unit.COUNT


def _overview(lines: Sequence[Line]) -> Table:
    columns = tuple(field.column for field in LINES)
    rows = tuple(make_row(LINES, line, unit=_unit(line.metric)) for line in lines)
    return Table("metrics", "Metrics", columns, rows)


def _steps_table(line: Line) -> Table:
    shown = [field for field in STEPS if Output.SCREEN in field.output]
    rows: tuple[Row, ...] = tuple(
        make_row(STEPS, step, unit=_unit(line.metric)) for step in line.steps
    )
    title = METRICS[line.metric].title
    columns = tuple(field.column for field in shown)
    return Table(f"steps-{line.metric}", f"{title[:1].upper()}{title[1:]}", columns, rows)


def _notes(history: History) -> Iterator[str]:
    count = len(history.stages)
    if history.end is End.MAX_COUNT:
        seen = plural(count, "commit")
        yield f"Looked at {seen}; `--max-count {2 * count}` goes further back."
    if history.end is End.SHALLOW:
        yield "The clone is shallow, so older commits are not here: `git fetch --unshallow`."


def _summary(history: History, line: Line) -> str:
    """The first metric now, against its beginning, and the commit that changed it most."""
    title = METRICS[line.metric].title
    count = plural(len(history.stages), "commit")
    if not line.known:
        return f"{history.name} has no {title} at any of {count}."
    write = format_bytes if METRICS[line.metric].in_bytes else spoken_count
    changed = [step for step in line.steps if step.delta]
    if line.newest is None:
        reason = history.stages[0].reason
        return f"{history.name} had {write(line.known[-1])} {title} at last; now {reason}."
    now = f"{history.name} has {write(line.newest)} {title}"
    if not changed:
        without = len(line.values) - len(line.known)
        but = f", but for {without} without any" if without else ""
        return f"{now}, the same over {count}{but}."
    ratio = exact_ratio(line.delta, line.known[0])
    share = "" if ratio is None else f" ({format_percent(ratio, signed=True)})"
    largest = max(changed, key=lambda step: abs(step.delta or 0))
    times = f"changed at {plural(len(changed), 'commit')} of {len(history.stages)}"
    first = write(line.known[0])
    most = f"mostly from {_hash(largest)}, {write(largest.delta or 0, signed=True)}"
    return f"{now}, from {first}{share}; {times}, {most}: {largest.commit.subject}."
