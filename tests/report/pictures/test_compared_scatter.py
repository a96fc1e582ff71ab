"""Several compared models as a scatter: each with its name, budgets of these models as lines."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

from support.drawn_text import boxes, faults
from support.fixture_types import Run
from ucseg_cli.facts.budget import Bound as Limit
from ucseg_cli.facts.budget import Budget
from ucseg_cli.facts.conditions import Size
from ucseg_cli.references import parse_reference
from ucseg_cli.report.parts.drawn.compared_scatter import compared_scatter
from ucseg_cli.report.pictures.scatter import Mark, Scatter
from ucseg_cli.report.pictures.svg.scatter_svg import draw_scatter

SIZE = Size(224, 224)
FIGURES = {
    "v1": {"params": 475_077, "fvcore": 169_700_000},
    "v2": {"params": 645_245, "fvcore": 141_300_000},
    "v2+backbone=10": {"params": 351_149, "fvcore": 134_900_000},
    "v3": {"params": 651_000, "fvcore": 162_000_000},
}


def budget(metric: str, most: int, model: str = "v2", **changes: object) -> Budget:
    limit = Limit(Fraction(), most, f"{most}")
    made = Budget(None, (parse_reference(model),), metric, max=limit)
    return made._replace(**changes)  # type: ignore[arg-type]


def scatter_of(*budgets: Budget) -> Scatter:
    (scatter,) = compared_scatter(FIGURES, "fvcore", budgets, SIZE)
    return scatter


def test_every_model_is_at_its_figures_and_the_unbeaten_ones_are_the_front() -> None:
    scatter = scatter_of()
    assert scatter.base is not None
    assert (scatter.base.x, scatter.base.y) == (475_077, 169_700_000)
    marks = dict(zip(scatter.names, (dot.mark for dot in scatter.dots), strict=True))
    assert marks == {"v2": Mark.PLAIN, "v2+backbone=10": Mark.FRONT, "v3": Mark.PLAIN}
    assert [scatter.title_of(dot) for dot in scatter.dots] == list(scatter.names)


def test_budgets_of_these_models_as_a_whole_at_this_size_are_lines() -> None:
    scatter = scatter_of(
        budget("params", 650_000),
        budget("fvcore", 150_000_000, sizes=(SIZE,)),
        budget("fvcore", 700_000_000, sizes=(Size(512, 512),)),
        budget("params", 5_000, module="aspp"),
        budget("params", 600_000, model="v2+low_skip=16"),
        budget("macs", 9),
    )
    assert [bound.at for bound in scatter.across_bounds] == [650_000]
    assert [bound.at for bound in scatter.up_bounds] == [150_000_000]
    assert scatter.across_bounds[0].text == "params ≤ 650k"


def test_names_stand_beside_their_dots_and_overlap_nothing() -> None:
    drawn = draw_scatter(scatter_of(), "models").element
    assert faults(drawn) == []
    words = [box.words for box in boxes(drawn)]
    assert {"v1", "v2", "v2+backbone=10", "v3"} <= set(words)


def test_models_at_one_place_are_named_as_far_as_there_is_room() -> None:
    same = {f"a model with a long name, number {n}": FIGURES["v2"] for n in range(9)}
    (scatter,) = compared_scatter({"v1": FIGURES["v1"], **same}, "fvcore", (), SIZE)
    assert faults(draw_scatter(scatter, "models").element) == []


def test_the_command_draws_several_models_and_not_two(ucseg: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    assert ucseg("compare", "v1", "v2", "v3", "--export", f"svg={path}").returncode == 0
    classes = {part.get("class") for part in ET.parse(path).getroot().iter()}
    assert "scatter" in classes
    assert "icicle" not in classes
