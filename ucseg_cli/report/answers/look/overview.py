"""``ucseg overview``: several answers about the same models as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from ucseg_cli.report.document import First, Highlight, Report, Table
from ucseg_cli.units import plural

if TYPE_CHECKING:
    from ucseg_cli.report.pictures.picture import Picture

LEADING = ("ucseg.show", "ucseg.compare", "ucseg.lint")
"""Answers whose sentences the overview begins with; those of the others say details."""


def overview_report(names: Sequence[str], answers: Sequence[Report]) -> Report:
    """The *answers* one after the other, with what two of them say said once."""
    return Report(
        kind="ucseg.overview",
        title=f"overview {', '.join(names)}",
        conditions=answers[0].conditions,
        tables=tuple(_tables(answers, several=len(names) > 1)),
        summary=" ".join(answer.summary for answer in answers if answer.kind in LEADING),
        payload={
            "conditions": answers[0].payload["conditions"],
            "models": list(names),
            "answers": [_entry(answer) for answer in answers],
        },
        records=answers[0].records,
        highlights=tuple(_highlights(answers)),
        notes=tuple(dict.fromkeys(chain.from_iterable(answer.notes for answer in answers))),
        pictures=lambda: _pictures(answers),
        first=_first(answers),
    )


def _pictures(answers: Sequence[Report]) -> tuple[Picture, ...]:
    """All of them, each once."""
    every = chain.from_iterable(answer.pictures() for answer in answers)
    return tuple(dict.fromkeys(every))


def _first(answers: Sequence[Report]) -> First:
    """The tables of the first answer, and where all the others are."""
    leading, *others = answers
    shown = leading.tables if leading.first is None else leading.first.tables
    tables = len(leading.tables) - len(shown) + sum(len(answer.tables) for answer in others)
    rest = f"{plural(tables, 'more table')} and the pictures are on the page: --export-html FILE."
    return First(shown, rest)


def _tables(answers: Sequence[Report], *, several: bool) -> Iterator[Table]:
    """All tables; with *several* models those about one of them say which."""
    for number, answer in enumerate(answers):
        name = answer.title.partition(" ")[2]
        for table in answer.tables:
            title = f"{table.title}, {name}" if several and number else table.title
            yield table._replace(title=title, key=f"{number}-{table.key}")


def _highlights(answers: Sequence[Report]) -> Iterator[Highlight]:
    """Those of the first answer, and of the others what it does not have."""
    every = chain.from_iterable(answer.highlights for answer in answers)
    labels: set[str] = set()
    for highlight in every:
        if highlight.label not in labels:
            labels.add(highlight.label)
            yield highlight


def _entry(answer: Report) -> dict[str, object]:
    return {"kind": answer.kind, **answer.payload, "verdict": {"summary": answer.summary}}
