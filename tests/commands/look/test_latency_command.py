from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from support.fake_timing import MS, FakeMachine
from support.fixture_types import Run
from ucseg_cli.facts.timing.timing_setup import TimingSetup
from ucseg_cli.references.variants import CATALOGUE
from ucseg_cli.system.machine import Readings

pytestmark = pytest.mark.usefixtures("fake_machine")

HALF = "v2+head=before-upsample"
SMALL = ("--size", "64")


def answer_of(ucseg: Run, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ucseg("latency", *arguments, "-f", "json").stdout)
    return found


def test_every_model_has_its_figures_in_nanoseconds(ucseg: Run) -> None:
    answer = answer_of(ucseg, "v2", HALF, *SMALL)
    runs = answer["runs"]
    assert [run["model"] for run in runs] == ["v2", HALF]
    for run, typical in zip(runs, (10 * MS, 5 * MS), strict=True):
        assert run["unit"] == "ns"
        assert run["min"] <= run["p25"] <= run["p50"] <= run["p75"] <= run["p95"] <= run["max"]
        assert abs(run["p50"] / typical - 1) < 0.01
        assert abs(run["first_call"] / typical - 6) < 0.2
        assert run["n"] >= 20
    assert answer["baseline"] == "v2"
    assert answer["rounds"] == 20


def test_the_baseline_runs_twice_and_that_is_the_noise_floor(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    answer = answer_of(ucseg, "v2", HALF, *SMALL)
    models = [question.model for question in fake_machine.questions]
    assert models[:2] == [CATALOGUE["v2"]] * 2
    assert len(models) == 3
    assert answer["noise_floor"] == 0.02  # the least that is ever claimed


def test_half_the_time_is_ranked_and_the_same_model_is_not(ucseg: Run) -> None:
    answer = answer_of(ucseg, "v2", HALF, "v2", *SMALL)
    base, half, same = answer["runs"]
    assert (base["verdict"], half["verdict"], same["verdict"]) == (None, "faster", "~")
    assert half["ratio_low"] <= half["ratio"] <= half["ratio_high"] < 0.52
    assert answer["verdict"]["status"] == "pass"


def test_a_difference_below_the_floor_is_a_tilde_on_every_screen(ucseg: Run) -> None:
    screen = ucseg("latency", "v2", "v2", *SMALL).stdout
    row = screen.split("─\n")[1].splitlines()[1]
    assert row.split()[0] == "v2"
    assert " ~ " in row
    assert "v2 and v2 are not ranked: their difference is below the noise floor of 2.0%." in screen


def test_the_last_line_says_who_takes_less_time_than_whom(ucseg: Run) -> None:
    last = ucseg("latency", "v2", HALF, *SMALL).stdout.replace("\n", " ")
    assert f"{HALF} takes 50.0% less time than v2 (5.00 ms against 10.0 ms)" in last


def test_a_noisy_machine_exits_2_and_says_what_was_seen(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    fake_machine.noise = 0.4
    ended = ucseg("latency", "v2", "v2", *SMALL, "--seconds", "3", "-f", "json")
    answer = json.loads(ended.stdout)
    assert ended.returncode == 2
    assert answer["noise_floor"] > 0.1
    assert answer["verdict"]["status"] == "no verdict"
    assert "too noisy to rank models now: its noise floor is" in answer["verdict"]["summary"]


def test_a_measurement_ends_after_its_seconds_if_it_is_not_decided(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    fake_machine.noise = 0.4
    answer = answer_of(ucseg, "v2", *SMALL, "--seconds", "7")
    assert 7 <= answer["seconds"] < 7.5


def test_what_the_machine_did_is_in_the_answer(ucseg: Run) -> None:
    machine = answer_of(ucseg, "v2", *SMALL)["machine"]
    assert machine["cpu"] == "Some Processor"
    assert (machine["load"], machine["governor"]) == (0.31, "performance")
    assert (machine["stolen"], machine["throttled"]) == (0.001, 0)
    assert 0.96 < machine["received"] <= 0.97


def test_what_the_system_does_not_say_is_a_dash_and_null(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    fake_machine.readings = [Readings()]
    screen = ucseg("latency", "v2", *SMALL).stdout
    assert "frequency governor               –\n" in screen
    assert "– is what this system does not give." in screen
    machine = answer_of(ucseg, "v2", *SMALL)["machine"]
    assert [machine[key] for key in ("load", "governor", "stolen", "throttled")] == [None] * 4


def test_ctrl_c_gives_what_was_measured(ucseg: Run, fake_machine: FakeMachine) -> None:
    fake_machine.interrupted_at = 60
    ended = ucseg("latency", "v2", HALF, *SMALL, "-f", "json")
    answer = json.loads(ended.stdout)
    assert ended.returncode == 130
    assert answer["partial"] is True
    assert answer["rounds"] < 20
    assert answer["verdict"]["status"] == "interrupted"
    assert answer["verdict"]["summary"].startswith("Interrupted after ")


def test_ctrl_c_before_the_first_round_is_an_interruption_like_any_other(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    fake_machine.interrupted_at = 2
    ended = ucseg("latency", "v2", HALF, *SMALL)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr == "error: interrupted\n"


def test_the_setup_is_what_was_asked_for(ucseg: Run, fake_machine: FakeMachine) -> None:
    options = ("--threads", "2", "--runtime", "compile", "--dtype", "bfloat16")
    answer = answer_of(ucseg, "v2", *SMALL, *options)
    assert {question.setup for question in fake_machine.questions} == {
        TimingSetup("cpu", 2, "compile", "bfloat16")
    }
    conditions = answer["conditions"]
    assert [conditions[key] for key in ("device", "threads", "runtime", "dtype")] == [
        *("cpu", 2, "compile", "bfloat16")
    ]


def test_another_runtime_says_by_how_much_its_outputs_differ(ucseg: Run) -> None:
    ended = ucseg("latency", "v2", *SMALL, "--runtime", "compile")
    assert "Outputs of compile differ from those of eager mode by at most 1.3e-06" in ended.stdout
    answer = answer_of(ucseg, "v2", *SMALL, "--runtime", "compile")
    assert answer["runs"][0]["output_difference"] == 1.25e-6


def test_outputs_without_a_finite_number_are_not_said_to_agree(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    fake_machine.difference = None
    ended = ucseg("latency", "v2", *SMALL, "--runtime", "compile")
    assert "differ from those of eager mode" not in ended.stdout
    assert "No output of v2 is a finite number, so compile was not compared" in ended.stdout
    assert "is a finite number" not in ucseg("latency", "v2", *SMALL).stdout


def test_a_gpu_is_named_and_marked_as_untested(ucseg: Run) -> None:
    screen = ucseg("latency", "v2", *SMALL, "--device", "cuda", "--cuda-graph").stdout
    assert "device cuda · runtime eager, CUDA graph" in screen
    assert "Some GPU" in screen
    assert "Untested: this way of timing a GPU" in screen


def test_modules_are_shares_that_add_up(ucseg: Run) -> None:
    answer = answer_of(ucseg, "v2", *SMALL, "--by-module", "--depth", "1")
    shares = {(row["path"], row["own"]): row["share"] for row in answer["modules"]}
    assert shares == {
        ("", True): 0.1,
        ("features", False): 0.6,
        ("aspp", False): 0.3,
        **dict.fromkeys(((path, False) for path in ("mid_conv", "decoder", "classifier")), 0.0),
    }
    deep = answer_of(ucseg, "v2", *SMALL, "--by-module")["modules"]
    inside = [row["share"] for row in deep if row["path"].startswith("features")]
    assert sum(inside) == pytest.approx(0.6 + 0.6)  # the whole, and its parts again


def test_csv_has_a_line_for_each_model_with_its_interval(ucseg: Run) -> None:
    heading, *lines = ucseg("latency", "v2", HALF, *SMALL, "-f", "csv").stdout.splitlines()
    assert heading.split(",")[:6] == ["model", "p50", "p95", "p99", "n", "p25"]
    assert heading.split(",")[-4:] == ["ratio", "ratio_low", "ratio_high", "verdict"]
    assert [line.split(",")[-1] for line in lines] == ["", "faster"]


def test_the_page_has_a_strip_for_each_model(ucseg: Run, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ucseg("latency", "v2", HALF, *SMALL, "--export-html", str(page))
    text = page.read_text("utf-8")
    assert text.count('<path class="box"') == 2
    assert f">{HALF}</text>" in text


# Limits


MACHINES = """
[tool.ucseg.machines.bench]
cpu = "Some *"
cores = 2
governor = "performance"

[tool.ucseg.machines.threaded]
cpu = "Some Processor"
threads = 4

[tool.ucseg.machines.other]
cpu = "Another *"
cores = 8

[tool.ucseg.machines.gpu]
gpu = "Some GPU"
"""


@pytest.fixture
def machines(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(MACHINES, encoding="utf-8")


@pytest.mark.usefixtures("machines")
@pytest.mark.parametrize(("limit", "status"), [("20ms", 0), ("9ms", 1), ("9000us", 1)])
def test_a_limit_on_the_named_machine_is_kept_or_exceeded(
    ucseg: Run, limit: str, status: int
) -> None:
    ended = ucseg("latency", "v2", *SMALL, "--max", f"latency-p95={limit}", "--on", "bench")
    assert ended.returncode == status
    assert ("fail" if status else "pass") in ended.stdout
    forgiven = ("--exit-zero", "--max", f"latency-p95={limit}", "--on", "bench")
    assert ucseg("latency", "v2", *SMALL, *forgiven).returncode == 0


@pytest.mark.usefixtures("machines")
def test_a_limit_that_is_exceeded_is_named_with_by_how_much(ucseg: Run) -> None:
    limits = ("--max", "latency-p50=9ms", "--max", "latency-p95=1s", "--on", "bench")
    answer = answer_of(ucseg, "v2", HALF, *SMALL, *limits)
    assert [check["status"] for check in answer["checks"]] == ["fail", "pass", "pass", "pass"]
    assert answer["checks"][0]["max"] == 9 * MS
    summary = answer["verdict"]["summary"]
    assert summary.startswith("1 of 4 limits exceeded: v2 has latency-p50 10.0 ms, ")
    assert summary.endswith("over its limit of 9ms.")


def test_a_limit_without_a_machine_is_refused(ucseg: Run) -> None:
    ended = ucseg("latency", "v2", "--max", "latency-p95=33ms")
    assert ended.returncode == 2
    assert "a limit on time holds on one machine" in ended.stderr
    assert "--on bench" in ended.stderr


@pytest.mark.usefixtures("machines")
def test_a_machine_that_is_not_configured_is_refused_with_the_nearest(ucseg: Run) -> None:
    ended = ucseg("latency", "v2", "--on", "benhc")
    assert ended.returncode == 2
    assert "no machine named 'benhc'" in ended.stderr
    assert "did you mean 'bench'?" in ended.stderr


@pytest.mark.usefixtures("machines")
def test_another_machine_than_the_named_is_refused_before_anything_runs(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    ended = ucseg("latency", "v2", "--on", "other")
    assert ended.returncode == 2
    assert "its cpu is 'Some Processor', not 'Another *'" in ended.stderr
    assert "it has 2 cores for this process, not 8" in ended.stderr
    assert fake_machine.questions == []


@pytest.mark.usefixtures("machines")
def test_another_governor_than_the_machine_s_is_refused(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    fake_machine.readings = [Readings(governor="powersave")]
    ended = ucseg("latency", "v2", "--on", "bench")
    assert "its governor is 'powersave', not 'performance'" in ended.stderr
    fake_machine.readings = [Readings()]
    ended = ucseg("latency", "v2", "--on", "bench")
    assert "its governor is unknown, not 'performance'" in ended.stderr


@pytest.mark.usefixtures("machines")
def test_the_threads_of_a_machine_are_those_of_the_run_unless_others_are_typed(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    ucseg("latency", "v2", *SMALL, "--on", "threaded")
    assert fake_machine.questions[0].setup.threads == 4
    ended = ucseg("latency", "v2", *SMALL, "--on", "threaded", "--threads", "1")
    assert "--threads is 1, and models are timed there with 4" in ended.stderr


@pytest.mark.usefixtures("machines")
def test_a_machine_s_gpu_is_known_once_a_model_is_on_it(ucseg: Run) -> None:
    assert ucseg("latency", "v2", *SMALL, "--on", "gpu", "--device", "cuda").returncode == 0
    ended = ucseg("latency", "v2", *SMALL, "--on", "gpu")
    assert "its gpu is unknown, not 'Some GPU'" in ended.stderr


@pytest.mark.usefixtures("machines")
def test_a_limit_on_a_crowded_machine_has_no_verdict(ucseg: Run, fake_machine: FakeMachine) -> None:
    fake_machine.received = 0.5
    options = ("--max", "latency-p50=1ms", "--on", "bench")
    ended = ucseg("latency", "v2", *SMALL, *options)
    assert ended.returncode == 2
    assert "calls got 50.0% of a core, below 90%" in ended.stdout.replace("\n", " ")


# Refusals


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--cuda-graph",), "a CUDA graph needs a GPU"),
        (("--device", "cuda", "--cuda-graph", "--runtime", "compile"), "captures eager mode"),
        (("--device", "cuda", "--runtime", "onnxruntime"), "timed on the CPU alone"),
        (("--dtype", "bfloat16", "--runtime", "onnxruntime"), "which has no bfloat16"),
        (("--by-module", "--runtime", "compile"), "modules have no time of their own"),
        (("--device", "gpu"), "no device named 'gpu'"),
        (("--runtime", "onnx"), "did you mean 'onnxruntime'?"),
        (("--threads", "0"), "'0' is not a whole number from 1 to 1,024"),
        (("--threads", "1025"), "'1025' is not a whole number from 1 to 1,024"),
        (("--threads", "two"), "'two' is not a whole number from 1 to 1,024"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    ucseg: Run, options: tuple[str, ...], what: str, fake_machine: FakeMachine
) -> None:
    ended = ucseg("latency", "v2", *SMALL, *options)
    assert ended.returncode == 2
    assert what in ended.stderr
    assert fake_machine.questions == []


def test_a_checkpoint_has_nothing_to_run(ucseg: Run, tmp_path: Path, write_weights: Any) -> None:
    write_weights(tmp_path / "weights.safetensors", CATALOGUE["v2"])
    ended = ucseg("latency", "weights.safetensors")
    assert ended.returncode == 2
    assert "weights.safetensors does not run" in ended.stderr


def test_models_that_do_not_fit_in_memory_together_are_refused(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, fake_machine: FakeMachine
) -> None:
    from ucseg_cli.workflow import memory_guard

    monkeypatch.setattr(memory_guard, "free_memory", lambda: 900_000_000)
    ended = ucseg("latency", "v1", "v2", *SMALL)
    assert ended.returncode == 2
    assert "timing needs 3 processes at once, and about 9" in ended.stderr
    assert fake_machine.questions == []
    assert ucseg("latency", "v1", *SMALL).returncode == 0


def test_the_load_of_a_fraction_is_shown_as_a_decimal(
    ucseg: Run, fake_machine: FakeMachine
) -> None:
    fake_machine.readings = [Readings(load=Fraction(5, 4))]
    assert "load before                      1.25\n" in ucseg("latency", "v2", *SMALL).stdout
