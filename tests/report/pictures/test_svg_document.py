"""All pictures of an answer as one document, and text that is cut to what fits."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.drawn_text import faults
from support.small_pictures import SCATTER, STRIPS
from ucseg_cli.errors import UsageError
from ucseg_cli.report.document import Report
from ucseg_cli.report.formats.marks import is_answer
from ucseg_cli.report.formats.svg import render_svg
from ucseg_cli.report.pictures.scatter import Panels, Scale
from ucseg_cli.report.pictures.svg.colours import DARK, LIGHT, SERIES
from ucseg_cli.report.pictures.svg.elements import fitting, fitting_lines, text_width
from ucseg_cli.report.pictures.svg.scatter_svg import draw_scatter
from ucseg_cli.report.pictures.svg.strips_svg import draw_strips

SVG = "{http://www.w3.org/2000/svg}"
ANSWER = Report("ucseg.sweep", "sweep <v2>", {"input": "1×3×224×224"}, (), "Two & more.", {})
TWO = ANSWER._replace(pictures=lambda: (SCATTER, Panels(SCATTER, ()), STRIPS))


def test_every_picture_stands_below_the_one_before_it() -> None:
    root = ET.fromstring(render_svg(TWO))
    nested = root.findall(f"{SVG}svg")
    places = [(float(part.attrib["y"]), float(part.attrib["height"])) for part in nested]
    (first, height), (second, _) = places
    assert first + height < second < float(root.attrib["height"])


def test_the_document_has_the_title_and_sentence_of_its_answer_as_text() -> None:
    text = render_svg(TWO)
    root = ET.fromstring(text)
    assert root.findtext(f"{SVG}title") == "sweep <v2>"
    assert root.findtext(f"{SVG}desc") == "Two & more."
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import", text)


def test_it_is_known_again_as_an_answer() -> None:
    assert is_answer(render_svg(TWO).encode()[:4096])
    assert not is_answer(b'<svg xmlns="http://www.w3.org/2000/svg" width="20">')


def test_an_answer_without_a_picture_says_what_has_its_tables() -> None:
    with pytest.raises(UsageError, match="no picture") as caught:
        render_svg(ANSWER)
    assert "--export-html" in str(caught.value.help)


def test_both_themes_name_the_same_colours_and_words_have_contrast() -> None:
    assert LIGHT.keys() == DARK.keys() >= set(SERIES)
    for theme in (LIGHT, DARK):
        for words in ("ink", "quiet", "accent", "good", "caution", "bad", *SERIES):
            assert contrast(theme[words], theme["card"]) >= 4.5, words
            assert contrast(theme[words], theme["page"]) >= 4.5, words


def contrast(one: str, other: str) -> float:
    """By WCAG 2: https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    shares = (int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4))
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@given(st.text(max_size=60), st.floats(0, 300))
def test_text_that_is_cut_fits(words: str, width: float) -> None:
    shown = fitting(words, width)
    assert text_width(shown) <= width or not shown
    assert all(text_width(line) <= width or not line for line in fitting_lines(words, width))


def test_no_text_of_a_scatter_or_of_strips_overlaps_another_or_is_cut() -> None:
    in_bytes = Scale("peak memory", in_bytes=True)
    large = tuple(dot._replace(y=int(dot.y) * 1_000_000) for dot in SCATTER.dots)
    twice = SCATTER._replace(across_bounds=SCATTER.across_bounds * 2)
    for scatter in (
        SCATTER,
        twice,
        SCATTER._replace(up=in_bytes, dots=large, base=None, up_bounds=()),
    ):
        assert faults(draw_scatter(scatter, "front").element) == []
    assert faults(draw_strips(STRIPS, "latency").element) == []
