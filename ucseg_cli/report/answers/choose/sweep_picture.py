"""The pictures of a sweep: its variants by two of their figures, and the same by each axis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ucseg_cli.analysis.space.limits import violated
from ucseg_cli.analysis.space.sweep_answer import Limit, Number, Quantity, SweepAnswer
from ucseg_cli.report.parts.swept_figures import figure_text
from ucseg_cli.report.pictures.scatter import Bound, Dot, Mark, Panels, Scale, Scatter
from ucseg_cli.units import plural

MOST_DOTS = 1_500
GRIDS = ((200, 120), (120, 72), (80, 48), (56, 34), (40, 24))
"""Cells across and up of which one variant of a kind is drawn: the first with few enough."""
FEWEST_DOTS = 3
"""Of fewer variants a picture shows nothing that figures do not."""


class _Place(NamedTuple):
    variant: int
    x: Number
    y: Number
    mark: Mark


def sweep_scatter(answer: SweepAnswer) -> Scatter | None:
    """All variants by the first two objectives; None where these are too few or lie on a line."""
    pair = _pair(answer)
    if pair is None:
        return None
    across, up = pair
    every = list(_places(answer, across.label, up.label))
    if len({place[1:3] for place in every}) < FEWEST_DOTS:
        return None
    drawn = _thinned(every)
    dots = tuple(_dot(answer, place, across, up) for place in drawn)
    scales = _scale(answer, across), _scale(answer, up)
    return Scatter(
        f"{up.title} by {across.title}",
        _description(answer, across, up, len(every)),
        *scales,
        dots,
        _base(answer, across, up),
        answer.space.base.name,
        _bounds(answer.limits, across),
        _bounds(answer.limits, up),
        _note(len(drawn), len(every)),
    )


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
    """The first two objectives; of a single one, with what is limited or else is there."""
    quantities = {quantity.label: quantity for quantity in answer.quantities}
    labels = [objective.label for objective in answer.objectives]
    labels += [limit.label for limit in answer.limits]
    first, *others = dict.fromkeys((*labels, *quantities))
    return (quantities[first], quantities[others[0]]) if others else None


def _places(answer: SweepAnswer, across: str, up: str) -> Iterator[_Place]:
    """Every variant that has both figures."""
    front = {point.variant for point in answer.front}
    columns = answer.column(across), answer.column(up), answer.feasible
    for variant, (x, y, fits) in enumerate(zip(*columns, strict=True)):
        if x is not None and y is not None:
            plain = Mark.PLAIN if fits else Mark.OUTSIDE
            yield _Place(variant, x, y, Mark.FRONT if variant in front else plain)


def _thinned(places: Sequence[_Place]) -> list[_Place]:
    """The front, and as many of the others as a picture has room for."""
    kept = list(places)
    for grid in GRIDS:
        if len(kept) <= MOST_DOTS:
            break
        kept = list(_one_a_cell(places, *grid))
    return kept


def _one_a_cell(places: Sequence[_Place], columns: int, rows: int) -> Iterator[_Place]:
    left, right = _ends(place.x for place in places)
    low, high = _ends(place.y for place in places)
    wide, tall = float(right - left) or 1.0, float(high - low) or 1.0
    seen = set()
    for place in places:
        cell = int((place.x - left) / wide * columns), int((place.y - low) / tall * rows)
        if place.mark is Mark.FRONT or (*cell, place.mark) not in seen:
            seen.add((*cell, place.mark))
            yield place


def _ends(figures: Iterable[Number]) -> tuple[Number, Number]:
    known = list(figures)
    return min(known), max(known)


def _dot(answer: SweepAnswer, place: _Place, across: Quantity, up: Quantity) -> Dot:
    variant = place.variant
    title = f"{answer.space.reference_at(variant)}: {_figures(place, across, up)}"
    if place.mark is Mark.OUTSIDE:
        columns = {limit.label: answer.column(limit.label) for limit in answer.limits}
        broken = violated(answer.limits, columns, variant)
        title += f"; not within {', '.join(map(str, broken))}"
    return Dot(place.x, place.y, place.mark, title, answer.space.digits_at(variant))


def _figures(place: _Place | Dot, across: Quantity, up: Quantity) -> str:
    pairs = (across, place.x), (up, place.y)
    return ", ".join(f"{one.title} {figure_text(one, figure)}" for one, figure in pairs)


def _base(answer: SweepAnswer, across: Quantity, up: Quantity) -> Dot | None:
    x, y = answer.base.get(across.label), answer.base.get(up.label)
    if x is None or y is None:
        return None
    dot = Dot(x, y, Mark.BASE)
    return dot._replace(title=f"{answer.space.base.name}: {_figures(dot, across, up)}")


def _scale(answer: SweepAnswer, quantity: Quantity) -> Scale:
    goals = {one.label: "more" if one.maximize else "less" for one in answer.objectives}
    goal = goals.get(quantity.label, "")
    return Scale(quantity.title, quantity.in_bytes, goal, whole=quantity.measure is not None)


def _bounds(limits: Sequence[Limit], quantity: Quantity) -> tuple[Bound, ...]:
    own = (limit for limit in limits if limit.label == quantity.label)
    return tuple(Bound(limit.bound, str(limit)) for limit in own)


def _description(answer: SweepAnswer, across: Quantity, up: Quantity, known: int) -> str:
    return (
        f"{plural(known, 'variant')} of {answer.space.base.name}, with {across.title} from left to "
        f"right and {up.title} from below; {len(answer.front):,} on the front."
    )


def _note(drawn: int, known: int) -> str:
    if drawn == known:
        return ""
    return f"The picture has {drawn:,} of {known:,} variants: the others lie beside these."
