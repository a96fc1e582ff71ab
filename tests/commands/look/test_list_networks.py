"""``ucseg list torchvision`` and the like: what a library has, by reading its source."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fixture_types import Run
from ucseg_cli.cli.completion.complete_reference import complete_reference
from ucseg_cli.references import libraries
from ucseg_cli.references.libraries import LIBRARIES, network_names

TIMM = """
@register_model
def {name}(pretrained: bool = False, **kwargs) -> Net:
    return _create('{name}')
"""
SMP = "class {name}(SegmentationModel):\n    pass\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Libraries of a few lines, of which nothing is run: it would raise."""
    write(tmp_path, "timm/models/vit.py", [TIMM.format(name=f"vit_{size}") for size in "sbl"])
    write(tmp_path, "timm/models/resnet.py", [TIMM.format(name="resnet10t")])
    write(tmp_path, "segmentation_models_pytorch/decoders/unet/model.py", [SMP.format(name="Unet")])
    encoder = 'nets = {\n    "resnet18": {\n        "params": 1,\n    },\n}\n'
    write(tmp_path, "segmentation_models_pytorch/encoders/resnet.py", [encoder])
    monkeypatch.setattr(libraries, "package_folder", lambda package: tmp_path / package)
    libraries.network_modules.cache_clear()
    yield tmp_path
    libraries.network_modules.cache_clear()


def write(site: Path, name: str, parts: list[str]) -> None:
    path = site / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["raise RuntimeError('it is run')", *parts]))


@pytest.mark.usefixtures("site")
def test_a_library_lists_its_networks_by_family(ucseg: Run) -> None:
    lines = ucseg("list", "timm").stdout.splitlines()
    assert lines[-1] == "timm has 4 networks; `ucseg list timm:resnet10t` shows the axes of one."
    assert "vit     vit_b, vit_l, vit_s" in lines
    answer = json.loads(ucseg("list", "timm", "-f", "json").stdout)
    assert answer["networks"][0] == {"name": "resnet10t", "family": "resnet"}
    rows = list(csv.reader(io.StringIO(ucseg("list", "timm", "-f", "csv").stdout)))
    assert [row[:2] for row in rows][:2] == [["name", "family"], ["resnet10t", "resnet"]]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("pattern", "names"),
    [("timm:*", 4), ("timm:vit_[sb]", 2), ("timm:*10t", 1), ("timm:vit_?", 3)],
)
def test_a_pattern_lists_some_of_them(ucseg: Run, pattern: str, names: int) -> None:
    assert len(json.loads(ucseg("list", pattern, "-f", "json").stdout)["networks"]) == names


@pytest.mark.usefixtures("site")
def test_a_pattern_that_nothing_matches_is_refused(ucseg: Run) -> None:
    answer = ucseg("list", "timm:VIT*")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "no network of timm matches 'VIT*'" in answer.stderr
    assert "`ucseg list timm` shows them all" in answer.stderr


@pytest.mark.usefixtures("site")
def test_encoders_are_named_beside_the_architectures(ucseg: Run) -> None:
    answer = json.loads(ucseg("list", "smp", "-f", "json").stdout)
    assert answer["networks"] == [{"name": "Unet", "family": "unet"}]
    assert answer["parts"] == {"encoder_name": ["resnet18"]}
    screen = ucseg("list", "smp").stdout
    assert "encoder_name takes: resnet18" in screen
    assert "encoder_name also takes tu-NAME" in screen


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_that_is_not_installed_says_what_to_install(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    libraries.network_modules.cache_clear()
    monkeypatch.setattr(libraries, "package_folder", lambda _: None)
    answer = ucseg("list", library)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "cannot be imported: it is not installed" in answer.stderr
    assert f"pip install {LIBRARIES[library].distribution}" in answer.stderr
    assert complete_reference(f"{library}:re") == []


def test_torchvision_lists_what_can_be_counted() -> None:
    names = network_names("torchvision")
    assert len(names) > 100
    assert not any(name.startswith("quantized_") for name in names)


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("begun", "candidates"),
    [
        ("timm:vit_", ["timm:vit_b", "timm:vit_l", "timm:vit_s"]),
        ("smp:", ["smp:Unet"]),
        ("torchv", ["torchvision:"]),
        ("timm:none", []),
        ("smp:Unet+encoder_name=", []),
    ],
)
def test_names_of_a_library_are_completed(begun: str, candidates: list[str]) -> None:
    assert complete_reference(begun) == candidates
