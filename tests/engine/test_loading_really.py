"""A network loads a checkpoint just as torch's own strict loading says, entry by entry."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm

from ucseg_cli.analysis.comparing.loading import Loading, load_into
from ucseg_cli.engine.checkpoints.read_checkpoint import read_state_dict
from ucseg_cli.engine.recording.record import record, trace_modules

Weights = dict[str, Any]


class Net(nn.Module):
    def __init__(self, classes: int = 4, *, bias: bool = True) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3, bias=bias), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> Any:
        return self.fc(self.bn(self.conv(x)).mean((2, 3)))


class Tied(nn.Module):
    """One tensor under two names, and one module under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)
        self.last.weight = self.first.weight
        self.again = self.first


class Buffered(nn.Module):
    """A buffer of each kind, a part that is None, and a state beside the tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("grid", torch.zeros(5), persistent=False)
        self.register_buffer("scale", torch.zeros(()))
        self.register_parameter("none", None)
        self.norm = nn.BatchNorm1d(3, affine=False)

    def get_extra_state(self) -> Any:
        return {"steps": 3}

    def set_extra_state(self, state: Any) -> None: ...


class Filtered(Net):
    """Its state dict lacks a part, which strict loading asks for all the same."""

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        state = super().state_dict(*args, **kwargs)
        return {name: value for name, value in state.items() if not name.startswith("conv")}


class Found(NamedTuple):
    """The names that stop torch, sorted."""

    missing: list[str]
    unexpected: list[str]
    other_shape: list[str]
    not_copied: list[str]


def said_by_torch(model: nn.Module, weights: Weights) -> Found:
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        text = str(error)
        lists = (
            re.findall(r'"([^"]*)"', "".join(re.findall(rf"{kind} key\(s\) in .*", text)))
            for kind in ("Missing", "Unexpected")
        )
        sizes = re.findall(r"size mismatch for ([^:]*):", text)
        copied = re.findall(r'While copying the parameter named "([^"]*)"', text)
        # torch names some twice: a hook and the module itself miss them
        return Found(*(sorted(set(names)) for names in (*lists, sizes, copied)))
    return Found([], [], [], [])


def said_by_us(loading: Loading) -> Found:
    kinds = (("missing",), ("unexpected",), ("shape",), ("layout", "meta"))  # torch: not copied
    return Found(*(sorted(d.name for d in loading.differences if d.kind in kind) for kind in kinds))


def loading_of(model: nn.Module, weights: Any, folder: Path) -> Loading:
    torch.save(weights, folder / "weights.pt")
    return load_into(trace_modules(model), read_state_dict(str(folder / "weights.pt")))


def under(prefix: str, weights: Weights) -> Weights:
    return {prefix + name: value for name, value in weights.items()}


def without(weights: Weights, *names: str) -> Weights:
    return {name: value for name, value in weights.items() if name not in names}


def without_counter() -> Weights:
    """With its versions, which promise the counter."""
    state: Weights = Net().state_dict()
    del state["bn.num_batches_tracked"]
    return state


def halved(weights: Weights) -> Weights:
    """The first two entries under a prefix, the others not."""
    names = list(weights)[:2]
    return {f"net.{name}" if name in names else name: value for name, value in weights.items()}


def normed() -> nn.Module:
    return nn.Sequential(
        parametrizations.weight_norm(nn.Linear(3, 4)), spectral_norm(nn.Linear(4, 2))
    )


def normed_before_parametrizations() -> Weights:
    names = {"parametrizations.weight.original0": "weight_g"}
    names |= {"parametrizations.weight.original1": "weight_v"}
    state: Weights = normed().state_dict()
    for new, old in names.items():
        state[f"0.{old}"] = state.pop(f"0.{new}")
    return state


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any], str]] = {
    "itself": (Net, lambda: Net().state_dict(), ""),
    "an outer module": (Net, lambda: under("model.", Net().state_dict()), "model."),
    "two outer modules": (
        Net,
        lambda: under("model._orig_mod.", Net().state_dict()),
        "model._orig_mod.",
    ),
    "an outer module beside others": (
        Net,
        lambda: under("student.net.", Net().state_dict()) | {"loss.weight": torch.ones(4)},
        "student.net.",
    ),
    "DataParallel": (Net, lambda: nn.DataParallel(Net()).state_dict(), "module."),
    "DataParallel into itself": (
        lambda: nn.DataParallel(Net()),
        lambda: nn.DataParallel(Net()).state_dict(),
        "",
    ),
    "AveragedModel into itself": (
        lambda: torch.optim.swa_utils.AveragedModel(Net()),
        lambda: torch.optim.swa_utils.AveragedModel(Net()).state_dict(),
        "",
    ),
    "a missing bias": (Net, lambda: Net(bias=False).state_dict(), ""),
    "a missing bias under a prefix": (
        Net,
        lambda: under("net.", Net(bias=False).state_dict()),
        "net.",
    ),
    "a bias too many": (lambda: Net(bias=False), lambda: Net().state_dict(), ""),
    "an extra head": (Net, lambda: Net().state_dict() | {"aux.0.weight": torch.ones(2)}, ""),
    "an entry below a layer": (Net, lambda: Net().state_dict() | {"fc.a.b": torch.ones(2)}, ""),
    "other classes": (Net, lambda: under("module.", Net(classes=7).state_dict()), "module."),
    "weight_norm into plain": (
        lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)),
        lambda: normed().state_dict(),
        "",
    ),
    "plain into weight_norm": (
        normed,
        lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).state_dict(),
        "",
    ),
    "weight_norm into itself": (normed, lambda: under("model.", normed().state_dict()), "model."),
    "weight_norm of before parametrizations": (normed, normed_before_parametrizations, ""),
    "half of a weight_norm of before": (
        normed,
        lambda: without(normed_before_parametrizations(), "0.weight_g"),
        "",
    ),
    "weight_norm of before, in an outer module": (
        normed,
        lambda: under("model.", normed_before_parametrizations()),
        "model.",
    ),
    "shared weights": (Tied, lambda: Tied().state_dict(), ""),
    "shared weights saved once": (
        Tied,
        lambda: without(Tied().state_dict(), "last.weight", "again.weight", "again.bias"),
        "",
    ),
    "buffers": (Buffered, lambda: Buffered().state_dict(), ""),
    "buffers of another time": (
        Buffered,
        lambda: (
            without(Buffered().state_dict(), "mean", "_extra_state")
            | {"grid": torch.zeros(5), "none": torch.zeros(1), "scale": torch.zeros(1)}
        ),
        "",
    ),
    "counters that torch adds": (
        Net,
        lambda: without(Net().state_dict(), "bn.num_batches_tracked"),
        "",
    ),
    "a batch norm that is not in the file": (
        Net,
        lambda: nn.ModuleDict({"conv": nn.Conv2d(3, 8, 3), "fc": nn.Linear(8, 4)}).state_dict(),
        "",
    ),
    "a batch norm whose counter was deleted": (Net, without_counter, ""),
    "a counter of the root": (
        lambda: nn.BatchNorm1d(3),
        lambda: without(nn.BatchNorm1d(3).state_dict(), "num_batches_tracked"),
        "",
    ),
    "a filtered state dict": (Filtered, lambda: Filtered().state_dict(), ""),
    "a part under the prefix": (Net, lambda: halved(Net().state_dict()), ""),
    "another network": (Net, lambda: {"encoder.weight": torch.ones(2), "x": torch.ones(1)}, ""),
    "sparse and no tensor": (
        Net,
        lambda: (
            Net().state_dict() | {"conv.weight": torch.ones(8, 3, 3, 3).to_sparse(), "fc.bias": 3}
        ),
        "",
    ),
    "a tensor without values": (
        Net,
        lambda: Net().state_dict() | {"conv.weight": torch.ones(8, 3, 3, 3, device="meta")},
        "",
    ),
    "no values at all": (
        Net,
        lambda: {name: value.to("meta") for name, value in Net().state_dict().items()},
        "",
    ),
    "numbers beside": (Net, lambda: {**Net().state_dict(), "epoch": 3, "best": 0.5}, ""),
    "a lone layer": (lambda: nn.Linear(2, 3), lambda: nn.Linear(2, 3).state_dict(), ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_entries_that_stop_torch_are_the_entries_that_are_reported(
    case: str, tmp_path: Path
) -> None:
    build, saved, prefix = CASES[case]
    weights = saved()
    stripped = {name.removeprefix(prefix): value for name, value in weights.items()}
    loading = loading_of(build(), weights, tmp_path)
    assert loading.state.prefix == prefix
    assert said_by_us(loading) == said_by_torch(build(), stripped if prefix else weights)
    assert loading.expected == len(nn.Module.state_dict(build()))


def test_packed_weights_load_into_a_quantized_network_and_not_into_a_plain_one(
    tmp_path: Path,
) -> None:
    def quantized() -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
            quantize: Any = torch.ao.quantization.quantize_dynamic
            model: nn.Module = quantize(plain, {nn.Linear})
            return model

    weights = quantized().state_dict()
    for build in (quantized, lambda: nn.Sequential(nn.Linear(8, 4), nn.ReLU())):
        loading = loading_of(build(), weights, tmp_path)
        assert said_by_us(loading) == said_by_torch(build(), weights)
    loading = loading_of(quantized(), under("model.", weights), tmp_path)
    assert (loading.is_strict, loading.state.prefix) == (True, "model.")


def test_a_pass_records_the_same_entries_as_the_modules_alone() -> None:
    for model in (Net().eval(), Filtered().eval()):
        ran = record(model, torch.zeros(1, 3, 8, 8)).state_entries()
        assert ran == trace_modules(model).state_entries()
        shapes = {name: tuple(value.shape) for name, value in nn.Module.state_dict(model).items()}
        assert ran == shapes


def test_an_averaged_network_loads_without_its_counter(tmp_path: Path) -> None:
    for averaged, prefix in (
        (torch.optim.swa_utils.AveragedModel(Net()), "module."),
        (nn.ModuleDict({"model": torch.optim.swa_utils.AveragedModel(Net())}), "model.module."),
    ):
        loading = loading_of(Net(), averaged.state_dict(), tmp_path)
        assert (loading.is_strict, loading.state.prefix) == (True, prefix)


def test_a_module_whose_saving_fails_has_what_it_owns() -> None:
    class Broken(nn.Linear):
        def _save_to_state_dict(self, *_args: Any, **_kwargs: Any) -> None:
            raise OSError("no")

    assert trace_modules(Broken(2, 3)).state_entries() == {"weight": (3, 2), "bias": (3,)}
