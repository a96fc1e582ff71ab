"""The scatter in SVG and in characters: every figure at its place, every name escaped."""

from __future__ import annotations

import re
from fractions import Fraction
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.small_pictures import DOTS, FLOPS, PARAMS, SCATTER
from ucseg_cli.report.pictures.ruler import make_ruler, tick_text
from ucseg_cli.report.pictures.scatter import Bound, Dot, Mark, Panels, Scale, Scatter
from ucseg_cli.report.pictures.svg.panels_svg import SIGNS, panels_html, signs_of
from ucseg_cli.report.pictures.svg.scatter_svg import BOTTOM, LEFT, RIGHT, TOP, draw_scatter
from ucseg_cli.report.pictures.text.scatter_plot import BRAILLE, FEW, NARROWEST, Part, plot_lines
from ucseg_cli.units import parse_count

SVG = "{http://www.w3.org/2000/svg}"


def drawn(scatter: Scatter) -> ET.Element:
    return ET.fromstring(draw_scatter(scatter, "front").element)


def of_class(picture: ET.Element, name: str) -> list[ET.Element]:
    return [part for part in picture.iter() if part.get("class") == name]


def text_of(scatter: Scatter, width: int = 80, *, unicode: bool = True) -> str:
    lines = plot_lines(scatter, width, unicode=unicode)
    return "\n".join("".join(text for text, _ in line) for line in lines)


# SVG


def test_every_variant_is_drawn_with_its_mark_and_its_words_on_hovering() -> None:
    picture = drawn(SCATTER)
    titles = {
        mark: [circle.findtext(f"{SVG}title") for circle in of_class(picture, mark)]
        for mark in ("front", "plain", "outside")
    }
    assert titles == {
        "front": ["number 0", "number 1"],
        "plain": ["number 2"],
        "outside": ["number 3"],
    }


def test_less_is_to_the_left_and_below_and_all_lie_in_the_frame() -> None:
    picture = drawn(SCATTER)
    places = {
        circle.findtext(f"{SVG}title"): (float(circle.get("cx", "")), float(circle.get("cy", "")))
        for circle in picture.iter(f"{SVG}circle")
    }
    assert places["number 0"][0] < places["number 1"][0] < places["number 2"][0]
    assert places["number 1"][1] > places["number 0"][1] > places["number 3"][1]
    assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in places.values())


def test_the_front_is_joined_by_steps_whose_corners_are_beaten() -> None:
    (line,) = of_class(drawn(SCATTER), "joined")
    first, second = ((dot.get("cx"), dot.get("cy")) for dot in of_class(drawn(SCATTER), "front"))
    assert line.get("d") == f"M{first[0]} {first[1]}H{second[0]}V{second[1]}"


def test_where_more_is_better_the_line_turns_the_other_way() -> None:
    more = SCATTER._replace(across=PARAMS._replace(goal="more"))
    (line,) = of_class(drawn(more), "joined")
    assert [dot.variant for dot in more.front] == [1]
    both = more._replace(up=FLOPS._replace(goal="more"))
    assert [dot.variant for dot in both.front] == [0, 1]
    (line,) = of_class(drawn(both), "joined")
    assert re.fullmatch(r"M[\d. ]+V[\d.]+H[\d.]+", line.get("d", ""))


def test_the_line_leaves_out_the_front_that_only_a_third_objective_makes() -> None:
    third = SCATTER._replace(dots=(*DOTS, Dot(210_000, 210, Mark.FRONT, 4)))
    assert [dot.variant for dot in third.front] == [0, 1]
    assert [dot.variant for dot in third.front_dots] == [0, 1, 4]


def test_limits_are_lines_with_their_text_unless_they_lie_far_beyond_all_variants() -> None:
    picture = drawn(SCATTER)
    assert [text.text for text in of_class(picture, "limit over")] == [
        "params ≤ 250k",
        "fvcore ≤ 240",
    ]
    assert len(of_class(picture, "bound")) == 2
    far = SCATTER._replace(across_bounds=(Bound(900_000, "params ≤ 900k"),), up_bounds=())
    assert of_class(drawn(far), "bound") == []
    near = far._replace(across_bounds=(Bound(390_000, "params ≤ 390k"),))
    assert len(of_class(drawn(near), "bound")) == 1


def test_a_screen_reader_hears_what_the_picture_is() -> None:
    picture = drawn(SCATTER)
    labels = (picture.get("aria-labelledby") or "").split()
    heard = {part.get("id"): part.text for part in picture.iter() if part.get("id") in labels}
    assert (picture.get("role"), heard) == (
        "img",
        {"front-title": "FLOPs by parameters", "front-desc": "4 variants"},
    )


HOSTILE = "<script>alert(1)</script>\x1b[31m\"'&amp;"


def test_no_name_is_markup_in_any_picture() -> None:
    scatter = SCATTER._replace(
        title=HOSTILE,
        description=HOSTILE,
        base_name=HOSTILE,
        across=Scale(HOSTILE),
        up=Scale(HOSTILE),
        across_bounds=(Bound(250_000, HOSTILE),),
        title_of=lambda _: HOSTILE,
    )
    panels = Panels(scatter, ((HOSTILE, (HOSTILE, "b")), ("y", ("c", "d"))))
    for text in (draw_scatter(scatter, "front").element, panels_html(panels)):
        assert "<script" not in text
        assert "\x1b" not in text
    drawn(scatter)


@pytest.mark.parametrize("count", [1, 5])
def test_variants_that_are_all_alike_are_drawn_as_well(count: int) -> None:
    alike = SCATTER._replace(dots=(Dot(5, 7, Mark.FRONT),) * count, base=None)
    assert len(of_class(drawn(alike), "front")) == count
    assert "◉" in text_of(alike)


# Small multiples


def test_each_axis_has_its_picture_and_each_value_its_sign_and_colour() -> None:
    page = panels_html(Panels(SCATTER, (("width", ("16", "32")), ("depth", ("2", "3")))))
    figures = page.split("<figure>")[1:]
    assert len(figures) == 2
    for figure, name, values in zip(figures, ("width", "depth"), ("16 32", "2 3"), strict=True):
        assert f"<b>{name}</b>" in figure
        assert re.findall(r"</svg>([^<]+)</span>", figure) == values.split()
        paths = re.findall(r'stroke="var\(--s(\d)\)" d="(M\d+[^"]+)"', figure)
        signs = {int(number): path for number, path in paths if not path.startswith("M0 0")}
        assert {number: path.count("M") for number, path in signs.items()} == {0: 2, 1: 2}
        assert all(SIGNS[number] in path for number, path in signs.items())


def test_neighbouring_values_share_a_sign_only_where_there_are_more_than_signs() -> None:
    assert signs_of("abc") == [0, 1, 2]
    assert signs_of("abcdef") == [0, 1, 2, 3, 4, 5]
    assert signs_of("abcdefghijkl") == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    shared = panels_html(Panels(SCATTER, (("width", tuple("abcdefghijkl")),)))
    assert re.findall(r"</svg>([^<]+)</span>", shared)[0] == "a to b"


# Edges


@given(
    figures=st.lists(st.integers(0, 10**12), min_size=1, max_size=20),
    most=st.integers(2, 8),
    in_bytes=st.booleans(),
)
def test_ticks_are_round_figures_within_the_edge_at_their_place(
    figures: list[int], most: int, *, in_bytes: bool
) -> None:
    scale = Scale("x", in_bytes=in_bytes)
    ruler = make_ruler(scale, figures)
    ticks = ruler.ticks(most)
    assert len(ticks) <= most + 1
    for place, text in ticks:
        assert 0 <= place <= 1
        written = parse_count(text.lstrip("-"), in_bytes=in_bytes)
        assert ruler.place(-written if text.startswith("-") else written) == pytest.approx(place)
    assert all(0 < ruler.place(figure) < 1 for figure in figures)


def test_a_wide_range_is_shown_by_ratios() -> None:
    narrow, wide = (make_ruler(PARAMS, [1_000, top]) for top in (29_999, 30_000))
    assert (narrow.ratios, wide.ratios) == (False, True)
    assert [text for _, text in make_ruler(PARAMS, [900, 1_100_000]).ticks(5)] == [
        "1000",
        "10k",
        "100k",
        "1M",
    ]


def test_figures_that_are_measured_have_ticks_between_integers() -> None:
    scale = Scale("miou", whole=False)
    ticks = make_ruler(scale, [Fraction(69, 100), Fraction(73, 100)]).ticks(4)
    assert [text for _, text in ticks] == ["0.7", "0.72"]
    whole = make_ruler(Scale("stride"), [11, 13]).ticks(6)
    assert [text for _, text in whole] == ["11", "12", "13"]
    assert tick_text(Fraction(-3, 2), scale) == "-1.5"


# In characters


def test_the_plot_marks_everything_with_a_sign_of_its_own_and_says_which() -> None:
    text = text_of(SCATTER)
    assert text.splitlines()[-1] == (
        "◆ v2   ◉ front   • beaten   · does not fit   ┊ params ≤ 250k   ╌╌ fvcore ≤ 240"
    )
    body = "\n".join(text.splitlines()[:-1])
    counts = {sign: body.count(sign) for sign in "◆◉•·"}
    assert counts == {"◆": 1, "◉": 2, "•": 1, "·": 1}
    assert "┊" in body
    assert "╌" in body


def test_many_variants_are_dots_of_braille_and_the_front_stays_in_sight() -> None:
    crowd = tuple(Dot(100_000 + 40 * n, 200 + n % 50, Mark.PLAIN) for n in range(1_000))
    text = text_of(SCATTER._replace(dots=(*crowd, *DOTS)))
    braille = [sign for sign in text if BRAILLE < ord(sign) < BRAILLE + 256]
    assert len(braille) > 50
    assert text.count("◉") == 3  # two, and the line that says so
    few = SCATTER._replace(dots=(*crowd[:FEW], *DOTS[:3]))
    assert "•" in text_of(few)
    assert "⠿" in text_of(few._replace(dots=(*crowd[: FEW + 1], *DOTS[:3])))


def test_a_stream_of_ascii_gets_ascii_alone() -> None:
    text = text_of(SCATTER, unicode=False)
    signs = {character for line in text.splitlines()[1:-2] for character in line}
    assert all(character.isascii() for character in signs - set("→↑≤"))
    body = "\n".join(text.splitlines()[1:-4])
    assert {sign: body.count(sign) for sign in "B@o."} == {"B": 1, "@": 2, "o": 1, ".": 1}


@given(width=st.integers(1, 140), unicode=st.booleans())
def test_no_line_is_wider_than_the_screen(width: int, *, unicode: bool) -> None:
    long = SCATTER._replace(base_name="net.py:Net+" * 20, up=Scale("a long title " * 9))
    lines = plot_lines(long, width, unicode=unicode)
    widths = [sum(len(text) for text, _ in line) for line in lines]
    assert all(length <= min(width, 100) for length in widths)
    assert bool(lines) == (width >= NARROWEST)


def test_every_piece_says_its_part_so_that_colour_can_follow() -> None:
    parts = {part for line in plot_lines(SCATTER, 80, unicode=True) for _, part in line}
    assert parts == set(Part)
