"""The bytes that kernels move, compared with the addresses that real tensors have in each call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from support.fixture_types import TraceOf
from support.function_module import Function
from support.real_memory import record_without_data
from ucseg_cli.analysis.counting.metrics import own_figures, totals
from ucseg_cli.analysis.memory.moved_bytes import moved, moved_bytes, own_moved_bytes
from ucseg_cli.engine.recording.record import record
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.nets import build_model
from ucseg_cli.references.variants import Variant, as_variant
from ucseg_cli.zoo.torchvision_models import build_torchvision


class Traffic(TorchDispatchMode):
    """The addresses of tensors in each call, those on one storage in one mask."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_kernel: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::")
        given = tree_leaves((args, kwargs))
        outputs = tensors_in(out)
        is_written = any(argument.is_write for argument in func._schema.arguments)
        shares = outputs and storages(outputs) <= storages(tensors_in(given))
        if not (name.startswith(("empty", "new_empty")) or (shares and not is_written)):
            is_out = [a.name for a in func._schema.arguments if a.is_out]
            read = [value for key, value in kwargs.items() if key not in is_out]
            given = tree_leaves((args[name in {"copy_", "fill_", "zero_"} :], read))
            self.by_kernel[name] += touched(tensors_in(given)) + touched(outputs)
        return out


def tensors_in(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def storages(tensors: Iterable[Tensor]) -> set[int]:
    return {tensor.untyped_storage()._cdata for tensor in tensors}


def touched(tensors: Iterable[Tensor]) -> int:
    """How many bytes they lie on, each once."""
    masks: dict[int, tuple[np.ndarray[Any, Any], int]] = {}
    for tensor in tensors:
        size, storage = tensor.element_size(), tensor.untyped_storage()
        blank = np.zeros(storage.nbytes() // size, dtype=bool)
        mask, _ = masks.setdefault(storage._cdata, (blank, size))
        there = np.lib.stride_tricks.as_strided(
            mask[tensor.storage_offset() :], tensor.shape, tensor.stride()
        )
        there[...] = True
    return sum(int(mask.sum()) * size for mask, size in masks.values())


def really_moved(model: nn.Module, *inputs: Tensor) -> Counter[str]:
    with torch.no_grad(), Traffic() as traffic:
        model.eval()(*inputs)
    by_kernel: Counter[str] = +traffic.by_kernel
    return by_kernel


def recorded(model: nn.Module, *inputs: Tensor) -> Counter[str]:
    """The bytes of each kernel in a trace."""
    trace, found = record(model, *inputs), Counter[str]()
    for kernel in moved(trace):
        found[trace.ops[kernel.op].name] += kernel.bytes
    assert moved_bytes(trace) == sum(own_moved_bytes(trace).values()) == sum(found.values())
    assert totals(trace)["moved-bytes"] == moved_bytes(trace)
    return +found


@pytest.mark.parametrize(
    "reference", ["v1", "v2", "v3", "v2+head=before-upsample", "v1+backbone=4"]
)
def test_the_bytes_are_those_of_the_addresses_of_a_real_run(
    reference: str, trace_of: TraceOf
) -> None:
    variant = as_variant(reference)
    there = really_moved(build_model(variant), torch.zeros(1, 3, 64, 96))
    assert moved_bytes(trace_of(variant, Conditions(Size(64, 96)))) == sum(there.values())


@settings(max_examples=8)
@given(st.data())
def test_those_of_any_member_of_the_family_are_those_of_a_real_run(
    variants: SearchStrategy[Variant],
    small_conditions: SearchStrategy[Conditions],
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    variant, conditions = data.draw(variants), data.draw(small_conditions)
    there = really_moved(build_model(variant), torch.zeros(conditions.inputs[0].shape))
    assert moved_bytes(trace_of(variant, conditions)) == sum(there.values())


NETWORKS = {
    "mobilenet_v3_small": False,
    "shufflenet_v2_x0_5": False,
    "squeezenet1_1": False,
    "resnet18": True,
    "densenet121": True,
    "googlenet": True,
    "efficientnet_b0": True,
    "regnet_y_400mf": True,
    "deeplabv3_mobilenet_v3_large": True,
}
"""Networks of torchvision, and whether they are left to the slow tests."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if slow else ()) for name, slow in NETWORKS.items()],
)
def test_every_kernel_of_a_network_moves_what_it_does_in_a_real_run(name: str) -> None:
    model, x = build_torchvision(name, {}), torch.zeros(1, 3, 64, 64)
    assert recorded(model, x) == really_moved(model, x)


def floats(*shape: int) -> int:
    """Bytes of a tensor of float32."""
    return 4 * int(np.prod(shape))


def written_out(x: Tensor) -> Tensor:
    out = torch.empty(4, 6)
    return torch.add(x, 1.0, out=out)


def table(x: Tensor) -> Tensor:
    x[1:3] = torch.ones(2, 6)
    return x


def attend(x: Tensor) -> Tensor:
    heads = x[None, None]
    return functional.scaled_dot_product_attention(heads, heads, heads)


X = (4, 6)
CASES: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "an element by element operator": (lambda x: x.exp(), 2 * floats(*X)),
    "in place": (lambda x: x.exp_(), 2 * floats(*X)),
    "twice the same input": (lambda x: x * x, 2 * floats(*X)),
    "two halves of one storage": (lambda x: x[:, :3] * x[:, 3:], floats(*X) + floats(4, 3)),
    "a part times itself": (lambda x: torch.mul(*[x[:, :1]] * 2), 2 * floats(4, 1)),
    "a part, once however often it is read": (
        lambda x: x[:, :1].expand(4, 6).exp(),
        floats(*X) + floats(*X),
    ),
    "a constant, expanded": (lambda x: x + torch.ones(1).expand(4, 6), 2 * floats(*X) + 2 * 4),
    "views": (lambda x: x.view(6, 4).t()[1:].unsqueeze(0), 0),
    "views in place": (lambda x: x.t_().unsqueeze_(0), 0),
    "a new empty tensor": (lambda _: torch.empty(4, 6), 0),
    "new zeros": (lambda _: torch.zeros(4, 6), floats(*X)),
    "a copy into a part": (table, floats(2, 6) + 2 * floats(2, 6)),
    "zeros in place": (lambda x: x.zero_(), floats(*X)),
    "into a tensor that is given": (written_out, 2 * floats(*X)),
    "a concatenation": (lambda x: torch.cat([x, x + 1]), 6 * floats(*X)),
    "to another type": (lambda x: x.to(torch.float64), 3 * floats(*X)),
    "rows by index": (
        lambda x: x.index_select(0, torch.tensor([2])),
        2 * floats(1, 6) + 8,
    ),
    "one row of many written by index": (
        lambda x: x.index_copy_(0, torch.tensor([2]), x.new_ones(1, 6)),
        floats(1, 6) + 8 + 2 * floats(1, 6),  # new ones, an index, the row read and written
    ),
    "an embedding": (
        lambda x: functional.embedding(torch.tensor([1, 1]), x),
        2 * floats(2, 6) + 2 * 8,
    ),
    "attention as one kernel": (
        attend,
        2 * floats(*X),
    ),
    "a product of vectors and a matrix with a bias": (
        lambda x: functional.linear(x, torch.ones(3, 6), torch.ones(3)),
        floats(3, 6) + floats(3) + floats(*X) + floats(3, 6) + floats(3) + floats(4, 3),
    ),
}


@pytest.mark.parametrize(("function", "size"), CASES.values(), ids=CASES)
def test_a_call_moves_what_it_reads_and_writes(
    function: Callable[[Tensor], Tensor], size: int
) -> None:
    assert sum(recorded(Function(function), torch.zeros(X)).values()) == size


class OnDevice(nn.Module):
    """Makes a table on the CPU, and takes it to where the input is."""

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.arange(6.0, device="cpu").to(x.device)


def test_a_copy_that_only_takes_a_tensor_to_meta_moves_nothing() -> None:
    model, x = OnDevice(), torch.zeros(X)
    assert moved_bytes(record_without_data(model, x)) == sum(really_moved(model, x).values())


def test_a_function_of_another_element_type_moves_so_many_bytes(trace_of: TraceOf) -> None:
    trace = trace_of(as_variant("v2"), Conditions(Size(32, 32)))
    single = moved_bytes(trace)
    assert moved_bytes(trace, "float64") == 2 * single == 4 * moved_bytes(trace, "float16")
    assert {path: figures["moved-bytes"] for path, figures in own_figures(trace).items()} == (
        own_moved_bytes(trace)
    )


def test_integers_keep_their_size_in_any_element_type() -> None:
    trace = record(Function(lambda x: x + 1), torch.zeros(X, dtype=torch.int64))
    assert moved_bytes(trace, "float16") == moved_bytes(trace) == 2 * 8 * 24
