from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from support.fixture_types import Number, Run, Tables
from ucseg_cli.gate.cache import Cache
from ucseg_cli.gate.tracing import Request
from ucseg_cli.report.document import Kind, Report, Role, Table
from ucseg_cli.report.formats import terminal
from ucseg_cli.report.formats.screen import Screen, display_width

REASONS = "Reasons are shown for two models at a time: `ucseg compare v1 v3`."
BY_MODULE = ("Parameters by module", "FLOPs (fvcore) by module")


def test_the_command_of_the_contract_works_exactly_as_written(ucseg: Run) -> None:
    answer = ucseg("compare", "v1", "v2")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("compare v1 → v2\n")


def test_json_has_the_keys_that_scripts_rely_on(ucseg: Run) -> None:
    answer = json.loads(ucseg("compare", "v1", "v2", "--format", "json").stdout)
    assert answer["kind"] == "ucseg.compare"
    assert answer["baseline"] == "v1"
    assert [model["name"] for model in answer["models"]] == ["v1", "v2"]
    assert all("params" in model["total"] for model in answer["models"])
    for delta in answer["deltas"]:
        assert {"metric", "before", "after", "delta"} <= delta.keys()
        assert delta["after"] - delta["before"] == delta["delta"]
    assert {"axis": "backbone", "before": 10, "after": 11}.items() <= answer["axes"][0].items()
    assert answer["modules"]
    assert isinstance(answer["verdict"]["summary"], str)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--top", "2"),
        ("--depth", "1"),
        ("-d", "4"),
        ("-c", "torch"),
        ("--sort", "path", "-n", "1"),
    ],
)
@pytest.mark.parametrize("models", [("v2",), ("v2", "v3"), ("v1",), ("v2+rates=1", "v2")])
def test_the_last_sentence_is_the_verdict_of_the_json(
    ucseg: Run, models: tuple[str, ...], options: tuple[str, ...]
) -> None:
    screen, script = (
        ucseg("compare", "v1", *models, *options, "-f", form).stdout for form in ("table", "json")
    )
    said = " ".join(screen.split("\n\n")[-1].split())
    assert said == json.loads(script)["verdict"]["summary"]


@pytest.mark.parametrize("depth", ["1", "2", "3", "9"])
@pytest.mark.parametrize(
    "options", [(), ("--top", "2"), ("--sort", "path"), ("--top", "1", "--sort", "path")]
)
def test_every_column_adds_up_to_the_printed_total(
    ucseg: Run, read_tables: Tables, number: Number, options: tuple[str, ...], depth: str
) -> None:
    tables = read_tables(
        ucseg(
            "compare", "v1", "v2", "v3", *options, "-d", depth, "--exact", "-f", "markdown"
        ).stdout
    )
    for title in BY_MODULE:
        header, *parts, total = tables[title]
        assert total[0] == "total"
        for at, column in enumerate(header):
            if column not in {"module", "Δ%"}:
                assert sum(number(part[at]) for part in parts) == number(total[at]), (title, column)


def test_totals_agree_with_those_of_each_model_alone(ucseg: Run) -> None:
    answer = json.loads(ucseg("compare", "v1", "v2", "v3", "-f", "json").stdout)
    for model in answer["models"]:
        alone = json.loads(ucseg("show", model["name"], "-f", "json").stdout)
        assert model["total"] == alone["total"]


@pytest.mark.parametrize("metric", ["params", "fvcore", "macs", "torch"])
@pytest.mark.parametrize("depth", ["1", "2", "4"])
def test_modules_of_the_json_add_up_to_its_deltas(ucseg: Run, metric: str, depth: str) -> None:
    answer = json.loads(ucseg("compare", "v1", "v2", "v3", "-f", "json", "-d", depth).stdout)
    for total in (delta for delta in answer["deltas"] if delta["metric"] == metric):
        modules = [
            module[metric] for module in answer["modules"] if module["model"] == total["model"]
        ]
        for side in ("before", "after", "delta"):
            assert sum(module[side] or 0 for module in modules) == total[side]


def test_a_model_compared_with_itself_differs_in_nothing(ucseg: Run, read_tables: Tables) -> None:
    answer = ucseg("compare", "v2", "v2", "-f", "markdown").stdout
    tables = read_tables(answer)
    assert [row[0] for row in tables["Parameters by module"][1:]] == ["21 unchanged", "total"]
    assert "12 axes unchanged" in answer
    assert "3 taps unchanged" in answer
    assert "v2 is compared with itself: nothing differs." in answer


def test_an_inline_variant_that_changes_nothing_is_its_base(ucseg: Run) -> None:
    answer = json.loads(ucseg("compare", "v2", "v2+rates=6,12,18", "-f", "json").stdout)
    assert answer["axes"] == []
    assert {delta["delta"] for delta in answer["deltas"]} == {0}


def test_modules_are_compared_by_role(ucseg: Run, read_tables: Tables) -> None:
    answer = ucseg("compare", "v2", "v2+rates=12,18", "-f", "markdown", "--depth", "3").stdout
    paths = {row[0]: row[-1] for row in read_tables(answer)["Parameters by module"]}
    assert paths["aspp.branches[rate 6]"] == "gone"
    assert not any(
        path.startswith(("aspp.branches[rate 12]", "aspp.branches[image")) for path in paths
    )


def test_new_and_gone_stand_instead_of_a_percentage_of_zero(
    ucseg: Run, read_tables: Tables
) -> None:
    there = read_tables(ucseg("compare", "v1", "v2", "-f", "markdown").stdout)[
        "Parameters by module"
    ]
    back = read_tables(ucseg("compare", "v2", "v1", "-f", "markdown").stdout)[
        "Parameters by module"
    ]
    assert {row[-1] for row in there if row[0] == "features.10"} == {"new"}
    assert {row[-1] for row in back if row[0] == "features.10"} == {"gone"}


def test_rows_stand_by_absolute_change_or_by_path(
    ucseg: Run, read_tables: Tables, number: Number
) -> None:
    rows = read_tables(ucseg("compare", "v1", "v2", "-f", "markdown", "--exact").stdout)[
        "Parameters by module"
    ][1:-2]
    changes = [abs(number(row[3])) for row in rows]
    assert changes == sorted(changes, reverse=True)
    answer = ucseg("compare", "v1", "v2", "-f", "markdown", "--sort", "path").stdout
    paths = [row[0] for row in read_tables(answer)["Parameters by module"][1:-2]]
    assert paths == sorted(paths)


def test_taps_that_moved_are_shown_before_and_after(ucseg: Run, read_tables: Tables) -> None:
    answer = ucseg("compare", "v2", "v2+output_stride=16", "-f", "markdown").stdout
    assert read_tables(answer)["Taps"][1] == [
        "high",
        "96×7×7",
        "32",
        "features.10",
        "96×14×14",
        "16",
        "features.10",
    ]
    assert "2 taps unchanged" in answer


def test_a_tap_that_another_module_gives_has_moved_though_its_shape_is_the_same(
    ucseg: Run, read_tables: Tables
) -> None:
    answer = ucseg("compare", "v1", "v2", "-f", "markdown").stdout
    assert read_tables(answer)["Taps"][1] == [
        "high",
        "96×7×7",
        "32",
        "features.9",
        "96×7×7",
        "32",
        "features.10",
    ]
    script = json.loads(ucseg("compare", "v1", "v2", "-f", "json").stdout)
    assert [(tap["name"], tap["changed"]) for tap in script["taps"]] == [
        ("low", False), ("mid", False), ("high", True)
    ]  # fmt: skip


# Why two variants differ


@pytest.mark.parametrize("options", [(), ("--deploy",)])
@pytest.mark.parametrize(
    "models", [("v1", "v2"), ("v2", "v1"), ("v2", "v3+classes=5"), ("v2", "v2+dropout=0.9")]
)
def test_the_shares_of_the_axes_add_up_to_the_delta_of_every_metric(
    ucseg: Run, models: tuple[str, str], options: tuple[str, ...]
) -> None:
    answer = json.loads(ucseg("compare", *models, *options, "-f", "json").stdout)
    deltas = {delta["metric"]: delta for delta in answer["deltas"]}
    counted = [change["axis"] for change in answer["axes"] if change["axis"] != "dropout"]
    assert [row["metric"] for row in answer["attribution"]] == (list(deltas) if counted else [])
    for row in answer["attribution"]:
        assert all(row[key] == deltas[row["metric"]][key] for key in ("before", "after", "delta"))
        assert row["over_all_orders"] is True
        assert [effect["axis"] for effect in row["effects"]] == counted
        assert sum(effect["rounded"] for effect in row["effects"]) == row["delta"]
        shares = [
            Fraction(e["share"]["numerator"], e["share"]["denominator"]) for e in row["effects"]
        ]
        assert sum(shares) == row["delta"]


def test_the_json_has_what_each_axis_does_alone_last_and_on_average(ucseg: Run) -> None:
    answer = json.loads(ucseg("compare", "v1", "v2", "-f", "json").stdout)
    params = next(row for row in answer["attribution"] if row["metric"] == "params")
    assert params["effects"][1] == {
        "axis": "rates",
        "alone": 59_520,
        "last": 11_424,
        "share": {"numerator": 35_472, "denominator": 1},
        "rounded": 35_472,
    }
    assert {"axis": "rates", "other": "conv", "without": 59_520, "with_it": 11_424} in params[
        "interactions"
    ]


def test_a_waterfall_leads_from_the_baseline_to_the_model_axis_by_axis(
    ucseg: Run, read_tables: Tables
) -> None:
    tables = read_tables(ucseg("compare", "v1", "v2", "-f", "markdown").stdout)
    rows = tables["Why parameters differ"]
    assert rows[0] == ["axis", "share", "alone", "last"]  # Markdown has no scale to draw on
    axes = ["backbone", "conv", "rates", "decoder_blocks"]
    assert [row[0] for row in rows[1:]] == ["v1", *axes, "v2"]
    assert rows[4] == ["rates", "+35,472", "+59,520", "+11,424"]
    assert rows[-1] == ["v2", "+170,168", "", ""]
    assert ["backbone", ":10 → :11"] in tables["Axes"]


def test_the_waterfall_is_drawn_with_each_block_where_the_last_one_ended(ucseg: Run) -> None:
    drawn = _drawn(ucseg("compare", "v1", "v2", "--full").stdout)
    left = drawn["v1"].start()
    # on 28 cells for the most there is in between, 769,173:
    # 475,077 is 17.3, 588,813 is 21.4, 624,285 is 22.7
    assert {name: (block.start() - left, block.end() - left) for name, block in drawn.items()} == {
        "v1": (0, 17),
        "backbone": (17, 28),
        "conv": (21, 28),
        "rates": (21, 23),
        "decoder_blocks": (23, 24),  # less than a cell
        "v2": (0, 23),  # 645,245 is 23.5
    }
    assert {name for name, block in drawn.items() if "░" in block[0]} == {"conv"}  # the step down


def test_an_interaction_says_what_an_axis_does_before_and_after_the_other_changes(
    ucseg: Run,
) -> None:
    text = " ".join(ucseg("compare", "v1", "v2", "--full").stdout.split())
    assert "rates 6,12 → 6,12,18 is +59,520 with conv regular, +11,424 with separable." in text


def test_only_the_first_waterfall_explains_its_columns(ucseg: Run) -> None:
    legend = "alone: the effect of making only this change; last: of making it after all others"
    answer = " ".join(ucseg("compare", "v1", "v2", "--full").stdout.split())
    assert answer.count(legend) == 1
    first, second = answer.index("Why parameters differ"), answer.index("Why FLOPs (fvcore) differ")
    assert first < answer.index(legend) < second


def test_alone_is_explained_only_while_its_column_is_shown(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for width, is_shown in (("20", False), ("44", True), ("80", True)):
        monkeypatch.setenv("COLUMNS", width)
        answer = ucseg("compare", "v1", "v2").stdout
        axes = answer[answer.index("Axes") : answer.index("Modules")]
        heading = axes.splitlines()[1]
        assert ("alone" in heading, "alone:" in axes) == (is_shown, is_shown)
        assert axes.count("alone:") <= 1


def test_a_single_axis_needs_no_waterfall_and_no_legend(ucseg: Run) -> None:
    for options in ((), ("--full",)):
        answer = ucseg("compare", "v2", "v2+classes=5", *options).stdout
        assert "alone" not in answer
        assert not re.search("^Why", answer, re.MULTILINE)


def test_a_waterfall_never_leaves_its_scale(ucseg: Run) -> None:
    # taken by size, conv leads far below nothing
    other = "v1+conv=separable+decoder_channels=1024+decoder_blocks=3"
    drawn = _drawn(ucseg("compare", "v1", other, "--full").stdout)
    assert set(drawn) == {"v1", "decoder_channels", "decoder_blocks", "conv", "[1]"}
    left = drawn["v1"].start()
    assert all(left <= block.start() and block.end() <= left + 28 for block in drawn.values())


def _drawn(screen: str) -> dict[str, re.Match[str]]:
    """The bars of the first waterfall, by row."""
    lines = screen.splitlines()
    table = lines[lines.index("Why parameters differ") :]
    rows = table[: table.index("")]
    found = ((line.split()[0], re.search("█+|░+", line)) for line in rows if line)
    return {name: block for name, block in found if block}


@pytest.mark.parametrize("models", [("v1", "v2", "v3"), ("v2", "v2"), ("v2", "v2+dropout=0.9")])
def test_several_models_or_none_that_counts_have_no_attribution(
    ucseg: Run, models: tuple[str, ...]
) -> None:
    assert json.loads(ucseg("compare", *models, "-f", "json").stdout)["attribution"] == []
    screen = ucseg("compare", *models, "--full").stdout
    assert not re.search("^Why", screen, re.MULTILINE)
    assert (REASONS in screen) == (len(models) > 2)


def test_for_models_that_differ_on_no_axis_no_reasons_are_promised(ucseg: Run) -> None:
    assert "Reasons" not in ucseg("compare", "v2", "v2+rates=6,12,18", "v2+classes=21").stdout


def test_beyond_six_changes_the_answer_says_how_shares_were_found(ucseg: Run) -> None:
    axes = "backbone=8+rates=2+conv=separable+decoder_blocks=2+aspp_channels=8"
    other = f"v1+{axes}+mid_channels=8+classes=2"
    answer = json.loads(ucseg("compare", "v1", other, "-f", "json").stdout)
    assert {row["over_all_orders"] for row in answer["attribution"]} == {False}
    assert all(
        sum(e["rounded"] for e in row["effects"]) == row["delta"] for row in answer["attribution"]
    )
    for options in ((), ("--full",)):
        said = " ".join(ucseg("compare", "v1", other, *options).stdout.split())
        assert "the effect of making the changes one by one, in this order" in said


def test_what_lies_between_is_recorded_once_and_kept_as_totals(
    ucseg: Run, fake_engine: list[Request]
) -> None:
    first = ucseg("compare", "v1", "v2").stdout
    assert len(fake_engine) == 16
    assert ucseg("compare", "v1", "v2").stdout == first
    assert len(fake_engine) == 16
    ucseg("compare", "v1", "v2", "--no-cache")
    assert len(fake_engine) == 32


def test_totals_of_an_older_version_that_lack_a_metric_are_measured_again(
    ucseg: Run, cache_directory: Path, fake_engine: list[Request]
) -> None:
    first = ucseg("compare", "v1", "v2").stdout
    (path,) = cache_directory.rglob("*.totals")
    Cache(cache_directory, warn=pytest.fail).put_totals(path.stem, {"conv": {"params": 1}})
    again = ucseg("compare", "v1", "v2")
    assert (again.stdout, again.stderr) == (first, "")
    assert len(fake_engine) == 16 + 14


# Findings of both


def test_lint_shows_what_a_model_adds_and_fixes(ucseg: Run, read_tables: Tables) -> None:
    there = json.loads(ucseg("compare", "v1", "v2", "--size", "512", "-f", "json").stdout)["lint"]
    assert [
        (finding["model"], finding["change"], finding["code"], finding["module"])
        for finding in there
    ] == [
        ("v2", "added", "UC101", "aspp.branches.3.depthwise"),
        ("v2", "added", "UC108", "features.10"),
        ("v2", "changed", "UC103", "aspp.branches"),
        ("v2", "changed", "UC108", "classifier.1"),
    ]
    assert there[0]["evidence"]["dead_positions"] == 8
    assert there[2]["evidence"]["pixels"] == 18 * 32  # was 12 · 32
    back = ucseg("compare", "v2", "v1", "--size", "512", "-f", "markdown").stdout
    assert [row[:4] for row in read_tables(back)["Lint"][1:]] == [
        ["v1", "gone", "UC101", "aspp.branches.3.depthwise"],
        ["v1", "gone", "UC108", "features.10"],
        ["v1", "changed", "UC103", "aspp.branches"],
        ["v1", "changed", "UC108", "classifier.1"],
    ]
    assert "3 findings of v1 unchanged" in back


def test_unchanged_findings_are_counted(ucseg: Run) -> None:
    assert json.loads(ucseg("compare", "v2", "v2+dropout=0.1", "-f", "json").stdout)["lint"] == []
    findings = json.loads(ucseg("lint", "v2", "-f", "json").stdout)["findings"]
    counted = f"{len(findings)} findings"
    assert f"taps, {counted}." in ucseg("compare", "v2", "v2+dropout=0.1").stdout
    full = ucseg("compare", "v2", "v2+dropout=0.1", "--full").stdout
    assert f"{counted} of v2+dropout=0.1 unchanged" in full


@pytest.mark.parametrize(
    "models", [("v1", "v2"), ("v2", "v3"), ("v2", "v2+head=before-upsample"), ("v2", "v2")]
)
def test_findings_that_are_new_changed_or_unchanged_are_all_that_the_model_has(
    ucseg: Run, models: tuple[str, str]
) -> None:
    changes = json.loads(ucseg("compare", *models, "-f", "json").stdout)["lint"]
    there = [finding for finding in changes if finding["change"] != "removed"]
    full = ucseg("compare", *models, "--full").stdout
    (unchanged,) = re.findall(r"^(\d+) findings? of \S+ unchanged$", full, re.MULTILINE)
    findings = json.loads(ucseg("lint", models[1], "-f", "json").stdout)["findings"]
    assert len(there) + int(unchanged) == len(findings)


def test_folding_takes_the_norm_s_finding_away_on_both_sides(ucseg: Run) -> None:
    found = json.loads(ucseg("compare", "v1", "v2", "--deploy", "-f", "json").stdout)["lint"]
    assert [(finding["change"], finding["code"]) for finding in found] == [
        ("added", "UC101"),
        ("added", "UC108"),
        ("changed", "UC101"),
        ("changed", "UC103"),
        ("changed", "UC108"),
    ]


def test_each_of_several_models_has_its_own_findings(ucseg: Run) -> None:
    found = json.loads(
        ucseg("compare", "v2", "v1", "v2+head=before-upsample", "-f", "json").stdout
    )["lint"]
    gone = {
        (finding["model"], finding["code"]) for finding in found if finding["change"] == "removed"
    }
    assert {("v1", "UC101"), ("v2+head=before-upsample", "UC104")} <= gone


def test_csv_has_totals_and_modules_with_the_unchanged_ones(ucseg: Run) -> None:
    header, *records = ucseg("compare", "v1", "v2", "-f", "csv").stdout.splitlines()
    assert header == "model,scope,name,metric,before,after,delta"
    assert "v2,total,,params,475077,645245,170168" in records
    assert "v2,module,features.0,params,464,464,0" in records
    assert "v2,module,features.10,params,,294096,294096" in records


def test_the_same_model_named_twice_among_others_is_shown_twice(ucseg: Run) -> None:
    answer = json.loads(ucseg("compare", "v2", "v2", "v1", "-f", "json").stdout)
    assert [model["name"] for model in answer["models"]] == ["v2", "v2", "v1"]
    lines = ucseg("compare", "v2", "v2", "v1").stdout.splitlines()
    for title in ("Totals", "Axes"):
        table = lines[lines.index(title) + 3 :]
        assert [line.split()[0] for line in table[:3]] == ["v2", "v2", "v1"]


def test_spaces_around_a_name_do_not_matter(ucseg: Run) -> None:
    assert ucseg("compare", " v1", "v2 ").stdout == ucseg("compare", "v1", "v2").stdout


def test_the_page_shows_both_models_and_the_sentence(ucseg: Run) -> None:
    page = ucseg("compare", "v1", "v2", "-f", "html").stdout.replace("<wbr>", "")
    assert "features.10" in page
    assert "v2 has 35.8% more parameters than v1" in page.replace("\u00a0", " ")


def test_a_model_alone_is_compared_with_the_baseline(ucseg: Run) -> None:
    assert ucseg("compare", "v2").stdout == ucseg("compare", "v1", "v2").stdout


# First what matters


SUMMED = {Kind.QUANTITY, Kind.DELTA, Kind.EXACT_DELTA}


@pytest.fixture
def tables_of(ucseg: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Table, ...]]:
    """The tables that a terminal shows, as values."""

    def ask(*arguments: str) -> tuple[Table, ...]:
        shown: list[Report] = []
        draw = terminal.render_terminal

        def keep(report: Report, screen: Screen) -> str:
            shown.append(report)
            return draw(report, screen)

        monkeypatch.setattr(terminal, "render_terminal", keep)
        ucseg("compare", *arguments)
        return shown[0].first.tables if shown[0].first else shown[0].tables

    return ask


@pytest.mark.parametrize("options", [(), ("--full",), ("--top", "1"), ("--full", "-n", "2")])
@pytest.mark.parametrize(
    "models",
    [("v1", "v2"), ("v1", "v2", "v3"), ("v2", "v2", "v1"), ("v2", "v2+head=before-upsample")],
)
def test_on_both_screens_every_column_adds_up_to_its_total(
    tables_of: Callable[..., tuple[Table, ...]], models: tuple[str, ...], options: tuple[str, ...]
) -> None:
    summed = 0
    for table in tables_of(*models, *options):
        totals = [row for row in table.rows if row.role is Role.TOTAL]
        parts = [row for row in table.rows if row.role is not Role.TOTAL]
        for at, column in enumerate(table.columns if totals else ()):
            whole = totals[0].cells[at]
            if column.kind in SUMMED and isinstance(whole, int):
                cells = [row.cells[at] for row in parts]
                assert sum(cell for cell in cells if isinstance(cell, int)) == whole, column.key
                summed += 1
    assert summed >= 3


@pytest.mark.parametrize("width", ["80", "100", "120", None])
def test_two_variants_fit_on_about_fifty_lines_and_none_is_wider_than_the_screen(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, width: str | None
) -> None:
    if width:
        monkeypatch.setenv("COLUMNS", width)
    lines = ucseg("compare", "v1", "v2").stdout.splitlines()
    assert max(map(display_width, lines)) <= int(width or 100)
    assert len(lines) <= (60 if width == "80" else 55)


def test_what_is_not_shown_first_is_counted_and_shown_with_full(ucseg: Run) -> None:
    first, full = (ucseg("compare", "v1", "v2", *options).stdout for options in ((), ("--full",)))
    said = " ".join(first.split())
    assert "Unchanged: 1 metric, 7 axes, 16 modules, 2 taps, 3 findings." in said
    assert (
        "Also changed: buffers, MACs, FLOPs (torch), activations (fvcore), bytes moved, "
        "2 findings. `--full` shows all."
    ) in said
    for row in ("buffers", "MACs", "FLOPs (torch)", "peak memory"):
        assert not re.search(f"^{re.escape(row)} ", first, re.MULTILINE)
        assert re.search(f"^{re.escape(row)} ", full, re.MULTILINE)
    assert "UC108" not in first  # it restates the table of modules
    assert "UC108" in full
    assert "--full" not in full


def test_other_formats_have_everything_without_being_asked(ucseg: Run) -> None:
    for form in ("markdown", "html", "json"):
        text = ucseg("compare", "v1", "v2", "-f", form).stdout
        in_full = ucseg("compare", "v1", "v2", "-f", form, "--full").stdout
        assert text == in_full.replace(" --full<", "<")  # in the command that a page ends with
        assert "UC108" in text


def test_a_finding_takes_at_most_two_lines(ucseg: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    for models in (("v1", "v2"), ("v2", "v1"), ("v2", "v2+head=before-upsample")):
        lines = ucseg("compare", *models).stdout.splitlines()
        rows = lines[lines.index("Lint") + 3 :]
        table = rows[: rows.index("")]
        starts = [at for at, line in enumerate(table) if "UC10" in line]
        ends = [*starts[1:], len(table)]
        assert max(end - start for start, end in zip(starts, ends, strict=True)) <= 2


def test_the_change_in_percent_is_never_dropped(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    lines = ucseg("compare", "v1", "v2").stdout.splitlines()
    assert lines[lines.index("Totals") + 1].endswith("Δ%")


def test_of_several_models_each_is_a_row_and_each_metric_a_column(ucseg: Run) -> None:
    lines = ucseg("compare", "v1", "v2", "v3").stdout.splitlines()
    header, _, *rows = lines[lines.index("Totals") + 1 :][:5]
    assert header.split()[:3] == ["model", "params", "Δ%"]
    assert [row.split()[0] for row in rows] == ["v1", "v2", "v3"]


def test_a_long_reference_has_a_short_label_that_the_header_explains(ucseg: Run) -> None:
    long = "v2+head=before-upsample"
    head, _, rest = ucseg("compare", "v2", "v1", long).stdout.partition("\n\n")
    assert f"[1] {long}" in head
    tables, _, verdict = rest.rpartition("\n\n")
    assert long not in tables.partition("Reasons")[0]
    assert "[1]" in tables
    assert long in verdict


# The verdict

MOSTLY = (
    "v2 has 35.8% more parameters than v1 (+170k, mostly from backbone :10 → :11) and 16.7% fewer "
    "fvcore FLOPs (-28.4M, mostly from conv regular → separable)."
)


@pytest.mark.parametrize(
    ("models", "verdict"),
    [
        (("v1", "v2"), MOSTLY),
        (
            ("v1", "v1+backbone=11+dropout=0.3"),  # dropout counts nothing
            (
                "v1+backbone=11+dropout=0.3 has 61.9% more parameters than v1 (+294k) and 3.8% "
                "more fvcore FLOPs (+6.44M), from backbone :10 → :11."
            ),
        ),
        (
            ("v1", "v2", "v1+backbone=11"),  # no attribution: the module that changes most
            (
                "v2 has 35.8% more parameters than v1 (+170k, largest change: features.10 +294k) "
                "and 16.7% fewer fvcore FLOPs (-28.4M, largest change: decoder.0 -34.6M). "
                "v1+backbone=11 has 61.9% more parameters than v1 (+294k, largest change: "
                "features.10 +294k) and 3.8% more fvcore FLOPs (+6.44M, largest change: "
                "features.10 +6.44M)."
            ),
        ),
        (
            ("v2", "v2+rates=3,6,9"),
            "v2+rates=3,6,9 differs from v2 in rates 6,12,18 → 3,6,9; no cost differs.",
        ),
        (("v2", "v2"), "v2 is compared with itself: nothing differs."),
        (
            ("v2", "v2+rates=6,12,18"),
            "v2+rates=6,12,18 has the same parameters and operations as v2 in every module.",
        ),
    ],
    ids=["two", "one axis", "several", "no cost", "same", "another name"],
)
def test_the_verdict_says_how_much_and_why(
    ucseg: Run, models: tuple[str, ...], verdict: str
) -> None:
    assert _verdict(ucseg, *models) == verdict


def _verdict(ucseg: Run, *models: str) -> str:
    answer = json.loads(ucseg("compare", *models, "-f", "json").stdout)
    return str(answer["verdict"]["summary"])


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ("head=before-upsample", True),
        ("head=before-upsample+dropout=0.1", True),
        ("head=before-upsample+classes=5", False),
        ("classes=5+dropout=0.1", False),
        ("rates=3,6,9", False),
    ],
)
def test_the_verdict_says_that_the_function_is_the_same_if_only_the_head_or_dropout_changes(
    ucseg: Run, changed: str, *, same: bool
) -> None:
    verdict = _verdict(ucseg, "v2", f"v2+{changed}")
    assert verdict.endswith("; in eval mode it computes the same function.") == same
    assert ("same function" in verdict) == same


def test_no_reason_is_given_for_what_stays_the_same(ucseg: Run) -> None:
    assert _verdict(ucseg, "v2", "v2+head=before-upsample") == (
        "v2+head=before-upsample has as many parameters as v2 and 53.1% fewer fvcore FLOPs (-75M), "
        "from head after-upsample → before-upsample; in eval mode it computes the same function."
    )


def test_the_axis_that_is_named_changed_the_metric_in_the_direction_of_the_whole(
    ucseg: Run,
) -> None:
    other = "v1+conv=separable+decoder_channels=1024+decoder_blocks=3"
    said = _verdict(ucseg, "v1", other)
    assert "parameters than v1 (+2.09M, mostly from decoder_channels 64 → 1024)" in said.replace(
        " as v1 (", " than v1 ("
    )
