"""A project's first section, in TOML that says what each key means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.rules.first_budgets import MARGIN, FirstBudget
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.project.configuration import KEYS
from ucseg_cli.units import format_bytes, format_count, write_quantity


def section_text(
    model: str, given: Conditions | None, budgets: Sequence[FirstBudget], day: str, *, table: str
) -> str:
    """The section as text.

    Args:
        model: as a user names it.
        given: the input; None for a model that does not run.
        budgets: what to limit.
        day: on which the figures were measured.
        table: the name of the section, ``tool.ucseg``; empty if it is a file of its own.
    """
    lines = _lines(model, given, budgets, day, f"{table}." if table else "")
    return "\n".join([*([f"[{table}]"] if table else []), *lines, ""])


def _lines(
    model: str, given: Conditions | None, budgets: Sequence[FirstBudget], day: str, prefix: str
) -> Iterator[str]:
    yield f"default = {_quoted(model)}  # {KEYS['default']}"
    if given is not None and given.given is None:
        side = given.written
        yield f"size = {side if side.isdecimal() else _quoted(side)}  # {KEYS['size']}"
    yield ""
    yield f"# {KEYS['budgets'].capitalize()}: {MARGIN}% above the figure of that day, rounded up."
    yield "# `ucseg explain budgets` and `ucseg explain metrics` list what else there is."
    if given is None:
        yield "# The model does not run, so only its parameters are limited."
    for budget in budgets:
        yield from _budget_lines(budget, given, day, prefix)
        if budget is not budgets[-1]:
            yield ""


def _budget_lines(
    budget: FirstBudget, given: Conditions | None, day: str, prefix: str
) -> Iterator[str]:
    metric = METRICS[budget.metric]
    write = format_bytes if budget.in_bytes else format_count
    yield f"[[{prefix}budgets]]"
    yield f"id = {_quoted(metric.name)}"
    yield f"metric = {_quoted(metric.name)}  # {metric.title}"
    if given is not None and given.given and metric.depends_on_size:
        yield f"input = {_quoted(given.written)}"
    yield f"max = {_limit(budget)}  # {write(budget.value, exact=True)} on {day}"


def _limit(budget: FirstBudget) -> str:
    text = write_quantity(budget.limit, in_bytes=budget.in_bytes)
    return text if text.isdecimal() else _quoted(text)


def _quoted(text: str) -> str:
    """A string of TOML, which is one of JSON but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def extended(before: bytes, section: str) -> bytes:
    """A file as it was, then the section after an empty line, with the line endings of the file."""
    ending = b"\r\n" if before.count(b"\r\n") * 2 > before.count(b"\n") else b"\n"
    end = b"" if before.endswith(b"\n") or not before else ending
    gap = b"" if (before + end).endswith(ending * 2) or not before else ending
    return before + end + gap + section.encode().replace(b"\n", ending)
