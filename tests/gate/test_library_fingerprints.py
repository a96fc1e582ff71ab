"""A library's networks have fingerprints of its release and of what was changed in it since."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.gate import fingerprints
from ucseg_cli.gate.fingerprints import library_fingerprint
from ucseg_cli.references import FromLibrary
from ucseg_cli.references.libraries import LIBRARIES

INSTALLED = 1_700_000_000


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed packages, as small as they get."""
    for package in ("timm", "torchvision", "segmentation_models_pytorch"):
        install(tmp_path, package)
    monkeypatch.setattr(fingerprints, "package_folder", lambda package: tmp_path / package)
    return tmp_path


def install(site: Path, package: str, release: str = "1.0") -> None:
    names = [f"{package}/__init__.py", f"{package}/models/net.py"]
    for name in names:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(f"{name} {release}")
    info = site / f"{package}-{release}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "RECORD").write_text("".join(f"{name},sha256={release},9\n" for name in names))
    for path in (*(site / name for name in names), info / "RECORD"):
        os.utime(path, (INSTALLED, INSTALLED))


def print_of(library: str, name: str = "net") -> str:
    fingerprints._installed.cache_clear()
    return library_fingerprint(FromLibrary(library, name), Conditions())


def change(path: Path, text: str, *, seconds: int) -> None:
    path.write_text(text)
    os.utime(path, (INSTALLED + seconds, INSTALLED + seconds))


@pytest.mark.usefixtures("site")
def test_libraries_have_fingerprints_of_their_own() -> None:
    assert len({print_of(library) for library in LIBRARIES}) == len(LIBRARIES)


@pytest.mark.parametrize("library", ["timm", "smp"])
@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_an_edit_in_a_package_that_it_builds_on_changes_it(
    site: Path, library: str, package: str
) -> None:
    before = print_of(library)
    change(site / package / "models" / "net.py", "edited", seconds=1)
    edited = print_of(library)
    change(site / package / "models" / "net.py", "edited again", seconds=1)
    assert len({before, edited, print_of(library)}) == 3


@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_another_release_changes_it(site: Path, package: str) -> None:
    before = print_of("timm")
    record = site / f"{package}-1.0.dist-info" / "RECORD"
    change(record, record.read_text().replace("1.0", "1.1"), seconds=0)
    assert print_of("timm") != before


def test_a_new_or_missing_file_changes_it(site: Path) -> None:
    prints = {print_of("timm")}
    change(site / "timm" / "models" / "new.py", "new", seconds=-9)
    prints.add(print_of("timm"))
    change(site / "timm" / "models" / "new.py", "not recorded", seconds=-9)
    prints.add(print_of("timm"))
    (site / "timm" / "models" / "net.py").unlink()
    prints.add(print_of("timm"))
    assert len(prints) == 4


def test_a_package_without_a_record_is_read(site: Path) -> None:
    (site / "timm-1.0.dist-info" / "RECORD").unlink()
    before = print_of("timm")
    change(site / "timm" / "models" / "net.py", "older than anything", seconds=-99)
    assert print_of("timm") != before


def test_another_library_s_edit_changes_nothing(site: Path) -> None:
    before = print_of("timm")
    change(site / "segmentation_models_pytorch" / "__init__.py", "edited", seconds=1)
    assert print_of("timm") == before


def test_what_the_record_vouches_for_is_not_read(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print_of("timm")
    read: list[Path] = []
    original = Path.read_bytes

    def noted(path: Path) -> bytes:
        read.append(path)
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    print_of("timm")
    assert [path for path in read if path.is_relative_to(site / "timm")] == []


def test_a_library_that_is_not_installed_has_a_fingerprint_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fingerprints, "package_folder", lambda _: None)
    fingerprints._sources.cache_clear()
    assert print_of("timm")
    fingerprints._sources.cache_clear()
