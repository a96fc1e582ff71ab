"""``ucseg config``: what is in force, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from ucseg_cli.analysis.counting.metrics import EVERY_METRIC
from ucseg_cli.facts.budget import Bound, Budget
from ucseg_cli.facts.settings import SavedSpace, Settings
from ucseg_cli.facts.trace import Price
from ucseg_cli.references import Model
from ucseg_cli.references.designs import arguments_of
from ucseg_cli.references.variants import CATALOGUE, Variant, changes
from ucseg_cli.report.document import Kind, Report
from ucseg_cli.report.fields import Field, Output, make_entries, make_table
from ucseg_cli.units import plural

BUILT_IN = "built in"


class _Setting(NamedTuple):
    """One value with its place."""

    key: str
    value: str
    source: str


def _metric(budget: Budget) -> str:
    return f"{budget.metric} ({budget.dtype})" if budget.dtype else budget.metric


def _bound(bound: Bound | None) -> str | None:
    if bound is None:
        return None
    return f"{bound.text} vs baseline" if bound.against_baseline else bound.text


def _names(budget: Budget) -> list[str]:
    return [model.name for model in budget.variants]


def _sizes(budget: Budget) -> list[str]:
    return [str(size) for size in budget.sizes]


def _input(budget: Budget) -> list[str]:
    return list(map(str, budget.input.inputs or (budget.input,))) if budget.input else []


def _shown_input(budget: Budget) -> str | None:
    return ", ".join(_input(budget) or _sizes(budget)) or None


SETTINGS: tuple[Field[_Setting], ...] = (
    Field("key", "key", attrgetter("key")),
    Field("value", "value", attrgetter("value")),
    Field("source", "from", attrgetter("source"), tier=1),
)
VARIANTS: tuple[Field[_Setting], ...] = (
    Field("name", "variant", attrgetter("key")),
    Field("changes", "differs from the baseline in", attrgetter("value"), Kind.PROSE),
    Field("source", "from", attrgetter("source"), tier=1),
)
SPACES: tuple[Field[_Setting], ...] = (
    Field("name", "space", attrgetter("key")),
    Field("axes", "varies", attrgetter("value"), Kind.PROSE),
    Field("source", "from", attrgetter("source"), tier=1),
)
PRICES: tuple[Field[Price], ...] = (
    Field("op", "operator", attrgetter("op")),
    Field("convention", "under", attrgetter("convention")),
    Field("formula", "a call costs", attrgetter("formula"), Kind.PROSE),
    Field("source", "from", lambda price: str(price.place), tier=1, output=Output.SCREEN),
    Field("file", "file", lambda price: price.place.path, output=Output.JSON),
    Field("line", "line", lambda price: price.place.line, output=Output.JSON),
)
MACHINES: tuple[Field[_Setting], ...] = (
    Field("name", "machine", attrgetter("key")),
    Field("keys", "has", attrgetter("value"), Kind.PROSE),
    Field("source", "from", attrgetter("source"), tier=1),
)
BUDGETS: tuple[Field[Budget], ...] = (
    Field("id", "budget", attrgetter("id"), Kind.PATH),
    Field("variants", "variant", lambda b: ", ".join(_names(b)), output=Output.SCREEN),
    Field("variants", "variant", _names, output=Output.JSON),
    Field("size", "input", _shown_input, tier=2, output=Output.SCREEN),
    Field("sizes", "", _sizes, output=Output.JSON),
    Field("input", "", _input, output=Output.JSON),
    Field("module", "module", attrgetter("module"), Kind.PATH, 2),
    Field("metric", "metric", _metric, output=Output.SCREEN),
    Field("metric", "metric", attrgetter("metric"), output=Output.JSON),
    Field("dtype", "dtype", attrgetter("dtype"), output=Output.JSON),
    Field("max", "at most", lambda budget: _bound(budget.max)),
    Field("warn", "warn beyond", lambda budget: _bound(budget.warn), tier=2),
    Field("message", "message", attrgetter("message"), output=Output.JSON),
    Field("source", "from", lambda budget: str(budget.place), tier=1, output=Output.SCREEN),
    Field("file", "file", lambda budget: budget.place and budget.place.path, output=Output.JSON),
    Field("line", "line", lambda budget: budget.place and budget.place.line, output=Output.JSON),
)


def config_report(settings: Settings, path: str | None, lock: str | None) -> Report:
    """Every setting with its source; *path* and *lock* are the files, None if there are none."""
    values, own = [*_values(settings)], [*_variants(settings)]
    tables = [make_table("settings", "Settings", SETTINGS, values)]
    if own:
        tables.append(make_table("variants", "Variants", VARIANTS, own))
    if settings.spaces:
        tables.append(make_table("spaces", "Spaces", SPACES, _spaces(settings)))
    if settings.prices:
        tables.append(make_table("prices", "Prices", PRICES, settings.prices))
    if settings.machines:
        tables.append(make_table("machines", "Machines", MACHINES, _machines(settings)))
    if settings.budgets:
        shown = [_with_sizes(budget, settings) for budget in settings.budgets]
        tables.append(make_table("budgets", "Budgets", BUDGETS, shown))
    return Report(
        kind="ucseg.config",
        title="config",
        conditions={},
        tables=tuple(tables),
        summary=_summary(settings, len(own), path, lock),
        payload={
            "path": path,
            "lock": lock,
            "settings": make_entries(SETTINGS, values),
            "variants": [
                {"name": name, **_raw_variant(model)} for name, model in settings.variants.items()
            ],
            "spaces": [
                {"name": name, **_raw_space(space)} for name, space in settings.spaces.items()
            ],
            "machines": [
                {"name": name, **machine._asdict()} for name, machine in settings.machines.items()
            ],
            "budgets": make_entries(BUDGETS, settings.budgets),
            "prices": make_entries(PRICES, settings.prices),
        },
    )


def _with_sizes(budget: Budget, settings: Settings) -> Budget:
    """The budget at the sizes at which it is judged: its own, else the project's."""
    depends = EVERY_METRIC[budget.metric].depends_on_size and budget.input is None
    return budget._replace(sizes=budget.sizes or settings.sizes) if depends else budget


def _values(settings: Settings) -> Iterator[_Setting]:
    lint = settings.lint
    values = {
        "default": settings.default.name,
        "baseline": settings.baseline.name,
        "size": ", ".join(map(str, settings.sizes)),
        "convention": settings.convention,
        "timeout": f"{settings.timeout:g} s",
        "lint.select": ", ".join(lint.select) or "every rule",
        "lint.ignore": ", ".join(lint.ignore) or "none",
        "lint.fail-on": lint.fail_on,
    }
    for key, value in values.items():
        yield _Setting(key, value, _source(settings, key))


def _variants(settings: Settings) -> Iterator[_Setting]:
    """The project's own."""
    for name, model in settings.variants.items():
        if name not in CATALOGUE:
            source = _source(settings, f"variants.{name}")
            yield _Setting(name, _in_words(settings, model), source)


def _spaces(settings: Settings) -> Iterator[_Setting]:
    for name, space in settings.spaces.items():
        axes = (f"{axis.name}={_written(axis.values)}" for axis in space.axes)
        words = f"{space.base.name}: {', '.join(axes)}"
        yield _Setting(name, words, _source(settings, f"spaces.{name}"))


def _machines(settings: Settings) -> Iterator[_Setting]:
    for name, machine in settings.machines.items():
        known = {key: value for key, value in machine._asdict().items() if value is not None}
        words = ", ".join(f"{key} {value}" for key, value in known.items())
        yield _Setting(name, words, _source(settings, f"machines.{name}"))


def _written(values: str | tuple[str, ...]) -> str:
    return values if isinstance(values, str) else "|".join(values)


def _raw_space(space: SavedSpace) -> dict[str, Any]:
    axes = {axis.name: _written(axis.values) for axis in space.axes}
    return {"from": space.base.name, "axes": axes}


def _source(settings: Settings, key: str) -> str:
    return str(settings.places.get(key, BUILT_IN))


def _raw_variant(model: Model) -> dict[str, Any]:
    """The axes that are set: all of a variant of the family, the arguments of any other design."""
    if isinstance(model, Variant):
        return {"from": None, "axes": {axis.name: value for axis, value in model.values}}
    return {"from": str(model), "axes": {name: a.value for name, a in arguments_of(model).items()}}


def _in_words(settings: Settings, model: Model) -> str:
    if isinstance(model, Variant):
        return _differences(settings, model)
    return f"{model}{''.join(map(str, arguments_of(model).values()))}"


def _differences(settings: Settings, variant: Variant) -> str:
    _, baseline = settings.family_baseline
    differences = changes(baseline.values, variant.values)
    shown = (f"{change.axis.name} {change.axis.show(change.after)}" for change in differences)
    return ", ".join(shown) or "nothing"


def _summary(settings: Settings, own: int, path: str | None, lock: str | None) -> str:
    if path is None:
        return "Nothing is configured here: no ucseg.toml, and no pyproject.toml with [tool.ucseg]."
    locked = f"the lock is {lock}" if lock else "there is no lock"
    spaces = f", {plural(len(settings.spaces), 'space')}" if settings.spaces else ""
    prices = f", {plural(len(settings.prices), 'price')}" if settings.prices else ""
    budgets = plural(len(settings.budgets), "budget")
    return f"{path} configures {plural(own, 'variant')}{spaces}{prices} and {budgets}; {locked}."
