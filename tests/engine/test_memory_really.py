"""The peak of activations from a trace without data, compared with runs on real tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor, nn

from support.fixture_types import TraceOf
from support.real_memory import most_alive, most_allocated, record_without_data
from ucseg_cli.analysis.memory.peak_memory import Peak, peak_memory, real_run_bytes
from ucseg_cli.engine.recording.fused_kernels import without_attention_kernels
from ucseg_cli.engine.recording.record import record
from ucseg_cli.engine.trace_model import trace_module
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.nets import build_model
from ucseg_cli.references.variants import Variant, as_variant

REFERENCES = ("v1", "v2", "v3", "v2+head=before-upsample", "v2+output_stride=16", "v2+backbone=4")
SIZES = (Conditions(), Conditions(Size(97, 130), 2), Conditions(Size(512, 512)))

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def of(reference: str) -> Variant:
    return as_variant(reference)


@pytest.mark.parametrize("conditions", SIZES, ids=str)
@pytest.mark.parametrize("reference", REFERENCES)
def test_the_peak_is_that_of_the_storages_of_a_real_run(
    trace_of: TraceOf, reference: str, conditions: Conditions
) -> None:
    variant = of(reference)
    measured = most_alive(build_model(variant).eval(), torch.zeros(conditions.inputs[0].shape))
    assert peak_memory(trace_of(variant, conditions)).bytes == measured


@settings(max_examples=8)
@given(st.data())
def test_the_peak_of_any_member_of_the_family_is_that_of_a_real_run(
    variants: SearchStrategy[Variant],
    small_conditions: SearchStrategy[Conditions],
    trace_of: TraceOf,
    data: st.DataObject,
) -> None:
    variant, conditions = data.draw(variants), data.draw(small_conditions)
    measured = most_alive(build_model(variant).eval(), torch.zeros(conditions.inputs[0].shape))
    assert peak_memory(trace_of(variant, conditions)).bytes == measured


@pytest.mark.parametrize("element", ["float64", "bfloat16"])
def test_in_another_element_type_the_peak_is_that_of_a_real_run_too(
    trace_of: TraceOf, element: str
) -> None:
    variant, dtype = of("v3"), getattr(torch, element)
    measured = most_alive(
        build_model(variant).eval().to(dtype), torch.zeros(1, 3, 64, 96, dtype=dtype)
    )
    assert peak_memory(trace_of(variant, Conditions(Size(64, 96))), element).bytes == measured


class Hoarder(nn.Module):
    """Keeps maps it does not need, drops others early, views, writes in place, makes constants."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.table = torch.arange(64.0)  # no buffer, and there before the model runs

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.conv(x)
        last = first
        for _ in range(3):
            last = torch.relu(last) + self.table.view(1, 1, 1, 64)[..., : last.shape[-1]]
        torch.cat([first, first])
        last.flatten(1)[:, ::2].mul_(2).add_(torch.ones(1))
        parts = last.chunk(2, dim=1)
        del last
        top, _indices = torch.topk(parts[0].flatten(), 5)
        return nn.functional.scaled_dot_product_attention(parts[1], parts[1], parts[1]), top


def test_kept_and_dropped_maps_are_followed_storage_by_storage() -> None:
    model, x = Hoarder().eval(), torch.zeros(1, 3, 64, 64)
    assert peak_memory(record(model, x)).bytes == most_alive(model, x)


class Kept(nn.Module):
    """A chain whose caller keeps the first map, or not."""

    def __init__(self, *, keep: bool) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, x: Tensor) -> Tensor:
        first = x + 1
        second = first + 1
        if not self.keep:
            del first
        return (second + 1) + 1


@pytest.mark.parametrize(("keep", "maps"), [(False, 4), (True, 5)])
def test_a_variable_of_the_program_keeps_a_map(maps: int, *, keep: bool) -> None:
    model, conditions = Kept(keep=keep).eval(), Conditions(Size(8, 8))
    peak = peak_memory(trace_module(model, conditions, taps={}))
    assert (
        peak.bytes
        == maps * peak.input_bytes
        == most_alive(model, torch.zeros(conditions.inputs[0].shape))
    )
    assert len(peak.overdue) == maps - 3


# Bytes of the allocator, which include those that a kernel allocates for itself


@pytest.mark.parametrize("conditions", SIZES, ids=str)
@pytest.mark.parametrize("reference", REFERENCES)
def test_the_allocator_hands_out_no_more_than_the_peak_and_the_tables_of_an_upsampling(
    trace_of: TraceOf, tmp_path: Path, reference: str, conditions: Conditions
) -> None:
    variant = of(reference)
    peak = peak_memory(trace_of(variant, conditions))
    model, x = build_model(variant).eval(), torch.zeros(conditions.inputs[0].shape)
    measured = most_allocated(model, x, folder=tmp_path)
    assert measured == peak.bytes + upsampling_tables(peak, conditions)


def upsampling_tables(peak: Peak, conditions: Conditions) -> int:
    """Two indices and a weight, 24 bytes, for each row and column of a bilinear kernel's output."""
    return (
        24 * (conditions.size.height + conditions.size.width)
        if peak.op == "upsample_bilinear2d"
        else 0
    )


# A GPU: pytest tests/engine/test_memory_really.py -k gpu


@needs_gpu
@pytest.mark.parametrize("conditions", SIZES, ids=str)
@pytest.mark.parametrize("reference", REFERENCES)
def test_on_a_gpu_the_storages_of_a_real_run_are_the_same(
    trace_of: TraceOf, reference: str, conditions: Conditions
) -> None:
    variant = of(reference)
    model = build_model(variant).eval().cuda()
    assert peak_memory(trace_of(variant, conditions)).bytes == most_alive(
        model, torch.zeros(conditions.inputs[0].shape).cuda()
    )


@needs_gpu
@pytest.mark.parametrize("conditions", SIZES, ids=str)
@pytest.mark.parametrize("reference", REFERENCES)
def test_on_a_gpu_the_allocator_asks_for_the_peak_and_hands_out_whole_blocks(
    trace_of: TraceOf, reference: str, conditions: Conditions
) -> None:
    """Without cuDNN, which chooses its workspace, and after a run that makes cuBLAS's.

    A block is a multiple of 512 bytes; one above 1 MiB may keep up to another MiB without a split.
    """
    variant = of(reference)
    peak = peak_memory(trace_of(variant, conditions))
    model = build_model(variant).eval().cuda()
    requested, allocated = "requested_bytes.all", "allocated_bytes.all"
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=False):
        model(torch.zeros(conditions.inputs[0].shape, device="cuda"))
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        before = torch.cuda.memory_stats()
        torch.cuda.reset_peak_memory_stats()
        model(torch.zeros(conditions.inputs[0].shape, device="cuda"))
        torch.cuda.synchronize()
        after = torch.cuda.memory_stats()
    assert torch.cuda.max_memory_allocated() == after[f"{allocated}.peak"]
    asked = after[f"{requested}.peak"] - before[f"{requested}.current"]
    handed = after[f"{allocated}.peak"] - before[f"{allocated}.current"]
    assert peak.bytes <= asked <= peak.bytes * 1.01, (
        "a kernel's own allocations at the peak are small"
    )
    assert (
        asked
        <= handed
        <= asked + sum(512 + 2**20 * (held.bytes > 2**20) for held in peak.alive) + 2**20
    )


class Attention(nn.Module):
    """Attention as models write it: heads cut from one projection, and put together again."""

    def __init__(self, heads: int, groups: int, *, mask: bool, together: bool) -> None:
        super().__init__()
        self.heads, self.groups, self.mask, self.together = heads, groups, mask, together
        self.q = nn.Linear(32, 32)
        self.kv = nn.Linear(32, 2 * groups * (32 // heads))
        self.out = nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        batch, places, width = x.shape
        q = self.q(x).view(batch, places, self.heads, -1).transpose(1, 2)
        k, v = self.kv(x).view(batch, places, 2, self.groups, -1).permute(2, 0, 3, 1, 4)
        mask = torch.zeros(places, places) if self.mask else None
        attended = nn.functional.scaled_dot_product_attention(
            q, k, v, mask, enable_gqa=self.groups < self.heads
        )
        if not self.together:
            return attended
        return cast("Tensor", self.out(attended.transpose(1, 2).reshape(batch, places, width)))


def runs_grouped_heads_as_one() -> bool:
    """Whether attention with ``enable_gqa`` is one kernel here; torch 2.6 has one on a GPU only."""
    q, shared = torch.rand(1, 4, 64, 8), torch.rand(1, 2, 64, 8)
    return bool(torch._fused_sdp_choice(q, shared, shared, enable_gqa=True))


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (4, 2), (1, 1), (8, 1)])
@pytest.mark.parametrize("shape", [(1, 64, 32), (3, 17, 32)])
def test_the_peak_of_attention_is_that_of_its_fused_kernel(
    *, mask: bool, together: bool, heads: int, groups: int, shape: tuple[int, ...]
) -> None:
    if groups < heads and not runs_grouped_heads_as_one():
        pytest.skip("this torch has no kernel on the CPU for heads that share keys and values")
    model = Attention(heads, groups, mask=mask, together=together).eval()
    x = torch.rand(shape)
    trace = record(model, x)
    assert peak_memory(trace).bytes == most_alive(model, x)
    with without_attention_kernels():
        assert peak_memory(trace, fused=False).bytes == most_alive(model, x)


def test_the_estimate_of_a_real_run_has_the_matrix_of_scores_that_other_counters_make() -> None:
    trace = record(Attention(4, 4, mask=False, together=True).eval(), torch.rand(1, 256, 32))
    scores = 4 * 4 * 256 * 256
    assert peak_memory(trace).bytes < scores < real_run_bytes(trace) / 2


@pytest.mark.parametrize("layer", ["encoder", "attention"])
def test_the_peak_of_torch_s_own_attention_layers_is_that_of_a_real_run(layer: str) -> None:
    model: nn.Module = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    inputs: tuple[Tensor, ...] = (torch.rand(2, 40, 32),)
    if layer == "attention":
        model, inputs = nn.MultiheadAttention(32, 4, batch_first=True), inputs * 3
    model.eval()
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        measured = most_alive(model, *inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
    assert peak_memory(record(model, *inputs)).bytes == measured


# Tensors that the forward pass makes of Python's values

VALUES = [float(value) for value in range(5_000)]
OLDER = torch.tensor(VALUES)
FLOATS = np.arange(5_000, dtype=np.float32)

MADE: dict[str, Callable[[Tensor], Tensor]] = {
    "tensor": lambda x: torch.tensor([[value] for value in VALUES], device=x.device),
    "tensor of doubles": lambda x: torch.tensor(VALUES, dtype=torch.float64, device=x.device),
    "tensor of an array": lambda x: torch.tensor(FLOATS, device=x.device),
    "tensor, then moved": lambda x: torch.tensor(VALUES).to(x.device),
    "tensor, moved as another type": lambda x: torch.tensor(VALUES).to(x.device, torch.float64),
    "tensor, then copied": lambda x: torch.tensor(VALUES).to(x.device, copy=True),
    "as_tensor": lambda x: torch.as_tensor(VALUES, device=x.device),
    "as_tensor of an array": lambda x: torch.as_tensor(FLOATS, device=x.device),
    "asarray": lambda x: torch.asarray(VALUES, device=x.device),
    "Tensor.new_tensor": lambda x: x.new_tensor(VALUES),
    "Tensor.new": lambda x: x.new(VALUES),
    "FloatTensor": lambda x: torch.FloatTensor(VALUES).to(x.device),
    "full": lambda x: torch.full((5_000,), 3.0, device=x.device),
    "scalar_tensor": lambda x: torch.scalar_tensor(3.0, device=x.device).expand(5_000),
    "from_numpy": lambda x: torch.from_numpy(FLOATS).to(x.device),
    # These two are seen when they are first read, here by a view.
    "frombuffer": lambda _: torch.frombuffer(bytearray(20_000), dtype=torch.float32).view(-1),
    "from_dlpack": lambda _: torch.utils.dlpack.from_dlpack(FLOATS).view(-1),
    "positions": lambda x: x.new_zeros(5_000)[list(range(5_000))],
    "older": lambda _: OLDER.data,
}


class Maker(nn.Module):
    """Makes a table, or reads one that is older, and keeps it while a layer runs."""

    def __init__(self, make: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.make = make
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        table = self.make(x)
        return cast("Tensor", self.conv(x).mean() + table[:4].sum() + table[4:].mean())


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_the_peak_has_what_forward_makes_of_values(make: Callable[[Tensor], Tensor]) -> None:
    model, x = Maker(make).eval(), torch.zeros(1, 3, 16, 16)
    measured = most_alive(model, x, older=[OLDER])
    assert peak_memory(record(model, x)).bytes == measured
    if make is not MADE["older"]:  # on the CPU, and so nothing that runs without data
        assert peak_memory(record_without_data(model, x)).bytes == measured


@pytest.mark.parametrize("name", ["tensor", "as_tensor", "from_numpy"])
def test_what_values_were_made_into_is_named_after_torch_tensor(name: str) -> None:
    trace = record_without_data(Maker(MADE[name]).eval(), torch.zeros(1, 3, 16, 16))
    (table,) = (held for held in peak_memory(trace).alive if held.bytes == 4 * len(VALUES))
    assert table.op == "tensor"


class Keeper(nn.Module):
    """Returns a table that it makes, or keeps it for the next call, or has had it all the time."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.table = torch.tensor(VALUES) if kind == "there before" else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        made = torch.tensor(VALUES) if self.table is None else self.table.data
        if self.kind == "kept for the next call":
            self.table = made
        return x + made[0] + made[1], made if self.kind == "returned" else None


@pytest.mark.parametrize("kind", ["returned", "kept for the next call", "there before"])
def test_a_table_counts_if_the_pass_makes_it_and_does_not_keep_it(kind: str) -> None:
    model, x = Keeper(kind).eval(), torch.zeros(1, 3, 16, 16)
    peak = peak_memory(record(model, x)).bytes
    model(x)
    assert peak == most_alive(model, x) == 3 * x.nbytes + 20_000 * (kind == "returned")
