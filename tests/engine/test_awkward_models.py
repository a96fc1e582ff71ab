"""Models that trip up other counters are counted right, and are afterwards exactly as they were."""

from __future__ import annotations

import json
import random
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.backends import cuda, mha
from torch.nn import functional
from torch.nn.modules import module as hooks_of_torch
from torch.nn.utils import parametrizations
from torch.utils.flop_counter import FlopCounterMode

import ucseg_cli
from ucseg_cli.analysis.counting.module_tree import parent_path, roll_up
from ucseg_cli.analysis.counting.operations import own_flops, total_flops
from ucseg_cli.analysis.counting.parameters import own_params, total_params
from ucseg_cli.engine.recording.record import record, trace_modules
from ucseg_cli.errors import ModelError, UcsegError
from ucseg_cli.facts.encoding.encoded_trace import decode_trace, encode_trace
from ucseg_cli.facts.trace import Trace

IMAGE = (1, 4, 8, 8)
TRAINING = True


# The models


class Model(nn.Module):
    """A module whose forward is a function of itself and the input, with any parts."""

    def __init__(self, function: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(self, *inputs)


def conv(**options: Any) -> nn.Conv2d:
    return nn.Conv2d(4, 4, 3, padding=1, **options)


def shared_module() -> nn.Module:
    one = conv()
    return nn.Sequential(OrderedDict(first=one, norm=nn.BatchNorm2d(4), second=one))


def shared_parameter() -> nn.Module:
    first, second = nn.Linear(8, 8), nn.Linear(8, 8)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second)


def iterated() -> nn.Module:
    def run(self: Any, x: Tensor) -> Any:
        for layer in self.layers:
            x = layer(x)
        return self.named["last"](x) * self.scales[0]

    layers, named = nn.ModuleList([conv(), nn.ReLU()]), nn.ModuleDict({"last": conv()})
    return Model(run, layers=layers, named=named, scales=nn.ParameterList([torch.ones(1)]))


def functional_ops() -> nn.Module:
    def run(self: Any, x: Tensor) -> Any:
        x = functional.conv2d(x, self.weight, padding=1) + x.mean((2, 3), keepdim=True)
        return functional.interpolate(
            torch.cat([x, functional.silu(x)], 1), scale_factor=2, mode="bilinear"
        )

    return Model(run, weight=nn.Parameter(torch.ones(4, 4, 3, 3)))


def hooks_of_its_own() -> nn.Module:
    model = nn.Sequential(conv(), conv())
    model[0].register_forward_hook(lambda *args: args[2] * 2)
    model[0].register_forward_pre_hook(lambda _, args: (args[0] + 1,))
    model[1].register_forward_hook(lambda self, *_: self.register_forward_hook(print) and None)
    model[1].register_full_backward_hook(lambda *_: None)
    model.register_state_dict_post_hook(lambda *_: None)  # type: ignore[no-untyped-call]
    return model


def mixed_flags() -> nn.Module:
    model = nn.Sequential(
        conv(), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1)
    )
    model[1].eval()
    model[0].weight.requires_grad = False
    return model


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))


def complex_numbers() -> nn.Module:
    weight = nn.Parameter(torch.ones(8, 3, dtype=torch.complex64))
    return Model(lambda self, x: (torch.complex(x, x) @ self.weight).abs(), weight=weight)


def integers() -> nn.Module:
    return nn.Sequential(nn.Embedding(10, 6), nn.Linear(6, 3))


def many_layers(pairs: int = 150) -> nn.Module:
    return nn.Sequential(
        *(layer for _ in range(pairs) for layer in (nn.Linear(4, 4), nn.ReLU(inplace=True)))
    )


def deeply_nested() -> nn.Module:
    model: nn.Module = conv()
    for _ in range(60):
        model = nn.Sequential(model)
    return model


class Doubled(torch.autograd.Function):
    """A function with a gradient of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        del ctx
        return gradients[0] * 2


def gradient_of_its_own() -> nn.Module:
    apply: Any = Doubled.apply
    return Model(lambda _, x: apply(x))


@dataclass
class State:
    """Something a model keeps beside its modules."""

    calls: int = 0
    maps: list[Tensor] = field(default_factory=list)


def restless() -> nn.Module:
    """Changes everything about itself that a forward pass can reach."""

    def run(self: Any, x: Tensor) -> Any:
        self.counter += 1  # in place
        self.running = self.running * 0.9 + x.mean()  # another tensor under the name
        self.conv.weight.data = self.conv.weight.data * 2
        self.conv.bias.requires_grad_(requires_grad=False)
        self.conv.bias.grad = torch.ones_like(self.conv.bias)
        self.shapes.resize_(2, 3).fill_(1)
        self.turned.transpose_(0, 1)
        self.calls += 1
        self.history.append(x)
        self.nested["deep"].add(1)
        self.state.calls += 1
        self.state.maps.append(x)
        self.late = nn.Linear(8, 8, device=x.device)
        self.scale = nn.Parameter(x.new_ones(1))
        self.register_buffer("seen", x.new_zeros(1))
        self.conv.register_forward_pre_hook(lambda *_: None)
        del self.unused
        self.spare.__class__ = nn.Identity
        self.hidden[0].running_mean.mul_(2)
        self.hidden[0].added = 1
        self.train()
        x = self.late(self.conv(x)) * self.scale
        return x.relu_()

    model = Model(
        run,
        conv=conv(),
        counter=torch.zeros((), dtype=torch.int64),
        running=torch.zeros(1),
        shapes=torch.zeros(2),
        turned=torch.zeros(2, 5),
        unused=nn.ReLU(),
        spare=nn.ReLU(),
    )
    things = {
        "calls": 0,
        "history": [],
        "nested": {"deep": {0}},
        "state": State(),
        "hidden": [nn.BatchNorm2d(4)],
    }
    vars(model).update(things)
    return model


def unsettling() -> nn.Module:
    """Changes everything global that a forward pass is likely to."""

    def run(self: Any, x: Tensor) -> Any:
        noise = torch.rand(4), torch.randperm(3), random.random(), np.random.rand()  # noqa: NPY002
        draws = torch.rand(2, generator=self.generator), self.chance.random()
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(TRAINING)
        mha.set_fastpath_enabled(False)
        warnings.simplefilter("ignore")
        nn.modules.module.register_module_forward_hook(lambda *_: None)
        del noise, draws
        return self.conv(x) * 2

    model = Model(run, conv=conv())
    vars(model).update(generator=torch.Generator(), chance=random.Random(0))
    return model


def writes_to_its_input() -> nn.Module:
    return Model(lambda _, x: x.mul_(2).flatten(1)[:, 1:].add_(1))


def trains_in_eval() -> nn.Module:
    """Batch statistics whatever the flags say, written although the schema hides it."""

    def run(self: Any, x: Tensor) -> Any:
        return functional.batch_norm(x, self.mean, self.variance, training=TRAINING)

    return Model(run, mean=torch.zeros(4), variance=torch.ones(4))


def renormalised() -> nn.Module:
    return nn.Embedding(10, 6, max_norm=0.1)


def weight_of_two_parts() -> nn.Module:
    model: nn.Module = parametrizations.weight_norm(nn.Linear(8, 8))
    return model


def attention() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def own_attention() -> nn.Module:
    return Model(
        lambda self, x: functional.scaled_dot_product_attention(self.q(x), x, x), q=nn.Linear(8, 8)
    )


def recurrent() -> nn.Module:
    return nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True)


def forward_by_hand() -> nn.Module:
    return Model(lambda self, x: self.conv.forward(x), conv=conv())


def caught_error() -> nn.Module:
    def run(self: Any, x: Tensor) -> Any:
        try:
            return self.broken(x)
        except RuntimeError:
            return self.conv(x)

    return Model(run, broken=nn.Conv2d(7, 7, 1), conv=conv())


def reshaped_in_place() -> nn.Module:
    """The same object with another shape, which is what the next layer is charged for."""
    return Model(
        lambda self, x: self.linear(x.clone().transpose_(1, 2).unsqueeze_(0).squeeze_(0)),
        linear=nn.Linear(8, 8),
    )


def answer_given_a_place() -> nn.Module:
    return Model(lambda self, x: self.conv(torch.add(x, 1, out=x.new_empty(0))), conv=conv())


ROWS, WORDS = (2, 3, 8), torch.ones(2, 5, dtype=torch.int64)

AWKWARD: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "shared module": (shared_module, torch.ones(IMAGE)),
    "shared parameter": (shared_parameter, torch.ones(ROWS)),
    "called twice": (
        lambda: Model(lambda self, x: self.conv(self.conv(x)), conv=conv()),
        torch.ones(IMAGE),
    ),
    "iterated containers": (iterated, torch.ones(IMAGE)),
    "functional ops": (functional_ops, torch.ones(IMAGE)),
    "hooks of its own": (hooks_of_its_own, torch.ones(IMAGE)),
    "mixed flags": (mixed_flags, torch.ones(IMAGE)),
    "lazy modules": (lazy, torch.ones(IMAGE)),
    "complex numbers": (complex_numbers, torch.ones(ROWS)),
    "integers": (integers, WORDS),
    "no parameters": (lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), torch.ones(IMAGE)),
    "300 layers": (many_layers, torch.ones(1, 4)),
    "60 levels": (deeply_nested, torch.ones(IMAGE)),
    "a gradient of its own": (gradient_of_its_own, torch.ones(IMAGE)),
    "restless": (restless, torch.ones(IMAGE)),
    "unsettling": (unsettling, torch.ones(IMAGE)),
    "writes to its input": (writes_to_its_input, torch.ones(IMAGE)),
    "trains in eval": (trains_in_eval, torch.ones(IMAGE)),
    "renormalised": (renormalised, WORDS),
    "weight of two parts": (weight_of_two_parts, torch.ones(ROWS)),
    "transformer layer": (attention, torch.ones(ROWS)),
    "attention": (own_attention, torch.ones(ROWS)),
    "attention of heads": (
        lambda: Model(lambda _, x: functional.scaled_dot_product_attention(x, x, x)),
        torch.ones(IMAGE),
    ),
    "recurrent": (recurrent, torch.ones(ROWS)),
    "forward by hand": (forward_by_hand, torch.ones(IMAGE)),
    "caught error": (caught_error, torch.ones(IMAGE)),
    "reshaped in place": (reshaped_in_place, torch.ones(1, 8, 8)),
    "answer given a place": (answer_given_a_place, torch.ones(IMAGE)),
}

every_model = pytest.mark.parametrize("name", AWKWARD)
every_device = pytest.mark.parametrize("device", ["cpu", "meta"])


def build(name: str, device: str) -> tuple[nn.Module, Tensor]:
    make, x = AWKWARD[name]
    with torch.device(device):  # .to("meta") would part what is shared
        return make(), x.clone().to(device)


# Exactly as before


class Fingerprint:
    """All that may not change, by identity where it has one; kept alive, so no identity returns."""

    def __init__(self, model: nn.Module, *inputs: Tensor) -> None:
        self.alive: list[Any] = []
        self.facts: dict[str, Any] = {
            f"input {number}": self.tensor(x) for number, x in enumerate(inputs)
        }
        for path, module in model.named_modules(remove_duplicate=False):
            self.facts[f"module {path}"] = self.of(module)
        self.facts |= self.of_state(model) | self.of_torch()

    def of(self, value: Any) -> Any:  # noqa: PLR0911 - one for each kind
        self.alive.append(value)
        match value:
            case bool() | int() | float() | str() | None:
                return value
            case Tensor():
                return self.tensor(value)
            case dict():
                return id(value), [(key, self.of(part)) for key, part in value.items()]
            case list() | tuple() | set():
                return id(value), list(map(self.of, value))
            case nn.Module() | State():
                return (
                    id(value),
                    type(value),
                    [(key, self.of(part)) for key, part in vars(value).items()],
                )
            case torch.Generator():
                return id(value), value.get_state().tolist()
            case random.Random():
                return id(value), value.getstate()
        return id(value)

    def tensor(self, tensor: Tensor) -> tuple[Any, ...]:
        self.alive.append(tensor)
        lazy = isinstance(tensor, (nn.UninitializedParameter, nn.UninitializedBuffer))
        data = tensor.detach().clone() if not (lazy or tensor.is_meta) else None
        place = (
            ()
            if lazy
            else (
                tensor.shape,
                tensor.stride(),
                tensor.storage_offset(),
                tensor.untyped_storage().nbytes(),
            )
        )
        where = () if lazy else (tensor.untyped_storage()._cdata,)
        values = None if data is None else data.contiguous().view(-1).numpy().tobytes()
        kind = type(tensor), tensor.dtype, tensor.device, tensor.requires_grad, tensor._version
        return id(tensor), id(tensor.grad), values, *place, *where, *kind, list(vars(tensor))

    def of_state(self, model: nn.Module) -> dict[str, Any]:
        state = model.state_dict()
        return {
            "flags": [(path, module.training) for path, module in model.named_modules()],
            "parameters": [
                (name, id(tensor))
                for name, tensor in model.named_parameters(remove_duplicate=False)
            ],
            "buffers": [
                (name, id(tensor)) for name, tensor in model.named_buffers(remove_duplicate=False)
            ],
            "state dict": list(state),
            "metadata of the state dict": repr(state._metadata),  # type: ignore[attr-defined]
        }

    def of_torch(self) -> dict[str, Any]:
        name, keys, *numbers = np.random.get_state()  # noqa: NPY002
        hooks = {
            name: self.of(value)
            for name, value in vars(hooks_of_torch).items()
            if name.startswith("_global_")
        }
        return hooks | {
            "default type": torch.get_default_dtype(),
            "default device": torch.empty(0).device,
            "device mode": torch._C._len_torch_function_stack(),
            "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
            "modes": torch._C._len_torch_dispatch_stack(),
            "below autograd": torch._C._dispatch_tls_is_dispatch_key_excluded(
                torch._C.DispatchKey.AutogradCPU
            ),
            "fast path": mha.get_fastpath_enabled(),
            "lstm kernel": torch._C._get_mkldnn_enabled(),
            "flash": cuda.flash_sdp_enabled(),  # type: ignore[no-untyped-call]
            "chance in torch": torch.get_rng_state().tolist(),
            "chance in Python": random.getstate(),
            "chance in numpy": (name, np.asarray(keys).tolist(), numbers),
            "warnings": list(warnings.filters),
        }


def differences(before: Fingerprint, after: Fingerprint) -> list[str]:
    """The names of all that changed."""
    assert before.alive
    assert after.alive
    return [
        name
        for name in before.facts | after.facts
        if before.facts.get(name) != after.facts.get(name)
    ]


class HalfWayError(Exception):
    """Raised by a model in the middle of its forward pass."""


class Breaking(nn.Module):
    """Runs a model and raises."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        self.model(*inputs)
        raise HalfWayError


@every_device
@every_model
def test_a_model_is_afterwards_exactly_as_it_was(name: str, device: str) -> None:
    model, x = build(name, device)
    before = Fingerprint(model, x)
    record(model, x)
    assert differences(before, Fingerprint(model, x)) == []


@every_device
@every_model
def test_it_is_exactly_as_it_was_after_a_question_in_python(name: str, device: str) -> None:
    model, x = build(name, device)
    before = Fingerprint(model, x)
    for asked in (model, Breaking(model)):
        with suppress(UcsegError):  # that of a few cannot be shown, as of one that fails
            ucseg_cli.memory(asked, input=x)
    assert differences(before, Fingerprint(model, x)) == []


@every_device
@every_model
def test_it_is_exactly_as_it_was_even_if_its_forward_raises(name: str, device: str) -> None:
    model, x = build(name, device)
    model = Breaking(model)
    before = Fingerprint(model, x)
    with pytest.raises(HalfWayError):
        record(model, x)
    assert differences(before, Fingerprint(model, x)) == []


@pytest.fixture
def settings_again() -> Iterator[None]:
    filters, hooks = list(warnings.filters), dict(hooks_of_torch._global_forward_hooks)
    yield
    warnings.filters[:] = filters  # type: ignore[index]
    hooks_of_torch._global_forward_hooks.clear()
    hooks_of_torch._global_forward_hooks.update(hooks)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(TRAINING)
    mha.set_fastpath_enabled(TRAINING)


CHANGES: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "a flag": ("module 1", lambda model: model[1].train()),
    "a value": ("module 0", lambda model: model[0].weight.data.view(-1)[3].add_(1)),
    "a hook": ("module 0", lambda model: model[0].register_forward_hook(print)),
    "another buffer": ("module 1", lambda model: setattr(model[1], "running_mean", torch.zeros(4))),
    "another parameter": (
        "module 0",
        lambda model: setattr(model[0], "bias", nn.Parameter(model[0].bias.data)),
    ),
    "a shape": ("module 0", lambda model: setattr(model[0].bias, "data", torch.zeros(2))),
    "a gradient": ("module 0", lambda model: setattr(model[0].bias, "grad", torch.zeros(4))),
    "what is frozen": ("module 0", lambda model: model[0].bias.requires_grad_(requires_grad=False)),
    "an attribute": ("module 2", lambda model: setattr(model[2], "p", 0.4)),
    "a new attribute": ("module ", lambda model: setattr(model, "cache", [])),
    "a key": ("state dict", lambda model: model.add_module("late", nn.Linear(1, 1))),
    "a class": ("module 4", lambda model: setattr(model[4], "__class__", nn.AdaptiveMaxPool2d)),
    "a dtype": ("module 0", lambda model: model[0].half()),
    "a device": ("module 0", lambda model: model[0].to("meta")),
    "the default type": ("default type", lambda _: torch.set_default_dtype(torch.float64)),
    "the default device": ("default device", lambda _: torch.set_default_device("meta")),
    "gradients": ("gradients", lambda _: torch.set_grad_enabled(not TRAINING)),
    "torch's chance": ("chance in torch", lambda _: torch.rand(1)),
    "Python's chance": ("chance in Python", lambda _: random.random()),
    "numpy's chance": ("chance in numpy", lambda _: np.random.rand()),  # noqa: NPY002
    "warnings": ("warnings", lambda _: warnings.simplefilter("ignore")),
    "a fast path": ("fast path", lambda _: mha.set_fastpath_enabled(not TRAINING)),
    "a hook of every module": (
        "_global_forward_hooks",
        lambda _: nn.modules.module.register_module_forward_hook(print),
    ),
}


@pytest.mark.usefixtures("settings_again")
@pytest.mark.parametrize("change", CHANGES)
def test_the_comparison_can_fail(change: str) -> None:
    model, x = build("mixed flags", "cpu")
    before = Fingerprint(model, x)
    changed, make = CHANGES[change]
    assert differences(before, Fingerprint(model, x)) == []
    make(model)
    assert changed in differences(before, Fingerprint(model, x))


@pytest.mark.usefixtures("settings_again")
@pytest.mark.parametrize(
    "name", ["restless", "unsettling", "writes to its input", "trains in eval", "renormalised"]
)
def test_these_models_do_change_when_they_are_only_called(name: str) -> None:
    model, x = build(name, "cpu")
    before = Fingerprint(model.eval(), x)
    with torch.no_grad():
        model(x)
    assert differences(before, Fingerprint(model, x))


# The figures


@every_model
def test_a_trace_without_data_is_the_trace_with_data(name: str) -> None:
    real, bare = record(*build(name, "cpu")), record(*build(name, "meta"))
    assert (real.device, bare.device) == ("cpu", "meta")
    assert decode_trace(json.loads(json.dumps(encode_trace(bare)))) == bare
    if (
        name == "recurrent"
    ):  # torch multiplies all steps of a layer at once on the CPU, and step by step elsewhere
        assert (total_flops(real), total_params(real)) == (total_flops(bare), total_params(bare))
    else:
        assert bare == replace(real, device="meta")


@every_model
def test_parameters_are_those_of_torch_with_shared_ones_once(name: str) -> None:
    model, x = build(name, "meta")
    trace = record(model, x)
    if name == "lazy modules":
        model(x)
    assert total_params(trace)["params"] == sum(tensor.numel() for tensor in model.parameters())
    assert total_params(trace)["buffers"] == sum(tensor.numel() for tensor in model.buffers())


@pytest.mark.usefixtures("settings_again")
@every_model
def test_operations_are_those_of_torch_s_counter(name: str) -> None:
    model, x = build(name, "meta")
    trace = record(model, x)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model.eval()(x)
    assert total_flops(trace)["torch"] == counter.get_total_flops()


@every_model
def test_rows_add_up_at_every_level(name: str) -> None:
    trace = record(*build(name, "meta"))
    for own in (own_flops(trace), own_params(trace)):
        whole = roll_up(trace, own)
        below = {path: dict(figures) for path, figures in own.items()}
        for path in filter(None, whole):
            above = below[parent_path(path)]
            above.update({metric: above[metric] + figure for metric, figure in whole[path].items()})
        assert whole == below
        assert whole[""] == {
            metric: sum(figures[metric] for figures in own.values()) for metric in whole[""]
        }


def test_operators_are_charged_to_the_module_that_runs_them() -> None:
    layer = 64 * 4 * 4 * 9  # H·W · out · in · kernel
    shared = record(*build("shared module", "meta"))
    twice = record(*build("called twice", "meta"))
    assert (macs(shared), shared.by_path["second"].alias_of) == ({"first": 2 * layer}, "first")
    assert macs(twice) == {"conv": 2 * layer}
    assert macs(record(*build("iterated containers", "meta"))) == {
        "layers.0": layer,
        "named.last": layer,
    }
    assert macs(record(*build("functional ops", "meta"))) == {"": layer}
    assert macs(record(*build("forward by hand", "meta"))) == {"": layer}
    assert macs(record(*build("caught error", "meta"))) == {"conv": layer}
    assert set(macs(record(*build("300 layers", "meta"))).values()) == {4 * 4}


def test_no_number_of_layers_is_too_large() -> None:
    trace = record(many_layers(2000), torch.ones(1, 4))
    assert [len(trace.modules), total_flops(trace)["macs"]] == [1 + 2 * 2000, 2000 * 4 * 4]


@pytest.mark.parametrize(
    "fails",
    [
        lambda x: functional.linear(x, x.new_empty(3, 3)),
        lambda x: functional.interpolate(x, size=(-1, 2), mode="nearest"),
        lambda x: torch.matmul(x, x.new_empty(3, 3)),
        lambda x: functional.layer_norm(x, (3,)),
        lambda x: torch.einsum("ij,jk->ik", x, x),
    ],
)
@every_device
def test_a_call_that_raised_has_no_price(fails: Callable[[Tensor], Tensor], device: str) -> None:
    def run(self: Any, x: Tensor) -> Any:
        with suppress(RuntimeError):
            fails(x)
        return self.conv(x)

    with torch.device(device):
        layer, x = conv(), torch.ones(IMAGE)
    trace = record(Model(run, conv=layer), x)
    assert total_flops(trace) == total_flops(record(nn.Sequential(layer), x))
    assert decode_trace(json.loads(json.dumps(encode_trace(trace)))) == trace


def test_a_lazy_model_stays_lazy_and_its_first_pass_is_not_part_of_the_trace() -> None:
    trace = record(*build("lazy modules", "meta"))
    assert [trace.tensors[weight.tensor].shape for weight in trace.by_path["0"].parameters] == [
        (4, 4, 3, 3),
        (4,),
    ]
    assert [op.name for op in trace.ops if op.parent is None] == [
        "conv2d",
        "batch_norm",
        "flatten",
        "linear",
    ]
    assert [module.type for module in trace.modules][1:] == [
        "Conv2d",
        "BatchNorm2d",
        "Flatten",
        "Linear",
    ]


def test_a_weight_resized_in_forward_is_listed_as_it_was() -> None:
    trace = record(*build("restless", "meta"))
    shapes = {
        weight.name: trace.tensors[weight.tensor].shape for weight in trace.modules[0].buffers
    }
    assert shapes == {"counter": (), "running": (1,), "shapes": (2,), "turned": (2, 5)}
    assert all(weight.trainable for weight in trace.by_path["conv"].parameters)


# Models that torch made of other models

IN_WORDS_OF_TORCH = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


def halves() -> nn.Module:
    return Model(
        lambda self, x: self.head(self.body(x)),
        body=conv(),
        head=nn.Sequential(nn.Flatten(), nn.Linear(256, 3)),
    )


class Scriptable(nn.Module):
    """Rebinds a buffer, where torch lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()
        self.seen: Tensor = nn.Buffer(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.seen = torch.add(self.seen, 1)
        return self.conv(x)  # type: ignore[no-any-return]


@IN_WORDS_OF_TORCH
@pytest.mark.parametrize(
    "make", [torch.jit.script, partial(torch.jit.trace, example_inputs=torch.ones(IMAGE))]
)
def test_a_scripted_model_is_recorded_as_a_whole_and_stays_as_it_was(
    make: Callable[[nn.Module], Any],
) -> None:
    model = make(Scriptable()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trace = record(model, torch.ones(IMAGE))
    assert (trace.by_path[""].type, trace.by_path["conv"].type) == ("Scriptable", "Conv2d")
    assert total_params(trace)["params"] == 4 * 4 * 9 + 4
    assert total_flops(trace)["macs"] == 64 * 4 * 4 * 9
    assert [module.training for module in model.modules()] == [True, True]
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def refuse(*_: Any) -> Any:
    """A compiler for ``torch.compile`` that may not be asked."""
    pytest.fail("it was compiled")


@IN_WORDS_OF_TORCH
@pytest.mark.parametrize("whole", [True, False])
def test_a_model_to_be_compiled_is_recorded_as_it_is_written(*, whole: bool) -> None:
    plain, compiled = halves(), halves()
    expected = record(plain, torch.ones(IMAGE))
    body: Any = compiled.body
    if whole:
        compiled = torch.compile(compiled, backend=refuse)  # type: ignore[assignment]
    else:
        body.compile(backend=refuse)
    assert record(compiled, torch.ones(IMAGE)) == expected


@IN_WORDS_OF_TORCH
def test_a_quantised_model_is_recorded_with_its_own_operators() -> None:
    quantise: Any = torch.ao.quantization.quantize_dynamic
    model = quantise(halves(), {nn.Linear})
    trace = record(model, torch.ones(IMAGE))
    assert "quantized::linear_dynamic" in {op.name for op in trace.ops}
    assert record(model, torch.ones(IMAGE)) == trace
    assert json.dumps(encode_trace(trace))


@IN_WORDS_OF_TORCH
@pytest.mark.parametrize(
    "function",
    [
        lambda self, x: torch.sparse.mm(self.table.to_sparse(), x.flatten(0, 2)),
        lambda self, x: self.table.to_sparse_csr() @ x.flatten(0, 2),
        lambda _, x: torch.nested.nested_tensor([x[0], x[0, :2]]).relu(),
        lambda _, x: torch.nested.nested_tensor([x[0, 0], x[0, 0, :2]], layout=torch.jagged) * 2,
        lambda _, x: torch.quantize_per_tensor(x, 0.1, 0, torch.quint8),
        lambda _, x: x.to_mkldnn().relu().to_dense(),
        lambda _, x: x.as_subclass(Named).relu(),
        lambda _, x: torch.func.vmap(lambda row: row.softmax(0))(x),
    ],
)
def test_a_tensor_of_an_unusual_kind_has_a_shape_and_a_size(function: Callable[..., Any]) -> None:
    trace = record(Model(function, table=torch.eye(32)), torch.ones(IMAGE))
    assert trace.outputs
    assert all(isinstance(side, int) for tensor in trace.tensors for side in tensor.shape)
    assert decode_trace(json.loads(json.dumps(encode_trace(trace)))) == trace


class Named(Tensor):
    """A tensor with a class of its own."""


# The names of outputs

Pair = namedtuple("Pair", ["low", "high"])  # noqa: PYI024 - the form that models use


@dataclass
class Output:
    """As a library's models return it."""

    logits: Tensor
    loss: Tensor | None = None
    states: tuple[Tensor, ...] = ()


@dataclass
class OutputMapping(OrderedDict[str, Any]):
    """Both at once, as another library has it: what is None is not among its items."""

    logits: Tensor

    def __post_init__(self) -> None:
        self["logits"] = self.logits


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (lambda x: x + 1, ()),
        (lambda x: (x + 1, [x + 2]), ()),
        (
            lambda x: {"out": x + 1, "aux": [x + 2, {"deep": x + 3}], "note": "text"},
            ("out", "aux.0", "aux.1.deep"),
        ),
        (lambda x: OrderedDict(out=x + 1), ("out",)),
        (lambda x: Output(x + 1, states=(x + 2, x + 3)), ("logits", "states.0", "states.1")),
        (lambda x: OutputMapping(x + 1), ("logits",)),
        (lambda x: Pair(x + 1, x + 2), ("low", "high")),
        (lambda x: (x + 1, Pair(x + 2, None)), ("0", "1.low")),
        (lambda x: x.max(1), ("values", "indices")),
        (lambda x: {0: x + 1}, ("0",)),
        (lambda _: None, ()),
    ],
)
def test_outputs_have_the_names_that_the_model_gives_them(
    answer: Callable[[Tensor], Any], names: tuple[str]
) -> None:
    root = record(nn.Sequential(Model(lambda _, x: answer(x))), torch.ones(IMAGE)).by_path["0"]
    assert root.output_names == names
    assert len(root.outputs) >= len(names)


# A model that cannot run


@every_device
@every_model
def test_a_model_that_cannot_run_is_described_by_what_it_owns(name: str, device: str) -> None:
    model, x = build(name, device)
    if name == "lazy modules":
        with pytest.raises(ModelError, match="no forward pass gives 0, 1, 3 a shape"):
            trace_modules(model, "no input fits")
        return
    before = Fingerprint(model)
    described, recorded = trace_modules(model, "no input fits"), record(model, x)
    assert differences(before, Fingerprint(model)) == []
    assert (described.ops, described.outputs, described.failure) == ((), (), "no input fits")
    assert own_params(described) == own_params(recorded)
    assert [module.path for module in described.modules] == [
        module.path for module in recorded.modules
    ]


def macs(trace: Trace) -> dict[str, int]:
    return {path: figures["macs"] for path, figures in own_flops(trace).items() if figures["macs"]}


@pytest.mark.parametrize("name", ["", "a.b", "."])
def test_a_module_whose_own_name_makes_no_path_is_named(name: str) -> None:
    inner = nn.Sequential(conv())
    inner._modules[name] = conv()
    model = nn.Sequential(OrderedDict(inner=inner))
    with pytest.raises(ModelError, match="a module in inner is named") as caught:
        trace_modules(model)
    assert (
        caught.value.help == "a module's name is not empty and has no dot, as in torch's add_module"
    )


def test_a_module_with_a_name_that_no_screen_can_show_is_named() -> None:
    model = nn.Sequential(OrderedDict([("n" * 1001, conv())]))
    with pytest.raises(ModelError, match="has a name of 1,001 letters"):
        trace_modules(model)
    assert trace_modules(nn.Sequential(OrderedDict([("n" * 1000, conv())]))).modules
