"""Diagrams: boxes that do not touch, arrows that lead down and through no box, names as text."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.drawn_text import boxes, faults_in
from ucseg_cli.report.pictures.diagram import CHANGED, NEW, Arrow, Box, Diagram
from ucseg_cli.report.pictures.svg.diagram_svg import draw_diagram
from ucseg_cli.report.pictures.svg.layered import GAP, place_boxes
from ucseg_cli.report.pictures.text.graph_text import dot, mermaid

SVG = "{http://www.w3.org/2000/svg}"
SMALL = Diagram(
    "a small one",
    "four boxes",
    (
        Box("input", ""),
        Box("stem", "Conv2d", ("low",)),
        Box("head to 3 ×3", "Head", (), CHANGED),
        Box("cat", "in the model itself", (), NEW),
        Box("output", ""),
    ),
    (
        Arrow(0, 1, "3×8×8"),
        Arrow(1, 2, "16×4×4"),
        Arrow(1, 3, "16×4×4"),
        Arrow(2, 3, "8×4×4"),
        Arrow(3, 4, "24×4×4"),
    ),
)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[float], list[tuple[int, int]]]:
    """Boxes, and arrows from a box to a later one."""
    count = draw(st.integers(1, 14))
    widths = draw(st.lists(st.floats(20, 200), min_size=count, max_size=count))
    every = list(combinations(range(count), 2))
    arrows = draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    return widths, arrows


@given(graphs())
def test_arrows_lead_down_and_boxes_of_a_layer_have_a_gap_between_them(
    graph: tuple[list[float], list[tuple[int, int]]],
) -> None:
    widths, arrows = graph
    places = place_boxes(widths, arrows)
    assert all(places.layers[source] < places.layers[target] for source, target in arrows)
    for pair, bends in places.bends.items():
        assert len(bends) == places.layers[pair[1]] - places.layers[pair[0]] - 1
    for layer in set(places.layers):
        spans = sorted(
            (places.across[box] - widths[box] / 2, places.across[box] + widths[box] / 2)
            for box in range(len(widths))
            if places.layers[box] == layer
        )
        assert spans[0][0] >= -1e-6
        assert spans[-1][1] <= places.width + 1e-6
        for (_, right), (left, _) in pairwise(spans):
            assert right + GAP <= left + 1e-6


@given(graphs())
def test_an_arrow_passes_beside_the_boxes_of_the_layers_between(
    graph: tuple[list[float], list[tuple[int, int]]],
) -> None:
    widths, arrows = graph
    places = place_boxes(widths, arrows)
    for (source, _), bends in places.bends.items():
        for layer, bend in enumerate(bends, places.layers[source] + 1):
            for box in range(len(widths)):
                if places.layers[box] == layer:
                    assert abs(places.across[box] - bend) > widths[box] / 2


def test_every_box_and_arrow_is_drawn_and_no_text_is_cut() -> None:
    drawing = draw_diagram(SMALL, "net")
    root = ET.fromstring(drawing.element)
    assert len(list(root.iter(f"{SVG}rect"))) == len(SMALL.boxes)
    arrows = [path for path in root.iter(f"{SVG}path") if path.get("class") == "arrow"]
    assert len(arrows) == len(SMALL.arrows)
    assert faults_in(drawing.element, on_phone=False) == []
    words = [box.words for box in boxes(drawing.element)]
    assert "stem · tap low" in words
    assert "changed head to 3 ×3" in words
    assert "new cat" in words


def test_mermaid_has_a_node_for_each_box_and_an_edge_for_each_arrow() -> None:
    text = mermaid(SMALL)
    assert text.startswith("flowchart TD\n")
    assert len(re.findall(r'(?m)^  n\d+\["', text)) == len(SMALL.boxes)
    assert len(re.findall(r"(?m)^  n\d+ -->\|", text)) == len(SMALL.arrows)
    assert re.search(r"(?m)^  class n2 changed$", text)
    assert re.search(r"(?m)^  class n1 tap$", text)


def test_dot_has_a_node_for_each_box_and_an_edge_for_each_arrow() -> None:
    text = dot(SMALL)
    assert len(re.findall(r"(?m)^  n\d+ \[label=", text)) == len(SMALL.boxes)
    assert len(re.findall(r"(?m)^  n\d+ -> n\d+ ", text)) == len(SMALL.arrows)
    assert text.endswith("}\n")


HOSTILE = (
    '"]; click n0 "x"',
    "end",
    "{{%%}}",
    "<script>",
    "a\nb",
    "\\",
    "\u202e\x1b",
    "%%{init}%%",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_only_ever_a_name(name: str) -> None:
    diagram = SMALL._replace(title=name, boxes=(Box(name, name, (name,)), *SMALL.boxes[1:]))
    lines = mermaid(diagram).splitlines()
    label = next(line for line in lines if line.startswith('  n0["'))
    assert re.fullmatch(r'  n0\["[\w #;.,:×/+·<>-]*"\]', label)
    assert not set(label) & set("{}()\u202e\x1b")
    assert len(lines) == len(mermaid(SMALL).splitlines()) or "tap" in lines[-1]
    for line in dot(diagram).splitlines()[3:-1]:
        assert balanced(line), line
    assert "<script>" not in draw_diagram(diagram, "n").element


def balanced(line: str) -> bool:
    """Whether every quote that begins a text ends in its line."""
    bare = re.sub(r"\\.", "", line)
    return bare.count('"') % 2 == 0
