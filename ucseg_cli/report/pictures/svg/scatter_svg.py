"""A scatter as SVG, for pages: drawn in two sizes of text by the width of the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ucseg_cli.report.formats.cells import one_line
from ucseg_cli.report.pictures.ruler import Ruler, rulers
from ucseg_cli.report.pictures.scatter import Bound, Dot, Mark, Scatter
from ucseg_cli.report.pictures.svg.elements import (
    BOLD,
    Drawing,
    clean,
    draw_frame,
    short,
    text_width,
)

HEIGHT = 448
LEFT, RIGHT, TOP, BOTTOM = 112, 744, 44, 372
"""The frame, in units of the picture; the rest is for words, which are larger on a phone."""
TICKS_ACROSS, TICKS_UP = 6, 6
BESIDE = 9
"""Units from the middle of a dot to its name."""
NEAR_TOP = 34
"""Units from the top within which a name stands below its dot."""
Edges = tuple[float, float, float, float]
"""Left, upper, right and lower edge."""
STYLE = """
.scatter { display: block; width: 100%; height: auto; }
.scatter text { font: 11px system-ui, sans-serif; fill: var(--quiet); }
.scatter .name { font-weight: 600; fill: var(--ink); }
.scatter .over { paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.scatter .grid { stroke: var(--line); fill: none; }
.scatter .edge { stroke: var(--strong); fill: none; }
.scatter .plain { fill: var(--quiet); fill-opacity: .38; }
.scatter .outside { fill: none; stroke: var(--quiet); stroke-opacity: .6; }
.scatter .front { fill: var(--accent); stroke: var(--card); }
.scatter .joined { fill: none; stroke: var(--accent); stroke-width: 1.6; }
.scatter .base { fill: var(--card); stroke: var(--ink); stroke-width: 2; }
.scatter .bound { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 6 4; }
.scatter .limit { fill: var(--bad); }
.scatter .plain, .scatter .outside { r: 3px; }
.scatter .front { r: 5px; }
@media (max-width: 40rem) {
  .scatter text { font-size: 24px; }
  .scatter .plain, .scatter .outside { r: 5px; }
  .scatter .front { r: 9px; }
  .scatter .few { display: none; }
}
""".strip()


def draw_scatter(scatter: Scatter, name: str) -> Drawing:
    """The whole picture; *name* is its own on a page, as an attribute may hold it."""
    across, up = rulers(scatter)
    others = sorted(scatter.dots, key=lambda dot: dot.mark.value)
    others = [dot for dot in others if dot.mark is not Mark.FRONT]
    parts = [
        *_edges(scatter, across, up),
        *_circles(scatter, others, across, up),
        *_joined(scatter, across, up),
        *_circles(scatter, scatter.front_dots, across, up),
        *_bounds(scatter, across, up),
        *_base(scatter, across, up),
        *_names(scatter, across, up),
    ]
    return draw_frame("scatter", name, HEIGHT, (scatter.title, scatter.description), STYLE, parts)


def place(dot: Dot, across: Ruler, up: Ruler) -> tuple[str, str]:
    """Where a dot is, in units of the picture."""
    return short(_x(across.place(dot.x))), short(_y(up.place(dot.y)))


def _x(share: float) -> float:
    return LEFT + share * (RIGHT - LEFT)


def _y(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)


def _names(scatter: Scatter, across: Ruler, up: Ruler) -> Iterator[str]:
    """The name of each dot on a side where nothing is yet; one without room is left to hovering."""
    dots = [(_x(across.place(dot.x)), _y(up.place(dot.y))) for dot in scatter.dots]
    taken = [_around(x, y, BESIDE) for x, y in dots] if scatter.names else []
    if scatter.names and scatter.base:
        taken.append(_box_of_base(scatter.base, scatter.base_name, across, up))
    for (x, y), name in zip(dots, scatter.names, strict=False):
        width = text_width(one_line(name))
        for anchor, left, line in (
            ("start", x + BESIDE, y + 4),
            ("end", x - BESIDE - width, y + 4),
            ("start", x - width / 2, y - BESIDE - 2),
            ("start", x - width / 2, y + BESIDE + 10),
        ):
            box = (left, line - 10, left + width, line + 3)
            inside = left >= LEFT and left + width <= RIGHT and box[1] >= TOP and box[3] <= BOTTOM
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                at = left + width if anchor == "end" else left
                yield (
                    f'<text class="few over" x="{short(at)}" y="{short(line)}"'
                    f' text-anchor="{anchor}">{clean(name)}</text>'
                )
                break


def _around(x: float, y: float, reach: float) -> Edges:
    return x - reach + 1, y - reach + 1, x + reach - 1, y + reach - 1


def _box_of_base(base: Dot, name: str, across: Ruler, up: Ruler) -> Edges:
    """The diamond of the base with its name beside it; see _base."""
    x, y = _x(across.place(base.x)), _y(up.place(base.y))
    width = text_width(one_line(name)) * BOLD + 12
    if x > (LEFT + RIGHT) / 2:
        return x - width, y - 18, x + 8, y + 18
    return x - 8, y - 18, x + width, y + 18


def _overlap(one: Edges, other: Edges) -> bool:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across > 0 and down > 0


def _edges(scatter: Scatter, across: Ruler, up: Ruler) -> Iterator[str]:
    """The grid with its figures, and what each direction is."""
    for share, text in up.ticks(TICKS_UP):
        y = short(_y(share))
        yield f'<path class="grid" d="M{LEFT} {y}H{RIGHT}"/>'
        yield (f'<text x="{LEFT - 8}" y="{y}" dy=".35em" text-anchor="end">{clean(text)}</text>')
    for number, (share, text) in enumerate(across.ticks(TICKS_ACROSS)):
        x = short(_x(share))
        few = ' class="few"' if number % 2 else ""
        yield f'<path class="grid" d="M{x} {TOP}V{BOTTOM}"/>'
        yield (
            f'<text{few} x="{x}" y="{BOTTOM + 8}" dy=".9em" text-anchor="middle">'
            f"{clean(text)}</text>"
        )
    yield f'<path class="edge" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>'
    yield f'<text class="name" x="8" y="24">↑ {clean(scatter.up.heading)}</text>'
    yield (
        f'<text class="name" x="{RIGHT}" y="{BOTTOM + 8}" dy="2.4em" text-anchor="end">'
        f"{clean(scatter.across.heading)} →</text>"
    )


def _circles(scatter: Scatter, dots: Iterable[Dot], across: Ruler, up: Ruler) -> Iterator[str]:
    for dot in dots:
        x, y = place(dot, across, up)
        title = f"<title>{clean(scatter.title_of(dot))}</title>"
        yield f'<circle class="{dot.mark.name.lower()}" cx="{x}" cy="{y}">{title}</circle>'


def _joined(scatter: Scatter, across: Ruler, up: Ruler) -> Iterator[str]:
    """The front as steps: what lies on their worse side is beaten."""
    if not scatter.front:
        return
    first, *others = (place(dot, across, up) for dot in scatter.front)
    step = "V{y}H{x}" if scatter.across.goal == "more" else "H{x}V{y}"
    steps = "".join(step.format(x=x, y=y) for x, y in others)
    yield f'<path class="joined" d="M{" ".join(first)}{steps}"/>'


def _bounds(scatter: Scatter, across: Ruler, up: Ruler) -> Iterator[str]:
    """Each limit as a dashed line with its text."""
    for number, bound in enumerate(_within(scatter.across_bounds, across)):
        x = _x(across.place(bound.at))
        is_right = x > (LEFT + RIGHT) / 2
        anchor, shift = ("end", -6) if is_right else ("start", 6)
        yield f'<path class="bound" d="M{short(x)} {TOP}V{BOTTOM}"/>'
        yield (
            f'<text class="limit over" x="{short(x + shift)}" y="{TOP + number * 28}" dy="1.2em"'
            f' text-anchor="{anchor}">{clean(bound.text)}</text>'
        )
    for bound in _within(scatter.up_bounds, up):
        y = _y(up.place(bound.at))
        yield f'<path class="bound" d="M{LEFT} {short(y)}H{RIGHT}"/>'
        yield (
            f'<text class="limit over" x="{RIGHT - 6}" y="{short(y)}" dy="-.4em"'
            f' text-anchor="end">{clean(bound.text)}</text>'
        )


def _within(bounds: Iterable[Bound], ruler: Ruler) -> list[Bound]:
    return [bound for bound in bounds if ruler.holds(bound.at)]


def _base(scatter: Scatter, across: Ruler, up: Ruler) -> Iterator[str]:
    """A diamond with its name beside it, on the side where there is more room."""
    if (base := scatter.base) is None:
        return
    x, y = _x(across.place(base.x)), _y(up.place(base.y))
    anchor, shift = ("end", -12) if x > (LEFT + RIGHT) / 2 else ("start", 12)
    line = "-.5" if y > TOP + NEAR_TOP else "1"  # above, it would reach into the heading
    yield (
        f'<path class="base" d="M{short(x)} {short(y - 7)}l7 7-7 7-7-7z">'
        f"<title>{clean(scatter.title_of(base))}</title></path>"
    )
    yield (
        f'<text class="name over" x="{short(x + shift)}" y="{short(y)}" dy="{line}em"'
        f' text-anchor="{anchor}">{clean(scatter.base_name)}</text>'
    )
