"""``ucseg sweep`` on stored traces: every variant between v1 and v2."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from support.fake_timing import FakeMachine
from support.fixture_types import Run, TraceOf
from support.spaces import STORED, family_space
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.space.benefits import figure_of
from ucseg_cli.errors import ModelError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.gate import sweeping, tracing
from ucseg_cli.references.variants import CATALOGUE, Variant
from ucseg_cli.workflow.space import find_space, verify_sample

VARY = tuple(word for axis, text in STORED.items() for word in ("--vary", f"{axis}={text}"))
SPACE = family_space("v1", STORED)
SMALL = SPACE._replace(axes=SPACE.axes[:-1])
VARY_LESS = VARY[:-2]
"""The variants of which traces are stored at 512, too."""
COSTS = ("params", "fvcore", "macs", "torch", "peak-memory")

Sweep = Callable[..., dict[str, Any]]


@pytest.fixture
def sweep(ucseg: Run) -> Sweep:
    """The JSON of a sweep over the stored space; *status* is what it exits with."""

    def run(*options: str, status: int = 0, base: str = "v1") -> dict[str, Any]:
        vary = VARY if "--vary" not in options else ()
        done = ucseg("sweep", base, *vary, *options, "-f", "json")
        assert done.returncode == status, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


@pytest.fixture
def figures(trace_of: TraceOf) -> Callable[[str, int], list[int]]:
    """The figures of every variant, from its own trace."""

    def column(metric: str, side: int) -> list[int]:
        at, space = Conditions(Size(side, side)), SPACE if side == 224 else SMALL
        models = [space.model_at(variant) for variant in range(space.size)]
        found = [figure_of(trace_of(one, at), metric) for one in models if isinstance(one, Variant)]
        return [figure for figure in found if figure is not None]

    return column


def test_every_variant_has_the_figures_of_its_own_trace(
    sweep: Sweep, figures: Callable[[str, int], list[int]]
) -> None:
    found = sweep("--maximize", "receptive-field")
    assert found["kind"] == "ucseg.sweep"
    assert [one["reference"] for one in found["variants"]] == list(SPACE.references())
    for label in (*COSTS, "receptive-field"):
        assert [one["metrics"][label] for one in found["variants"]] == figures(label, 224)
    at_512 = sweep(*VARY_LESS, "--min", "live-positions=1@512", "--minimize", "macs@512")
    assert [one["reference"] for one in at_512["variants"]] == list(SMALL.references())
    for metric in ("live-positions", "macs"):
        column = [one["metrics"][f"{metric}@512"] for one in at_512["variants"]]
        assert column == figures(metric, 512)


def test_the_space_is_given_with_its_axes_and_counted_before_the_work(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "ucseg_cli.workflow.space.sweep_space.show_progress", lambda: nullcontext(said.append)
    )
    done = ucseg("sweep", "v1", *VARY, "-f", "json")
    space = json.loads(done.stdout)["space"]
    assert (space["base"], space["size"], space["name"]) == ("v1", 16, None)
    assert space["axes"] == {
        "backbone": [10, 11],
        "rates": [[6, 12], [6, 12, 18]],
        "conv": ["regular", "separable"],
        "decoder_blocks": [1, 2],
    }
    words = "16 variants of v1: 2 backbone × 2 rates × 2 conv × 2 decoder_blocks"
    assert said[:2] == [f"recording {words}", "recording 16 variants: 0%"]
    assert done.stderr == ""


def test_limits_say_how_many_meet_them_and_which_binds(
    sweep: Sweep, figures: Callable[[str, int], list[int]]
) -> None:
    limits = ("--max", "params=600k", "--max", "fvcore=700M@512", "--min", "receptive-field=400")
    found = sweep(*VARY_LESS, *limits)
    params, flops = figures("params", 512), figures("fvcore", 512)
    few, cheap = [one <= 600_000 for one in params], [one <= 700_000_000 for one in flops]
    assert [(one["metric"], one["met"], one["alone"]) for one in found["limits"]] == [
        ("params", sum(few), sum(c and not f for f, c in zip(few, cheap, strict=True))),
        ("fvcore@512", sum(cheap), sum(f and not c for f, c in zip(few, cheap, strict=True))),
        ("receptive-field", 8, 0),
    ]
    fits = [f and c for f, c in zip(few, cheap, strict=True)]
    assert 0 < sum(fits) < 8
    assert [one["feasible"] for one in found["variants"]] == fits
    for one, has_few, is_cheap in zip(found["variants"], few, cheap, strict=True):
        expected = ["params ≤ 600k"] * (not has_few) + ["fvcore@512 ≤ 700M"] * (not is_cheap)
        assert one["violates"] == expected
    assert all(one["feasible"] for one in found["variants"] if one["on_front"])


def test_the_front_is_by_the_objectives_that_are_asked_for(sweep: Sweep) -> None:
    assert [one["metric"] for one in sweep()["objectives"]] == ["params", "fvcore", "peak-memory"]
    found = sweep("--minimize", "fvcore", "--maximize", "parameters", "--minimize", "fvcore")
    objectives = [(one["metric"], one["maximize"]) for one in found["objectives"]]
    assert objectives == [("fvcore", False), ("params", True)]
    costs = [(one["metrics"]["fvcore"], -one["metrics"]["params"]) for one in found["variants"]]
    on_front = [not any(b != a and b[0] <= a[0] and b[1] <= a[1] for b in costs) for a in costs]
    assert [one["on_front"] for one in found["variants"]] == on_front
    names = [one["reference"] for one in found["front"]]
    assert len(names) == sum(on_front)
    assert [one["metrics"]["fvcore"] for one in found["front"]] == sorted(
        one["metrics"]["fvcore"] for one in found["front"]
    )


def test_the_nearest_have_the_fewest_changes(sweep: Sweep) -> None:
    (own,) = sweep("--nearest", "--max", "params=1M")["nearest"]
    assert (own["reference"], own["changes"]) == ("v1", [])
    nearest = sweep("--nearest", "--max", "params=400k", "--minimize", "params")["nearest"]
    assert [one["reference"] for one in nearest] == ["v1+conv=separable"]
    assert nearest[0]["changes"] == ["conv"]
    assert sweep("--nearest", "--max", "params=5", status=1)["nearest"] == []
    assert sweep()["nearest"] == []


def test_no_variant_within_all_limits_exits_with_1_and_says_what_comes_nearest(
    ucseg: Run, sweep: Sweep, figures: Callable[[str, int], list[int]]
) -> None:
    found = sweep("--max", "params=100k", status=1)
    least = min(range(16), key=figures("params", 224).__getitem__)
    assert SPACE.reference_at(least) in found["verdict"]["summary"]
    assert (found["fitting"], found["front"]) == (0, [])
    assert ucseg("sweep", "v1", *VARY, "--max", "params=1", "--exit-zero").returncode == 0


def test_the_effect_of_an_axis_is_over_all_pairs(sweep: Sweep) -> None:
    found = sweep()
    params = [one["metrics"]["params"] for one in found["variants"]]
    effects = {(one["axis"], one["metric"]): one for one in found["effects"]}
    steps = [after - before for before, after in zip(params[::2], params[1::2], strict=True)]
    assert effects["decoder_blocks", "params"] == {
        "axis": "decoder_blocks",
        "metric": "params",
        "mean": sum(steps) / len(steps),
        "smallest": min(steps),
        "largest": max(steps),
        "pairs": 8,
    }


def test_a_csv_has_a_line_for_each_variant(ucseg: Run, sweep: Sweep) -> None:
    done = ucseg("sweep", "v1", *VARY, "--max", "params=600k", "-f", "csv")
    lines = list(csv.DictReader(StringIO(done.stdout)))
    found = sweep("--max", "params=600k")["variants"]
    for line, one in zip(lines, found, strict=True):
        assert line["reference"] == one["reference"]
        assert line["rates"] == ",".join(map(str, one["axes"]["rates"]))
        assert line["conv"] == one["axes"]["conv"]
        assert [int(line[name]) for name in COSTS] == [one["metrics"][name] for name in COSTS]
        assert (line["feasible"], line["on_front"]) == tuple(
            str(one[key]).lower() for key in ("feasible", "on_front")
        )


def test_a_base_outside_of_the_space_has_its_own_figures(ucseg: Run, trace_of: TraceOf) -> None:
    done = ucseg("sweep", "v3", "--vary", "low_skip=0", "--nearest", "-f", "json")
    (nearest,) = json.loads(done.stdout)["nearest"]
    assert (nearest["reference"], nearest["changes"]) == ("v3+low_skip=0", ["low_skip"])
    shown = ucseg("sweep", "v3", "--vary", "low_skip=0", "--exact").stdout
    assert f"{totals(trace_of(CATALOGUE['v3'], Conditions()))['params']:,}" in shown


# Scores


def test_scores_are_joined_and_rank_by_a_formula(sweep: Sweep, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(
        "reference,mIoU\n"
        "v2+dropout=0.5,0.70\n"  # all four axes of v2
        "v1,0.6\n"
        "v1+conv=separable,\n"
        "v3,0.9\n"
    )
    formula = "miou - 0.02*log2(params)"
    found = sweep(
        *("--scores", str(path), "--score", formula, "--maximize", "miou", "--min", "miou=0.6")
    )
    by_name = {one["reference"]: one for one in found["variants"]}
    v2 = "v1+backbone=11+rates=6,12,18+conv=separable+decoder_blocks=2"
    assert by_name[v2]["metrics"]["miou"] == 0.7
    assert by_name["v1+conv=separable"]["metrics"]["miou"] is None
    assert {one["reference"] for one in found["variants"] if one["feasible"]} == {"v1", v2}
    assert by_name["v1"]["score"] == pytest.approx(0.6 - 0.02 * 19.6, abs=0.02)
    assert by_name["v1+decoder_blocks=2"]["score"] is None
    assert {one["reference"] for one in found["front"]} <= {"v1", v2}


def test_times_of_another_machine_are_scores_with_a_unit(
    ucseg: Run, sweep: Sweep, tmp_path: Path
) -> None:
    path = tmp_path / "phone.csv"
    lines = [f'"{name}",{12 + place}.5' for place, name in enumerate(SPACE.references())]
    path.write_text("\n".join(["model,pixel8 [ms]", *lines]), encoding="utf-8")
    options = ("--scores", str(path), "--max", "pixel8=14ms", "--minimize", "pixel8")
    answer = sweep(*options)
    assert answer["scores"]["units"] == {"pixel8": "ms"}
    assert answer["fitting"] == 2
    assert answer["front"][0]["metrics"]["pixel8"] == 12.5
    screen = ucseg("sweep", "v1", *VARY, *options).stdout
    assert re.search(r"^#  variant .* pixel8 \[ms\]$", screen, re.MULTILINE)
    assert re.search(r"^pixel8 +12\.5 ms ", screen, re.MULTILINE)  # the unit once in each place
    assert "pixel8 ≤ 14ms" in screen
    assert "[ms] ≤" not in screen


def test_a_limit_without_a_unit_is_shown_with_that_of_the_scores(
    ucseg: Run, tmp_path: Path
) -> None:
    path = tmp_path / "phone.csv"
    path.write_text("model,pixel8 [ms]\nv1,12.5\nv1+conv=separable,14.5\n", encoding="utf-8")
    options = ("--scores", str(path), "--max", "pixel8=14", "--minimize", "pixel8")
    assert "pixel8 ≤ 14 ms" in ucseg("sweep", "v1", *VARY, *options).stdout


@pytest.mark.usefixtures("fake_machine")
def test_the_best_of_the_front_are_timed_beside_the_base(ucseg: Run, sweep: Sweep) -> None:
    answer = sweep("--latency", "2")
    timed = answer["latency"]
    front = [point["reference"] for point in answer["front"]]
    assert [run["model"] for run in timed["runs"]] == ["v1", *front[:2]]
    assert timed["noise_floor"] == 0.02
    screen = ucseg("sweep", "v1", *VARY, "--latency", "2").stdout
    assert "Time of one call, of the best" in screen
    assert "None of them is measurably faster than v1: the noise floor is 2.0%." in (
        screen.replace("\n", " ")
    )


@pytest.mark.usefixtures("fake_machine")
def test_a_formula_says_which_are_the_best_to_time(sweep: Sweep) -> None:
    answer = sweep("--latency", "1", "--score", "params")
    best = answer["ranking"]["best"]
    assert [run["model"] for run in answer["latency"]["runs"]] == ["v1", best]


def test_without_a_variant_that_fits_nothing_is_timed(
    sweep: Sweep, fake_machine: FakeMachine
) -> None:
    answer = sweep("--latency", "3", "--max", "params=1", status=1)
    assert "latency" not in answer
    assert fake_machine.questions == []


def test_a_machine_too_noisy_for_the_best_exits_2(sweep: Sweep, fake_machine: FakeMachine) -> None:
    fake_machine.noise = 0.4
    answer = sweep("--latency", "1", status=2)
    assert answer["verdict"]["status"] == "no verdict"
    assert "too noisy to rank" in answer["verdict"]["summary"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "cannot read"),
        ("reference,miou\nv1,1\nv1+backbone=10,2\n", "the same variant as that of line 2"),
        ("reference,miou\nv1,good\nv2+dropout=0.5,2\n", "is not a number"),
        ("\ud800".encode("utf-8", "surrogatepass"), "is not UTF-8"),
    ],
)
def test_a_mistaken_file_of_scores_is_refused(
    ucseg: Run, tmp_path: Path, text: str | bytes | None, what: str
) -> None:
    path = tmp_path / "scores.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = ucseg("sweep", "v1", *VARY, "--scores", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert what in done.stderr


# Mistakes, before any work


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ["nothing of v1 is varied", "--vary backbone=9..11"]),
        (("--vary", "backbon=9"), ["no axis named 'backbon'", "did you mean 'backbone'?"]),
        (("--vary", "conv=reglar"), ["'reglar' is not a value", "did you mean 'conv=regular'?"]),
        (("--vary", "backbone"), ["does not say which values"]),
        (("--vary", "conv=*", "--vary", "conv=*"), ["the axis 'conv' is varied twice"]),
        ((*VARY, "--max", "parms=1"), ["no metric named 'parms'", "did you mean 'params'?"]),
        ((*VARY, "--max", "params"), ["'params' is not a limit"]),
        ((*VARY, "--max", "params=6x"), ["'6x' is not a quantity"]),
        ((*VARY, "--max", "params=6MB"), ["counts bytes"]),
        ((*VARY, "--max", "fvcore=1M@5x5x"), ["is not an input"]),
        ((*VARY, "--min", "receptive-feild=1"), ["did you mean 'receptive-field'?"]),
        ((*VARY, "--minimize", "flops"), ["could be any of several metrics"]),
        ((*VARY, "--minimize", "output-stride:hihg"), ["no tap named 'hihg'"]),
        ((*VARY, "--maximize", "params"), ["to be both minimized and maximized"]),
        ((*VARY, "--score", "miou + 1"), ["no metric named 'miou'", "at column 1"]),
        ((*VARY, "--score", "params +"), ["is missing at its end", "at column 8"]),
        ((*VARY, "--score", "1 + 1"), ["is the same for every variant"]),
        ((*VARY, "--budgets"), ["no budget is about v1"]),
        (("--vary", "aspp_channels=1..500", "--vary", "mid_channels=1..500"), ["250,000", "--yes"]),
    ],
)
def test_a_mistake_is_refused_before_anything_is_recorded(
    ucseg: Run,
    fake_engine: list[tracing.Request],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    words: list[str],
) -> None:
    monkeypatch.setattr("ucseg_cli.workflow.space.sweep_space.sweep_all", pytest.fail)
    done = ucseg("sweep", "v1", *options)
    assert (done.returncode, done.stdout) == (2, "")
    for word in words:
        assert word in done.stderr
    assert [request for request in fake_engine if request.model != CATALOGUE["v1"]] == []


def test_with_a_yes_any_number_is_swept(ucseg: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_space, "MOST_VARIANTS", 15)
    assert "16 variants, more than 15" in ucseg("sweep", "v1", *VARY).stderr
    assert ucseg("sweep", "v1", *VARY, "--yes").returncode == 0
    monkeypatch.setattr(find_space, "MOST_VARIANTS", 16)
    assert ucseg("sweep", "v1", *VARY).returncode == 0


def test_a_limit_of_nothing_is_missed_without_a_share(ucseg: Run) -> None:
    shown = " ".join(ucseg("sweep", "v1", *VARY, "--max", "params=0").stdout.split())
    assert " comes closest to parameters ≤ 0." in shown


def test_a_checkpoint_has_no_axes(ucseg: Run) -> None:
    done = ucseg("sweep", "weights.pt", "--vary", "width=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is a checkpoint, which has no axes" in done.stderr


# Notes on a space


def test_an_axis_that_changes_nothing_is_named(ucseg: Run) -> None:
    done = ucseg("sweep", "v2", "--vary", "dropout=0.3,0.5")
    assert "The axis dropout changes none of these figures." in done.stdout


Break = Callable[[Callable[[Variant], bool]], None]


@pytest.fixture
def break_variants(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Let some variants be impossible to build."""
    really = sweeping._record_here
    error = ModelError("eleven with regular")

    def break_variants(is_broken: Callable[[Variant], bool]) -> None:
        def record_here(models: Any, conditions: Any, *, wired: bool) -> Any:
            recorded = really(models, conditions, wired=wired)
            for model, one in zip(models, recorded, strict=True):
                outcomes = [error] * len(conditions) if is_broken(model) else one.outcomes
                yield one._replace(outcomes=outcomes)

        monkeypatch.setattr(sweeping, "_record_here", record_here)

    return break_variants


def test_variants_that_cannot_be_built_are_listed_and_stop_nothing(
    sweep: Sweep, break_variants: Break
) -> None:
    break_variants(lambda variant: variant.backbone == 11 and variant.conv == "regular")
    found = sweep("--max", "params=600k")
    broken = [one for one in found["variants"] if one["reason"] is not None]
    assert len(broken) == 4
    for one in broken:
        assert one["reason"] == "eleven with regular"
        assert (one["feasible"], one["on_front"], one["violates"]) == (False, False, [])
        assert set(one["metrics"].values()) == {None}
    assert found["limits"][0]["met"] == sum(
        one["metrics"]["params"] is not None and one["metrics"]["params"] <= 600_000
        for one in found["variants"]
    )


def test_a_space_of_which_nothing_can_be_built_is_an_error(
    ucseg: Run, break_variants: Break
) -> None:
    break_variants(lambda _: True)
    done = ucseg("sweep", "v1", *VARY)
    assert (done.returncode, done.stdout) == (2, "")
    assert "none of 16 variants can be built and run: eleven with regular" in done.stderr
    assert "the same reason for 16 of 16" in done.stderr


def test_some_variants_are_recorded_again_and_compared(
    ucseg: Run, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep("--verify", "3")["verified"] == 3
    assert sweep("--verify", "99")["verified"] == 16
    assert sweep()["verified"] is None
    monkeypatch.setattr(verify_sample, "figure_of", lambda *_: 1)
    done = ucseg("sweep", "v1", *VARY, "--verify", "1")
    assert done.returncode == 2
    assert "has params 1, not" in done.stderr


# Spaces and budgets of the configuration

CONFIGURED = """
[spaces.between]
from = "v1"
backbone = "10,11"
rates = [[6, 12], [6, 12, 18]]
conv = "*"
decoder_blocks = [1, 2]

[[budgets]]
id = "small"
metric = "params"
variant = "v1"
max = "600k"

[[budgets]]
id = "no-more-flops"
metric = "fvcore"
variant = "v1"
size = [224, 512]
vs-baseline = "+0"

[[budgets]]
id = "decoder"
metric = "params"
variant = "v1"
module = "decoder"
max = 1

[[budgets]]
id = "near"
metric = "params"
variant = "v1"
warn = 1
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ucseg.toml").write_text(CONFIGURED)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_a_space_of_the_configuration_is_swept_by_its_name(ucseg: Run, sweep: Sweep) -> None:
    found = json.loads(ucseg("sweep", "between", "-f", "json").stdout)
    assert found["space"]["name"] == "between"
    assert found["variants"] == sweep()["variants"]
    narrow = ucseg("sweep", "between", "--vary", "backbone=10", "-f", "json")
    assert json.loads(narrow.stdout)["space"]["size"] == 8
    done = ucseg("sweep", "betwen")
    assert "no variant or space named 'betwen'" in done.stderr
    assert "did you mean 'between'?" in done.stderr
    shown = ucseg("config").stdout
    assert "v1: backbone=10,11, rates=6,12|6,12,18, conv=*, decoder_blocks=1|2" in shown
    assert "0 variants, 1 space and 4 budgets" in shown
    (space,) = json.loads(ucseg("config", "-f", "json").stdout)["spaces"]
    assert (space["name"], space["from"], space["axes"]["conv"]) == ("between", "v1", "*")


@pytest.mark.usefixtures("project")
def test_budgets_of_the_base_are_limits(
    sweep: Sweep, figures: Callable[[str, int], list[int]]
) -> None:
    found = sweep("--budgets", *VARY_LESS)
    small, large = figures("fvcore", 224)[0], figures("fvcore", 512)[0]
    assert [(one["budget"], one["metric"], one["max"]) for one in found["limits"]] == [
        ("small", "params", 600_000),
        ("no-more-flops", "fvcore", small),
        ("no-more-flops", "fvcore@512", large),
    ]
    assert sweep()["limits"] == []


@pytest.mark.usefixtures("project")
def test_budgets_that_are_left_out_are_named(ucseg: Run) -> None:
    shown = " ".join(ucseg("sweep", "v1", "--budgets", *VARY_LESS).stdout.split())
    assert "The budget decoder is left out: it is about the module decoder" in shown
    assert "The budget near is left out: it only warns." in shown
