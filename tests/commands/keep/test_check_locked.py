from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from support.fixture_types import Run, Tables
from support.screens import verdict
from ucseg_cli.project.lock_file import NAME

Configure = Callable[..., None]
Edit = Callable[[Callable[[dict[str, Any]], object]], None]

FORMS = ("table", "json", "csv", "markdown", "html", "comment", "github", "junit", "sarif")
ATROUS = "aspp.branches.3.depthwise"


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Write a configuration whose variant ``mine`` has these lines; v2 where there are none."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767312000")

    def write(axes: str = "", more: str = "") -> None:
        text = f'[tool.ucseg]\nsize = 32\n[tool.ucseg.variants.mine]\nfrom = "v2"\n{axes}\n{more}'
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")

    return write


@pytest.fixture(scope="module")
def once() -> list[str]:
    """The lock that every test begins with, once it is known."""
    return []


@pytest.fixture
def locked(ucseg: Run, configure: Configure, tmp_path: Path, once: list[str]) -> Path:
    """The lock of ``mine`` as v2, and of v1."""
    configure("")
    path = tmp_path / NAME
    if not once:
        assert ucseg("lock", "mine", "v1").returncode == 0
        once.append(path.read_text("utf-8"))
    path.write_text(once[0], encoding="utf-8")
    return path


@pytest.fixture
def edit(locked: Path) -> Edit:
    """Edit the lock's models by hand."""

    def change(how: Callable[[dict[str, Any]], object]) -> None:
        document = json.loads(locked.read_text("utf-8"))
        how(document["models"])
        locked.write_text(json.dumps(document, indent=2), encoding="utf-8")

    return change


def drifts(answer: CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(answer.stdout)["lock"]["drift"]
    return found


def test_models_that_are_as_locked_pass_and_are_counted(ucseg: Run, locked: Path) -> None:
    assert locked.is_file()
    answer = ucseg("check", "--locked")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert verdict(answer.stdout) == "2 models as locked in ucseg.lock.json."
    payload = json.loads(ucseg("check", "--locked", "-f", "json").stdout)
    assert payload["lock"] == {"path": NAME, "drift": []}
    assert payload["verdict"]["status"] == "pass"


def test_a_lock_without_the_newer_metrics_is_as_locked_and_one_with_them_is_compared(
    ucseg: Run, locked: Path, edit: Edit
) -> None:
    assert locked.is_file()
    edit(lambda models: models["mine"]["sizes"]["32"]["total"].pop("activations"))
    assert ucseg("check", "--locked").returncode == 0
    edit(lambda models: models["mine"]["sizes"]["32"]["total"].update({"moved-bytes": 1}))
    answer = ucseg("check", "--locked", "-f", "json")
    assert answer.returncode == 1
    assert [(one["figure"], one["before"]) for one in drifts(answer)] == [("moved-bytes", 1)]


def test_a_total_that_every_release_locks_is_missed(ucseg: Run, locked: Path, edit: Edit) -> None:
    assert locked.is_file()
    edit(lambda models: models["mine"]["sizes"]["32"]["total"].pop("fvcore"))
    assert [one["figure"] for one in drifts(ucseg("check", "--locked", "-f", "json"))] == ["fvcore"]


def test_a_dilation_that_no_count_shows_fails_and_is_shown(
    ucseg: Run, locked: Path, configure: Configure, read_tables: Tables
) -> None:
    configure("rates = [6, 12, 19]")
    line = locked.read_text("utf-8").split("\n").index('    "mine": {') + 1
    answer = ucseg("check", "--locked")
    assert (answer.returncode, answer.stderr) == (1, "")
    assert verdict(answer.stdout) == "mine differs from ucseg.lock.json in 3 figures."
    assert f"mine was locked on 2026-01-02, at ucseg.lock.json:{line}." in answer.stdout
    assert "`ucseg lock` accepts what is different." in answer.stdout
    rows = read_tables(ucseg("check", "--locked", "-f", "markdown").stdout)[
        "Drift from ucseg.lock.json"
    ][1:]
    assert [row[2:7] for row in rows] == [
        ["axis", "(axis)", "rates", "6,12,18", "6,12,19"],
        ["conv", ATROUS, "dilation", "18×18", "19×19"],
        ["conv", ATROUS, "padding", "18×18", "19×19"],
    ]
    assert drifts(ucseg("check", "--locked", "-f", "json"))[1] == {
        "model": "mine",
        "size": None,
        "kind": "conv",
        "name": ATROUS,
        "figure": "dilation",
        "before": [18, 18],
        "after": [19, 19],
        "delta": None,
    }


@pytest.mark.parametrize(
    "axis",
    [
        *(
            "backbone = 10",
            "output_stride = 16",
            "rates = [6, 12]",
            'conv = "regular"',
            "decoder_blocks = 3",
        ),
        *(
            "aspp_channels = 63",
            "mid_channels = 25",
            "decoder_channels = 65",
            "low_skip = 1",
            "dropout = 0.31",
        ),
        *("classes = 22", 'head = "before-upsample"'),
    ],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_every_axis_of_the_design_drifts(
    ucseg: Run, locked: Path, configure: Configure, axis: str, form: str
) -> None:
    assert locked.is_file()
    configure(axis)
    answer = ucseg("check", "--locked", "-f", form)
    assert answer.returncode == 1
    assert axis.split(" ", maxsplit=1)[0] in answer.stdout


@pytest.mark.parametrize("form", FORMS)
def test_the_status_never_depends_on_the_format(
    ucseg: Run, locked: Path, configure: Configure, form: str
) -> None:
    assert locked.is_file()
    assert ucseg("check", "--locked", "-f", form).returncode == 0
    configure("rates = [6, 12, 19]")
    assert ucseg("check", "--locked", "-f", form).returncode == 1
    assert ucseg("check", "--locked", "-f", form, "--exit-zero").returncode == 0


def test_what_is_higher_asks_for_a_reason_and_what_is_lower_does_not(
    ucseg: Run, locked: Path, configure: Configure
) -> None:
    assert locked.is_file()
    configure("aspp_channels = 65")
    assert (
        'Higher totals need a reason: `ucseg lock --reason "…"` accepts them.'
        in ucseg("check", "--locked").stdout
    )
    configure("aspp_channels = 63")
    assert "`ucseg lock` accepts what is lower." in ucseg("check", "--locked").stdout
    assert ucseg("lock").returncode == 0
    assert ucseg("check", "--locked").returncode == 0


def test_names_choose_among_the_locked_models(
    ucseg: Run, locked: Path, configure: Configure
) -> None:
    assert locked.is_file()
    configure("rates = [6, 12, 19]")
    assert ucseg("check", "--locked", "v1").returncode == 0
    assert ucseg("check", "--locked", " mine ").returncode == 1
    assert {
        drift["model"] for drift in drifts(ucseg("check", "--locked", "v1", "mine", "-f", "json"))
    } == {"mine"}


def test_a_model_that_is_not_locked_is_an_error_with_the_command_that_locks_it(
    ucseg: Run, locked: Path
) -> None:
    assert locked.is_file()
    answer = ucseg("check", "--locked", "v3")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "v3 is not locked" in answer.stderr
    assert "`ucseg lock v3` locks it" in answer.stderr
    assert ucseg("lock", "v3").returncode == 0
    assert ucseg("check", "--locked", "v3").returncode == 0


def test_limits_and_the_lock_are_judged_together(
    ucseg: Run, locked: Path, configure: Configure
) -> None:
    assert locked.is_file()
    budget = '[[tool.ucseg.budgets]]\nid = "p"\nvariant = "mine"\nmetric = "params"\nmax = {}\n'
    for axes, most, status, limit in [
        ("", 645_245, 0, "pass"),
        ("", 645_244, 1, "fail"),
        ("rates = [6, 12, 19]", 645_245, 1, "pass"),
        ("rates = [6, 12, 19]", 645_244, 1, "fail"),
    ]:
        configure(axes, budget.format(most))
        answer = ucseg("check", "--locked", "-f", "json")
        payload = json.loads(answer.stdout)
        assert answer.returncode == status
        assert [check["status"] for check in payload["checks"]] == [limit]
        assert payload["verdict"]["status"] == ("fail" if status else "pass")
        assert len(payload["lock"]["drift"]) == (3 if axes else 0)


def test_without_locked_the_lock_is_not_looked_at(
    ucseg: Run, locked: Path, configure: Configure
) -> None:
    configure("rates = [6, 12, 19]")
    assert ucseg("check", "mine", "--max", "params=1M").returncode == 0
    locked.write_text("broken", encoding="utf-8")
    answer = json.loads(ucseg("check", "mine", "--max", "params=1M", "-f", "json").stdout)
    assert "lock" not in answer


def test_a_lock_is_of_models_as_they_are_trained(ucseg: Run, locked: Path) -> None:
    assert locked.is_file()
    answer = ucseg("check", "--locked", "--deploy")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "a lock is of models as they are trained" in answer.stderr


def test_without_a_lock_it_is_an_error_with_the_command_that_makes_one(
    ucseg: Run, configure: Configure
) -> None:
    configure("")
    for options in ((), ("--exit-zero",), ("--max", "params=1M")):
        answer = ucseg("check", "--locked", *options)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert "there is no lock" in answer.stderr
        assert "ucseg.lock.json" in answer.stderr
        assert "`ucseg lock` makes one" in answer.stderr


@pytest.mark.parametrize("option", [(), ("--exit-zero",), ("-f", "json")])
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it is not JSON"),
        ('{"name": "other", "lockfileVersion": 3}', "it is not a lock of ucseg"),
        (
            '{"kind": "ucseg.lock", "format_version": "2.0", "models": {}}',
            "the lock has format '2.0'",
        ),
        ('{"kind": "ucseg.lock", "format_version": "1.0"}', "the lock has no models"),
        (
            '{"kind": "ucseg.lock", "format_version": "1.0", "models": {"v2": 0}}',
            "the lock has an entry for 'v2'",
        ),
    ],
)
def test_a_file_that_is_no_lock_of_ours_gives_no_verdict_and_says_how_to_get_one(
    ucseg: Run, locked: Path, text: str, what: str, option: tuple[str, ...]
) -> None:
    locked.write_text(text, encoding="utf-8")
    answer = ucseg("check", "--locked", *option)
    assert answer.returncode == 2
    assert what in answer.stderr
    assert "delete it and run `ucseg lock`" in answer.stderr
    assert bool(answer.stdout) == ("json" in option)
    locked.unlink()
    assert ucseg("lock", "mine").returncode == 0
    assert ucseg("check", "--locked").returncode == 0


def test_the_marks_of_a_merge_conflict_are_named_with_their_line(ucseg: Run, locked: Path) -> None:
    lines = locked.read_text("utf-8").split("\n")
    locked.write_text(
        "\n".join(
            [*lines[:5], "<<<<<<< HEAD", lines[5], "=======", lines[5], ">>>>>>> b", *lines[6:]]
        )
    )
    answer = ucseg("check", "--locked")
    assert answer.returncode == 2
    assert "the lock cannot be read: it has the marks of a merge conflict" in answer.stderr
    assert "--> ucseg.lock.json:6" in answer.stderr


@pytest.mark.parametrize("option", [(), ("--exit-zero",)])
def test_a_locked_model_that_no_longer_exists_is_an_error_not_a_drift(
    ucseg: Run, locked: Path, option: tuple[str, ...]
) -> None:
    (locked.parent / "pyproject.toml").write_text("[tool.ucseg]\nsize = 32\n", encoding="utf-8")
    answer = ucseg("check", "--locked", *option)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "no variant named 'mine'" in answer.stderr
    assert NAME in answer.stderr
    assert ucseg("check", "--locked", "v1").returncode == 0


def test_an_axis_of_a_locked_model_that_no_longer_exists_is_an_error(
    ucseg: Run, locked: Path, edit: Edit
) -> None:
    edit(lambda models: models.update({"v2+kernel=5": models.pop("mine")}))
    answer = ucseg("check", "--locked")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "no axis named 'kernel'" in answer.stderr
    assert locked.is_file()


@pytest.mark.parametrize("sizes", [{}, "32", 7, [32]])
def test_a_locked_model_without_sizes_is_an_error(ucseg: Run, edit: Edit, sizes: object) -> None:
    edit(lambda models: models["mine"].update(sizes=sizes))
    answer = ucseg("check", "--locked")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "the lock has no sizes for 'mine'" in answer.stderr


@pytest.mark.parametrize("size", ["0", "32x", "", "9" * 5000, "-32", "1048577"])
def test_a_locked_size_that_is_none_is_an_error_that_names_the_lock(
    ucseg: Run, edit: Edit, size: str
) -> None:
    edit(lambda models: models["mine"].update(sizes={size: models["mine"]["sizes"]["32"]}))
    answer = ucseg("check", "--locked")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "--> ucseg.lock.json" in answer.stderr


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda block: block["total"].update(params=1),
            ("total", "", "params", 1, 645_245, 645_244),
        ),
        (lambda block: block["total"].pop("params"), ("total", "", "params", None, 645_245, None)),
        (lambda block: block["total"].update(weight=3), ("total", "", "weight", 3, None, None)),
        (
            lambda block: block["total"].update(params="many"),
            ("total", "", "params", "many", 645_245, None),
        ),
        (
            lambda block: block["total"].update(params=[]),
            ("total", "", "params", [], 645_245, None),
        ),
        (
            lambda block: block["convs"][ATROUS].update(groups=1),
            ("conv", ATROUS, "groups", 1, 96, 95),
        ),
        (
            lambda block: block["sizes"]["32"]["taps"]["low"].update(stride=2),
            ("tap", "low", "stride", 2, 4, 2),
        ),
        (lambda block: block.update(owner="me"), ("owner", "", "owner", "me", None, None)),
        (lambda block: block.update(owner={"a": {"b": 1}}), ("owner", "a", "b", 1, None, None)),
    ],
)
def test_anything_that_is_written_over_by_hand_is_a_drift(
    ucseg: Run, edit: Edit, change: Callable[[dict[str, Any]], object], expected: tuple[Any, ...]
) -> None:
    edit(lambda models: change(models["mine"]))
    answer = ucseg("check", "--locked", "-f", "json")
    assert answer.returncode == 1
    (found,) = drifts(answer)
    assert (
        tuple(found[key] for key in ("kind", "name", "figure", "before", "after", "delta"))
        == expected
    )
    for form in FORMS:
        assert ucseg("check", "--locked", "-f", form).returncode == 1


@pytest.mark.parametrize("part", ["axes", "total", "weights", "convs"])
def test_a_part_that_is_deleted_by_hand_drifts_in_everything_it_had(
    ucseg: Run, edit: Edit, part: str
) -> None:
    count = []
    edit(lambda models: count.append(models["mine"].pop(part)))
    (gone,) = count
    leaves = sum(len(part) if isinstance(part, dict) else 1 for part in gone.values())
    answer = ucseg("check", "--locked", "-f", "json")
    assert answer.returncode == 1
    assert len(drifts(answer)) == leaves
    assert {drift["before"] for drift in drifts(answer)} == {None}


def test_how_a_lock_is_laid_out_is_no_drift(ucseg: Run, locked: Path) -> None:
    document = json.loads(locked.read_text("utf-8"))
    for indent in (None, 4):
        locked.write_text(json.dumps(document, indent=indent, sort_keys=True), encoding="utf-8")
        assert ucseg("check", "--locked").returncode == 0


def test_ci_formats_point_at_the_model_s_block(
    ucseg: Run, locked: Path, configure: Configure
) -> None:
    configure("rates = [6, 12, 19]")
    line = locked.read_text("utf-8").split("\n").index('    "mine": {') + 1
    message = "mine differs from ucseg.lock.json in 3 figures: axis rates was 6,12,18, is 6,12,19"
    github = ucseg("check", "--locked", "-f", "github").stdout.splitlines()
    assert github[0] == f"::error file={NAME},line={line},title=lock (mine)::{message}"
    suites = {
        suite.get("name"): suite
        for suite in ET.fromstring(ucseg("check", "--locked", "-f", "junit").stdout)
    }
    assert {name: suite.get("failures") for name, suite in suites.items()} == {
        "ucseg.check.mine": "1",
        "ucseg.check.v1": "0",
    }
    (result,) = json.loads(ucseg("check", "--locked", "-f", "sarif").stdout)["runs"][0]["results"]
    assert (result["level"], result["message"]["text"]) == ("error", message)
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == (NAME, line)


def test_a_block_that_a_merge_repeated_is_reported(ucseg: Run, locked: Path) -> None:
    text = locked.read_text("utf-8")
    begin = text.index('    "mine": {')
    block = text[begin : text.index("\n    }", begin) + len("\n    }")]
    locked.write_text(text.replace(block, f"{block},\n{block}"), encoding="utf-8")
    answer = ucseg("check", "--locked")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "'mine' is there twice" in answer.stderr


def test_a_lock_of_nothing_is_no_lock(ucseg: Run, locked: Path) -> None:
    assert ucseg("lock", "--drop", "mine", "--drop", "v1").returncode == 0
    assert locked.is_file()
    answer = ucseg("check", "--locked")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "there is no lock" in answer.stderr


@pytest.mark.parametrize("number", [2**63, -(10**4300 - 1)], ids=["just beyond", "far beyond"])
@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_number_that_no_count_can_be_is_reported_in_every_format(
    ucseg: Run, locked: Path, number: int, form: str
) -> None:
    text = locked.read_text("utf-8")
    digits = "9" * 4300 if abs(number) > 2**64 else str(number)
    locked.write_text(text.replace('"params": 645245', f'"params": -{digits}', 1), encoding="utf-8")
    assert locked.read_text("utf-8") != text
    answer = ucseg("check", "--locked", "-f", form)
    assert answer.returncode == 2
    assert "internal error" not in answer.stderr


def test_names_that_nothing_is_about_are_refused_beside_one_that_is(
    ucseg: Run, configure: Configure
) -> None:
    configure(
        "", '[[tool.ucseg.budgets]]\nid = "b"\nvariant = "mine"\nmetric = "params"\nmax = "1M"\n'
    )
    assert ucseg("check", "mine").returncode == 0
    for other, what in (("nosuch", "no variant named 'nosuch'"), ("v1", "no budget is about v1")):
        answer = ucseg("check", "mine", other)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert what in answer.stderr


def test_for_a_locked_model_that_is_gone_the_help_takes_it_out(ucseg: Run, locked: Path) -> None:
    (locked.parent / "pyproject.toml").write_text("[tool.ucseg]\nsize = 32\n", encoding="utf-8")
    assert "`ucseg lock --drop mine` takes it out" in ucseg("check", "--locked").stderr
    assert ucseg("lock", "--drop", "mine").returncode == 0
    assert ucseg("check", "--locked").returncode == 0


def test_where_a_block_has_no_sizes_the_suggested_command_fixes_it(
    ucseg: Run, locked: Path, edit: Edit
) -> None:
    assert locked.is_file()
    edit(lambda models: models["mine"].update(sizes={}))
    assert "= help: `ucseg lock mine`" in ucseg("check", "--locked").stderr
    ucseg("lock", "mine", "--reason", "its sizes were lost")
    assert ucseg("check", "--locked").returncode == 0


BUDGET = '[[tool.ucseg.budgets]]\nid = "b"\nvariant = "v3"\nmetric = "params"\nmax = "1M"\n'


def test_a_budgeted_model_that_is_not_locked_fails(
    ucseg: Run, locked: Path, configure: Configure
) -> None:
    assert locked.is_file()
    configure("", BUDGET)
    answer = ucseg("check", "--locked")
    assert answer.returncode == 1
    assert "v3 is in a budget but not locked: `ucseg lock v3`." in answer.stdout
    assert ucseg("check", "mine", "--locked").returncode == 0
    assert ucseg("lock").returncode == 0
    assert ucseg("check", "--locked").returncode == 0


def test_csv_has_a_line_for_each_drift(ucseg: Run, locked: Path, configure: Configure) -> None:
    assert locked.is_file()
    configure("rates = [6, 12, 19]")
    header, *lines = ucseg("check", "--locked", "-f", "csv").stdout.splitlines()
    assert header == "status,id,variant,size,module,metric,dtype,value,max,warn,margin,written"
    assert lines == [
        'fail,lock,mine,,,rates,,"6,12,19","6,12,18",,,',
        f"fail,lock,mine,,{ATROUS},dilation,,19x19,18x18,,,",
        f"fail,lock,mine,,{ATROUS},padding,,19x19,18x18,,,",
    ]


def test_a_lock_is_of_single_images(ucseg: Run, locked: Path) -> None:
    assert locked.is_file()
    answer = ucseg("check", "--locked", "--batch", "8")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "a lock is of single images" in answer.stderr


def test_of_many_figures_of_modules_the_first_are_shown_and_the_others_counted(
    ucseg: Run, locked: Path, configure: Configure
) -> None:
    assert locked.is_file()
    configure("aspp_channels = 65")
    answer = ucseg("check", "--locked")
    every = drifts(ucseg("check", "--locked", "-f", "json"))
    modules = [drift for drift in every if drift["kind"] == "module"]
    assert f" {len(modules) - 8} other figures" in answer.stdout
    assert len(modules) > 50
