"""A reference in a file of the project names only what stands beneath that file's folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.fixture_types import Run
from ucseg_cli.errors import ConfigurationError
from ucseg_cli.project.lock_file import KIND, NAME
from ucseg_cli.references import FromCheckpoint, FromFile, FromLibrary, parse_reference
from ucseg_cli.references.variants import CATALOGUE

RUNS = "os:system+command=touch PWN"
BY_KEY = {
    "default": 'default = "{}"',
    "baseline": 'baseline = "{}"',
    "budget": '[[budgets]]\nid = "a"\nvariant = "{}"\nmetric = "params"\nmax = 1',
}
OUTSIDE = (
    RUNS,
    "subprocess:run+args=touch PWN",
    "posix:system+command=touch PWN",
    "code:interact",
    "torch.hub:load",
    "/usr/lib/python3/os.py:system+command=touch PWN",
    "../net.py:Net",
    "below/../../net.py:Net",
    "link.py:system+command=touch PWN",
    "linked/net.py:Net",
    "../weights.pt",
    "/etc/passwd",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a package, a link to a file elsewhere and one to a folder elsewhere."""
    folder = tmp_path / "project"
    (folder / "nets").mkdir(parents=True)
    (folder / "nets" / "__init__.py").touch()
    (folder / "nets" / "unet.py").touch()
    (folder / "net.py").touch()
    (tmp_path / "net.py").touch()
    (folder / "link.py").symlink_to(os.__file__)
    (folder / "linked").symlink_to(tmp_path)
    return folder


@pytest.mark.parametrize("text", OUTSIDE)
def test_what_is_not_beneath_the_file_is_refused(folder: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="beneath"):
        parse_reference(text, where="here", beneath=folder)


@pytest.mark.parametrize("key", BY_KEY)
@pytest.mark.parametrize("below", [".", "a/b"])
def test_no_key_of_a_configuration_runs_a_command(
    ucseg: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, key: str, below: str
) -> None:
    (folder / "ucseg.toml").write_text(f"{BY_KEY[key].format(RUNS)}\n")
    (folder / below).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder / below)
    for command in (["params"], ["compare", "v1"], ["check"], ["lock"], ["config"], ["show", "v2"]):
        answer = ucseg(*command)
        assert answer.returncode == 2
        assert "os is not a module beneath" in answer.stderr
    assert not list(folder.rglob("PWN"))


def test_no_name_in_a_lock_runs_a_command(
    ucseg: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    entry = {"since": "2026-01-01", "raises": [], "sizes": {"32": {}}}
    lock = {"kind": KIND, "format_version": "1.0", "models": {RUNS: entry}}
    (folder / NAME).write_text(json.dumps(lock))
    for command in (["check", "--locked"], ["lock"]):
        answer = ucseg(*command)
        assert answer.returncode == 2
        assert "os is not a module beneath" in answer.stderr
        assert "--drop 'os:system+command=touch PWN'" in answer.stderr
    assert not list(folder.rglob("PWN"))


def test_what_is_beneath_the_file_is_found_from_wherever_we_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")

    def model(text: str) -> object:
        return parse_reference(text, where="here", beneath=folder).model

    assert model("v2") == CATALOGUE["v2"]
    assert model("torchvision:resnet18") == FromLibrary("torchvision", "resnet18")
    assert model("nets.unet:Unet") == FromFile(
        str(folder / "nets/unet.py").removeprefix("/"), "Unet"
    )
    monkeypatch.chdir(folder / "nets")
    assert model("net.py:Net") == FromFile(str(folder / "net.py"), "Net")
    assert model("nets:Unet") == FromFile("__init__.py", "Unet")
    assert model("weights.pt") == FromCheckpoint(str(folder / "weights.pt"))


def test_a_module_is_the_file_beneath_and_not_the_installed_one_of_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "json").mkdir()
    (folder / "json" / "tool.py").touch()
    model = parse_reference("json.tool:main", where="here", beneath=folder).model
    assert model == FromFile("json/tool.py", "main")


def test_a_file_of_the_folder_goes_before_one_where_we_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = folder / "nets"
    (below / "net.py").touch()
    monkeypatch.chdir(below)
    model = parse_reference("net.py:Net", where="here", beneath=folder).model
    assert isinstance(model, FromFile)
    assert Path(model.path).resolve() == folder / "net.py"


def test_a_linked_checkpoint_is_read_since_reading_runs_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "weights.pt").symlink_to("/data/weights.pt")
    model = parse_reference("weights.pt", where="here", beneath=folder).model
    assert model == FromCheckpoint("weights.pt")


def test_a_name_that_the_lock_would_take_for_another_file_is_not_locked(
    ucseg: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "ucseg.toml").touch()
    (folder / "nets" / "net.py").touch()
    monkeypatch.chdir(folder / "nets")
    answer = ucseg("lock", "net.py:Net")
    assert answer.returncode == 2
    assert "net.py:Net is another file" in answer.stderr
    answer = ucseg("lock", "json:loads")
    assert answer.returncode == 2
    assert "json is not a module beneath" in answer.stderr
