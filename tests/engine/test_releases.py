"""Which installed distributions the loaded modules are of."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from ucseg_cli.engine.user_code import releases
from ucseg_cli.engine.user_code.releases import installed_releases


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages; only the modules of this test count as loaded."""
    made = tmp_path / "site-packages"
    made.mkdir()
    monkeypatch.syspath_prepend(str(made))
    monkeypatch.setattr(releases, "AT_START", frozenset(sys.modules))
    return made


def install(site: Path, release: str, *files: str, record: str = "RECORD") -> str:
    """A release with these files, which its metadata list; gives the folder of metadata."""
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).touch()
    folder = site / release
    folder.mkdir()
    (folder / record).write_text("".join(f"{file},sha256=x,1\n" for file in files))
    return str(folder)


def loaded(*names: str) -> tuple[str, ...] | None:
    for name in names:
        importlib.import_module(name)
    try:
        return installed_releases(lambda file: "/ours/" in file)
    finally:
        for name in names:
            sys.modules.pop(name, None)


def test_a_module_is_of_the_release_of_its_name_or_of_the_one_that_lists_it(site: Path) -> None:
    same = install(site, "plain_a-1.0.dist-info", "plain_a/__init__.py")
    other = install(site, "Pillow_like-2.0+cpu.dist-info", "imaging_b/__init__.py")
    single = install(site, "single-3.dist-info", "one_file_c.py")
    egg = install(site, "old-4.egg-info", "egg_d/__init__.py", record="installed-files.txt")
    install(site, "unused-5.dist-info", "unused_e.py")
    assert loaded("plain_a") == (same,)
    assert loaded("imaging_b", "one_file_c") == tuple(sorted((other, single)))
    assert loaded("egg_d") == (egg,)


def test_a_folder_that_several_releases_share_is_of_all_of_them(site: Path) -> None:
    one = install(site, "shared-one-1.dist-info", "shared_f/one.py")
    two = install(site, "shared-two-1.dist-info", "shared_f/two.py")
    assert loaded("shared_f.one") == (one, two)


def test_a_module_of_no_release_leaves_them_unknown_unless_it_is_ours_or_python_s(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "stray_g.py").touch()
    assert loaded("stray_g") is None
    for folder in ("elsewhere", "ours"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}_h.py").touch()
        monkeypatch.syspath_prepend(str(tmp_path / folder))
    assert loaded("elsewhere_h") is None
    assert loaded("ours_h", "colorsys") == ()
