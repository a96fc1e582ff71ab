"""The icicle of a model's modules: widths are shares, figures are the table's, text fits."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.drawn_text import faults
from support.fixture_types import TraceOf
from ucseg_cli.analysis.counting.module_kinds import ModuleKind, kinds_of_modules
from ucseg_cli.analysis.counting.operations import own_flops, total_flops
from ucseg_cli.analysis.counting.parameters import own_params
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import parse_variant
from ucseg_cli.report.parts.drawn.module_icicle import Measured, module_icicles
from ucseg_cli.report.pictures.icicle import Cell, Icicle
from ucseg_cli.report.pictures.svg.elements import WIDTH
from ucseg_cli.report.pictures.svg.icicle_svg import NARROWEST, ROW, draw_icicle

SVG = "{http://www.w3.org/2000/svg}"
FVCORE = Measured("fvcore", "FLOPs (fvcore)", "fvcore FLOPs")


def traced(trace_of: TraceOf, name: str = "v2") -> Trace:
    return trace_of(parse_variant(name), Conditions())


def icicle_of(trace_of: TraceOf, name: str) -> Icicle:
    trace = traced(trace_of, name)
    (icicle,) = module_icicles(trace, own_flops(trace), FVCORE)
    return icicle


def cells_below(cell: Cell) -> list[Cell]:
    return [cell, *(one for below in cell.cells for one in cells_below(below))]


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_every_level_adds_up_to_the_whole(trace_of: TraceOf, name: str) -> None:
    icicle = icicle_of(trace_of, name)
    assert icicle.root.value == total_flops(traced(trace_of, name))["fvcore"]
    for cell in cells_below(icicle.root):
        assert not cell.cells or sum(one.value for one in cell.cells) == cell.value, cell.path


def test_a_cell_has_the_exact_figure_of_its_module_on_hovering(trace_of: TraceOf) -> None:
    words = [cell.words for cell in cells_below(icicle_of(trace_of, "v2").root)]
    assert "classifier.1 · Conv2d · 67,436,544 fvcore FLOPs · 47.7%" in words
    drawn = draw_icicle(icicle_of(trace_of, "v2"), "modules").element
    assert "<title>classifier.1 · Conv2d · 67,436,544 fvcore FLOPs · 47.7%</title>" in drawn


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_drawn_widths_add_up_to_the_width_of_what_holds_them(trace_of: TraceOf, name: str) -> None:
    rows = edges_by_row(draw_icicle(icicle_of(trace_of, name), "modules").element)
    assert rows[0] == [(Fraction(0), Fraction(WIDTH))]
    for above, below in pairwise(rows):
        for left, right in below:
            assert any(start <= left and right <= end for start, end in above)
    assert sum(right - left for left, right in rows[1]) == WIDTH


def width_of(edges: Iterable[tuple[Fraction, Fraction]]) -> Fraction:
    return sum((right - left for left, right in edges), Fraction())


def edges_by_row(picture: str) -> list[list[tuple[Fraction, Fraction]]]:
    """The edges of each cell, by row, from left to right."""
    rows: dict[int, list[tuple[Fraction, Fraction]]] = {}
    for cell in ET.fromstring(picture).iter(f"{SVG}g"):
        if "cell" in cell.get("class", ""):
            box = cell.find(f"{SVG}rect")
            assert box is not None
            left, width = Fraction(box.attrib["x"]), Fraction(box.attrib["width"])
            rows.setdefault(int(box.attrib["y"]) // ROW, []).append((left, left + width))
    return [rows[row] for row in sorted(rows)]


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_no_text_overlaps_another_or_is_cut(trace_of: TraceOf, name: str) -> None:
    assert faults(draw_icicle(icicle_of(trace_of, name), "modules").element) == []


def test_the_check_of_overlaps_can_fail() -> None:
    text = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 20">'
    text += '<text x="0" y="12">one name</text><text x="8" y="12">another one</text></svg>'
    assert "'one name' overlaps 'another one'" in faults(text)
    assert any("is cut" in fault for fault in faults(text))


leaves = st.builds(
    lambda value, name: Cell(name, value, (str(value),), name, 0),
    st.integers(0, 10**12),
    st.text(max_size=30),
)
trees = st.recursive(
    leaves,
    lambda below: st.lists(below, min_size=1, max_size=12).map(
        lambda cells: Cell("model", sum(cell.value for cell in cells), ("",), "", None, (*cells,))
    ),
    max_leaves=60,
)


@given(trees.filter(lambda cell: cell.value > 0))
def test_any_tree_is_drawn_without_overlaps_and_its_rows_are_inside_each_other(root: Cell) -> None:
    drawn = draw_icicle(Icicle("t", "d", root, ("conv",)), "any").element
    assert faults(drawn) == []
    rows = edges_by_row(drawn)
    for above, below in pairwise(rows):
        assert width_of(below) <= width_of(above)


def test_neighbours_too_narrow_to_be_seen_are_one_cell_that_names_them() -> None:
    tiny = tuple(Cell(f"t{number}", 1, ("1",), f"t{number} · 1", 0) for number in range(5))
    wide = Cell("wide", 10**6, ("1M",), "wide", 0)
    root = Cell("model", 10**6 + 5, ("",), "model", None, (wide, *tiny))
    assert 5 * WIDTH / root.value < NARROWEST
    drawn = draw_icicle(Icicle("t", "d", root, ("conv",)), "n").element
    titles = [title.text for title in ET.fromstring(drawn).iter(f"{SVG}title")]
    assert titles[-1] == "t0 · 1; t1 · 1; t2 · 1; and 2 more"


def test_each_kind_of_layer_has_a_name(trace_of: TraceOf) -> None:
    kinds = kinds_of_modules(traced(trace_of))
    assert kinds["classifier.1"] is ModuleKind.CONV_1X1
    assert kinds["features.0.0"] is ModuleKind.CONV
    assert kinds["features.0.1"] is ModuleKind.NORM
    assert kinds[""] is ModuleKind.RESIZE
    assert ModuleKind.GROUPED_CONV in kinds.values()


def test_a_model_without_any_of_it_has_no_picture(trace_of: TraceOf) -> None:
    trace = traced(trace_of)
    none = {path: {"params": 0} for path in own_params(trace)}
    assert module_icicles(trace, none, Measured("params", "Parameters", "parameters")) == ()
