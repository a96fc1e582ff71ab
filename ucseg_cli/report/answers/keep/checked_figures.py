"""Figures of documents in the answer of ``ucseg check``, and how a figure is put into words."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, MOVED_BYTES
from ucseg_cli.analysis.rules.budget_checks import Check
from ucseg_cli.report.document import Kind, Table
from ucseg_cli.report.fields import Field, make_table
from ucseg_cli.units import format_bytes, format_count, plural

NOUNS = {
    "trainable": "trainable parameters",
    "frozen": "frozen parameters",
    MOVED_BYTES: "moved",
}
"""Metrics that are not called by their title behind a figure."""


def writer_of(check: Check) -> Callable[..., str]:
    """How its figures are written: as bytes or as counts."""
    return format_bytes if EVERY_METRIC[check.metric].in_bytes else format_count


def noun_of(check: Check) -> str:
    """A metric after its figure: ``parameters``, ``FLOPs (fvcore)``, ``of peak memory``."""
    metric = EVERY_METRIC[check.metric]
    title = f"of {metric.title}" if metric.in_bytes else metric.title
    dtype = f" ({check.dtype})" if check.dtype else ""
    return f"{NOUNS.get(metric.name, title)}{dtype}"


def figure_table(figures: Sequence[Check]) -> Table:
    """Each figure as it is written, beside the exact one."""
    return make_table("figures", "Figures", _FIELDS, figures)


def figure_sentence(check: Check) -> str:
    """A wrong figure beside the right one, and how to fix it."""
    size = f" at {check.size}" if check.size else ""
    has = f"{check.variant}{size} has {writer_of(check)(check.value, exact=True)} {noun_of(check)}"
    right = check.corrected().written
    path = check.place.path if check.place else "README.md"
    said = f"{check.written} is written" if check.written else "no figure is written yet"
    fix = f"`ucseg check --docs {shlex.quote(path)} --fix`"
    return f"{said}, and {has}: write {right}, or {fix}."


def figure_notes(figures: Sequence[Check]) -> Iterator[str]:
    """Each wrong figure with its line, and each one that was put right."""
    for check in figures:
        if check.is_wrong_figure:
            yield f"{check.place}: {figure_sentence(check)}"
        if check.replaced is not None:
            yield f"{check.place}: {check.replaced or 'no figure'} is now {check.written}."


def figure_summary(figures: Sequence[Check]) -> Iterator[str]:
    """How many figures are wrong, were fixed and could not be checked, and in which files."""
    if not figures:
        return
    wrong = [check for check in figures if check.is_wrong_figure]
    fixed = [check for check in figures if check.replaced is not None]
    unknown = [check for check in figures if check.status == "error"]
    counted = plural(len(figures), "figure")
    if wrong:
        verb = "is" if len(wrong) == 1 else "are"
        yield f"{len(wrong)} of {counted} {verb} wrong, in {_files(wrong)}."
    elif not unknown:
        yield f"{counted} in {_files(figures)} {'is' if len(figures) == 1 else 'are'} right."
    if fixed:
        yield f"{plural(len(fixed), 'figure')} fixed, in {_files(fixed)}."
    if unknown:
        models = ", ".join(dict.fromkeys(check.variant for check in unknown))
        yield f"{plural(len(unknown), 'figure')} could not be checked, of {models}."


def _files(figures: Sequence[Check]) -> str:
    return ", ".join(dict.fromkeys(check.place.path for check in figures if check.place))


def _exactly(check: Check) -> str | None:
    return None if check.value is None else writer_of(check)(check.value, exact=True)


_FIELDS: tuple[Field[Check], ...] = (
    Field("status", "status", attrgetter("status"), Kind.STATUS),
    Field("place", "at", lambda check: str(check.place), Kind.PATH, 1),
    Field("variant", "variant", attrgetter("variant")),
    Field("size", "size", attrgetter("size"), tier=2),
    Field("metric", "metric", attrgetter("metric")),
    Field("written", "written", lambda check: check.written or None, Kind.QUANTITY),
    Field("value", "value", _exactly, Kind.QUANTITY),
)
