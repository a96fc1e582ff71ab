"""``ucseg config``: what is in force, and where each value comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ucseg_cli.facts.budget import Budget
from ucseg_cli.facts.settings import Settings
from ucseg_cli.references.variants import AXES, CATALOGUE, Variant, changes
from ucseg_cli.report.document import Cell, Column, Kind, Report, Row, Table
from ucseg_cli.units import plural

BUILT_IN = "built in"
SETTINGS_COLUMNS = (
    Column("key", "key"),
    Column("value", "value"),
    Column("source", "from", tier=1),
)
VARIANT_COLUMNS = (
    Column("name", "variant"),
    Column("changes", "differs from the baseline in", Kind.PROSE),
    Column("source", "from", tier=1),
)
BUDGET_COLUMNS = (
    Column("id", "budget", Kind.PATH),
    Column("variants", "variant"),
    Column("size", "size", tier=2),
    Column("module", "module", Kind.PATH, tier=2),
    Column("metric", "metric"),
    Column("limit", "at most"),
    Column("warn", "warn beyond", tier=2),
    Column("source", "from", tier=1),
)


def config_report(settings: Settings, path: str | None, lock: str | None) -> Report:
    """Every setting with its source; *path* and *lock* are those of the files, None where there is none."""
    own = {name: variant for name, variant in settings.variants.items() if name not in CATALOGUE}
    values = _values(settings)
    rows = tuple(Row((key, value, _source(settings, key))) for key, value in values.items())
    return Report(
        kind="ucseg.config",
        title="config",
        conditions={},
        tables=(
            Table("settings", "Settings", SETTINGS_COLUMNS, rows),
            *([_variants_table(settings, own)] if own else []),
            *(
                [
                    Table(
                        "budgets",
                        "Budgets",
                        BUDGET_COLUMNS,
                        tuple(map(_budget_row, settings.budgets)),
                    )
                ]
                if settings.budgets
                else []
            ),
        ),
        summary=_summary(settings, len(own), path, lock),
        payload={
            "path": path,
            "lock": lock,
            "settings": [
                {"key": key, "value": value, "source": _source(settings, key)}
                for key, value in values.items()
            ],
            "variants": [
                {"name": name, "axes": {axis.name: getattr(variant, axis.name) for axis in AXES}}
                for name, variant in settings.variants.items()
            ],
            "budgets": [_budget(budget) for budget in settings.budgets],
        },
    )


def _values(settings: Settings) -> dict[str, str]:
    lint = settings.lint
    return {
        "default": settings.default,
        "baseline": settings.baseline,
        "size": ", ".join(map(str, settings.sizes)),
        "convention": settings.convention,
        "lint.select": ", ".join(lint.select) or "every rule",
        "lint.ignore": ", ".join(lint.ignore) or "none",
        "lint.fail-on": lint.fail_on,
    }


def _source(settings: Settings, key: str) -> str:
    return str(settings.places.get(key, BUILT_IN))


def _variants_table(settings: Settings, own: Mapping[str, Variant]) -> Table:
    rows = (
        Row((name, _differences(settings, variant), _source(settings, f"variants.{name}")))
        for name, variant in own.items()
    )
    return Table("variants", "Variants", VARIANT_COLUMNS, tuple(rows))


def _differences(settings: Settings, variant: Variant) -> str:
    _, baseline = settings.family_baseline
    return (
        ", ".join(f"{c.axis.name} {c.axis.show(c.after)}" for c in changes(baseline, variant))
        or "nothing"
    )


def _budget_row(budget: Budget) -> Row:
    return Row(_budget_cells(budget))


def _budget_cells(budget: Budget) -> tuple[Cell, ...]:
    metric = f"{budget.metric} ({budget.dtype})" if budget.dtype else budget.metric
    return (
        budget.id, ", ".join(budget.variants), ", ".join(map(str, budget.sizes)) or None, budget.module, metric,
        _bound(budget, "max"), _bound(budget, "warn"), str(budget.place),
    )  # fmt: skip


def _bound(budget: Budget, which: str) -> str | None:
    bound = getattr(budget, which)
    return (
        None
        if bound is None
        else f"{bound.text} vs baseline"
        if bound.against_baseline
        else bound.text
    )


def _budget(budget: Budget) -> dict[str, Any]:
    return {
        "id": budget.id,
        "variants": list(budget.variants),
        "module": budget.module,
        "metric": budget.metric,
        "dtype": budget.dtype,
        "sizes": list(map(str, budget.sizes)),
        "max": _bound(budget, "max"),
        "warn": _bound(budget, "warn"),
        "message": budget.message,
        "file": budget.place.path if budget.place else None,
        "line": budget.place.line if budget.place else None,
    }


def _summary(settings: Settings, own: int, path: str | None, lock: str | None) -> str:
    if path is None:
        return "Nothing is configured here: no ucseg.toml, and no pyproject.toml with [tool.ucseg]."
    locked = f"the lock is {lock}" if lock else "there is no lock"
    return f"{path} configures {plural(own, 'variant')} and {plural(len(settings.budgets), 'budget')}; {locked}."
