"""``params --sparsity`` on networks that torch pruned, compared with the narrower ones."""

from __future__ import annotations

import json
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from support.fixture_types import Run
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.engine.recording.record import record

NET = '''
import torch
from torch import nn

class Net(nn.Module):
    """Two blocks, one of them residual, and a head that reads both."""

    def __init__(self, a=16, b=24, c=12):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, a, 3, padding=1), nn.BatchNorm2d(a), nn.ReLU())
        self.wide = nn.Sequential(nn.Conv2d(a, b, 1), nn.BatchNorm2d(b), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(b, b, 3, padding=1, groups=b), nn.BatchNorm2d(b))
        self.narrow = nn.Conv2d(b, a, 1, bias=False)
        self.side = nn.ConvTranspose2d(a, c, 3, padding=1)
        self.head = nn.Conv2d(a + c, 5, 1)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.narrow(self.deep(self.wide(x)))
        return self.head(torch.cat((x, self.side(x).relu()), 1))
'''


def network(**widths: int) -> nn.Module:
    names: dict[str, Any] = {}
    exec(NET, names)
    made: nn.Module = names["Net"](**widths)
    return made.eval()


def settle(model: nn.Module) -> None:
    """Nothing shifts a channel that is zero."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight)
            nn.init.uniform_(module.running_var, 0.5, 1)  # type: ignore[arg-type]
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
            nn.init.zeros_(module.bias)


def prune_channels(model: nn.Module, layer: str, amount: int, dim: int = 0) -> list[int]:
    """Prune a layer's output channels for good, and say which."""
    module: Any = model.get_submodule(layer)
    prune.ln_structured(module, "weight", amount=amount, n=1, dim=dim)  # type: ignore[no-untyped-call]
    prune.remove(module, "weight")  # type: ignore[no-untyped-call]
    return [at for at, one in enumerate(module.weight.unbind(dim)) if not one.any()]


def sparsity(ucseg: Run, *words: str) -> dict[str, Any]:
    answer = ucseg("params", "w.pt", "--sparsity", *words, "-f", "json")
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)["sparsity"]
    return found


def figures(model: nn.Module) -> dict[str, int]:
    with torch.device("meta"):
        return totals(record(deepcopy(model).to("meta"), torch.empty(1, 3, 32, 32)))


@pytest.mark.parametrize(
    ("pruned", "widths"),
    [
        ({"wide.0": 9}, {"b": 15}),
        ({"side": 5}, {"c": 7}),
        ({"wide.0": 4, "side": 3}, {"b": 20, "c": 9}),
    ],
)
def test_removing_pruned_channels_saves_what_the_narrower_network_does(
    ucseg: Run, tmp_path: Path, pruned: dict[str, int], widths: dict[str, int]
) -> None:
    torch.manual_seed(0)
    (tmp_path / "net.py").write_text(NET)
    model = network()
    settle(model)
    zero = {
        layer: prune_channels(model, layer, amount, dim=int(layer == "side"))
        for layer, amount in pruned.items()
    }
    torch.save(model.state_dict(), tmp_path / "w.pt")
    found = sparsity(ucseg, "--model", "net.py:Net", "--size", "32")
    removal = found["removal"]
    layers = {layer["path"]: layer for layer in removal["layers"]}
    for layer, channels in zero.items():
        assert layers[layer]["zero"] == layers[layer]["removable"] == channels
        assert len(channels) == pruned[layer]
    before, after = figures(model), figures(network(**widths))
    assert (removal["before"], removal["after"]) == (before, after)
    assert found["total"]["macs_saved"] == before["macs"] - after["macs"]


def test_the_entries_without_what_goes_load_into_the_narrower_network(
    ucseg: Run, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    (tmp_path / "net.py").write_text(NET)
    model = network()
    settle(model)
    prune_channels(model, "wide.0", 10)
    torch.save({"state_dict": model.state_dict(), "epoch": 3}, tmp_path / "w.pt")
    found = sparsity(ucseg, "--model", "net.py:Net", "--size", "32")
    weights = dict(model.state_dict())
    for entry in found["removal"]["entries"]:
        tensor: Tensor = weights[entry["name"]]
        for axis, places in enumerate(entry["removed"]):
            keep = [at for at in range(tensor.shape[axis]) if at not in places]
            tensor = tensor.index_select(axis, torch.tensor(keep))
        weights[entry["name"]] = tensor
    narrower = network(b=14)
    narrower.load_state_dict(weights)
    given = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(model(given), narrower(given), atol=1e-6)


def test_channels_that_a_sum_needs_are_not_removed(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    model = network()
    settle(model)
    prune_channels(model, "narrow", 6)
    torch.save(model.state_dict(), tmp_path / "w.pt")
    found = sparsity(ucseg, "--model", "net.py:Net", "--size", "32")
    (layer,) = found["removal"]["layers"]
    assert (layer["path"], len(layer["zero"]), layer["removable"]) == ("narrow", 6, [])
    reason = "the model adds it to channels that are not zero"
    assert layer["kept"] == [{"reason": reason, "channels": 6}]
    assert found["total"]["macs_saved"] == 0
    assert found["removal"]["before"] == found["removal"]["after"] == figures(model)


def test_values_in_pieces_are_not_put_together(ucseg: Run, tmp_path: Path) -> None:
    checkpoint = pytest.importorskip("torch.distributed.checkpoint")
    weights = {"a.weight": torch.zeros(3, 4)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checkpoint.save(weights, checkpoint_id=tmp_path / "pieces")
    answer = ucseg("params", "./pieces", "--sparsity")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "dcp_to_torch" in answer.stderr
