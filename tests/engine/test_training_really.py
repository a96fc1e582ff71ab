"""Training steps recorded without data, compared with real steps on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from support.real_training import most_alive_in_training, record_step_without_data
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.counting.module_tree import roll_up
from ucseg_cli.analysis.counting.operations import BACKWARD, own_flops, own_flops_by_phase
from ucseg_cli.analysis.memory.training_memory import (
    GRADIENTS,
    INPUT,
    OPTIMIZER,
    SAVED,
    WEIGHTS,
    training_peak,
)
from ucseg_cli.engine.trace_model import Tracer, trace_module, trace_source
from ucseg_cli.engine.training.record_step import record_step
from ucseg_cli.errors import ModelError, UsageError
from ucseg_cli.facts.choices import OPTIMIZERS
from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.facts.trace import Trace
from ucseg_cli.facts.training import Training
from ucseg_cli.nets import build_model
from ucseg_cli.references import FromFile
from ucseg_cli.references.variants import as_variant
from ucseg_cli.zoo.torchvision_models import build_torchvision

SMALL = Conditions(Size(48, 64), 2)
NETWORKS = ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "lraspp_mobilenet_v3_large")
"""From torchvision: residual sums, gates, channel shuffles, two maps."""
LARGE = ("densenet121", "vit_b_16")
"""Concatenations; attention, which the CPU runs as one kernel."""


def step_of(reference: str, training: Training, conditions: Conditions = SMALL) -> Trace:
    return Tracer().trace(as_variant(reference), conditions._replace(training=training))


def image(conditions: Conditions = SMALL) -> Tensor:
    return torch.rand(conditions.first_shape)


class Tied(nn.Module):
    """An embedding and an output layer that are one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.inner = nn.Linear(16, 16)
        self.out = nn.Linear(16, 50, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        words = torch.ones(x.shape[0], 8, dtype=torch.int64, device=x.device)
        out: Tensor = self.out(self.inner(self.embed(words)).relu())
        return out.transpose(1, 2)


class Segmented(nn.Module):
    """A part that is run again in backward."""

    def __init__(self) -> None:
        super().__init__()
        convs = (nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.first = nn.Sequential(*convs, nn.Conv2d(16, 16, 3, padding=1))
        self.last = nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(checkpoint(self.first, x, use_reentrant=False).relu())
        return out


class Odd(nn.Module):
    """A transposed conv, groups, a parameter that is never used, a scalar beside the map."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2, groups=2)
        self.unused = nn.Linear(100, 100)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        out = self.up(nn.functional.silu(self.grouped(self.down(x))))
        return {"map": out, "size": out.square().sum()}


AWKWARD: tuple[Callable[[], nn.Module], ...] = (Tied, Segmented, Odd)


@pytest.mark.parametrize(
    ("reference", "optimizer"),
    [
        *(("v2", optimizer) for optimizer in OPTIMIZERS),
        *(("v1", "sgd"), ("v3", "momentum"), ("v2+head=before-upsample", "adamw")),
    ],
)
def test_the_peak_of_a_step_of_the_family_is_that_of_a_real_one(
    reference: str, optimizer: str
) -> None:
    measured = most_alive_in_training(
        build_model(as_variant(reference)), image(), optimizer=optimizer
    )
    assert training_peak(step_of(reference, Training(optimizer))).bytes == measured


@pytest.mark.parametrize("amp", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", AWKWARD)
def test_the_peak_of_a_step_of_an_awkward_network_is_that_of_a_real_one(
    kind: Callable[[], nn.Module], optimizer: str, *, amp: bool
) -> None:
    model = kind()
    measured = most_alive_in_training(model, image(), optimizer=optimizer, amp=amp)
    training = Training(optimizer, amp=amp)
    trace = record_step_without_data(model, image(), training=training, says_cpu=amp)
    assert training_peak(trace).bytes == measured


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "optimizer"),
    [*product(NETWORKS, OPTIMIZERS), *product(LARGE, ("sgd", "adamw"))],
)
def test_the_peak_of_a_step_of_another_network_is_that_of_a_real_one(
    name: str, optimizer: str
) -> None:
    given = Conditions(Size(64, 64), 2)
    model = build_torchvision(name, {"image_size": 64} if name == "vit_b_16" else {})
    measured = most_alive_in_training(model, image(given), optimizer=optimizer)
    step = given._replace(training=Training(optimizer))
    peak = training_peak(trace_module(model, step, taps={})).bytes
    # what the loop of the test names besides: each of several losses, a number
    assert 0 <= measured - peak <= 4


def test_under_autocast_less_is_saved_and_as_much_as_in_a_real_step() -> None:
    measured = most_alive_in_training(
        build_model(as_variant("v2")), image(), optimizer="adamw", amp=True
    )
    cast = training_peak(step_of("v2", Training("adamw", amp=True)))
    assert cast.bytes == measured
    assert cast.parts[SAVED] < training_peak(step_of("v2", Training("adamw"))).parts[SAVED]


def test_a_frozen_backbone_saves_nothing_below_it_and_has_no_gradients_or_state() -> None:
    frozen = step_of("v2", Training("adam", frozen=("features",)))
    peak = training_peak(frozen)
    inside = {path for _, path in peak.saved if path.startswith("features.0")}
    assert not inside
    model = build_model(as_variant("v2"))
    for parameter in model.features.parameters():
        parameter.requires_grad = False
    assert peak.bytes == most_alive_in_training(model, image(), optimizer="adam")
    whole = training_peak(step_of("v2", Training("adam")))
    assert peak.parts[OPTIMIZER] < whole.parts[OPTIMIZER]
    assert totals(frozen)["trainable"] == sum(
        one.numel() for one in model.parameters() if one.requires_grad
    )


def test_what_is_checkpointed_is_run_again_and_saves_its_inputs_alone() -> None:
    training = Training(checkpointed=("features.*",))
    again, plain = step_of("v2", training), step_of("v2", Training())
    model = build_model(as_variant("v2"))
    for part in model.features:
        part.forward = segment(part.forward)
    assert training_peak(again).bytes == most_alive_in_training(model, image(), optimizer="sgd")
    assert training_peak(again).parts[SAVED] < training_peak(plain).parts[SAVED]
    assert totals(again)["macs"] > totals(plain)["macs"]


def segment(forward: Any) -> Any:
    return lambda *args: checkpoint(forward, *args, use_reentrant=False)


def test_the_parts_add_up_and_state_and_gradients_are_those_of_the_optimizer() -> None:
    peaks = {name: training_peak(step_of("v2", Training(name))) for name in OPTIMIZERS}
    model = build_model(as_variant("v2"))
    parameters = list(model.parameters())
    weights = sum(one.nbytes for one in parameters)
    for peak in peaks.values():
        assert sum(peak.parts.values()) == peak.bytes
        assert sum(peak.saved.values()) == peak.parts[SAVED]
        assert peak.parts[WEIGHTS] == weights + sum(one.nbytes for one in model.buffers())
        assert 0 < peak.parts[GRADIENTS] <= weights
    counters = 4 * len(parameters)  # each has the number of its steps
    kept = {name: peak.parts[OPTIMIZER] for name, peak in peaks.items()}
    twice = 2 * weights + counters
    assert kept == {"sgd": 0, "momentum": weights, "adam": twice, "adamw": twice}
    image_and_target = image().nbytes + 2 * 48 * 64 * 8
    assert peaks["sgd"].parts[INPUT] == image_and_target


@pytest.mark.parametrize("reference", ["v1", "v2", "v3"])
def test_operations_are_those_of_flop_counter_mode_and_of_each_module_s_own_nodes(
    reference: str,
) -> None:
    model = build_model(as_variant(reference)).train()
    assert_counted_alike(model, step_of(reference, Training()), image())


@pytest.mark.parametrize("kind", [Tied, Odd])
def test_operations_of_awkward_networks_are_those_of_flop_counter_mode(
    kind: Callable[[], nn.Module],
) -> None:
    model = kind()
    trace = record_step_without_data(model, image(), training=Training())
    assert_counted_alike(model, trace, image())


def test_operations_by_module_are_those_of_flop_counter_mode_in_a_chain() -> None:
    """Where modules share an input it leaves them open in backward, and counts others into them."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(8, 4, 1)))
    trace = record_step_without_data(model, image(), training=Training())
    with FlopCounterMode(display=False) as counter:
        model(image()).sum().backward()
    ours = {path: own["torch"] for path, own in roll_up(trace, own_flops(trace)).items()}
    theirs = {name: sum(by.values()) for name, by in counter.get_flop_counts().items()}
    named = ((f"Sequential.{path}".rstrip("."), figure) for path, figure in ours.items())
    counted = {name: figure for name, figure in named if figure}
    assert counted == {name: figure for name, figure in theirs.items() if name != "Global"}


def assert_counted_alike(model: nn.Module, trace: Trace, x: Tensor) -> None:
    with FlopCounterMode(display=False) as counter, Nodes(model) as nodes:
        returned = model(x)
        outputs = list(returned.values()) if isinstance(returned, dict) else [returned]
        sum(output.sum() for output in outputs).backward()
    assert totals(trace)["torch"] == counter.get_total_flops()
    backward = own_flops_by_phase(trace, CONVENTIONS["torch"])
    ours = {path: own[BACKWARD] for path, own in backward.items() if own[BACKWARD]}
    assert ours == dict(nodes.flops)


class Nodes(TorchDispatchMode):
    """FLOPs of backward by the layer whose output came from the node that runs them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops: Counter[str] = Counter()
        self._layers: dict[Any, str] = {}
        for path, module in model.named_modules():
            if not list(module.children()):
                module.register_forward_hook(partial(self._note, path))

    def _note(self, path: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        node: Any = output.grad_fn
        while "View" in node.name():
            node = node.next_functions[0][0]
        self._layers[node] = path

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        node = torch._C._current_autograd_node()
        count = flop_registry.get(func._overloadpacket)
        if count is not None and node in self._layers:
            self.flops[self._layers[node]] += int(count(*args, **(kwargs or {}), out_val=out))
        return out


def test_a_grouped_conv_s_backward_is_counted_once_as_macs() -> None:
    """FlopCounterMode takes the gradient of its weight for that of a conv without groups."""
    conv = nn.Conv2d(8, 8, 3, padding=1, groups=8)
    x = torch.rand(2, 8, 6, 6, requires_grad=True)
    trace = record_step_without_data(conv, x, training=Training(loss="mean"))
    forward = 2 * 8 * 9 * 36
    assert totals(trace)["macs"] == 3 * forward
    assert totals(trace)["torch"] == 2 * forward * (1 + 1 + 8)


def test_a_size_costs_as_many_operators_as_any_other() -> None:
    small = step_of("v2", Training(), Conditions(Size(224, 224), 2))
    large = step_of("v2", Training(), Conditions(Size(8192, 8192), 2))
    assert len(small.ops) == len(large.ops)


def test_everything_is_afterwards_as_it_was() -> None:
    model = build_model(as_variant("v2")).eval()
    model.features[3].train()
    model.aspp.requires_grad_(requires_grad=False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags = [(module.training, "forward" in vars(module)) for module in model.modules()]
    required = [one.requires_grad for one in model.parameters()]
    x, seed = image(), torch.get_rng_state()
    training = Training("adamw", frozen=("features.0",), checkpointed=("features.1",))
    with torch.no_grad():
        trace_module(model, SMALL._replace(training=training), taps={})
        record_step(model, x, training=training)  # with data
        assert not torch.is_grad_enabled()
    assert [(one.training, "forward" in vars(one)) for one in model.modules()] == flags
    assert [one.requires_grad for one in model.parameters()] == required
    assert all(one.grad is None for one in model.parameters())
    assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), seed)


@pytest.mark.parametrize(
    ("training", "pattern"),
    [
        (Training(frozen=("featurs",)), "featurs"),
        (Training(checkpointed=("features.*.nothing",)), r"features\.\*\.nothing"),
        (Training(checkpointed=("features.0.0.weight",)), "features.0.0.weight"),
    ],
)
def test_a_pattern_that_fits_nothing_is_refused(training: Training, pattern: str) -> None:
    said = f"no module of SegmentationNetwork is named '{pattern}'"
    with pytest.raises(UsageError, match=said) as caught:
        step_of("v2", training)
    assert "did you mean 'features" in (caught.value.help or "")


def test_a_network_without_anything_to_train_is_refused() -> None:
    with pytest.raises(ModelError, match="no output depends on a parameter that gets a gradient"):
        step_of("v2", Training(frozen=("**",)))


def test_one_image_is_refused_with_the_way_out_where_batch_norm_has_one_value() -> None:
    with pytest.raises(ModelError, match="more than 1 value per channel") as caught:
        step_of("v2", Training(), Conditions(Size(64, 64), 1))
    assert "--batch 2" in (caught.value.help or "")


def test_a_loss_that_was_asked_for_is_taken() -> None:
    mean, classes = (step_of("v2", Training(loss=loss)) for loss in ("mean", "cross-entropy"))
    assert mean.trained is not None
    assert classes.trained is not None
    assert (len(mean.trained.targets), len(classes.trained.targets)) == (0, 1)
    assert training_peak(mean).bytes < training_peak(classes).bytes
    flat, numbers = nn.Flatten(0), torch.rand(4, requires_grad=True)
    with pytest.raises(UsageError, match="has no axis of classes"):
        record_step_without_data(flat, numbers, training=Training(loss="cross-entropy"))


def test_the_conventions_of_a_step_are_those_that_look_at_kernels() -> None:
    known = totals(step_of("v2", Training()))
    assert {name for name in CONVENTIONS if name in known} == {"macs", "torch"}
    assert "peak-memory" not in known


def test_a_pattern_is_refused_in_a_model_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import torch\nNet = lambda: torch.nn.Linear(2, 2)\n")
    source = FromFile(str(tmp_path / "net.py"), "Net")
    given = Conditions(given=Tensors((Input((3, 2)),)))
    with pytest.raises(UsageError, match="no module of Linear is named 'nope'") as caught:
        trace_source(source, given._replace(training=Training(frozen=("nope",))))
    assert caught.value.where == "--freeze nope"
