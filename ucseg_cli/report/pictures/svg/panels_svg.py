"""Small multiples as SVG: a scatter again for each axis, each value with a colour and a sign."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ucseg_cli.report.formats.cells import one_line
from ucseg_cli.report.formats.screen import shorten_end
from ucseg_cli.report.pictures.ruler import Ruler, rulers
from ucseg_cli.report.pictures.scatter import Panels
from ucseg_cli.report.pictures.svg.elements import clean

WIDTH, HEIGHT, EDGE = 240, 180, 8
CELL = 4
"""Units within which one of several equal signs is drawn."""
LONGEST_VALUE = 24
STYLE = """
.panels {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1.1rem 1.4rem;
}
.panels figure { margin: 0; min-width: 0; }
.panels figure > svg { display: block; width: 100%; height: auto; }
.panels figcaption { font-size: .87rem; overflow-wrap: anywhere; }
.panels figcaption b { display: block; font-weight: 600; }
.panels .value { display: inline-flex; align-items: center; gap: .35em; margin-right: 1em; }
.panels .value svg { width: .8em; height: .8em; flex: none; }
.panels .edge { stroke: var(--strong); fill: none; }
.panels .sign { fill: none; stroke-width: 1.2; stroke-linejoin: round; }
""".strip()
SIGNS = (
    "m-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
    "m-2-2l4 4m0-4l-4 4",
    "m0-2.6l2.6 4.6h-5.2z",
    "m-1.9-1.9h3.8v3.8h-3.8z",
    "m-2.4 0h4.8m-2.4-2.4v4.8",
    "m0-2.6l2.6 2.6-2.6 2.6-2.6-2.6z",
)
"""Circle, cross, triangle, square, plus and diamond, from the place of the figure on."""


def panels_html(panels: Panels) -> str:
    """A figure for each axis, and the values of its signs under it."""
    edges = rulers(panels.scatter)
    figures = (
        _figure(panels, place, name, texts, *edges)
        for place, (name, texts) in enumerate(panels.axes)
    )
    return f'<style>{STYLE}</style>\n<div class="panels">\n{"".join(figures)}</div>'


def signs_of(texts: Sequence[str]) -> list[int]:
    """The sign of each value; neighbours share one where there are more values than signs."""
    count = max(len(texts), len(SIGNS))
    return [place * len(SIGNS) // count for place in range(len(texts))]


def _figure(
    panels: Panels, place: int, name: str, texts: Sequence[str], across: Ruler, up: Ruler
) -> str:
    signs = signs_of(texts)
    scatter = panels.scatter
    label = f"{scatter.up.title} by {scatter.across.title}, by {name}"
    drawn = "".join(_paths(panels, place, signs, across, up))
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{clean(label)}">'
        f'<path class="edge" d="M{EDGE} {EDGE}V{HEIGHT - EDGE}H{WIDTH - EDGE}"/>{drawn}</svg>'
        f"<figcaption><b>{clean(name)}</b>{''.join(_key(texts, signs))}</figcaption></figure>\n"
    )


def _paths(
    panels: Panels, place: int, signs: Sequence[int], across: Ruler, up: Ruler
) -> Iterator[str]:
    """All dots with the same sign as one path; of those in one cell the first."""
    cells: dict[int, dict[tuple[int, int], str]] = {}
    for dot in panels.scatter.dots:
        x = EDGE + across.place(dot.x) * (WIDTH - 2 * EDGE)
        y = HEIGHT - EDGE - up.place(dot.y) * (HEIGHT - 2 * EDGE)
        own = cells.setdefault(signs[dot.digits[place]], {})
        own.setdefault((int(x / CELL), int(y / CELL)), f"M{x:.0f} {y:.0f}")
    for sign, moves in sorted(cells.items()):
        path = "".join(move + SIGNS[sign] for move in moves.values())
        yield f'<path class="sign" stroke="var(--s{sign})" d="{path}"/>'


def _key(texts: Sequence[str], signs: Sequence[int]) -> Iterator[str]:
    """Each sign with its value, or the first and the last of its values."""
    for sign in dict.fromkeys(signs):
        own = [text for text, other in zip(texts, signs, strict=True) if other == sign]
        words = own[0] if len(own) == 1 else f"{own[0]} to {own[-1]}"
        shown = shorten_end(one_line(words), LONGEST_VALUE, "…")
        yield (
            '<span class="value"><svg viewBox="-3 -3 6 6" aria-hidden="true">'
            f'<path class="sign" stroke="var(--s{sign})" d="M0 0{SIGNS[sign]}"/></svg>'
            f"{clean(shown)}</span>"
        )
