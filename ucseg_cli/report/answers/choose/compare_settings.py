"""Settings of modules that differ, in a table, for scripts and in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from math import isfinite
from typing import Any

from ucseg_cli.analysis.comparing.setting_changes import SettingChange, Value
from ucseg_cli.report.answers.choose.compare_tables import HANDFUL, Compared
from ucseg_cli.report.document import Column, Kind, Row, Table
from ucseg_cli.units import plural

MOST_NAMED = 2
"""Modules that are named; more are counted, and differences that a sentence names."""
THE_MODEL = "the model itself"


def settings_table(answer: Compared, *, first: bool) -> Table:
    """One row for each setting that differs in the same way, of each model; *first* a handful."""
    columns = [
        Column("model", "model"),
        Column("setting", "setting"),
        Column("before", "before"),
        Column("after", "after"),
        Column("modules", "modules", Kind.PATH),
    ]
    rows = []
    for comparison, name in zip(answer.comparisons, answer.labels[1:], strict=True):
        by_change: dict[tuple[str, str, str], list[str]] = {}
        for path, setting, *values in comparison.settings:
            before, after = map(_word, values)
            by_change.setdefault((setting, before, after), []).append(path)
        rows += [Row((name, *change, settings_place(paths))) for change, paths in by_change.items()]
    if answer.is_pair:
        columns, rows = columns[1:], [row._replace(cells=row.cells[1:]) for row in rows]
    hidden = len(rows) - HANDFUL if first else 0
    note = plural(hidden, "more setting") if hidden > 0 else None
    shown = rows[:HANDFUL] if first else rows
    return Table("settings", "Settings", tuple(columns), tuple(shown), note, news=True)


def settings_payload(settings: Iterable[SettingChange]) -> list[dict[str, Any]]:
    """Each change with raw values."""
    return [
        {"module": path, "setting": name, "before": _raw(before), "after": _raw(after)}
        for path, name, before, after in settings
    ]


def settings_in_words(settings: Iterable[SettingChange]) -> str:
    """Such as ``dilation 1 → 2 in body``; what changed in the same way in several modules, once."""
    by_module: dict[str, list[str]] = {}
    for change in settings:
        if change.name == "order":
            return f"order: {change.path} runs {change.after}, not {change.before}"
        by_module.setdefault(change.path, []).append(_change(change))
    by_words: dict[str, list[str]] = {}
    for path, words in by_module.items():
        by_words.setdefault(" and ".join(words), []).append(path)
    facts = [f"{words} in {settings_place(paths)}" for words, paths in by_words.items()]
    more = facts[MOST_NAMED:]
    return ", ".join(
        [*facts[:MOST_NAMED], *([plural(len(more), "more difference")] if more else [])]
    )


def settings_place(paths: Sequence[str]) -> str:
    """The modules at *paths*: named if they are few, else counted, with where they are."""
    if len(paths) <= MOST_NAMED:
        return " and ".join(path or THE_MODEL for path in paths)
    levels = zip(*(path.split(".") for path in paths), strict=False)
    common = ".".join(names[0] for names in takewhile(lambda names: len({*names}) == 1, levels))
    return f"{len(paths):,} modules{f' of {common}' if common else ''}"


def _change(change: SettingChange) -> str:
    before, after = _word(change.before), _word(change.after)
    if change.name == "operators":
        return f"added {after}" if not change.before else f"{before} → {after}"
    return f"{change.name} {before} → {after}"


def _word(value: Value) -> str:
    match value:
        case None:
            return "default"
        case ():
            return "none"
        case bool():
            return str(value).lower()
        case tuple() if all(isinstance(part, str) for part in value):
            return ", ".join(value)
        case tuple():
            # A stride of (2, 2) is a stride of 2.
            return "×".join(map(_word, value if len({*value}) > 1 else value[:1]))
    return str(value)


def _raw(value: Value) -> Value | list[Any]:
    if isinstance(value, tuple):
        return [_raw(part) for part in value]
    # JSON has no infinity.
    return str(value) if isinstance(value, float) and not isfinite(value) else value
