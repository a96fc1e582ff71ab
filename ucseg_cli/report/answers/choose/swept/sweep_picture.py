"""The pictures of a sweep: its variants by two of their figures, and the same by each axis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial

from ucseg_cli.analysis.space.limits import violated
from ucseg_cli.analysis.space.sweep_answer import Limit, Number, Quantity, SweepAnswer
from ucseg_cli.report.answers.choose.swept.sweep_figures import figure_text, trade
from ucseg_cli.report.pictures.scatter import Bound, Dot, Mark, Panels, Scale, Scatter
from ucseg_cli.units import plural

MOST_DOTS = 1_500
GRIDS = ((200, 120), (120, 72), (80, 48), (56, 34), (40, 24))
"""Cells across and up of which one variant of a kind is drawn: the first with few enough."""
FEWEST_DOTS = 3
"""A picture of fewer variants shows nothing that figures do not."""


def sweep_scatter(answer: SweepAnswer) -> Scatter | None:
    """All variants by the first two objectives; None where these are too few or lie on a line."""
    pair = _pair(answer)
    if pair is None:
        return None
    across, up = pair
    every = list(_dots(answer, across.label, up.label))
    if len({dot[:2] for dot in every}) < FEWEST_DOTS:
        return None
    dots = tuple(_thinned(every))
    scales = _scale(answer, across), _scale(answer, up)
    scatter = Scatter(
        f"{up.title} by {across.title}",
        _description(answer, across, up, len(every)),
        *scales,
        dots,
        _base(answer, across, up),
        _base_name(answer),
        _bounds(answer.limits, across),
        _bounds(answer.limits, up),
        title_of=partial(_title, answer, across, up, _names(answer, dots)),
    )
    return scatter._replace(note=" ".join(_notes(answer, scatter, len(every))))


def sweep_panels(answer: SweepAnswer, scatter: Scatter | None) -> Panels | None:
    """The scatter by each axis of several values."""
    if scatter is None:
        return None
    places = [place for place, axis in enumerate(answer.space.axes) if len(axis.values) > 1]
    dots = tuple(
        dot._replace(digits=tuple(dot.digits[place] for place in places)) for dot in scatter.dots
    )
    axes = [answer.space.axes[place] for place in places]
    return Panels(scatter._replace(dots=dots), tuple((axis.name, axis.texts) for axis in axes))


def _pair(answer: SweepAnswer) -> tuple[Quantity, Quantity] | None:
    """A cost and a benefit among the objectives; of one objective, with what else there is."""
    quantities = {quantity.label: quantity for quantity in answer.quantities}
    objectives = trade(answer, [quantities[one.label] for one in answer.objectives])
    labels = [quantity.label for quantity in objectives]
    labels += [limit.label for limit in answer.limits]
    first, *others = dict.fromkeys((*labels, *quantities))
    return (quantities[first], quantities[others[0]]) if others else None


def _dots(answer: SweepAnswer, across: str, up: str) -> Iterator[Dot]:
    """Every variant that has both figures."""
    front = {point.variant for point in answer.front}
    columns = answer.column(across), answer.column(up), answer.feasible
    rows = enumerate(zip(*columns, answer.space.all_digits(), strict=True))
    for variant, (x, y, fits, digits) in rows:
        if x is not None and y is not None:
            mark = Mark.FRONT if variant in front else Mark.PLAIN if fits else Mark.OUTSIDE
            yield Dot(x, y, mark, variant, digits)


def _thinned(dots: Sequence[Dot]) -> Sequence[Dot]:
    """The front, and as many of the others as a picture has room for."""
    for grid in GRIDS:
        if len(dots) <= MOST_DOTS:
            break
        dots = list(_one_a_cell(dots, *grid))
    return dots


def _one_a_cell(dots: Sequence[Dot], columns: int, rows: int) -> Iterator[Dot]:
    left, right = _ends(dot.x for dot in dots)
    low, high = _ends(dot.y for dot in dots)
    wide, tall = float(right - left) or 1.0, float(high - low) or 1.0
    seen = set()
    for dot in dots:
        cell = (dot.x - left) * columns // wide, (dot.y - low) * rows // tall, dot.mark
        if dot.mark is Mark.FRONT or cell not in seen:
            seen.add(cell)
            yield dot


def _ends(figures: Iterable[Number]) -> tuple[Number, Number]:
    known = list(figures)
    return min(known), max(known)


def _names(answer: SweepAnswer, dots: Iterable[Dot]) -> Callable[[], Mapping[int, str]]:
    """The references of the variants drawn, made at once and only for a picture that has words."""
    drawn = {dot.variant for dot in dots}

    @cache
    def names() -> Mapping[int, str]:
        every = enumerate(answer.space.references())
        return {variant: name for variant, name in every if variant in drawn}

    return names


def _title(
    answer: SweepAnswer,
    across: Quantity,
    up: Quantity,
    names: Callable[[], Mapping[int, str]],
    dot: Dot,
) -> str:
    """A variant with both figures, and the limits that it breaks."""
    name = answer.space.base.name if dot.mark is Mark.BASE else names()[dot.variant]
    figures = ", ".join(
        f"{quantity.title} {figure_text(quantity, figure)}"
        for quantity, figure in ((across, dot.x), (up, dot.y))
    )
    if dot.mark is not Mark.OUTSIDE:
        return f"{name}: {figures}"
    columns = {limit.label: answer.column(limit.label) for limit in answer.limits}
    broken = ", ".join(one.shown for one in violated(answer.limits, columns, dot.variant))
    return f"{name}: {figures}; not within {broken}"


def _base(answer: SweepAnswer, across: Quantity, up: Quantity) -> Dot | None:
    x, y = answer.base.get(across.label), answer.base.get(up.label)
    return None if x is None or y is None else Dot(x, y, Mark.BASE)


def _base_name(answer: SweepAnswer) -> str:
    at = answer.space.base_index
    is_best = any(at in (point.variant, *point.equals) for point in answer.front)
    return answer.space.base.name + (", on the front" if is_best else "")


def _scale(answer: SweepAnswer, quantity: Quantity) -> Scale:
    goals = {one.label: "more" if one.maximize else "less" for one in answer.objectives}
    goal = goals.get(quantity.label, "")
    return Scale(quantity.heading, quantity.in_bytes, goal, whole=quantity.measure is not None)


def _bounds(limits: Sequence[Limit], quantity: Quantity) -> tuple[Bound, ...]:
    own = (limit for limit in limits if limit.label == quantity.label)
    return tuple(Bound(limit.bound, limit.shown) for limit in own)


def _description(answer: SweepAnswer, across: Quantity, up: Quantity, known: int) -> str:
    return (
        f"{plural(known, 'variant')} of {answer.space.base.name}, with {across.title} from left to "
        f"right and {up.title} from below; {len(answer.front):,} on the front."
    )


def _notes(answer: SweepAnswer, scatter: Scatter, known: int) -> Iterator[str]:
    """The meaning of the signs and of the line, and how many variants are not drawn."""
    if answer.front:
        outside = ", hollow ones do not fit" if answer.fitting < answer.space.size else ""
        yield f"Coloured dots are on the front, grey ones are beaten{outside}."
    if 1 < len(scatter.front) < len(scatter.front_dots):
        yield "The line joins the best by these two figures alone."
    drawn = len(scatter.dots)
    if drawn < known:
        yield f"{drawn:,} of {known:,} variants are drawn: the others lie beside these."
