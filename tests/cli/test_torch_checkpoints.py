"""Commands on checkpoints in torch's own format, which takes torch to write and to read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.fixture_types import Run, WriteWeights
from support.screens import verdict
from ucseg_cli.references.variants import CATALOGUE

pytestmark = pytest.mark.torch


def test_tied_weights_count_once_and_a_note_says_so(ucseg: Run) -> None:
    import torch
    from torch import nn

    tied = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})
    tied["b"].weight = tied["a"].weight
    torch.save(tied.state_dict(), "tied.pt")
    answer = ucseg("params", "tied.pt")
    assert "tied.pt has 15 parameters" in answer.stdout
    assert "1 entry shares memory with another and counts once." in answer.stdout


def test_entries_that_are_left_out_are_named(ucseg: Run) -> None:
    import torch

    numbers = {f"n{number}": number for number in range(6)}
    torch.save({"a.weight": torch.zeros(3), **numbers}, "odd.pt")
    assert (
        "Left out, since they are not tensors of the network: n0, n1, n2, n3 and 2 more."
        in ucseg("params", "odd.pt").stdout
    )


def test_a_parameter_of_the_root_has_no_module_around_it(ucseg: Run) -> None:
    import torch

    torch.save({"weight": torch.zeros(3)}, "one.pt")
    assert (
        verdict(ucseg("params", "one.pt").stdout) == "one.pt has 3 parameters (12 B with buffers)."
    )


def test_another_network_takes_a_sentence_rather_than_rows(ucseg: Run, tmp_path: Path) -> None:
    import torch

    weights = {f"layer{n}.conv.weight": torch.zeros(3) for n in range(200)}
    torch.save(weights, tmp_path / "resnet.pt")
    answer = ucseg("identify", "resnet.pt")
    assert answer.returncode == 1
    assert len(answer.stdout.splitlines()) < 12
    assert verdict(answer.stdout) == (
        "resnet.pt is not of the family: "
        "not one of its 200 entries has the name and shape of a variant's."
    )
    script = json.loads(ucseg("identify", "resnet.pt", "-f", "json").stdout)
    assert (script["variant"], script["fits"], script["axes"]) == (None, [], [])
    assert len(script["differences"]) == 200 + 254  # of a plain dictionary torch misses no counters


def test_a_wrapped_network_under_a_key_says_both(
    ucseg: Run, tmp_path: Path, write_weights: WriteWeights
) -> None:
    import torch
    from safetensors.torch import load_file

    write_weights(tmp_path / "v2.safetensors", CATALOGUE["v2"])
    loaded = load_file(tmp_path / "v2.safetensors")
    weights = {f"module.{name}": tensor for name, tensor in loaded.items()}
    torch.save(
        {"model": weights, "ema": {"shadow": weights | {"module.a": torch.zeros(1)}}, "epoch": 3},
        "last.ckpt",
    )
    answer = ucseg("identify", "last.ckpt+key=model")
    assert answer.returncode == 0
    assert "format torch · entries 298 · key model · names without 'module.'" in answer.stdout
    assert "strict loading takes all 298 entries once 'module.' is stripped" in answer.stdout
    several = ucseg("identify", "last.ckpt")
    assert several.returncode == 2
    assert "= help: write last.ckpt+key=model" in several.stderr


def test_a_checkpoint_without_values_loads_into_nothing(ucseg: Run, tmp_path: Path) -> None:
    import torch
    from torch import nn

    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Sequential):\n"
        "    def __init__(self):\n        super().__init__(nn.Conv2d(3, 4, 3))\n"
    )
    saved = nn.Sequential(nn.Conv2d(3, 4, 3)).state_dict()
    torch.save({**saved, "0.bias": saved["0.bias"].to("meta")}, "part.pt")
    answer = ucseg("compare", "net.py:Net", "part.pt")
    assert (
        verdict(answer.stdout)
        == "part.pt does not load into net.py:Net strictly: 1 entry has no values."
    )
    assert "0.bias  no values" in answer.stdout
    script = json.loads(ucseg("compare", "net.py:Net", "part.pt", "-f", "json").stdout)
    assert [entry["kind"] for entry in script["loading"][0]["differences"]] == ["meta"]


def test_a_variant_s_file_without_values_fits_no_variant(
    ucseg: Run, write_weights: WriteWeights, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    write_weights(tmp_path / "v2.safetensors", CATALOGUE["v2"])
    weights = load_file(tmp_path / "v2.safetensors")
    torch.save({name: tensor.to("meta") for name, tensor in weights.items()}, "meta.pt")
    answer = ucseg("identify", "meta.pt")
    assert answer.returncode == 1
    assert "has no values" in answer.stdout
