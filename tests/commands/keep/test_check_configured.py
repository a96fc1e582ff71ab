from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fixture_types import Run
from support.screens import verdict

Configure = Callable[..., None]
Checks = Callable[..., list[dict[str, Any]]]

V1, V2, MINE = 475_077, 645_245, 598_829
"""Parameters of v1, v2 and of v2 with an ASPP of 16 channels."""
FORMS = ("table", "json", "csv", "markdown", "html", "comment", "github", "junit", "sarif")
HEAD = """[tool.ucseg]
size = 32

[tool.ucseg.variants.mine]
from = "v2"
aspp_channels = 16
"""


def budget(name: str, **keys: object) -> str:
    pairs = {"id": name, "variant": "mine", "metric": "params", **keys}
    lines = (
        f"{key.replace('_', '-')} = {json.dumps(value)}"
        for key, value in pairs.items()
        if value is not None
    )
    return "\n".join(("\n[[tool.ucseg.budgets]]", *lines, ""))


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Write a configuration with these budgets."""

    def write(*budgets: str, head: str = HEAD) -> None:
        (tmp_path / "pyproject.toml").write_text("".join((head, *budgets)), encoding="utf-8")

    return write


@pytest.fixture
def checks(ucseg: Run) -> Checks:
    """The checks of the JSON."""

    def ask(*arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(ucseg("check", *arguments, "-f", "json").stdout)[
            "checks"
        ]
        return found

    return ask


def test_every_budget_of_the_configuration_is_judged(
    ucseg: Run, configure: Configure, checks: Checks
) -> None:
    configure(
        budget("a", max="600k"),
        budget("b", variant="v1", metric="fvcore", max="1k"),
        budget("c", max=1),
    )
    answer = ucseg("check")
    assert (answer.returncode, answer.stderr) == (1, "")
    assert verdict(answer.stdout).startswith("2 of 3 limits exceeded: ")
    assert [(check["id"], check["variant"], check["status"]) for check in checks()] == [
        ("a", "mine", "pass"),
        ("b", "v1", "fail"),
        ("c", "mine", "fail"),
    ]


def test_a_budget_that_is_exceeded_names_the_line_to_edit(
    ucseg: Run, configure: Configure, checks: Checks
) -> None:
    configure(budget("small", max="500k", message="it must fit the device"))
    lines = (HEAD + budget("small", max="500k")).split("\n")
    line = lines.index('max = "500k"') + 1
    answer = ucseg("check")
    assert (
        "small: mine has 598,829 parameters, 98,829 over its limit of 500,000. it must fit the "
        f"device. If this is intended, raise the limit at pyproject.toml:{line}."
    ) in " ".join(answer.stdout.split())
    (check,) = checks()
    assert (check["file"], check["line"], check["message"]) == (
        "pyproject.toml",
        line,
        "it must fit the device",
    )
    github = ucseg("check", "-f", "github").stdout
    assert github.startswith(
        f"::error file=pyproject.toml,line={line},title=small (mine)::mine has 598,829 parameters"
    )


@pytest.mark.parametrize(
    ("most", "warn", "status", "exit_status"),
    [
        (MINE, None, "pass", 0),
        (MINE - 1, None, "fail", 1),
        (MINE, MINE, "pass", 0),
        (MINE, MINE - 1, "warn", 0),
        (MINE - 1, MINE - 1, "fail", 1),
        (None, MINE, "pass", 0),
        (None, MINE - 1, "warn", 0),
        (0, None, "fail", 1),
    ],
)
def test_one_status_decides_table_json_and_exit_alike(
    ucseg: Run,
    configure: Configure,
    most: int | None,
    warn: int | None,
    status: str,
    exit_status: int,
) -> None:
    configure(budget("p", max=most, warn=warn))
    table = ucseg("check")
    sign = {"pass": "✓ pass", "warn": "! warn", "fail": "✗ fail"}[status]
    assert sum(sign in line for line in table.stdout.splitlines()) == 1
    payload = json.loads(ucseg("check", "-f", "json").stdout)
    assert [check["status"] for check in payload["checks"]] == [status]
    assert payload["verdict"]["status"] == status
    counts = {
        name: int(name == {"pass": "passed", "warn": "warned", "fail": "failed"}[status])
        for name in COUNTED
    }
    assert {name: payload["verdict"][name] for name in COUNTED} == counts
    (record,) = csv.DictReader(ucseg("check", "-f", "csv").stdout.splitlines())
    assert record["status"] == status
    for form in FORMS:
        assert ucseg("check", "-f", form).returncode == exit_status
        assert ucseg("check", "-f", form, "--exit-zero").returncode == 0


COUNTED = ("passed", "warned", "failed")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limits=st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 0)), min_size=1, max_size=4))
def test_the_verdict_is_the_worst_status_and_the_exit_follows_it(
    ucseg: Run, configure: Configure, limits: list[tuple[int, int]]
) -> None:
    configure(
        *(
            budget(f"b{i}", max=MINE + most, warn=MINE + most + warn)
            for i, (most, warn) in enumerate(limits)
        )
    )
    answer = ucseg("check", "-f", "json")
    payload = json.loads(answer.stdout)
    statuses = [
        "fail" if most < 0 else "warn" if most + warn < 0 else "pass" for most, warn in limits
    ]
    assert [check["status"] for check in payload["checks"]] == statuses
    worst = max(statuses, key=("pass", "warn", "fail").index)
    assert payload["verdict"]["status"] == worst
    assert answer.returncode == (worst == "fail")


@pytest.mark.parametrize(
    ("names", "judged"),
    [
        ((), ["p[mine]", "p[v1]", "p[v2]", "p[v3]", "q", "r"]),
        (("v1",), ["p", "q"]),
        (("mine",), ["p", "r"]),
        ((" v1 ", "mine"), ["p[mine]", "p[v1]", "q", "r"]),
        (("--variant", "v3"), ["p"]),
    ],
)
def test_names_on_the_command_line_choose_among_the_budgets(
    configure: Configure, checks: Checks, names: tuple[str, ...], judged: list[str]
) -> None:
    configure(
        budget("p", variant="*", max="1M"),
        budget("q", variant="v1", max="1M"),
        budget("r", max="1M"),
    )
    assert sorted(check["id"] for check in checks(*names)) == judged


def test_a_name_that_no_budget_is_about_is_an_error(ucseg: Run, configure: Configure) -> None:
    configure(budget("p", max="1M"))
    answer = ucseg("check", "v2")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "no budget is about v2" in answer.stderr
    assert "`ucseg config` shows the budgets" in answer.stderr


def test_limits_of_the_command_line_are_judged_beside_the_budgets(
    ucseg: Run, configure: Configure, checks: Checks
) -> None:
    configure(budget("p", max="1M"))
    found = checks("mine", "--max", "params=598829", "--max", "fvcore=1")
    assert [(check["id"], check["status"], check["line"] is None) for check in found] == [
        ("p", "pass", False),
        ("mine:params<=598829", "pass", True),
        ("mine@32:fvcore<=1", "fail", True),
    ]
    assert ucseg("check", "mine", "--max", "params=598828").returncode == 1
    assert ucseg("check", "v2", "--max", "params=1M").returncode == 0


def test_without_a_name_a_limit_is_about_the_configured_default(
    configure: Configure, checks: Checks
) -> None:
    configure(head=HEAD.replace("size = 32", 'size = 32\ndefault = "mine"'))
    assert [(check["variant"], check["value"]) for check in checks("--max", "params=1M")] == [
        ("mine", MINE)
    ]


@pytest.mark.parametrize(
    ("change", "allowed", "status"),
    [
        ("+50%", V1 * 3 // 2, "pass"),
        ("+20%", V1 * 6 // 5, "fail"),
        ("0", V1, "fail"),
        ("+123752", MINE, "pass"),
        ("+123751", MINE - 1, "fail"),
        ("-10%", V1 * 9 // 10, "fail"),
    ],
)
def test_a_budget_against_the_baseline_is_worked_out_from_it(
    ucseg: Run, configure: Configure, checks: Checks, change: str, allowed: int, status: str
) -> None:
    assert MINE - V1 == 123_752
    configure(budget("p", vs_baseline=change))
    (check,) = checks()
    assert (check["max"], check["baseline"], check["status"]) == (allowed, V1, status)
    assert ucseg("check").returncode == (status == "fail")


def test_the_baseline_is_the_configured_one(configure: Configure, checks: Checks) -> None:
    configure(
        budget("p", vs_baseline="0"), head=HEAD.replace("size = 32", 'size = 32\nbaseline = "v2"')
    )
    assert [(check["baseline"], check["margin"]) for check in checks()] == [(V2, V2 - MINE)]


def test_a_budget_s_sizes_go_before_those_of_the_command_line(
    configure: Configure, checks: Checks
) -> None:
    configure(
        budget("own", metric="macs", size=[32, "64x32"], max="1G"),
        budget("none", metric="macs", max="1G"),
    )
    assert [(check["id"], check["size"]) for check in checks("--size", "48")] == [
        ("own[32]", "32"),
        ("own[64x32]", "64x32"),
        ("none", "48"),
    ]


def test_a_budget_of_bytes_is_judged_in_its_dtype(configure: Configure, checks: Checks) -> None:
    sizes = {
        dtype: budget(dtype, metric="bytes", dtype=dtype, max="9MB")
        for dtype in ("float16", "float32", "float64")
    }
    configure(*sizes.values())
    half, single, double = (check["value"] for check in checks())
    assert single == 2_434_644
    assert half < single
    assert double - single == 2 * (single - half)  # integers keep their size


@pytest.mark.parametrize(
    ("module", "judged"),
    [
        ("decoder", ["decoder"]),
        ("decoder.*", ["decoder.0", "decoder.1"]),
        ("aspp.branches.[9]", None),
        ("**.depthwise.*", None),
        ("decodr", None),
        ("Decoder", None),
        ("decoder.", None),
    ],
)
def test_a_module_that_fits_nothing_is_an_error_never_a_silent_pass(
    ucseg: Run, configure: Configure, checks: Checks, module: str, judged: list[str] | None
) -> None:
    configure(budget("d", module=module, max="1M"))
    answer = ucseg("check")
    if judged is None:
        assert (answer.returncode, answer.stdout) == (2, "")
        assert f"no module of mine is named '{module}'" in answer.stderr
        assert "--> pyproject.toml:1" in answer.stderr
        assert ucseg("check", "--exit-zero").returncode == 2
    else:
        assert answer.returncode == 0
        assert [check["module"] for check in checks()] == judged


@pytest.mark.parametrize("variant", ["w*", "v9", "min", "[x]*", "v2+aspp=3", "mine+rates=0"])
def test_a_variant_that_fits_nothing_is_an_error_never_a_silent_pass(
    ucseg: Run, configure: Configure, variant: str
) -> None:
    configure(budget("d", variant=variant, max="1M"))
    for options in ((), ("--exit-zero",), ("v2", "--max", "params=1M")):
        answer = ucseg("check", *options)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr.startswith("error: ")


def test_a_module_that_the_baseline_does_not_have_is_an_error(
    ucseg: Run, configure: Configure
) -> None:
    configure(budget("d", variant="v3", module="low_conv", vs_baseline="+10%"))
    answer = ucseg("check")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "the baseline v1 has no module 'low_conv'" in answer.stderr


def test_a_reference_with_changed_axes_has_budgets_of_its_own(
    configure: Configure, checks: Checks
) -> None:
    configure(budget("d", variant="mine+aspp_channels=64", max="1M"))
    assert [(check["variant"], check["value"]) for check in checks()] == [
        ("mine+aspp_channels=64", V2)
    ]
    assert len(checks("mine+aspp_channels=64")) == 1


@pytest.mark.parametrize(
    "keys",
    [
        {"max": 1.5},
        {"max": True},
        {"max": "many"},
        {"max": -1},
        {"max": []},
        {"max": None},
        {"max": 1, "vs_baseline": "+1%"},
        {"max": 1, "warn": 2},
        {"max": 1, "metric": "parms"},
        {"max": 1, "dtype": "float16"},
        {"max": 1, "metric": "bytes", "dtype": "float8"},
        {"max": 1, "metric": "peak-memory", "module": "decoder"},
        {"max": 1, "size": 0},
        {"max": 1, "size": []},
        {"max": 1, "moduel": "decoder"},
        {"max": 1, "module": ""},
        {"max": 1, "id": ""},
        {"max": 1, "id": 7},
        {"vs_baseline": "some"},
    ],
)
def test_a_budget_that_says_what_it_cannot_gives_no_verdict(
    ucseg: Run, configure: Configure, keys: dict[str, object]
) -> None:
    configure(budget("sound", max="1M"), budget("p", **keys))
    for options in ((), ("--exit-zero",), ("v2",)):
        answer = ucseg("check", *options)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert "pyproject.toml:" in answer.stderr


def test_two_budgets_of_one_name_are_refused(ucseg: Run, configure: Configure) -> None:
    configure(budget("p", max="1M"), budget("p", max=1))
    answer = ucseg("check")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "two budgets have the id 'p'" in answer.stderr


def test_no_two_checks_have_one_name(configure: Configure, checks: Checks) -> None:
    configure(
        budget("p", variant="*", module="decoder.*", max="1M"),
        budget("q", variant="v?", metric="macs", module="decoder.?", size=[32, 64], max="1G"),
    )
    found = checks()
    assert len(found) == len({check["id"] for check in found}) == (2 + 1 + 2 + 2) + 2 * (1 + 2 + 2)
    assert "q[v1, 32, decoder.0]" in {check["id"] for check in found}


@pytest.mark.parametrize("spelling", ["--export comment=old.md", "--export=comment=old.md"])
def test_a_mistake_takes_the_place_of_an_earlier_answer_in_a_file(
    ucseg: Run, tmp_path: Path, spelling: str
) -> None:
    (tmp_path / "old.md").write_text("<!-- ucseg.check -->\n\nheld", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.ucseg]\nsizes = 32\n", encoding="utf-8")
    answer = ucseg("check", *spelling.split(), "-f", "github")
    assert answer.returncode == 2
    assert answer.stdout.startswith(
        "::error file=pyproject.toml,line=2,title=unknown-name (ucseg)::no key named 'sizes'"
    )
    shown = (tmp_path / "old.md").read_text("utf-8")
    assert shown.startswith("<!-- ucseg.check -->\n\n### ❌ ucseg has no verdict")
    assert "no key named 'sizes'" in shown


def test_a_mistake_on_the_command_line_is_reported_to_ci_and_nowhere_else(
    ucseg: Run,
) -> None:
    assert ucseg("check", "v22", "--max", "params=1", "-f", "junit").stdout.count("<failure") == 1
    assert ucseg("params", "v22", "-f", "comment").stdout == ""
