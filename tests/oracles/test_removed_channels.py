"""Networks without the channels that can be removed, built and run: the same output for less."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from support.small_networks import (
    Gated,
    Joined,
    Mixing,
    Residual,
    Shuffled,
    Skipping,
    chain,
    classifier,
    conv,
    grouped,
    separable,
)
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.narrowing.zero_channels import Removal, remove_zero_channels
from ucseg_cli.engine.recording.record import record
from ucseg_cli.facts.state_dict import Zeros
from ucseg_cli.facts.trace import Trace
from ucseg_cli.zoo.torchvision_models import build_torchvision


def zeros_of(model: nn.Module, trace: Trace) -> dict[int, Zeros]:
    """The zeros that torch finds in the weights of a network, by tensor of its trace."""
    state = model.state_dict()
    found = {}
    for module in trace.modules:
        for weight in (*module.parameters, *module.buffers):
            name = f"{module.path}.{weight.name}".removeprefix(".")
            if name in state:
                found[weight.tensor] = zeros_in(state[name])
    return found


def zeros_in(tensor: Tensor) -> Zeros:
    count = int((tensor == 0).sum())
    if tensor.dim() == 1:
        return Zeros(count, numbers=tuple(tensor.tolist()))
    if tensor.dim() == 0:
        return Zeros(count)
    slices = (
        tuple(at for at, part in enumerate(tensor.unbind(axis)) if not part.any())
        for axis in (0, 1)
    )
    first, second = slices
    return Zeros(count, (first, second))


def removal_of(model: nn.Module, given: Tensor) -> Removal:
    with torch.device("meta"):
        trace = record(deepcopy(model).to("meta"), given.to("meta"))
    return remove_zero_channels(trace, zeros_of(model, trace))


def without_channels(model: nn.Module, removal: Removal) -> nn.Module:
    """A copy of a network whose weights lack what goes, and whose modules know the new numbers."""
    model = deepcopy(model)
    for row in removal.before.modules:
        module: Any = model.get_submodule(row.path)
        for weight in (*row.parameters, *row.buffers):
            tensor = getattr(module, weight.name).data
            for axis, places in enumerate(removal.places.get(weight.tensor, ())):
                keep = [at for at in range(tensor.shape[axis]) if at not in places]
                tensor = tensor.index_select(axis, torch.tensor(keep))
            is_parameter = isinstance(getattr(module, weight.name), nn.Parameter)
            setattr(module, weight.name, nn.Parameter(tensor) if is_parameter else tensor)
        if isinstance(module, nn.Conv2d):
            outputs, inputs = module.weight.shape[:2]
            if module.groups == module.in_channels:
                module.groups = outputs // (module.out_channels // module.in_channels)
            module.in_channels, module.out_channels = inputs * module.groups, outputs
        if isinstance(module, nn.LayerNorm):
            module.normalized_shape = tuple(module.weight.shape)
    return model


LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def settled(model: nn.Module, seed: int = 0) -> nn.Module:
    """In double precision and eval mode, with random numbers in batch norms, as after training."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                nn.init.uniform_(tensor, -1, 1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
    return model.double().eval()


def make_zero(model: nn.Module, seed: int, share: float) -> None:
    """Some weights, biases, shifts, scales and means of a network, and shifts below zero."""
    random = Random(seed)

    def some(count: int, chance: float) -> list[int]:
        return [at for at in range(count) if random.random() < chance]

    for module in model.modules():
        if isinstance(module, LAYERS):
            outputs = 1 if isinstance(module, nn.ConvTranspose2d) else 0
            zero = some(module.weight.shape[outputs], share)
            module.weight.data.index_fill_(outputs, torch.tensor(zero).long(), 0)
            unread = some(module.weight.shape[1 - outputs], share if random.random() < 0.3 else 0)
            module.weight.data.index_fill_(1 - outputs, torch.tensor(unread).long(), 0)
            if module.bias is not None:
                module.bias.data[[at for at in zero if random.random() < 0.8]] = 0
        elif isinstance(module, nn.BatchNorm2d):
            count = module.num_features
            module.bias.data[some(count, 0.3)] *= -1
            module.bias.data[some(count, 0.6)] = 0
            module.weight.data[some(count, 0.1)] = 0
            assert module.running_mean is not None
            module.running_mean[some(count, 0.6)] = 0


def assert_is_the_same(model: nn.Module, given: Tensor) -> Removal:
    """Without its removable channels it computes the same, and costs exactly what was said."""
    removal = removal_of(model, given)
    smaller = without_channels(model, removal)
    with torch.no_grad():
        before, after = model(given), smaller(given)
    assert torch.allclose(before, after, rtol=1e-9, atol=1e-9 * float(before.abs().max()))
    with torch.device("meta"):
        really = record(deepcopy(smaller).to("meta"), given.to("meta"))
    assert totals(removal.after) == totals(really)
    assert removal.after == really
    return removal


NETWORKS = (
    *(chain, Residual, separable, Gated, Joined, Skipping, grouped, classifier, Shuffled, Mixing),
)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("build", NETWORKS)
def test_without_removable_channels_a_network_computes_the_same(
    build: Callable[[], nn.Module], seed: int
) -> None:
    model = settled(build(), seed)
    make_zero(model, seed, 0.3)
    assert_is_the_same(model, torch.randn(2, 3, 16, 16, dtype=torch.double))


@pytest.mark.parametrize("build", [chain, Residual, Skipping, classifier])
def test_channels_that_stay_zero_are_removable_even_if_they_depend_on_others(
    build: Callable[[], nn.Module],
) -> None:
    """The first channel of every layer is zero, and nothing shifts it."""
    model = settled(build())
    for module in model.modules():
        if isinstance(module, (*LAYERS, nn.BatchNorm2d)):
            outputs = 1 if isinstance(module, nn.ConvTranspose2d) else 0
            module.weight.data.select(outputs, 0).zero_()
            if module.bias is not None:
                module.bias.data[0] = 0
    removal = assert_is_the_same(model, torch.randn(2, 3, 16, 16, dtype=torch.double))
    *inner, output = removal.layers
    assert all(0 in layer.removable and not layer.kept for layer in inner)
    assert output.kept == (("it is the shape of the model's output", 1),)
    assert totals(removal.after)["macs"] < totals(removal.before)["macs"]


# Reasons why a channel is kept


def kept(model: nn.Module, given: Tensor | None = None) -> dict[str, tuple[str, ...]]:
    """Why channels of each layer that are zero are kept."""
    given = torch.randn(2, 3, 16, 16, dtype=torch.double) if given is None else given
    removal = assert_is_the_same(model, given)
    return {
        layer.path: tuple(reason for reason, _ in layer.kept)
        for layer in removal.layers
        if layer.kept
    }


def zero_first(model: nn.Module, *paths: str) -> None:
    """Make the first output channel of these layers zero, with its bias."""
    for path in paths:
        module: Any = model.get_submodule(path)
        module.weight.data[0] = 0
        if module.bias is not None:
            module.bias.data[0] = 0


def test_a_zero_channel_that_a_batch_norm_shifts_is_a_constant_and_is_kept() -> None:
    model = settled(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 2, 1)))
    zero_first(model, "0")
    norm: Any = model.get_submodule("1")
    norm.bias.data[0] = norm.running_mean[0] = 0
    assert kept(model) == {}
    norm.running_mean[0] = 0.5
    assert kept(model) == {"0": ("1 shifts it to a constant",)}
    norm.running_mean[0], norm.bias.data[0] = 0, -0.5
    assert kept(model) == {"0": ("1 shifts it to a constant",)}
    norm.weight.data[0] = 0
    assert kept(model) == {"0": ("1 shifts it to a constant",)}


def test_an_activation_may_make_zero_of_a_constant_again() -> None:
    for activation, shift, is_zero in (
        (nn.ReLU(), -0.5, True),
        (nn.ReLU(), 0.5, False),
        (nn.ReLU6(), -0.5, True),
        (nn.Hardswish(), -3.5, True),
        (nn.Hardswish(), -2.5, False),
        (nn.LeakyReLU(), -0.5, False),
        (nn.SiLU(), 0.0, True),
        (nn.Sigmoid(), 0.0, False),
        (nn.Hardsigmoid(), -3.5, True),
    ):
        layers = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), activation, nn.Conv2d(8, 2, 1))
        model = settled(nn.Sequential(*layers))
        zero_first(model, "0")
        norm: Any = model.get_submodule("1")
        norm.running_mean[0], norm.bias.data[0] = 0, shift
        assert (kept(model) == {}) is is_zero, activation


def test_a_constant_that_nearly_cancels_is_not_taken_for_one_below_zero() -> None:
    model = settled(nn.Sequential(conv(3, 8), nn.Conv2d(8, 2, 1)))
    zero_first(model, "0.0")
    norm: Any = model.get_submodule("0.1")
    scale = norm.weight.data[0] / (norm.running_var[0] + norm.eps).sqrt()
    norm.bias.data[0] = norm.running_mean[0] * scale * (1 + 1e-9)
    assert kept(model) == {"0.0": ("0.1 shifts it to a constant",)}


def test_a_bias_that_is_not_zero_keeps_a_channel() -> None:
    model = settled(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 1)))
    zero_first(model, "0")
    assert kept(model) == {}
    first: Any = model.get_submodule("0")
    first.bias.data[0] = 0.25
    assert kept(model) == {"0": ("the bias of 0 is not zero",)}
    first.bias.data[0] = -0.25
    assert kept(model) == {}


def test_a_residual_sum_needs_a_channel_that_either_path_has() -> None:
    model = settled(Residual())
    for path in ("stem.1", "up.1"):
        norm: Any = model.get_submodule(path)
        norm.bias.data[0] = norm.running_mean[0] = 0
    zero_first(model, "up.0")
    assert kept(model) == {"up.0": ("the model adds it to channels that are not zero",)}
    zero_first(model, "stem.0")
    assert kept(model) == {}


def test_a_depthwise_follower_goes_with_the_channel_that_it_reads() -> None:
    model = settled(
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 2, 1))
    )
    zero_first(model, "0")
    assert kept(model) == {"0": ("the bias of 1 is not zero",)}
    zero_first(model, "1")
    assert kept(model) == {}
    only_after = settled(
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 2, 1))
    )
    zero_first(only_after, "1")
    removal = assert_is_the_same(only_after, torch.randn(1, 3, 9, 9, dtype=torch.double))
    assert [(layer.path, layer.removable) for layer in removal.layers] == [("0", (0,)), ("1", (0,))]


def test_in_groups_a_channel_goes_only_with_its_like_in_every_group() -> None:
    layers = (nn.Conv2d(3, 8, 1), nn.Conv2d(8, 12, 3, groups=4), nn.Conv2d(12, 2, 1))
    model = settled(nn.Sequential(*layers))
    first: Any = model.get_submodule("0")
    first.weight.data[[0, 2, 4]], first.bias.data[[0, 2, 4]] = 0, 0
    assert kept(model) == {"0": ("channels that would go with it are not zero",)}
    first.weight.data[6], first.bias.data[6] = 0, 0
    removal = assert_is_the_same(model, torch.randn(1, 3, 9, 9, dtype=torch.double))
    assert removal.layers[0].removable == (0, 2, 4, 6)


def test_a_norm_or_softmax_across_channels_keeps_them() -> None:
    for across, name in (
        (nn.GroupNorm(2, 8), "native_group_norm"),
        (nn.Softmax2d(), "_softmax"),
        (nn.Flatten(2), ""),
    ):
        layers: list[nn.Module] = [nn.Conv2d(3, 8, 1, bias=False), across]
        last = nn.Linear(64, 2) if name == "" else nn.Conv2d(8, 2, 1)
        model = settled(nn.Sequential(*layers, last))
        zero_first(model, "0")
        given = torch.randn(2, 3, 8, 8, dtype=torch.double)
        reasons = kept(model, given)
        expected = "it is the shape of the model's output"
        words = (f"{name} in 1 works across all channels",) if name else (expected,)
        assert reasons == {"0": words}


def test_a_mean_over_channels_keeps_them_and_a_sum_does_not() -> None:
    class Reduced(nn.Module):
        def __init__(self, reduce: Callable[..., Tensor]) -> None:
            super().__init__()
            self.first, self.reduce = nn.Conv2d(3, 8, 1, bias=False), reduce

        def forward(self, x: Tensor) -> Tensor:
            return self.reduce(self.first(x), dim=1)

    for reduce, reasons in (
        (torch.sum, {}),
        (torch.mean, {"first": ("mean in the model works across all channels",)}),
        (torch.amax, {"first": ("amax in the model works across all channels",)}),
    ):
        model = settled(Reduced(reduce))
        zero_first(model, "first")
        assert kept(model) == reasons


def test_one_channel_stays_even_if_all_are_zero() -> None:
    model = settled(nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(4, 2, 1)))
    model.get_submodule("0").weight.data.zero_()  # type: ignore[operator]
    removal = assert_is_the_same(model, torch.randn(1, 3, 5, 5, dtype=torch.double))
    assert removal.layers[0].removable == (0, 1, 2)
    assert removal.layers[0].kept == (("one channel has to stay", 1),)


def test_channels_that_nothing_reads_are_removable() -> None:
    model = settled(nn.Sequential(conv(3, 8), nn.Conv2d(8, 2, 1)))
    last: Any = model.get_submodule("1")
    last.weight.data[:, 3] = 0
    removal = assert_is_the_same(model, torch.randn(1, 3, 5, 5, dtype=torch.double))
    (layer,) = removal.layers
    assert (layer.path, layer.zero, layer.removable) == ("0.0", (), (3,))


def test_a_write_in_place_through_a_view_is_seen() -> None:
    class Writing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 8, 1, bias=False), nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            x.view(-1).add_(1)
            out: Tensor = self.last(x)
            return out

    model = settled(Writing())
    zero_first(model, "first")
    assert kept(model)["first"]


def test_flipped_and_rolled_channels_are_kept_and_places_are_not() -> None:
    class Moving(nn.Module):
        def __init__(self, dim: int) -> None:
            super().__init__()
            self.first, self.dim = nn.Conv2d(3, 8, 1, bias=False), dim
            self.last = nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.last(self.first(x).flip(self.dim).roll(1, self.dim))
            return out

    for dim, reasons in ((1, {"first": ("flip in the model works across all channels",)}), (2, {})):
        model = settled(Moving(dim))
        zero_first(model, "first")
        assert kept(model) == reasons


# Networks of torchvision


SLOW = (
    *("mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5", "densenet121", "alexnet"),
    *("resnext50_32x4d", "efficientnet_b0", "googlenet", "vgg11_bn", "swin_t"),
    *("convnext_tiny", "regnet_x_400mf", "mnasnet0_5", "lraspp_mobilenet_v3_large"),
)


class Main(nn.Module):
    """The main output of a network that may have several."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        out: Any = self.inner(x)
        found: Tensor = out["out"] if isinstance(out, dict) else out
        return found


@pytest.mark.parametrize(
    "name", ["resnet18", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_a_network_of_torchvision_computes_the_same_without_removable_channels(name: str) -> None:
    model = settled(Main(build_torchvision(name, {})))
    make_zero(model, 1, 0.2)
    removal = assert_is_the_same(model, torch.randn(1, 3, 64, 64, dtype=torch.double))
    assert sum(len(layer.removable) for layer in removal.layers) > 100
