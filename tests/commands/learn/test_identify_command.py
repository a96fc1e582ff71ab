from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fixture_types import Run, WriteWeights
from support.screens import verdict
from ucseg_cli.references.variants import AXES, CATALOGUE, Variant, as_variant

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, write_weights: WriteWeights) -> Write:
    """Write the weights of a variant, each *changed* text replaced by one of the same length."""

    def run(model: str | Variant, *changed: tuple[str, str]) -> str:
        path = tmp_path / "weights.safetensors"
        write_weights(path, as_variant(model))
        data = path.read_bytes()
        for before, after in changed:
            assert len(before) == len(after)
            assert before.encode() in data
            data = data.replace(before.encode(), after.encode())
        path.write_bytes(data)
        return path.name

    return run


@pytest.mark.parametrize("name", [*CATALOGUE, "v1+classes=19"])
def test_what_fits_is_named_first_and_last_and_exits_with_0(
    ucseg: Run, write: Write, name: str
) -> None:
    answer = ucseg("identify", write(name))
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.splitlines()[6].split()[:3] == ["✓", "fits", name]
    assert verdict(answer.stdout).startswith(
        f"weights.safetensors fits {name}: strict loading takes all "
    )


def test_json_has_the_keys_that_scripts_rely_on(ucseg: Run, write: Write) -> None:
    answer = json.loads(ucseg("identify", write("v3"), "-f", "json").stdout)
    assert answer["kind"] == "ucseg.identify"
    assert answer["conditions"] == {
        "format": "safetensors",
        "entries": 316,
        "key": None,
        "prefix": "",
        "left_out": [],
    }
    assert (answer["variant"], answer["fits"], answer["differences"]) == ("v3", ["v3"], [])
    assert (answer["expected"], answer["matched"]) == (316, 316)
    assert [axis["axis"] for axis in answer["axes"]] == [axis.name for axis in AXES]
    assert {"axis": "backbone", "value": 11, "known_from": "shapes", "as": None} in answer["axes"]
    assert {"axis": "rates", "value": [6, 12, 18], "known_from": "number", "as": "v3"} in answer[
        "axes"
    ]
    assert answer["verdict"]["status"] == "fits"


def test_differences_are_by_module_on_the_screen_and_by_entry_in_json(
    ucseg: Run, write: Write
) -> None:
    name = write("v2", ('"decoder.1.', '"decoder_1.'))
    answer = ucseg("identify", name)
    assert answer.returncode == 1
    assert "✗ differs" in answer.stdout
    differences = json.loads(ucseg("identify", name, "-f", "json").stdout)["differences"]
    assert {(difference["kind"], difference["expected"] is None) for difference in differences} == {
        ("unexpected", True)
    }
    assert {difference["module"] for difference in differences} == {
        "decoder_1.bn1",
        "decoder_1.bn2",
        "decoder_1.depthwise",
        "decoder_1.pointwise",
    }
    assert ucseg("identify", name, "-f", "csv").stdout.count("\n") == 1 + len(differences)


def test_exit_zero_changes_the_status_and_nothing_else(ucseg: Run, write: Write) -> None:
    name = write("v2", ('"decoder.1.', '"decoder_1.'))
    strict, lenient = ucseg("identify", name), ucseg("identify", name, "--exit-zero")
    assert (strict.returncode, lenient.returncode) == (1, 0)
    assert strict.stdout == lenient.stdout


@pytest.mark.parametrize("top", ["1", "2", "99"])
def test_top_folds_modules_and_the_rows_add_up(
    ucseg: Run, read_tables: Callable[[str], dict[str, list[list[str]]]], write: Write, top: str
) -> None:
    name = write("v2", ('"decoder.1.', '"decoder_1.'), ('"features.4.', '"features_4.'))
    tables = read_tables(ucseg("identify", name, "--top", top, "-f", "markdown").stdout)
    _, *rows, total = tables["Differences by module"]
    (verdict,) = tables["Verdict"][1:]
    for column in (1, 2, 3):
        assert (
            sum(int(row[column]) for row in rows) == int(total[column]) == int(verdict[column + 2])
        )


def test_variants_of_the_project_that_look_the_same_are_all_named(
    ucseg: Run, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "ucseg.toml").write_text('[variants.dense]\nfrom = "v2"\noutput_stride = 16\n')
    answer = ucseg("identify", write("v2"))
    assert verdict(answer.stdout).startswith("weights.safetensors fits ")
    assert {"v2", "dense"} <= set(
        json.loads(ucseg("identify", write("v2"), "-f", "json").stdout)["fits"]
    )
    assert answer.stdout.count("✓ fits") == 2


@pytest.mark.parametrize(
    "name", ["v2", "weights", "v2+backbone=10", "net.py:Net", "torchvision:resnet50", "a.b:c", ""]
)
def test_what_is_no_checkpoint_is_refused_with_how_to_name_one(ucseg: Run, name: str) -> None:
    answer = ucseg("identify", name)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"error: '{name}' is not a checkpoint" in answer.stderr
    assert "as in ./weights" in answer.stderr


def test_a_checkpoint_of_any_name_is_read_by_its_path(
    ucseg: Run, write: Write, tmp_path: Path
) -> None:
    (tmp_path / write("v1")).rename(tmp_path / "weights")
    assert ucseg("identify", "./weights").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.pt"], "there is no file none.pt"),
        (["none.pt+kay=a"], "no argument of a checkpoint named 'kay'"),
        ([], "missing argument"),
        (["weights.safetensors", "--top", "0"], "'0' is not a whole number from 1"),
    ],
)
def test_mistakes_are_named_and_exit_with_2(
    ucseg: Run, write: Write, arguments: list[str], message: str
) -> None:
    write("v1")
    answer = ucseg("identify", *arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert message in answer.stderr


def test_it_judges_as_other_gates_do(ucseg: Run, write: Write) -> None:
    name = write("v2", ('"decoder.1.', '"decoder_1.'))
    assert ucseg("identify", name, "-f", "github").stdout.startswith("::error title=identify")
    assert 'failures="1"' in ucseg("identify", name, "-f", "junit").stdout
    assert 'failures="0"' in ucseg("identify", write("v2"), "-f", "junit").stdout


def test_from_the_cache_a_safetensors_file_is_identified_without_torch(
    python: Run, write: Write, tmp_path: Path
) -> None:
    name = str(tmp_path / write("v2"))
    program = (
        "import sys; from ucseg_cli.cli.main import main\n"
        "status = main(sys.argv[1:]); print(status, 'torch' in sys.modules)"
    )
    for arguments in (["identify", name], ["params", name]):
        assert python("-c", program, *arguments).stdout.splitlines()[-1] == "0 False"


def test_the_candidate_comes_from_the_cache_unless_that_is_not_wanted(
    ucseg: Run, fake_engine: list[object], write: Write
) -> None:
    name = write("v2")
    ucseg("identify", name)
    ucseg("identify", name)
    assert len(fake_engine) == 1
    ucseg("identify", name, "--no-cache")
    assert len(fake_engine) == 2
