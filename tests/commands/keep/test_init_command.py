from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run, TraceOf
from support.screens import verdict
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.project.lock_file import NAME
from ucseg_cli.references.variants import as_variant
from ucseg_cli.system import folder_lock
from ucseg_cli.system.atomic_write import replace_file
from ucseg_cli.workflow import start_project
from ucseg_cli.workflow.start_project import WORKFLOW

PROJECT = b'[project]\r\nname = "net"  # caf\xc3\xa9\r\n\r\n[tool.ruff]\r\nline-length = 100'
OWN = """
import torch

class Net(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, width, 3)

    def forward(self, x):
        return self.conv(x)

class Text(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(100, 8)

    def forward(self, x):
        return self.embedding(x)
"""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A project's file, with line endings of Windows and none at its end."""
    path = tmp_path / "pyproject.toml"
    path.write_bytes(PROJECT)
    return path


def section_of(path: Path) -> dict[str, Any]:
    data = tomllib.loads(path.read_text("utf-8"))
    section: dict[str, Any] = data if path.name == "ucseg.toml" else data["tool"]["ucseg"]
    return section


def files(folder: Path) -> dict[str, bytes]:
    """Every file, but for the cache."""
    found = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.exists() else b""
        for path in found
        if "cache" not in path.parts and ".git" not in path.parts
    }


def folders(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()} - {"cache"}


# The files that are written


def test_a_section_is_added_and_the_rest_stays_byte_for_byte(ucseg: Run, shared: Path) -> None:
    answer = ucseg("init")
    assert (answer.returncode, answer.stderr) == (0, "")
    after = shared.read_bytes()
    assert after.startswith(PROJECT + b"\r\n\r\n[tool.ucseg]\r\n")
    assert after.count(b"\n") == after.count(b"\r\n")
    assert section_of(shared)["default"] == "v2"


def test_without_a_shared_file_our_own_is_written(ucseg: Run, tmp_path: Path) -> None:
    assert ucseg("init", "v1").returncode == 0
    assert files(tmp_path).keys() == {"ucseg.toml", NAME}
    assert section_of(tmp_path / "ucseg.toml")["default"] == "v1"


@pytest.mark.parametrize(
    "words",
    [(), ("v1",), ("-v", "v2+backbone=10"), (" v3 ", "-s", "64"), ("v1", "--size", "32x64")],
    ids=" ".join,
)
def test_a_check_directly_afterwards_passes(
    ucseg: Run, shared: Path, words: tuple[str, ...]
) -> None:
    assert shared.exists()
    assert ucseg("init", *words).returncode == 0
    for command in (("check",), ("check", "--locked"), ("config",)):
        answer = ucseg(*command)
        assert (answer.returncode, answer.stderr) == (0, "")
    assert "3 budgets" in ucseg("config").stdout


def test_each_limit_is_two_percent_above_today_and_the_exact_figure_stands_beside_it(
    ucseg: Run, tmp_path: Path, trace_of: TraceOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767312000")
    answer = json.loads(ucseg("init", "v1", "--size", "64", "-f", "json").stdout)
    figures = totals(trace_of(as_variant("v1"), Conditions(Size(64, 64))))
    values = {one["metric"]: one["value"] for one in answer["budgets"]}
    assert values == {name: figures[name] for name in ("params", "fvcore", "peak-memory")}
    checks = json.loads(ucseg("check", "-f", "json").stdout)["checks"]
    assert {one["metric"]: one["max"] for one in checks} == {
        one["metric"]: one["max"] for one in answer["budgets"]
    }
    assert all(1.02 <= one["max"] / one["value"] <= 1.031 for one in answer["budgets"])
    text = (tmp_path / "ucseg.toml").read_text("utf-8")
    assert [f"{figures['params']:,} on 2026-01-02" in text, "64" in text] == [True, True]


def test_the_lock_is_the_one_that_lock_would_make(ucseg: Run, tmp_path: Path) -> None:
    ucseg("init", "v1", "--size", "64")
    made = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).unlink()
    assert ucseg("lock").returncode == 0
    assert (tmp_path / NAME).read_bytes() == made


def test_an_answer_names_each_file_and_its_change(ucseg: Run, shared: Path) -> None:
    assert shared.exists()
    answer = ucseg("init", "--workflow", "-f", "json")
    found = json.loads(answer.stdout)
    assert {one["path"]: one["change"] for one in found["files"]} == {
        "pyproject.toml": "[tool.ucseg] added",
        NAME: "new",
        str(WORKFLOW): "new",
    }
    assert found["model"] == "v2"
    assert found["verdict"]["summary"].endswith("`ucseg check --locked` passes now.")


# The workflow


def page_s_workflow() -> str:
    page = (Path(__file__).parents[3] / "docs" / "ci.md").read_text("utf-8")
    return page.partition(f"# {WORKFLOW.as_posix()}\n")[2].partition("```\n")[0]


def test_the_workflow_is_the_one_of_the_page(ucseg: Run, tmp_path: Path) -> None:
    assert ucseg("init", "--workflow").returncode == 0
    assert (tmp_path / WORKFLOW).read_text("utf-8") == page_s_workflow()


def test_in_a_folder_of_a_repository_the_workflow_stands_at_its_root_and_leads_there(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nets" / "it's"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(folder)
    assert ucseg("init", "--workflow").returncode == 0
    text = (tmp_path / WORKFLOW).read_text("utf-8")
    line = "          working-directory: 'nets/it''s'\n"
    assert text.replace(line, "") == page_s_workflow()
    assert text.count(line) == 1


def test_an_action_that_is_not_there_is_mentioned(ucseg: Run, tmp_path: Path) -> None:
    answer = ucseg("init", "--workflow")
    assert "tools/ucseg, which is not there yet" in answer.stdout
    for path in (tmp_path / "ucseg.toml", tmp_path / NAME, tmp_path / WORKFLOW):
        path.unlink()
    (tmp_path / "tools" / "ucseg").mkdir(parents=True)
    (tmp_path / "tools" / "ucseg" / "action.yml").touch()
    assert "not there yet" not in ucseg("init", "--workflow").stdout


# A dry run


def test_a_dry_run_prints_what_would_be_added_and_writes_nothing(ucseg: Run, shared: Path) -> None:
    answer = ucseg("init", "--dry-run")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert files(shared.parent) == {"pyproject.toml": PROJECT}
    ucseg("init")
    added = shared.read_bytes().removeprefix(PROJECT + b"\r\n\r\n")
    assert answer.stdout == added.replace(b"\r\n", b"\n").decode()


def test_a_dry_run_of_several_files_has_the_name_above_each(ucseg: Run, tmp_path: Path) -> None:
    text = ucseg("init", "--dry-run", "--workflow").stdout
    assert files(tmp_path) == {}
    section, _, workflow = text.partition(f"\n# {WORKFLOW}\n")
    assert section.startswith("# ucseg.toml\ndefault = ")
    assert workflow == page_s_workflow()


def test_a_dry_run_is_refused_where_a_run_would_be(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    answer = ucseg("init", "--dry-run")
    assert (answer.returncode, answer.stdout) == (2, "")


def test_a_dry_run_prints_a_file_and_no_other_form(ucseg: Run) -> None:
    answer = ucseg("init", "--dry-run", "-f", "csv")
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: --dry-run prints a file as it is\n")


# Nothing is overwritten

REFUSED: dict[str, tuple[str, str, str, str]] = {
    "a section": ("pyproject.toml", "\n[tool.ucseg]\n", "configured already", "pyproject.toml:2"),
    "its budgets": ("pyproject.toml", "[[tool.ucseg.budgets]]\nid='a'\n", "already", ":1"),
    "our own file": ("ucseg.toml", "", "configured already", "ucseg.toml:1"),
    "one with mistakes": ("ucseg.toml", "defautl = 3\n", "configured already", "ucseg.toml:1"),
    "a lock": (NAME, "", "it is there already", NAME),
    "a misspelt section": ("pyproject.toml", "[tool.ucesg]\n", "configures nothing", "toml:1"),
    "a file that is not TOML": ("pyproject.toml", "[project\n", "it is not TOML", "toml:1"),
    "a table on one line": ("pyproject.toml", "tool = { x = 1 }\n", "cannot be added", "toml"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_there_stays_as_it_is(ucseg: Run, tmp_path: Path, case: str) -> None:
    name, text, what, where = REFUSED[case]
    (tmp_path / name).write_text(text, "utf-8")
    before = files(tmp_path)
    answer = ucseg("init", "v1", "--workflow")
    assert (answer.returncode, answer.stdout) == (2, "")
    first, place, *more = answer.stderr.splitlines()
    assert what in first
    assert place.startswith("  --> ")
    assert where in place
    assert files(tmp_path) == before
    if "not TOML" not in what:
        assert any("help: " in line for line in more)


def test_a_workflow_that_is_there_stays(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / WORKFLOW).parent.mkdir(parents=True)
    (tmp_path / WORKFLOW).write_text("name: mine\n", "utf-8")
    before = files(tmp_path)
    answer = ucseg("init", "--workflow")
    assert (answer.returncode, files(tmp_path)) == (2, before)
    assert f"--> {WORKFLOW}\n" in answer.stderr
    assert ucseg("init").returncode == 0


def test_where_a_configuration_is_there_the_workflow_alone_is_added(
    ucseg: Run, tmp_path: Path
) -> None:
    assert ucseg("init", "--workflow").returncode == 0
    workflow, configuration = tmp_path / WORKFLOW, tmp_path / "ucseg.toml"
    text, before = workflow.read_text("utf-8"), files(tmp_path)
    workflow.unlink()
    refused = ucseg("init", "v2", "--workflow")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "`ucseg init --workflow`, without a model, adds the workflow alone" in refused.stderr
    assert ucseg("init", "--workflow", "--dry-run").stdout == text
    added = ucseg("init", "--workflow")
    assert (added.returncode, added.stderr) == (0, "")
    assert "ucseg.yml written: it checks each pull request" in verdict(added.stdout)
    assert files(tmp_path) == before
    again = ucseg("init", "--workflow")
    assert (again.returncode, again.stdout) == (2, "")
    assert "it is there already" in again.stderr
    workflow.unlink()
    (tmp_path / NAME).unlink()
    assert ucseg("init", "--workflow").returncode == 0
    assert 'locked: "false"' in workflow.read_text("utf-8")
    assert configuration.exists()


@pytest.mark.parametrize("name", [NAME, str(WORKFLOW), "ucseg.toml", "pyproject.toml"])
def test_a_link_to_nowhere_is_not_replaced(ucseg: Run, tmp_path: Path, name: str) -> None:
    link = tmp_path / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("nowhere")
    assert ucseg("init", "--workflow").returncode == 2
    assert link.readlink() == Path("nowhere")
    assert files(tmp_path) == {name: b""}


def test_a_link_to_the_shared_file_stays_a_link(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real.toml"
    target.write_bytes(PROJECT)
    (tmp_path / "pyproject.toml").symlink_to(target)
    assert ucseg("init").returncode == 0
    assert (tmp_path / "pyproject.toml").is_symlink()
    assert target.read_bytes().startswith(PROJECT)
    assert ucseg("check", "--locked").returncode == 0


@pytest.mark.parametrize("below", [True, False])
def test_a_configuration_above_or_in_the_environment_is_in_force(
    ucseg: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    below: bool,  # noqa: FBT001 - a parameter
) -> None:
    (tmp_path / "ucseg.toml").touch()
    folder = tmp_path / "below" if below else tmp_path.parent
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    if not below:
        monkeypatch.setenv("UCSEG_CONFIG", str(tmp_path / "ucseg.toml"))
    answer = ucseg("init")
    assert answer.returncode == 2
    assert f"--> {tmp_path / 'ucseg.toml'}:1\n" in answer.stderr or not below
    assert ("unset UCSEG_CONFIG" in answer.stderr) is not below


def test_the_second_of_two_runs_is_refused(ucseg: Run, tmp_path: Path) -> None:
    assert ucseg("init").returncode == 0
    before = files(tmp_path)
    assert ucseg("init").returncode == 2
    assert files(tmp_path) == before


# All or nothing


@pytest.fixture
def at_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Do something when everything is planned, just before the first file is written."""

    def arrange(act: Callable[[], object]) -> None:
        really_take = folder_lock._take

        def take(handle: int) -> bool:
            act()
            return really_take(handle)

        monkeypatch.setattr(folder_lock, "_take", take)

    return arrange


@pytest.mark.parametrize("name", [NAME, "ucseg.toml", str(WORKFLOW)])
def test_a_file_that_appears_meanwhile_stays_and_nothing_else_is_written(
    ucseg: Run, tmp_path: Path, at_the_last_moment: Callable[..., None], name: str
) -> None:
    def appear() -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine", "utf-8")

    at_the_last_moment(appear)
    answer = ucseg("init", "--workflow")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert files(tmp_path) == {name: b"mine"}


def test_a_shared_file_that_changes_meanwhile_keeps_the_change(
    ucseg: Run, shared: Path, at_the_last_moment: Callable[..., None]
) -> None:
    at_the_last_moment(lambda: shared.write_bytes(b"# other\n"))
    answer = ucseg("init", "--workflow")
    assert answer.returncode == 2
    assert "another process has changed it meanwhile" in answer.stderr
    assert files(shared.parent) == {"pyproject.toml": b"# other\n"}
    assert folders(shared.parent) == set()


@pytest.mark.parametrize("failing", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_was_written_is_taken_back_if_the_last_file_fails(
    ucseg: Run, shared: Path, monkeypatch: pytest.MonkeyPatch, failing: BaseException
) -> None:
    really_replace = replace_file

    def replace(path: Path, data: bytes, **how: bool) -> None:
        if path == shared:
            assert files(shared.parent).keys() == {"pyproject.toml", NAME, str(WORKFLOW)}
            raise failing
        really_replace(path, data, **how)

    monkeypatch.setattr(start_project, "replace_file", replace)
    answer = ucseg("init", "--workflow")
    assert answer.returncode in {2, 130}
    assert files(shared.parent) == {"pyproject.toml": PROJECT}
    assert folders(shared.parent) == set()


def test_a_file_that_may_not_be_written_is_not_replaced(
    ucseg: Run, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (shared, os.W_OK))
    answer = ucseg("init")
    assert answer.returncode == 2
    assert "it may not be written" in answer.stderr
    assert files(shared.parent) == {"pyproject.toml": PROJECT}


# Any model


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("v22", "no variant named 'v22'"),
        ("os:system+command=touch PWN", "os is not a module beneath"),
        ("../net.py:Net", "is not beneath"),
        ("/tmp/net.py:Net", "is a path of this machine alone"),
        ("/tmp/weights.pt", "is a path of this machine alone"),
        ("w\udce9.pt", "it is not Unicode"),
    ],
)
def test_a_model_that_no_file_may_name_is_refused(
    ucseg: Run, tmp_path: Path, model: str, what: str, write_weights: Any
) -> None:
    if model.startswith("w"):
        write_weights(tmp_path / model, as_variant("v2"))
    answer = ucseg("init", model)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert what in answer.stderr
    assert files(tmp_path).keys() <= {model}


@pytest.mark.torch
@pytest.mark.parametrize("model", ["net.py:Net", "net.py:Net+width=8", "net:Net"])
def test_a_model_of_one_s_own_is_limited_and_locked(ucseg: Run, tmp_path: Path, model: str) -> None:
    (tmp_path / "net.py").write_text(OWN, "utf-8")
    assert ucseg("init", model, "--size", "32").returncode == 0
    assert section_of(tmp_path / "ucseg.toml")["default"] == model
    assert ucseg("check", "--locked").returncode == 0
    assert ucseg("check", model, "--locked").returncode == 0


@pytest.mark.torch
def test_a_model_that_does_not_run_has_a_limit_on_parameters_alone(
    ucseg: Run, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(OWN, "utf-8")
    answer = ucseg("init", "net.py:Text", "--workflow")
    assert answer.returncode == 0
    assert "net.py:Text does not run: " in answer.stdout
    assert verdict(answer.stdout).endswith("`ucseg check` passes now.")
    section = section_of(tmp_path / "ucseg.toml")
    assert [budget["metric"] for budget in section["budgets"]] == ["params"]
    assert files(tmp_path).keys() == {"net.py", "ucseg.toml", str(WORKFLOW)}
    assert 'locked: "false"' in (tmp_path / WORKFLOW).read_text("utf-8")
    assert ucseg("check").returncode == 0


@pytest.mark.torch
def test_a_model_that_takes_other_tensors_is_limited_and_locked_on_them(
    ucseg: Run, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(OWN, "utf-8")
    assert ucseg("init", "net.py:Text", "--input", "1x16:int64").returncode == 0
    assert ucseg("check", "--locked").returncode == 0
    (model,) = json.loads((tmp_path / NAME).read_text("utf-8"))["models"].values()
    assert list(model["sizes"]) == ["1x16:int64"]


@pytest.mark.torch
def test_a_function_that_gives_the_input_is_written_as_it_is_named(
    ucseg: Run, tmp_path: Path
) -> None:
    code = "import torch\nfrom torch import nn\nnet = nn.Linear(8, 4)\n"
    (tmp_path / "own.py").write_text(f"{code}def example():\n    return torch.rand(2, 8)\n")
    absolute = ucseg("init", "own.py:net", "-i", f"{tmp_path / 'own.py'}:example")
    assert absolute.returncode == 2
    assert "is a path of this machine alone" in absolute.stderr
    outside = ucseg("init", "own.py:net", "-i", "os:getcwd")
    assert outside.returncode == 2
    assert "beneath" in outside.stderr
    assert not (tmp_path / "ucseg.toml").exists()
    assert ucseg("init", "own.py:net", "-i", "own.py:example").returncode == 0
    assert 'input = "own.py:example"' in (tmp_path / "ucseg.toml").read_text()
    assert ucseg("check", "--locked").returncode == 0


@pytest.mark.torch
def test_a_checkpoint_has_a_limit_on_parameters(
    ucseg: Run, tmp_path: Path, write_weights: Any
) -> None:
    write_weights(tmp_path / "weights.safetensors", as_variant("v2"))
    assert ucseg("init", "weights.safetensors").returncode == 0
    assert ucseg("check").returncode == 0
    assert not (tmp_path / NAME).exists()
