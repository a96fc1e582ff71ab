"""The answer of a sweep: its tables add up, its sentence is true, its files have every variant."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from io import StringIO
from typing import Any

import pytest

from support.swept_spaces import (
    BACKBONE,
    CHANNELS,
    CONV,
    FIELD,
    FIGURES,
    FVCORE,
    PARAMS,
    PEAK,
    Place,
    at_most,
    params,
    peak,
    swept_answer,
)
from ucseg_cli.analysis.space.conclude_sweep import find_front
from ucseg_cli.analysis.space.expression import parse_formula
from ucseg_cli.analysis.space.sweep_answer import Limit, Objective, Quantity, Scores, SweepAnswer
from ucseg_cli.references.space import VariedAxis
from ucseg_cli.report.answers.choose.sweep import FRONT_ROWS, sweep_report
from ucseg_cli.report.answers.choose.swept.sweep_picture import MOST_DOTS, sweep_scatter
from ucseg_cli.report.answers.choose.swept.sweep_tables import spread
from ucseg_cli.report.document import Report, Table
from ucseg_cli.report.formats.csv import render_csv
from ucseg_cli.report.formats.html import render_html
from ucseg_cli.report.formats.json import render_json
from ucseg_cli.report.formats.markdown import render_markdown
from ucseg_cli.report.formats.screen import Screen
from ucseg_cli.report.formats.terminal import render_terminal
from ucseg_cli.report.pictures.scatter import Mark

TIGHT = (at_most("params", 600_000, "600k"), at_most("fvcore", 150_000_000, "150M"))
TRADE = {PARAMS: params, FIELD: lambda place: 100 + 10 * place[2] + place[0]}
"""A front with a benefit, so that it has many variants."""
GOALS = (Objective("params"), Objective("receptive-field", maximize=True))


def table(report: Report, key: str) -> Table:
    assert report.first is not None
    return next(one for one in report.first.tables if one.key == key)


def column(shown: Table, key: str) -> list[Any]:
    place = [one.key for one in shown.columns].index(key)
    return [row.cells[place] for row in shown.rows]


def keys(tables: Sequence[Table]) -> list[str]:
    return [one.key for one in tables]


def screen(answer: SweepAnswer, width: int = 100) -> str:
    return render_terminal(sweep_report(answer), Screen(width))


# Tables


def test_the_screen_begins_with_how_many_fit_and_which_limit_binds() -> None:
    answer = swept_answer(limits=TIGHT)
    report = sweep_report(answer)
    limits = table(report, "limits")
    assert limits.title == f"{answer.fitting} of 30 variants fit"
    assert column(limits, "met") == [tally.met for tally in answer.tallies]
    assert column(limits, "binds") == ["", "binds"]
    assert report.first is not None
    assert keys(report.first.tables) == ["limits", "front", "ranges", "effects", "steps"]


def test_a_single_limit_needs_no_word_about_which_one_binds() -> None:
    limits = table(sweep_report(swept_answer(limits=TIGHT[:1])), "limits")
    assert [one.key for one in limits.columns] == ["limit", "met", "share"]


def test_the_front_names_what_differs_from_the_base_and_the_base_by_its_name() -> None:
    answer = swept_answer(figures=TRADE, objectives=GOALS)
    front = table(sweep_report(answer, top=99), "front")
    names = column(front, "reference")
    whole = [answer.space.reference_at(point.variant) for point in answer.front]
    assert ["v2" + name.replace(" ", "").removeprefix("v2") for name in names] == whole
    assert column(front, "place") == list(range(1, len(whole) + 1))


def test_a_long_front_is_shown_at_even_distances_and_the_rest_is_counted() -> None:
    answer = swept_answer(figures=TRADE, objectives=GOALS)
    assert len(answer.front) > FRONT_ROWS
    front = table(sweep_report(answer), "front")
    places = column(front, "place")
    assert (places[0], places[-1], len(places)) == (1, len(answer.front), FRONT_ROWS)
    rest = len(answer.front) - FRONT_ROWS
    assert front.note == f"{rest} more along the front: --top {len(answer.front)} shows all."
    assert spread(answer.front, 1) == [answer.front[0]]


def test_each_step_along_the_front_adds_up_to_the_difference() -> None:
    answer = swept_answer(figures=TRADE, objectives=GOALS)
    steps = table(sweep_report(answer), "steps")
    front = table(sweep_report(answer), "front")
    assert column(steps, "step") == [
        f"{before} → {after}"
        for before, after in zip(column(front, "place"), column(front, "place")[1:], strict=False)
    ]
    for step in sweep_report(answer).payload["steps"]:
        for attribution in step["attribution"]:
            effects = sum(effect["rounded"] for effect in attribution["effects"])
            assert effects == attribution["delta"] == attribution["after"] - attribution["before"]


def test_a_step_is_explained_by_what_it_costs_and_what_it_gains() -> None:
    figures = {PARAMS: params, FVCORE: lambda place: 9 + place[0] + place[2], FIELD: TRADE[FIELD]}
    goals = (Objective("params"), Objective("fvcore"), GOALS[1])
    steps = table(sweep_report(swept_answer(figures=figures, objectives=goals)), "steps")
    for why in column(steps, "why"):
        assert "parameters" in why
        assert "receptive field" in why
        assert "FLOPs" not in why


def test_variants_as_good_as_one_of_the_front_are_counted() -> None:
    constant = {PARAMS: lambda place: 100 + place[0], FVCORE: lambda _: 7}
    front = table(sweep_report(swept_answer(figures=constant)), "front")
    assert column(front, "equals") == [9]
    assert "equals" not in {one.key for one in table(sweep_report(swept_answer()), "front").columns}


def test_ranges_have_the_extremes_and_the_base() -> None:
    answer = swept_answer()
    ranges = table(sweep_report(answer), "ranges")
    assert [row.cells[1:] for row in ranges.rows] == [
        (one.smallest, one.base, one.largest) for one in answer.ranges
    ]


def test_effects_that_are_left_out_are_counted() -> None:
    answer = swept_answer()
    for report, rows in ((sweep_report(answer, top=1), 1), (sweep_report(answer, top=9), 9)):
        effects = table(report, "effects")
        metrics = column(effects, "metric")
        assert max(metrics.count(metric) for metric in metrics) <= rows
        left = len(answer.effects) - len(effects.rows)
        assert f"; {left} smaller effect" in (effects.note or "")
    page = next(one for one in sweep_report(answer).tables if one.key == "effects")
    assert [abs(Fraction(mean)) for mean in column(page, "mean")[:3]] == sorted(
        (abs(Fraction(mean)) for mean in column(page, "mean")[:3]), reverse=True
    )


def test_a_space_of_one_variant_has_no_step_and_no_front_to_speak_of() -> None:
    one = BACKBONE._replace(values=(10,))
    report = sweep_report(swept_answer([one], {PEAK: peak}))
    beyond = swept_answer([one], {PEAK: peak}, limits=[at_most("peak-memory", 9_150_000, "9M")])
    assert sweep_report(beyond).summary == (
        "The variant does not fit; v2+backbone=10 comes closest, 100.0% beyond peak-memory ≤ 9M."
    )
    assert report.summary == "v2+backbone=10 is the only variant."
    assert report.first is not None
    assert "effects" not in keys((*report.first.tables, *report.tables))


def test_what_cannot_be_built_is_grouped_by_its_reason_with_an_example() -> None:
    reasons = {0: "no", 1: "never", 7: "no"}
    failed = table(sweep_report(swept_answer(reasons=reasons), top=1), "failed")
    assert failed.title == "3 variants cannot be built or run"
    first = "+backbone=9 +conv=regular +aspp_channels=32"
    assert [row.cells for row in failed.rows] == [(2, "no", first)]
    assert failed.note == "1 other reason: --format csv has all."


def test_the_nearest_says_how_many_changes_it_has_and_the_change_of_the_first_objective() -> None:
    answer = swept_answer(limits=(at_most("params", 400_000, "400k"),), nearest=True)
    nearest = table(sweep_report(answer), "nearest")
    assert answer.nearest is not None
    assert column(nearest, "changes") == [len(one.axes) for one in answer.nearest]
    assert column(nearest, "delta") == [one.change for one in answer.nearest]


def test_where_nothing_fits_the_closest_says_how_far_it_is_from_each_limit() -> None:
    limits = (at_most("params", 100_000, "100k"), at_most("fvcore", 190_000_000, "190M"))
    report = sweep_report(swept_answer(limits=limits, nearest=True))
    closest = table(report, "closest")
    assert [row.cells for row in closest.rows] == [
        ("params ≤ 100k", "200k", Fraction(1)),
        ("fvcore ≤ 190M", "190M", "within"),
    ]
    assert report.first is not None
    assert {"front", "nearest", "steps"}.isdisjoint(keys(report.first.tables))
    assert closest.picture is not None
    assert report.summary == (
        "None of 30 variants fits; v2+backbone=9+conv=regular+aspp_channels=32 comes closest, "
        "100.0% beyond params ≤ 100k."
    )


def test_scores_are_decimals_and_a_formula_ranks() -> None:
    plain = swept_answer()
    miou = tuple(None if n == 3 else Fraction(n + 1, 40) for n in range(30))
    answer = swept_answer(formula=parse_formula("params / 2"), names={"params": "params"})
    answer = answer._replace(scores=Scores("scores.csv", {"miou": miou}, 1, ("v3",)))
    report = sweep_report(answer)
    ranking = table(report, "ranking")
    assert ranking.title == "Highest params / 2"
    assert column(ranking, "score")[0] == Fraction(max(map(params, plain.space.all_digits())), 2)
    assert report.notes == (
        "scores.csv has no scores of 1 variant.",
        "scores.csv also has what is not in the space: v3.",
    )
    assert report.payload["scores"]["outside"] == ["v3"]
    assert report.summary.startswith("v2+conv=regular+aspp_channels=96 is the best by params / 2")
    nothing = swept_answer(formula=parse_formula("params / 0"), names={"params": "params"})
    sentence = "No variant has a score by params / 0: division by zero."
    assert sweep_report(nothing).summary == sentence


# The sentence


def test_the_sentence_names_the_limit_that_binds_as_far_as_it_does() -> None:
    def begins(*limits: Limit) -> str:
        return sweep_report(swept_answer(limits=limits)).summary.partition(";")[0]

    loose = at_most("params", 600_000, "600k")
    assert begins(loose, at_most("fvcore", 130_000_000, "130M")) == (
        "3 of 30 variants fit, and fvcore ≤ 130M excludes most others"
    )
    tight = at_most("params", 240_000, "240k")
    assert begins(tight, at_most("fvcore", 150_000_000, "150M")) == (
        "3 of 30 variants fit, and params ≤ 240k excludes 8 by itself"
    )
    assert begins(tight, tight) == "7 of 30 variants fit"


def test_the_sentence_says_how_the_base_stands_to_the_front() -> None:
    def ends(figures: Mapping[Quantity, Callable[[Place], int]], **wanted: Any) -> str:
        axes = (BACKBONE, VariedAxis("aspp_channels", (32, 64), 64))
        return sweep_report(swept_answer(axes, figures, **wanted)).summary

    best = {PARAMS: lambda place: place[0], FVCORE: lambda place: place[1]}
    assert ends(best) == (
        "v2+backbone=9+aspp_channels=32 is the best in parameters and FLOPs (fvcore)."
    )
    trade = {PARAMS: lambda place: 5 + place[0], FVCORE: lambda place: 5 - place[0]}
    assert ends(trade) == "3 variants are on the front, v2 among them."
    wide = {**trade, PEAK: lambda place: place[1]}
    assert ends(wide) == (
        "3 variants are on the front, and v2 is not: v2+aspp_channels=32 is better in peak memory."
    )
    limit = (at_most("params", 6, "6"),)
    assert ends(trade, limits=limit).endswith("2 variants are on the front, and v2 does not fit.")
    single = ends(
        {PARAMS: lambda place: place[0] * 2 + place[1]}, limits=(at_most("params", 0, "0"),)
    )
    assert single.endswith("; it is v2+backbone=9+aspp_channels=32.")


def test_the_sentence_knows_a_base_outside_of_the_space() -> None:
    trade = {PARAMS: lambda place: 5 + place[0], FVCORE: lambda place: 5 - place[0]}
    outside = swept_answer((VariedAxis("backbone", (9, 10), 11),), trade)
    for params_of_base, end in ((4, "on the front."), (5, "as good as v2."), (6, "in parameters.")):
        answer = outside._replace(base={"params": params_of_base, "fvcore": 5})
        assert sweep_report(answer).summary.endswith(end)


@pytest.mark.parametrize(
    ("bound", "sentence"),
    [
        (10**9, "All variants fit"),
        (600_000, "28 of 30 variants fit, and params ≤ N alone excludes the others"),
        (200_000, "2 of 30 variants fit, and params ≤ N alone excludes the others"),
    ],
)
def test_the_sentence_says_how_many_fit(bound: int, sentence: str) -> None:
    report = sweep_report(swept_answer(limits=(at_most("params", bound, "N"),)))
    assert report.summary.startswith(f"{sentence}; ")


def test_the_sentence_names_a_figure_that_no_variant_has() -> None:
    figures = {PARAMS: params, FIELD: lambda _: None}
    field = swept_answer(figures=figures, objectives=GOALS)
    sentence = "There is no front: no variant has a figure of receptive field."
    assert sweep_report(field).summary == sentence
    assert sentence in screen(field)
    half = {PEAK: lambda place: place[1] or None, FIELD: lambda place: 9 if not place[1] else None}
    goals = (Objective("peak-memory"), GOALS[1])
    assert sweep_report(swept_answer(figures=half, objectives=goals)).summary == (
        "There is no front: no variant has a figure of every objective."
    )
    limit = Limit("receptive-field", 400, is_max=False, text="400")
    limited = swept_answer(figures=figures, objectives=GOALS, limits=(limit,))
    assert sweep_report(limited).summary == (
        "None of 30 variants fits: none has a figure of receptive field."
    )
    front = table(sweep_report(swept_answer(figures=TRADE, objectives=GOALS)), "front")
    assert front.title.endswith("least parameters; most receptive field")


def test_the_sentence_says_what_the_nearest_saves() -> None:
    answer = swept_answer(limits=(at_most("params", 400_000, "400k"),), nearest=True)
    assert "v2+backbone=10 is the nearest, with 1 change and 160k fewer parameters." in (
        sweep_report(answer).summary
    )
    fitting = swept_answer(limits=(at_most("params", 10**9, "1G"),), nearest=True)
    assert sweep_report(fitting).summary == "All variants fit; v2 is one of them."


# Files


def test_json_has_every_variant_with_its_axes_figures_and_verdicts() -> None:
    answer = swept_answer(limits=TIGHT, nearest=True, reasons={2: "cannot be built"})
    found = json.loads(render_json(sweep_report(answer)))
    assert (found["kind"], found["space"]["size"]) == ("ucseg.sweep", 30)
    assert [entry["reference"] for entry in found["variants"]] == list(answer.space.references())
    assert sum(entry["feasible"] for entry in found["variants"]) == answer.fitting
    on_front = {entry["reference"] for entry in found["variants"] if entry["on_front"]}
    assert on_front == {
        name for entry in found["front"] for name in (entry["reference"], *entry["equals"])
    }
    broken = found["variants"][2]
    assert broken["reason"] == "cannot be built"
    assert set(broken["metrics"].values()) == {None}
    assert (broken["feasible"], broken["violates"]) == (False, [])
    largest = found["variants"][-6]
    assert largest["axes"] == {"backbone": 11, "conv": "regular", "aspp_channels": 96}
    assert largest["violates"] == ["params ≤ 600k", "fvcore ≤ 150M"]
    assert {limit["limit"] for limit in found["limits"]} >= set(largest["violates"])
    assert found["verdict"]["summary"] == sweep_report(answer).summary
    assert answer.nearest is not None
    assert found["nearest"][0]["changes"] == list(answer.nearest[0].axes)


def test_csv_has_a_line_for_each_variant_with_a_column_for_each_axis_and_metric() -> None:
    answer = swept_answer(limits=TIGHT, reasons={2: "cannot, at all"})
    lines = list(csv.DictReader(StringIO(render_csv(sweep_report(answer)))))
    assert [line["reference"] for line in lines] == list(answer.space.references())
    for line, digits in zip(lines, answer.space.all_digits(), strict=True):
        axes = zip(answer.space.axes, digits, strict=True)
        assert [line[axis.name] for axis, _ in axes] == [
            axis.texts[digit] for axis, digit in zip(answer.space.axes, digits, strict=True)
        ]
    assert lines[2]["params"] == ""
    assert lines[2]["reason"] == "cannot, at all"
    assert lines[-1]["params"] == str(params((2, 1, 4)))
    assert {line["feasible"] for line in lines} == {"true", "false"}
    assert lines[24]["violates"] == "params ≤ 600k; fvcore ≤ 150M"


def test_markdown_has_the_tables_and_no_picture() -> None:
    text = render_markdown(sweep_report(swept_answer(limits=TIGHT)))
    assert "### Front: " in text
    assert "svg" not in text


def test_the_page_has_the_scatter_the_small_multiples_and_the_whole_front() -> None:
    answer = swept_answer(figures=TRADE, objectives=GOALS)
    page = render_html(sweep_report(answer))
    assert page.count('<svg xmlns="http://www.w3.org/2000/svg" class="scatter"') == 1
    assert page.count("<figure><svg viewBox") == 3
    assert page.count('class="front"') == len(answer.front)
    for point in answer.front:
        assert f"<title>{answer.space.reference_at(point.variant)}: parameters" in page


# The picture


def test_the_picture_marks_each_variant_by_its_part_and_says_which_limits_one_breaks() -> None:
    answer = swept_answer(limits=TIGHT)
    scatter = sweep_scatter(answer)
    assert scatter is not None
    front = {point.variant for point in answer.front}
    for dot in scatter.dots:
        fits = bool(answer.feasible[dot.variant])
        expected = Mark.FRONT if dot.variant in front else Mark.PLAIN if fits else Mark.OUTSIDE
        assert dot.mark is expected
        assert ("not within" in scatter.title_of(dot)) == (not fits)
    worst = next(dot for dot in scatter.dots if dot.variant == 24)
    assert scatter.title_of(worst).endswith("; not within params ≤ 600k, fvcore ≤ 150M")


def test_the_note_explains_the_signs_and_a_line_that_leaves_out_a_part_of_the_front() -> None:
    two = {PARAMS: lambda place: 9 + place[0], FVCORE: lambda place: 9 - place[0]}
    plain = sweep_scatter(swept_answer(figures=two))
    third = sweep_scatter(swept_answer(figures={**two, PEAK: lambda place: place[2]}))
    dearer = {**two, PARAMS: lambda place: 9 + place[0] + place[1]}
    part = sweep_scatter(swept_answer(figures={**dearer, PEAK: lambda place: -place[1]}))
    assert plain is not None
    assert third is not None
    assert part is not None
    assert plain.note == third.note == "Coloured dots are on the front, grey ones are beaten."
    assert part.note.endswith(" The line joins the best by these two figures alone.")


def test_a_crowd_is_thinned_and_keeps_the_front_and_every_part_of_the_picture() -> None:
    wide = VariedAxis("aspp_channels", tuple(range(1, 3001)), 64)

    def figure(place: Place) -> int:
        return (place[1] * 7919) % 3001 + place[0]

    crowd = {PARAMS: lambda place: place[1] * 100 + place[0], FVCORE: figure}
    answer = swept_answer(axes=(BACKBONE, wide), figures=crowd)
    scatter = sweep_scatter(answer)
    assert scatter is not None
    drawn = {dot.variant for dot in scatter.dots}
    assert len(drawn) <= MOST_DOTS
    assert {point.variant for point in answer.front} <= drawn
    assert f"{len(drawn):,} of 9,000 variants are drawn" in scatter.note
    for values in (column_of(answer, "params", drawn), column_of(answer, "fvcore", drawn)):
        assert max(values) - min(values) > 0.9 * 3000


def column_of(answer: SweepAnswer, label: str, variants: set[int]) -> list[int]:
    return [int(answer.figure(label, variant) or 0) for variant in variants]


def test_a_page_about_thousands_of_variants_stays_below_a_megabyte() -> None:
    wide = VariedAxis("aspp_channels", tuple(range(1, 961)), 64)
    answer = swept_answer(axes=(BACKBONE, CONV, wide))
    assert answer.space.size == 5760
    assert len(render_html(sweep_report(answer))) < 1_000_000


def test_too_few_variants_for_a_picture_have_none() -> None:
    line = {PARAMS: lambda place: 100 + place[0], FVCORE: lambda place: 7 - place[0]}
    two = VariedAxis("backbone", (10, 11), 11)
    assert sweep_scatter(swept_answer(axes=(two,), figures=line)) is None
    assert sweep_scatter(swept_answer(axes=(BACKBONE,), figures=line)) is not None
    assert sweep_scatter(swept_answer(figures={PARAMS: params})) is None


# Screens


@pytest.mark.parametrize("width", [20, 44, 60, 80, 100, 120])
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_is_wider_than_the_terminal(width: int, *, unicode: bool) -> None:
    answer = swept_answer(limits=TIGHT, nearest=True, reasons={2: "cannot be built"})
    text = render_terminal(sweep_report(answer), Screen(width, unicode=unicode))
    assert max(map(len, text.splitlines())) <= width
    assert unicode or text.isascii()


def test_the_screen_stays_within_about_fifty_lines() -> None:
    assert len(screen(swept_answer()).splitlines()) <= 53
    whole = swept_answer(limits=TIGHT, nearest=True)
    assert len(screen(whole).splitlines()) <= 65


def test_names_of_a_user_reach_no_screen_and_no_page_unescaped() -> None:
    hostile = "<i>\x1b[31m\n::error::"
    axis = VariedAxis("kind", (hostile, "b", "c"), hostile)
    answer = swept_answer(axes=(BACKBONE, axis, CHANNELS), reasons={1: hostile}, base="v2")
    report = sweep_report(answer)
    for text in (screen(answer), render_html(report), render_markdown(report)):
        assert "\x1b" not in text
        assert "\n::error::" not in text
    assert "<i>" not in render_html(report)
    assert "\x1b" not in render_csv(report)


def test_the_front_is_the_one_that_analysis_finds() -> None:
    answer = swept_answer(figures=TRADE, objectives=GOALS)
    columns = {label: answer.column(label) for label in ("params", "receptive-field")}
    assert answer.front == find_front(answer.space, answer.feasible, GOALS, columns)
    assert set(FIGURES) >= {PARAMS, FVCORE}
