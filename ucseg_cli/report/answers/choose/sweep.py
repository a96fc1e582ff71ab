"""``ucseg sweep``: limits, the front, the nearest variants and the effect of each axis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ucseg_cli.analysis.space.sweep_answer import (
    FrontPoint,
    Nearest,
    Number,
    Quantity,
    Ranking,
    SweepAnswer,
)
from ucseg_cli.report.answers.choose.swept import sweep_tables as tables
from ucseg_cli.report.answers.choose.swept.sweep_figures import figure_text
from ucseg_cli.report.answers.choose.swept.sweep_payload import sweep_payload, sweep_records
from ucseg_cli.report.answers.choose.swept.sweep_picture import sweep_panels, sweep_scatter
from ucseg_cli.report.document import First, Highlight, Report, Table
from ucseg_cli.report.parts.conditions_header import shown_conditions
from ucseg_cli.report.pictures.scatter import Scatter
from ucseg_cli.units import format_percent, plural

FRONT_ROWS = 5
FEW = 3
"""Rows of the nearest, of the best by a formula and of reasons, unless --top says otherwise."""
SEVERAL = 2
PAGE_ROWS = 200
"""Rows of a table outside terminals; the files for scripts have every variant."""


def sweep_report(answer: SweepAnswer, *, top: int | None = None) -> Report:
    """The picture and the tables of a sweep, and every variant for scripts.

    A terminal shows *top* variants of each kind, or a few.
    """
    scatter = sweep_scatter(answer)
    return Report(
        kind="ucseg.sweep",
        title=f"sweep {answer.name or answer.space.base.name}",
        conditions={
            **shown_conditions([answer.conditions]),
            **({"train-memory of a step": str(answer.step)} if answer.step else {}),
            "space": _space_in_words(answer),
        },
        tables=tables.without_none(_tables(answer, scatter)),
        summary=_with_time(_summary(answer), answer),
        payload=sweep_payload(answer),
        records=sweep_records(answer),
        highlights=tuple(_highlights(answer)),
        notes=(*answer.notes, *_notes(answer)),
        first=First(tables.without_none(_first(answer, scatter, top)), ""),
    )


def _first(answer: SweepAnswer, scatter: Scatter | None, top: int | None) -> Iterator[Table | None]:
    """Short tables, of objectives and what is limited."""
    shown = tables.objective_quantities(answer)
    yield from _opening(answer, tables.Room(top or FRONT_ROWS, shown), scatter)
    few = tables.Room(top or FEW, shown)
    yield tables.nearest_table(answer, few)
    yield tables.ranking_table(answer, few)
    yield tables.ranges_table(answer, few)
    yield tables.effects_table(answer, few, None)
    yield tables.why_table(answer, tables.Room(top or FRONT_ROWS, shown))
    yield tables.failed_table(answer, top or FEW)
    yield _timed_table(answer)


def _tables(answer: SweepAnswer, scatter: Scatter | None) -> Iterator[Table | None]:
    """Everything, of all quantities."""
    room = tables.Room(PAGE_ROWS, tables.every_quantity(answer))
    yield from _opening(answer, room, scatter)
    yield tables.nearest_table(answer, room)
    yield tables.ranking_table(answer, room)
    yield tables.ranges_table(answer, room)
    panels = sweep_panels(answer, scatter)
    objectives = tables.Room(PAGE_ROWS, tables.objective_quantities(answer))
    yield tables.effects_table(answer, objectives, panels)
    yield tables.why_table(answer, objectives)
    yield tables.failed_table(answer, PAGE_ROWS)
    yield _timed_table(answer)


def _opening(
    answer: SweepAnswer, room: tables.Room, scatter: Scatter | None
) -> Iterator[Table | None]:
    """How many fit, and the front; or how far the closest is from fitting."""
    if answer.tallies:
        yield tables.limits_table(answer)
    if answer.front:
        yield tables.front_table(answer, room, scatter)
    else:
        yield tables.closest_table(answer, scatter)


def _timed_table(answer: SweepAnswer) -> Table | None:
    """The time of the best variants, if it was measured."""
    if answer.timed is None:
        return None
    from ucseg_cli.report.parts.timed.timed_runs import runs_table  # few sweeps measure time

    return runs_table(answer.timed, "Time of one call, of the best")


def _with_time(summary: str, answer: SweepAnswer) -> str:
    """The sentence, and where time was measured another about the fastest."""
    if answer.timed is None:
        return summary
    from ucseg_cli.report.parts.timed.timing_notes import fastest_sentence

    return f"{summary} {fastest_sentence(answer.timed)}"


def _space_in_words(answer: SweepAnswer) -> str:
    """``30 variants: 3 backbone × 2 conv``."""
    axes = answer.space.axes
    lengths = " × ".join(f"{len(axis.values):,} {axis.name}" for axis in axes)
    return f"{plural(answer.space.size, 'variant')}: {lengths}"


def _highlights(answer: SweepAnswer) -> Iterator[Highlight]:
    yield Highlight("variants", answer.space.size)
    if answer.tallies:
        yield Highlight("fit", answer.fitting)
    yield Highlight("on the front", len(answer.front))


def _notes(answer: SweepAnswer) -> Iterator[str]:
    if answer.timed is not None:
        from ucseg_cli.report.parts.timed.timing_notes import timing_notes

        yield from timing_notes(answer.timed)
    if answer.verified is not None:
        verb = "was" if answer.verified == 1 else "were"
        yield f"{plural(answer.verified, 'variant')} {verb} also recorded alone: the same figures."
    if (scores := answer.scores) is None:
        return
    if scores.missing:
        yield f"{scores.file} has no scores of {plural(scores.missing, 'variant')}."
    if scores.outside:
        named = ", ".join(scores.outside[:FEW])
        rest = len(scores.outside) - FEW
        more = f" and {plural(rest, 'other')}" if rest > 0 else ""
        yield f"{scores.file} also has what is not in the space: {named}{more}."


def _summary(answer: SweepAnswer) -> str:
    """One sentence: how many fit and what stops the others, and where to look."""
    if not answer.fitting:
        return _none_fits(answer)
    parts = [_fitting(answer)] if answer.tallies else []
    if answer.ranking:
        parts.append(_about_ranking(answer, answer.ranking))
    elif answer.nearest:
        parts.append(_about_nearest(answer, answer.nearest[0]))
    else:
        parts.append(_about_front(answer))
    sentence = "; ".join(parts)
    is_word = sentence.startswith(("it ", "there ", "no "))  # else it may begin with a name
    return f"{sentence[0].upper() if is_word else sentence[0]}{sentence[1:]}."


def _about_ranking(answer: SweepAnswer, ranking: Ranking) -> str:
    if ranking.order:
        return f"{answer.space.reference_at(ranking.order[0])} is the best by {ranking.formula}"
    why = f": {_listed(list(ranking.reasons))}" if ranking.reasons else ""
    return f"no variant has a score by {ranking.formula}{why}"


def _none_fits(answer: SweepAnswer) -> str:
    size = plural(answer.space.size, "variant")
    if not answer.tallies:
        return f"None of {size} can be built and run."
    none_fits = f"None of {size} fits" if answer.space.size > 1 else "The variant does not fit"
    if (least := answer.least) is None:
        absent = _without_figures(answer, [limit.label for limit in answer.limits])
        return f"{none_fits}{f': none has a figure of {absent}' if absent else ''}."
    name = answer.space.reference_at(least.variant)
    # no share of nothing says how far it is
    beyond = f", {format_percent(least.excess)} beyond" if least.limit.bound else " to"
    return f"{none_fits}; {name} comes closest{beyond} {least.limit.shown}."


def _fitting(answer: SweepAnswer) -> str:
    size, fitting = answer.space.size, answer.fitting
    if fitting == size:
        return "All variants fit" if size > 1 else "The variant fits"
    counted = tables.how_many_fit(answer)
    tally, others = max(answer.tallies, key=lambda one: one.alone), size - fitting
    if not tally.alone:
        return counted
    if tally.alone == others:
        return f"{counted}, and {tally.limit.shown} alone excludes the others"
    most = "most others" if tally.alone * 2 > others else f"{tally.alone:,} by itself"
    return f"{counted}, and {tally.limit.shown} excludes {most}"


def _about_nearest(answer: SweepAnswer, one: Nearest) -> str:
    if not one.axes:
        return f"{answer.space.base.name} is one of them"
    name = answer.space.reference_at(one.variant)
    objective = tables.objective_quantities(answer)[0]
    change = ""
    if one.change is not None:
        change = f" and {_difference(objective, one.change)}"
    return f"{name} is the nearest, with {plural(len(one.axes), 'change')}{change}"


def _difference(quantity: Quantity, change: Number) -> str:
    """``294k fewer parameters``."""
    if not change:
        return f"the same {quantity.title}"
    less = "less" if quantity.in_bytes or quantity.measure is None else "fewer"
    word = "more" if change > 0 else less
    amount = change if change > 0 else -change
    return f"{figure_text(quantity, amount)} {word} {quantity.title}"


def _about_front(answer: SweepAnswer) -> str:
    """The best variant if one is the best in everything, else how the base stands to the front."""
    if len(answer.front) < SEVERAL:
        return _about_best(answer, answer.front[0]) if answer.front else _no_front(answer)
    count = f"{len(answer.front):,} variants are on the front"
    base, index = answer.space.base.name, answer.space.base_index
    if any(index in (point.variant, *point.equals) for point in answer.front):
        return f"{count}, {base} among them"
    if index is not None and not answer.feasible[index]:
        return f"{count}, and {base} does not fit"
    better = next((point for point in answer.front if _beats_base(answer, point)), None)
    if better is None:
        return count
    name, gains = answer.space.reference_at(better.variant), _gains(answer, better)
    if not gains:
        return f"{count}, and {name} is as good as {base}"
    return f"{count}, and {base} is not: {name} is better in {_listed(gains)}"


def _no_front(answer: SweepAnswer) -> str:
    """The objectives of which no variant has a figure; else none has one of each."""
    absent = _without_figures(answer, [objective.label for objective in answer.objectives])
    return f"there is no front: no variant has a figure of {absent or 'every objective'}"


def _without_figures(answer: SweepAnswer, labels: Iterable[str]) -> str:
    """Those of which no variant has a figure: ``receptive-field or output-stride``."""
    absent = {label for label in labels if set(answer.column(label)) <= {None}}
    titles = [quantity.title for quantity in answer.quantities if quantity.label in absent]
    return _listed(titles, "or") if titles else ""


def _about_best(answer: SweepAnswer, point: FrontPoint) -> str:
    name = answer.space.reference_at(point.variant)
    if answer.fitting == 1:
        return f"it is {name}" if answer.space.size > 1 else f"{name} is the only variant"
    objectives = tables.objective_quantities(answer)[: len(answer.objectives)]
    return f"{name} is the best in {_listed([one.title for one in objectives])}"


def _listed(words: Sequence[str], joined_by: str = "and") -> str:
    """``parameters, MACs and peak memory``."""
    *others, last = words
    return f"{', '.join(others)} {joined_by} {last}" if others else last


def _beats_base(answer: SweepAnswer, point: FrontPoint) -> bool:
    """Whether a variant is as good as the base in every objective."""
    for objective in answer.objectives:
        figure, base = answer.figure(objective.label, point.variant), answer.base[objective.label]
        if figure is None or base is None:
            return False
        if figure < base if objective.maximize else figure > base:
            return False
    return True


def _gains(answer: SweepAnswer, point: FrontPoint) -> list[str]:
    """The objectives in which a variant is better than the base."""
    quantities: Sequence[Quantity] = tables.objective_quantities(answer)
    return [
        quantity.title
        for quantity, objective in zip(quantities, answer.objectives, strict=False)
        if answer.figure(objective.label, point.variant) != answer.base[objective.label]
    ]
