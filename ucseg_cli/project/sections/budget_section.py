"""A budget as a project writes it, read with every mistake in it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import partial
from typing import Any

from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, TRAIN_MEMORY, find_metric
from ucseg_cli.errors import ConfigurationError, Place, UnknownNameError
from ucseg_cli.facts.budget import BUDGET_KEYS, LIMITS, LOCK_ID, TRAINING_KEYS, Bound, Budget
from ucseg_cli.facts.choices import DEFAULT_OPTIMIZER, DTYPES, LOSSES, OPTIMIZERS
from ucseg_cli.facts.conditions import MAX_BATCH, Given, Size, parse_size
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.training import Training
from ucseg_cli.project.sections.config_section import Section, read_known, read_text, spell
from ucseg_cli.references import Reference
from ucseg_cli.units import parse_count

PERCENT = r"[0-9]{1,9}(?:\.[0-9]{1,9})?\s*%"
_CHANGE = re.compile(rf"(?P<sign>[+-]?)\s*(?P<amount>[0-9][^%]*|{PERCENT})")
_GLOB = re.compile(r"[*?\[]")


def read_budget(section: Section, known: Settings) -> Budget:
    """One ``[[budgets]]``; what is wrong goes to the section's mistakes."""
    section.only(BUDGET_KEYS)
    for key in ("id", "metric"):
        if key not in section:
            section.mistaken(f"a budget needs '{key}'")
    metric = section.read("metric", _read_metric, "")
    most, warn = _read_bounds(section, metric)
    if not any(key in section for key in LIMITS):
        section.mistaken("a budget needs 'max', 'vs-baseline' or 'warn'", help='as in max = "650k"')
    budget = Budget(
        id=section.read("id", read_text, ""),
        variants=section.read("variant", partial(_read_variants, known), (known.default,)),
        metric=metric,
        module=section.read("module", read_text, None),
        dtype=section.read("dtype", partial(read_known, "dtype", DTYPES), None),
        sizes=section.read_each("size", read_size, ()),
        batch=section.read("batch", _read_batch, None),
        input=section.read("input", partial(_read_input, known), None),
        training=_read_training(section, metric),
        max=most,
        warn=warn,
        message=section.read("message", read_text, None),
        place=_line(section, *LIMITS),
        module_place=_line(section, "module") if "module" in section else None,
        warn_place=_line(section, "warn") if "warn" in section else None,
    )
    _refuse_contradictions(section, budget)
    return budget


def _read_training(section: Section, metric: str) -> Training | None:
    """The step that the metric is of; its keys are a mistake beside any other metric."""
    of_training = metric == TRAIN_MEMORY.name
    for key in TRAINING_KEYS:
        if metric and key in section and not of_training:
            fix = f'write metric = "{TRAIN_MEMORY.name}"'
            section.mistaken(f"{metric} is not of a training step", key, help=fix)
    # also beside an unknown metric, which may be this one
    training = Training(
        section.read("optimizer", partial(read_known, "optimizer", OPTIMIZERS), DEFAULT_OPTIMIZER),
        section.read("loss", partial(read_known, "loss", LOSSES), None),
        section.read("amp", _read_switch, default=False),
        section.read_each("freeze", read_text, ()),
        section.read_each("checkpoint", read_text, ()),
    )
    return training if of_training else None


def _read_batch(value: Any, where: Place) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_BATCH:
        fix = f"write a number from 1 to {MAX_BATCH:,}"
        raise ConfigurationError(f"{spell(value)} is not a batch", where=where, help=fix)
    return value


def _read_switch(value: Any, where: Place) -> bool:
    if not isinstance(value, bool):
        fix = "write true or false"
        raise ConfigurationError(f"{spell(value)} is not a switch", where=where, help=fix)
    return value


def read_size(value: Any, where: Place) -> Size:
    """``512`` or ``"384x640"``."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        what = f"{spell(value)} is not an input size"
        raise ConfigurationError(what, where=where, help='write 512 or "384x640"')
    return parse_size(str(value), where=where)


def parse_change(text: str, *, in_bytes: bool, where: Place) -> Bound:
    """``+2%``, ``-1.5%``, ``+50k`` or ``0``: how much more than the baseline there may be."""
    match = _CHANGE.fullmatch(text)
    if match is None:
        fix = "write one such as +2% or +50k"
        raise ConfigurationError(f"'{text}' is not a change", where=where, help=fix)
    sign = -1 if match["sign"] == "-" else 1
    if match["amount"].endswith("%"):
        ratio = 1 + sign * Fraction(match["amount"].rstrip("% ")) / 100
        if ratio <= 0:
            what = f"'{text}' of the baseline leaves nothing"
            raise ConfigurationError(what, where=where, help="write one above -100%")
        return Bound(ratio, 0, text, against_baseline=True)
    if not match["sign"] and match["amount"] != "0":
        fix = f"write +{text}, or +{text}% of the baseline"
        raise ConfigurationError(f"'{text}' is not a change", where=where, help=fix)
    count = parse_count(match["amount"], in_bytes=in_bytes, where=where)
    return Bound(Fraction(1), sign * count, text, against_baseline=True)


def _read_bounds(section: Section, metric: str) -> tuple[Bound | None, Bound | None]:
    """The limit, and the level beyond which to warn, which is written as the limit is."""
    if "max" in section and "vs-baseline" in section:
        fix = "write a [[budgets]] for each"
        section.mistaken("'max' and 'vs-baseline' are two budgets", help=fix)
        return None, None
    # an unknown metric is mistake enough: its limit is read whether or not it is in bytes
    in_bytes = metric not in EVERY_METRIC or EVERY_METRIC[metric].in_bytes
    is_change = "vs-baseline" in section

    def read(value: Any, where: Place) -> Bound:
        text = _read_quantity(value, where)
        if is_change:
            return parse_change(text, in_bytes=in_bytes, where=where)
        return Bound(Fraction(0), parse_count(text, in_bytes=in_bytes, where=where), text)

    key = "vs-baseline" if is_change else "max"
    return section.read(key, read, None), section.read("warn", read, None)


def _read_input(known: Settings, value: Any, where: Place) -> Given:
    return known.find_written_input(read_text(value, where), where)


def _read_metric(value: Any, where: Place) -> str:
    return find_metric(read_text(value, where), where, EVERY_METRIC).name


def _read_quantity(value: Any, where: Place) -> str:
    if isinstance(value, bool | float):
        fix = 'write one such as 650000 or "1.5M"'
        raise ConfigurationError(f"{spell(value)} is not a whole number", where=where, help=fix)
    return str(value) if isinstance(value, int) else read_text(value, where)


def _line(section: Section, *keys: str) -> Place:
    """The line of the first of *keys* that is there."""
    key = next((key for key in keys if key in section), "id")
    return section.place(key)._replace(key="")


def _read_variants(known: Settings, value: Any, where: Place) -> tuple[Reference, ...]:
    """A reference, or every named variant that a pattern fits."""
    text = read_text(value, where)
    if not _GLOB.search(text):
        return (known.find_written(text, where),)
    matching = [name for name in known.variants if fnmatchcase(name, text)]
    if not matching:
        hint = "a budget of nothing would always pass"
        raise UnknownNameError("variant", text, known.variants, where=where, hint=hint)
    return tuple(map(known.find, matching))


def _is_beyond(warn: Bound, most: Bound) -> bool:
    """Whether it is, for any baseline; a percentage and a number compare only once there is one."""
    comparable = warn.ratio == most.ratio or warn.offset == most.offset
    return comparable and (warn.ratio, warn.offset) > (most.ratio, most.offset)


def _refuse_contradictions(section: Section, budget: Budget) -> None:
    metric = EVERY_METRIC.get(budget.metric)
    if budget.id == LOCK_ID:
        fix = "choose another id"
        section.mistaken(f"'{LOCK_ID}' is the lock's id among budgets", "id", help=fix)
    if budget.module is not None and metric is not None and not metric.additive:
        section.mistaken(f"{budget.metric} is of a whole network, not of a module", "module")
    if budget.input is not None and budget.sizes:
        section.mistaken("'size' and 'input' are two inputs", "input", help="keep one of them")
    if budget.input is not None and budget.batch is not None:
        section.mistaken("the input has its own batch", "batch", help="leave it out")
    takes_dtype = metric is None or (metric.in_bytes and not metric.of_training)
    if budget.dtype is not None and metric is not None and not takes_dtype:
        section.mistaken(f"{budget.metric} does not depend on a dtype", "dtype")
    if budget.max is not None and budget.warn is not None and _is_beyond(budget.warn, budget.max):
        what = f"it would warn beyond {budget.warn.text}, but fails beyond {budget.max.text}"
        section.mistaken(what, "warn")
