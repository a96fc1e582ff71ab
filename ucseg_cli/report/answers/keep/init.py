"""``ucseg init``: the limits of a first configuration, and the files that were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

from ucseg_cli.analysis.rules.first_budgets import MARGIN, FirstBudget
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Kind, Report, Unit
from ucseg_cli.report.fields import Field, Output, make_entries, make_row, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import plural

BUDGETS: tuple[Field[FirstBudget], ...] = (
    Field("id", "budget", attrgetter("metric"), Kind.PATH),
    Field("metric", "metric", attrgetter("metric"), output=Output.FILES),
    Field("value", "today", attrgetter("value"), Kind.QUANTITY),
    Field("max", "limit", attrgetter("limit"), Kind.QUANTITY),
)
FILES: tuple[Field[tuple[str, str]], ...] = (
    Field("path", "file", lambda file: file[0]),
    Field("change", "change", lambda file: file[1]),
)


def init_report(
    model: str,
    conditions: Conditions,
    budgets: Sequence[FirstBudget],
    files: Mapping[str, str],
    *,
    failure: str | None,
    missing_action: str | None = None,
) -> Report:
    """The *budgets* of a *model*, and what each of the *files* got.

    *failure* is why the model does not run, which leaves a lock out; *missing_action* a folder that
    the workflow needs and that is not there. Without budgets there was a configuration before.
    """
    units = {True: Unit.BYTES, False: Unit.COUNT}
    rows = (make_row(BUDGETS, budget, unit=units[budget.in_bytes]) for budget in budgets)
    limits = make_table("budgets", "Budgets", BUDGETS, rows)
    return Report(
        kind="ucseg.init",
        title=f"init {model}",
        conditions=shown_conditions([] if failure else [conditions]) if budgets else {},
        tables=(
            *([limits] if budgets else []),
            make_table("files", "Files", FILES, files.items()),
        ),
        summary=_summary(model, budgets, list(files), is_locked=failure is None),
        notes=tuple(_notes(model, failure, missing_action)),
        payload={
            "conditions": raw_conditions([] if failure or not budgets else [conditions]),
            "model": model,
            "failure": failure,
            "budgets": make_entries(BUDGETS, budgets),
            "files": make_entries(FILES, files.items()),
        },
    )


def _summary(
    model: str, budgets: Sequence[FirstBudget], files: Sequence[str], *, is_locked: bool
) -> str:
    *others, last = files
    written = f"{', '.join(others)} and {last}" if others else last
    if not budgets:
        return f"{written} written: it checks each pull request against the configuration."
    limits = f"{plural(len(budgets), 'budget')} of {model}, {MARGIN}% above today"
    check = "ucseg check --locked" if is_locked else "ucseg check"
    return f"{written} written: {limits}. `{check}` passes now."


def _notes(model: str, failure: str | None, missing_action: str | None) -> Iterator[str]:
    if failure:
        yield (
            f"{model} does not run: {failure}. Only its parameters are limited, and it is not "
            "locked; if it takes other tensors than an image, delete the file and give --input."
        )
    if missing_action:
        yield (
            f"The workflow uses the action in {missing_action}, which is not there yet: "
            "`git submodule add` with the address of ucseg adds it."
        )
