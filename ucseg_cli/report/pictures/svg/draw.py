"""Any picture as SVG, and several of them with their words as one document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ucseg_cli.report.document import Report
from ucseg_cli.report.pictures.course import Course
from ucseg_cli.report.pictures.diagram import Diagram
from ucseg_cli.report.pictures.icicle import Icicle
from ucseg_cli.report.pictures.picture import OneDrawing, Picture
from ucseg_cli.report.pictures.scatter import Panels, Scatter, Strips
from ucseg_cli.report.pictures.svg.colours import theme
from ucseg_cli.report.pictures.svg.course_svg import draw_course
from ucseg_cli.report.pictures.svg.diagram_svg import draw_diagram
from ucseg_cli.report.pictures.svg.elements import (
    BOLD,
    FONT,
    PHONE,
    WIDTH,
    Drawing,
    clean,
    fitting,
    fitting_lines,
    short,
)
from ucseg_cli.report.pictures.svg.icicle_svg import draw_icicle
from ucseg_cli.report.pictures.svg.scatter_svg import draw_scatter
from ucseg_cli.report.pictures.svg.strips_svg import draw_strips
from ucseg_cli.report.pictures.svg.waterfall_svg import draw_waterfall
from ucseg_cli.report.pictures.waterfall import Waterfall

MARGIN, GAP = 20, 32
HEADING, LINE = 15, 19
"""Units of the text above the pictures, and of one line of it."""
DRAWN_BY: Mapping[type, Callable[[Any, str], Drawing]] = {
    Scatter: draw_scatter,
    Strips: draw_strips,
    Icicle: draw_icicle,
    Course: draw_course,
    Waterfall: draw_waterfall,
    Diagram: draw_diagram,
}
STYLE = f"""
{PHONE} {{ svg.ucseg {{ width: 100%; height: auto; }} }}
.sheet-back {{ fill: var(--card); }}
.words {{ font: {HEADING - 2}px {FONT}; fill: var(--quiet); }}
.words.title {{ font-weight: 600; fill: var(--ink); }}
.words.first {{ font: 600 {HEADING}px {FONT}; fill: var(--ink); }}
""".strip()


def draw(picture: Picture, name: str) -> Drawing:
    """One picture; *name* is its own in the document."""
    return DRAWN_BY[type(picture)](picture, name)


def drawable(pictures: Iterable[Picture]) -> list[OneDrawing]:
    """Those that are one drawing; panels are many, and only a page has room for them."""
    return [picture for picture in pictures if not isinstance(picture, Panels)]


def document(report: Report) -> str:
    """All pictures of an answer, one below the other, under its title and its conditions.

    Light and dark follow the reader's theme.
    """
    pictures = drawable(report.all_pictures())
    drawings = [draw(picture, f"picture{number}") for number, picture in enumerate(pictures)]
    titles = [picture.title for picture in pictures]
    words = list(_words(report))
    top = MARGIN + LINE * len(words)
    heights = sum(drawing.height + GAP for drawing in drawings)
    widest = max((drawing.width for drawing in drawings), default=WIDTH)
    width, height = short(max(WIDTH, widest) + 2 * MARGIN), top + heights + MARGIN
    body = "\n".join((*words, *_placed(titles, drawings, top)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ucseg" width="{width}"'
        f' height="{short(height)}" viewBox="0 0 {width} {short(height)}">\n'
        f"<title>{clean(report.title)}</title>\n<desc>{clean(report.summary)}</desc>\n"
        f"<style>{theme('.ucseg')}\n{STYLE}</style>\n"
        f'<rect class="sheet-back" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )


def _words(report: Report) -> Iterator[str]:
    """The title and the conditions, each on as many lines as it needs."""
    conditions = " · ".join(f"{key} {value}" for key, value in report.conditions.items())
    lines = [("words first", line) for line in fitting_lines(report.title, WIDTH / BOLD, HEADING)]
    lines += [("words", line) for line in fitting_lines(conditions, WIDTH, HEADING - 2)]
    for number, (style, line) in enumerate(lines, 1):
        y = MARGIN + LINE * number - 4
        yield f'<text class="{style}" x="{MARGIN}" y="{y}">{clean(line)}</text>'


def _placed(titles: Iterable[str], drawings: Iterable[Drawing], top: float) -> Iterator[str]:
    """Each picture under its title."""
    for title, drawing in zip(titles, drawings, strict=True):
        top += GAP
        shown = clean(fitting(title, WIDTH / BOLD, HEADING - 2))
        yield f'<text class="words title" x="{MARGIN}" y="{short(top - 8)}">{shown}</text>'
        yield (
            f'<svg x="{MARGIN}" y="{short(top)}" width="{short(drawing.width)}"'
            f' height="{short(drawing.height)}">'
            f"\n{drawing.element}\n</svg>"
        )
        top += drawing.height
