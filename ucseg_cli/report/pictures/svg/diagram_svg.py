"""A diagram as SVG: boxes in layers from above, arrows with the shape of their tensor."""

from __future__ import annotations

from collections.abc import Iterator

from ucseg_cli.report.pictures.diagram import SAME, Box, Diagram
from ucseg_cli.report.pictures.svg.elements import (
    BOLD,
    SIZE,
    Drawing,
    clean,
    draw_frame,
    fitting,
    short,
    text_width,
)
from ucseg_cli.report.pictures.svg.layered import Places, place_boxes

HEIGHT, STEP, EDGE, PAD = 40, 78, 12, 12
"""Units of a box, from one layer to the next, around the whole, and beside words in a box."""
NARROWEST, WIDEST = 116, 220
TIP = 5
STYLE = f"""
.diagram text {{ font: {SIZE}px system-ui, sans-serif; fill: var(--ink); }}
.diagram .kind, .diagram .shape {{ fill: var(--quiet); }}
.diagram .strong {{ font-weight: 600; }}
.diagram .shape {{ paint-order: stroke; stroke: var(--card); stroke-width: 4px; }}
.diagram .box {{ fill: var(--page); stroke: var(--strong); }}
.diagram .end {{ fill: none; stroke: none; }}
.diagram .tapped {{ stroke: var(--accent); stroke-width: 2; }}
.diagram .changed {{ fill: var(--s1); fill-opacity: .16; stroke: var(--s1); stroke-width: 1.5; }}
.diagram .new {{ fill: var(--s2); fill-opacity: .16; stroke: var(--s2); stroke-width: 1.5; }}
.diagram .arrow {{ fill: none; stroke: var(--quiet); stroke-width: 1.2; }}
.diagram .tip {{ fill: var(--quiet); }}
""".strip()


def draw_diagram(diagram: Diagram, name: str) -> Drawing:
    """The whole picture, no wider than it needs; *name* is its own in the document."""
    widths = [_width(box) for box in diagram.boxes]
    pairs = [(arrow.source, arrow.target) for arrow in diagram.arrows]
    places = place_boxes(widths, pairs)
    room = _room_beside(diagram, places)
    parts = [
        *(part for pair in dict.fromkeys(pairs) for part in _arrow(pair, places)),
        *_shapes(diagram, places),
        *(
            part
            for number, box in enumerate(diagram.boxes)
            for part in _box(box, _x(places, number), _y(places, number), widths[number])
        ),
    ]
    height = STEP * max(places.layers, default=0) + HEIGHT + 2 * EDGE
    words = diagram.title, diagram.description
    width = places.width + 2 * EDGE + room
    return draw_frame("diagram", name, height, words, STYLE, parts, width=width)


def _width(box: Box) -> float:
    words = max(text_width(_title(box)) * BOLD, text_width(box.kind))
    return min(max(words + 2 * PAD + 1, NARROWEST), WIDEST)


def _title(box: Box) -> str:
    """The name, and beside it what a comparison says and the taps, in words."""
    taps = f" · tap {', '.join(box.taps)}" if box.taps else ""
    return f"{box.status} {box.name}{taps}".strip() if box.status != SAME else f"{box.name}{taps}"


def _room_beside(diagram: Diagram, places: Places) -> float:
    """Units to the right of the boxes that shapes beside arrows need."""
    ends = [_x(places, arrow.source) + 6 + text_width(arrow.shape) for arrow in diagram.arrows]
    return max(max(ends, default=0) - (places.width + EDGE), 0)


def _x(places: Places, box: int) -> float:
    return EDGE + places.across[box]


def _y(places: Places, box: int) -> float:
    return EDGE + STEP * places.layers[box]


def _box(box: Box, x: float, y: float, width: float) -> Iterator[str]:
    """The box with its name and what it is; a name of an end stands without a frame."""
    status = f" {box.status}" if box.status != SAME else ""
    tapped = " tapped" if box.taps else ""
    kind = "end" if not box.kind else f"box{status}{tapped}"
    room = width - 2 * PAD
    yield (
        f'<g><title>{clean(box.words)}</title><rect class="{kind}" x="{short(x - width / 2)}"'
        f' y="{short(y)}" width="{short(width)}" height="{HEIGHT}" rx="6"/>'
    )
    middle = y + (HEIGHT / 2 - 8 if box.kind else HEIGHT / 2)
    title = clean(fitting(_title(box), room / BOLD))
    at = f'x="{short(x)}" text-anchor="middle" dy=".35em"'
    yield f'<text class="strong" {at} y="{short(middle)}">{title}</text>'
    if box.kind:
        words = clean(fitting(box.kind, room))
        yield f'<text class="kind" {at} y="{short(middle + 16)}">{words}</text>'
    yield "</g>"


def _arrow(pair: tuple[int, int], places: Places) -> Iterator[str]:
    """A line from the lower edge of a box to the upper edge of another, by its bends."""
    source, target = pair
    top, end = _y(places, source) + HEIGHT, _y(places, target)
    points = [(_x(places, source), top)]
    for number, bend in enumerate(places.bends[pair], 1):
        y = _y(places, source) + STEP * number
        points += [(EDGE + bend, y), (EDGE + bend, y + HEIGHT)]
    points.append((_x(places, target), end - TIP))
    line = "L".join(f"{short(x)} {short(y)}" for x, y in points)
    x = _x(places, target)
    yield f'<path class="arrow" d="M{line}"/>'
    yield f'<path class="tip" d="M{short(x)} {short(end)}l-3.5-{TIP}h7z"/>'


def _shapes(diagram: Diagram, places: Places) -> Iterator[str]:
    """The shape of each tensor once, where its first arrow leaves the box."""
    known = dict.fromkeys((arrow.source, arrow.shape) for arrow in diagram.arrows)
    lines: dict[int, int] = {}
    for source, shape in known:
        line = lines[source] = lines.get(source, 0) + 1
        x, y = _x(places, source) + 6, _y(places, source) + HEIGHT + 12 * line
        if line <= MOST_SHAPES:
            yield f'<text class="shape" x="{short(x)}" y="{short(y)}">{clean(shape)}</text>'


MOST_SHAPES = 2
"""Shapes below a box from which several tensors go out; the others are in the words of the box."""
