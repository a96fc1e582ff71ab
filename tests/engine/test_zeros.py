"""Zeros in checkpoints of every format and type, compared with torch's own counts."""

from __future__ import annotations

import io
import os
import pickle
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn
from torch.nn.utils import prune

from support.fixture_types import Run
from ucseg_cli.analysis.counting.stored_types import stored_types
from ucseg_cli.analysis.counting.zeros_by_module import own_zeros, zeros_by_type
from ucseg_cli.engine.checkpoints import count_zeros as counting
from ucseg_cli.engine.checkpoints.count_zeros import count_zeros
from ucseg_cli.engine.checkpoints.read_checkpoint import read_state_dict
from ucseg_cli.errors import ModelError, UcsegError
from ucseg_cli.facts.state_dict import StateDict, Zeros, pruning_masks, state_dict_trace

FLOATS = (
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
    *(torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz),
)
OTHERS = (
    *(torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool),
    *(torch.complex64, torch.complex128),
)
NUMPY_LACKS = {dtype for dtype in FLOATS if "8" in str(dtype) or dtype is torch.bfloat16}
Tensors = dict[str, Tensor]


def zeros_of(path: Path, masks: Mapping[str, str] | None = None) -> dict[str, Zeros]:
    return count_zeros(read_state_dict(str(path)).entries, masks or {}, lambda *_: None)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Some versions of torch warn of what others do not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def sparse(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Half of it zero, some of it -0.0, with a row and a column of nothing else."""
    found = torch.randn(shape, dtype=torch.float64) * 3
    found[torch.rand(shape) < 0.4] = 0
    found[torch.rand(shape) < 0.1] *= -0.0
    if len(shape) > 1 and shape[0]:
        found[1], found[:, 2] = 0, -0.0
    return found.to(dtype)


def tensors_of_all_types() -> Tensors:
    """Dense, transposed, permuted, cut out of others, with one axis, and with none."""
    torch.manual_seed(0)
    found: Tensors = {}
    for dtype in (*FLOATS, *OTHERS):
        name = str(dtype).removeprefix("torch.")
        large = sparse(40, 30, dtype=dtype)
        found |= {
            f"{name}.conv": sparse(5, 7, 3, 3, dtype=dtype),
            f"{name}.transposed": large.t(),
            f"{name}.part": large[3:20:2, 5:17],
            f"{name}.column": large[:, 4:5],
            f"{name}.permuted": sparse(5, 7, 3, 2, dtype=dtype).permute(2, 0, 3, 1),
            f"{name}.bias": sparse(11, dtype=dtype),
            f"{name}.scalar": sparse(1, dtype=dtype)[0],
            f"{name}.empty": sparse(0, 3, dtype=dtype),
        }
    return found


def assert_are_torchs(found: dict[str, Zeros], tensors: Tensors) -> None:
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        wide = tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)
        assert found[name].total == int((wide == 0).sum()), name
        if wide.dim() > 1 and wide.numel():
            slices = tuple(
                tuple(at for at, one in enumerate(wide.unbind(axis)) if not (one != 0).any())
                for axis in (0, 1)
            )
            assert found[name].slices == slices, name
        if wide.dim() == 1 and tensor.dtype in {torch.float32, torch.float16, torch.bfloat16}:
            assert found[name].numbers == tuple(wide.tolist()), name


def saved_old(tensors: Tensors, path: Path) -> None:
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def saved_compressed(tensors: Tensors, path: Path) -> None:
    stream = io.BytesIO()
    torch.save(tensors, stream)
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))


WRITERS: dict[str, Callable[[Tensors, Path], Any]] = {
    "zip": torch.save,
    "old": saved_old,
    "compressed": saved_compressed,
    "pickle": lambda tensors, path: path.write_bytes(pickle.dumps(tensors)),
    "pickle of protocol 2": lambda tensors, path: path.write_bytes(pickle.dumps(tensors, 2)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_type_and_order_in_memory_has_torch_s_count(tmp_path: Path, writer: str) -> None:
    tensors = tensors_of_all_types()
    WRITERS[writer](tensors, tmp_path / "w.pt")
    assert_are_torchs(zeros_of(tmp_path / "w.pt"), tensors)


def test_safetensors_have_torch_s_count(tmp_path: Path) -> None:
    known = {
        name: tensor.contiguous()
        for name, tensor in tensors_of_all_types().items()
        if "complex128" not in name
    }
    save_file(known, tmp_path / "w.safetensors")
    assert_are_torchs(zeros_of(tmp_path / "w.safetensors"), known)


@pytest.mark.parametrize("form", ["npz", "compressed", *map(str, range(1, 6))])
def test_arrays_have_torch_s_count(tmp_path: Path, form: str) -> None:
    tensors = {
        name: tensor
        for name, tensor in tensors_of_all_types().items()
        if tensor.dtype not in NUMPY_LACKS
    }
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in tensors.items()}
    path = tmp_path / "arrays"
    if form.isdecimal():
        path.write_bytes(pickle.dumps({"model": arrays}, protocol=int(form)))
    else:
        with path.open("wb") as stream:
            (np.savez if form == "npz" else np.savez_compressed)(stream, **arrays)
    assert_are_torchs(zeros_of(path), tensors)


@pytest.mark.parametrize("form", ["npz", "pickle"])
def test_the_order_of_bytes_is_that_of_the_array(tmp_path: Path, form: str) -> None:
    values = np.array([0.0, -0.0, 1.0, -1.5e-40, 256.0, -2.0])
    arrays: dict[str, Any] = {
        f"{code}.{order}": values.astype(np.dtype(f"{order}{code}"))
        for code in ("f4", "f8", "i4")
        for order in "<>"
    }
    if form == "npz":
        np.savez(tmp_path / "w.npz", **arrays)
    else:
        (tmp_path / "w.npz").write_bytes(pickle.dumps({"model": arrays}))
    found = zeros_of(tmp_path / "w.npz")
    for name, array in arrays.items():
        assert found[name].total == int((array == 0).sum())
        assert "f" not in name or found[name].numbers == tuple(map(float, array))


def test_a_file_of_a_big_endian_machine_is_read_in_its_order(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"a": torch.tensor([0.0, -0.0, 1e-39, 2.0])}, stream)
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(tmp_path / "w.pt", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("byteorder"):
                data = b"big"
            elif "/data/" in name:
                data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
            new.writestr(name, data)
    found = zeros_of(tmp_path / "w.pt")["a"]
    assert found == Zeros(2, numbers=tuple(torch.tensor([0.0, -0.0, 1e-39, 2.0]).tolist()))


def test_small_numbers_and_nan_are_not_zero(tmp_path: Path) -> None:
    octets = torch.tensor([0x01, 0x80, 0x81, 0x7F], dtype=torch.uint8)
    words = torch.tensor([1, -(2**31), 0x7F80_0001, -1], dtype=torch.int32)
    least = {dtype: octets.view(dtype) for dtype in FLOATS if dtype.itemsize == 1}
    least[torch.float32] = words.view(torch.float32)
    torch.save({str(dtype): values for dtype, values in least.items()}, tmp_path / "w.pt")
    found = zeros_of(tmp_path / "w.pt")
    for dtype, values in least.items():
        assert found[str(dtype)].total == int((values.to(torch.float64) == 0).sum())
    assert found["torch.float8_e4m3fnuz"].total == 0  # 0x80 is a NaN there
    assert found["torch.float8_e4m3fn"].total == 1


def test_types_of_four_bits_and_of_powers_of_two(tmp_path: Path) -> None:
    header = (
        b'{"a":{"dtype":"F4","shape":[2,4],"data_offsets":[0,4]},'
        b'"b":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[4,8]}}'
    )
    header += b" " * (-len(header) % 8)
    data = bytes([0x80, 0x10, 0x08, 0x00]) + bytes(4)
    file = len(header).to_bytes(8, "little") + header + data
    (tmp_path / "w.safetensors").write_bytes(file)
    found = zeros_of(tmp_path / "w.safetensors")
    assert found["a"] == Zeros(7, ((1,), (0, 1, 2)))  # all but the highest half of the second byte
    assert found["b"].total == 0


def test_a_quantized_number_is_zero_at_its_zero_point(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 4, 3, 3)
    weight[2] = 0
    scales, points = torch.full((6,), 0.05), torch.arange(6)
    with without_warnings():
        quantized = {
            "one": torch.quantize_per_tensor(weight, 0.05, 3, torch.qint8),
            "unsigned": torch.quantize_per_tensor(weight, 0.05, 128, torch.quint8),
            "alike": torch.quantize_per_channel(weight, scales, points * 0, 0, torch.qint8),
            "differing": torch.quantize_per_channel(weight, scales, points, 0, torch.qint8),
        }
    torch.save(quantized, tmp_path / "w.pt")
    found = zeros_of(tmp_path / "w.pt")
    for name in ("one", "unsigned", "alike"):
        assert found[name].total == int((quantized[name].dequantize() == 0).sum())
        assert found[name].slices == ((2,), ())
    assert found["differing"] == Zeros(None)


def test_a_sparse_tensor_has_the_zeros_that_it_does_not_store(tmp_path: Path) -> None:
    weight = sparse(6, 5)
    with without_warnings():
        twice = torch.sparse_coo_tensor(torch.tensor([[0, 0], [1, 1]]), torch.tensor([1.0, -1.0]))
        rows = weight.to_sparse_csr()
    torch.save({"coo": weight.to_sparse(), "csr": rows, "twice": twice}, tmp_path / "w.pt")
    found = zeros_of(tmp_path / "w.pt")
    assert found["coo"].total == found["csr"].total == int((weight == 0).sum())
    assert found["twice"].total is None  # the two values are added


def test_a_tensor_is_counted_and_not_the_storage_around_it(tmp_path: Path) -> None:
    whole = torch.zeros(4, 6)
    whole[1, 2:5] = 1
    views = {
        "whole": whole,
        "part": whole[1],
        "column": whole[:, 2],
        "every other": whole[:, ::2],
        "repeated": whole[1, 2:3].expand(5, 1),
        "none": whole[:1, :1].expand(3, 7),
    }
    torch.save(views, tmp_path / "w.pt")
    found = zeros_of(tmp_path / "w.pt")
    assert {name: one.total for name, one in found.items()} == {
        name: int((view == 0).sum()) for name, view in views.items()
    }
    assert found["every other"].slices == ((0, 2, 3), (0,))
    assert found["repeated"].slices == ((), ())
    assert found["none"].slices == ((0, 1, 2), (0, 1, 2, 3, 4, 5, 6))


def test_elements_that_overlap_are_not_counted(tmp_path: Path) -> None:
    torch.save({"windows": torch.zeros(9).unfold(0, 3, 1)}, tmp_path / "w.pt")
    assert zeros_of(tmp_path / "w.pt")["windows"] == Zeros(None)


def test_chunks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = tensors_of_all_types()
    torch.save(tensors, tmp_path / "w.pt")
    for chunk in (1, 5, 7, 1000):
        monkeypatch.setattr(counting, "CHUNK", chunk)
        assert_are_torchs(zeros_of(tmp_path / "w.pt"), tensors)


# By module and type


def own(path: Path) -> tuple[StateDict, dict[str, Zeros], dict[str, dict[str, int]]]:
    state = read_state_dict(str(path))
    zeros = zeros_of(path, pruning_masks([entry.name for entry in state.entries]))
    return state, zeros, {**own_zeros(state_dict_trace(state), zeros)}


def test_shared_weights_count_once(tmp_path: Path) -> None:
    tied = nn.ModuleDict({"a": nn.Linear(3, 4), "b": nn.Linear(3, 4)})
    tied["b"].weight = tied["a"].weight
    nn.init.zeros_(tied["a"].weight)  # type: ignore[arg-type]
    torch.save(tied.state_dict(), tmp_path / "w.pt")
    state, zeros, figures = own(tmp_path / "w.pt")
    assert [figures[path]["zeros"] for path in ("a", "b")] == [12, 0]
    assert [figures[path]["params"] for path in ("a", "b")] == [16, 4]
    (row,) = zeros_by_type(state, zeros, stored_types(state, zeros))
    assert (row.entries, row.elements, row.zeros) == (3, 20, 12)


def test_a_pruned_weight_is_zero_where_its_mask_is(tmp_path: Path) -> None:
    conv, linear = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)
    prune.random_unstructured(conv, "weight", amount=0.5)  # type: ignore[no-untyped-call]
    prune.ln_structured(linear, "weight", 2, n=2, dim=0)  # type: ignore[no-untyped-call]
    torch.save(nn.Sequential(conv, linear).state_dict(), tmp_path / "w.pt")
    _, zeros, figures = own(tmp_path / "w.pt")
    assert figures["0"]["zeros"] == int(torch.eq(conv.weight, 0).sum()) == 108
    rows = tuple(at for at, row in enumerate(linear.weight) if not row.any())
    assert zeros["1.weight_orig"].slices == (rows, ())
    assert figures["1"]["zero_rows"] == len(rows) == 2
    assert figures["0"]["params"] == 3 * 8 * 9 + 8  # the mask is a buffer


def test_a_mask_in_another_order_leaves_a_weight_uncounted(tmp_path: Path) -> None:
    tensors = {"a.weight_orig": torch.ones(3, 4), "a.weight_mask": torch.zeros(4, 3).t()}
    torch.save(tensors, tmp_path / "w.pt")
    assert own(tmp_path / "w.pt")[1]["a.weight_orig"] == Zeros(None)


# Hostile files, and large ones


def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "CHUNK", 1 << 14)
    torch.save({"a": torch.zeros(1 << 10, 1 << 11), "b": torch.zeros(9)}, tmp_path / "w.pt")
    torch.save({"c": torch.zeros(1 << 10, 1 << 11)[:, ::2]}, tmp_path / "strided.pt")
    for name in ("w.pt", "strided.pt"):
        state = read_state_dict(str(tmp_path / name))
        tracemalloc.start()
        found = count_zeros(state.entries, {}, lambda *_: None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert {entry.name: entry.numel for entry in state.entries} == {
            key: one.total for key, one in found.items()
        }
        assert peak < 2 << 20 < (tmp_path / name).stat().st_size / 4


def test_a_tensor_of_more_elements_than_memory_costs_none(tmp_path: Path) -> None:
    endless = torch.zeros(1).expand(1 << 40, 1 << 15)
    torch.save({"a": endless, "b": torch.zeros(3, 1).expand(3, 1 << 40)}, tmp_path / "w.pt")
    found = zeros_of(tmp_path / "w.pt")
    assert found["a"] == Zeros(1 << 55)
    assert found["b"] == Zeros(3 << 40)


def test_tensors_that_overlap_again_and_again_are_refused(tmp_path: Path) -> None:
    whole = torch.zeros(1 << 12)
    torch.save({str(at): whole[at:] for at in range(200)}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="its tensors overlap") as error:
        zeros_of(tmp_path / "w.pt")
    assert "clone" in (error.value.help or "")
    torch.save({str(at): whole[at:] for at in range(50)}, tmp_path / "w.pt")
    assert zeros_of(tmp_path / "w.pt")["49"].total == (1 << 12) - 49


class Rebuilt:
    """Pickled as a call of one of torch's functions."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def test_a_length_below_zero_is_damage(tmp_path: Path) -> None:
    rebuild: Any = torch._utils._rebuild_meta_tensor_no_storage
    arguments = torch.float32, (-3, 2), (2, 1), False
    tensor = Rebuilt(rebuild, *arguments)
    (tmp_path / "w.pt").write_bytes(pickle.dumps({"a": tensor}))
    with pytest.raises(ModelError) as error:
        read_state_dict(str(tmp_path / "w.pt"))
    assert "below zero" in " ".join(error.value.notes)


def test_a_sparse_tensor_with_too_many_values_is_not_counted(tmp_path: Path) -> None:
    rebuild: Any = torch._utils._rebuild_sparse_tensor
    data = torch.zeros(2, 5, dtype=torch.int64), torch.ones(5), torch.Size((2, 1)), True
    (tmp_path / "w.pt").write_bytes(
        pickle.dumps({"a": Rebuilt(rebuild, Layout(), data), "b": torch.zeros(2)})
    )
    assert zeros_of(tmp_path / "w.pt")["a"] == Zeros(None)


class Layout:
    """Pickled as the layout of a sparse tensor."""

    def __reduce__(self) -> Any:
        return torch.serialization._get_layout, ("torch.sparse_coo",)


@pytest.mark.parametrize("form", ["safetensors", "zip", "old"])
def test_a_file_that_is_cut_while_it_is_read_is_damage(tmp_path: Path, form: str) -> None:
    path = tmp_path / "w"
    tensors = {"a": torch.ones(1 << 12)}
    if form == "safetensors":
        path.write_bytes(save(tensors))
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=form == "zip")
    state = read_state_dict(str(path))
    os.truncate(path, 5_000)
    with pytest.raises(UcsegError) as error:
        count_zeros(state.entries, {}, lambda *_: None)
    assert "cut short or damaged" in error.value.what
    path.unlink()
    with pytest.raises(UcsegError, match="cannot be read"):
        count_zeros(state.entries, {}, lambda *_: None)


def test_a_wrong_checksum_matters_as_little_as_to_torch(tmp_path: Path) -> None:
    torch.save({"a": torch.tensor([0.0, 1.0, 0.0])}, tmp_path / "w.pt")
    data = bytearray((tmp_path / "w.pt").read_bytes())
    at = data.index(torch.tensor([0.0, 1.0, 0.0]).numpy().tobytes())
    data[at + 8 : at + 12] = np.float32(2).tobytes()
    (tmp_path / "w.pt").write_bytes(data)
    assert zeros_of(tmp_path / "w.pt")["a"].total == 1
    assert int((torch.load(tmp_path / "w.pt")["a"] == 0).sum()) == 1


def test_damage_to_compressed_data_is_found(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "w.npz", a=np.arange(1000.0), b=np.zeros(3))
    data = bytearray((tmp_path / "w.npz").read_bytes())
    data[600:620] = bytes(20)
    (tmp_path / "w.npz").write_bytes(data)
    with pytest.raises(ModelError, match="cut short or damaged"):
        zeros_of(tmp_path / "w.npz")


def test_zeros_are_counted_without_torch(python: Run, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "w.pt")
    program = (
        "import sys\nfrom ucseg_cli.gate import tracing\n"
        "from ucseg_cli.references import FromCheckpoint\n"
        "state = tracing.read_state_dict(FromCheckpoint(sys.argv[1]))\n"
        "print('numpy' in sys.modules)\n"
        "zeros = tracing.count_zeros(state.entries, {}, lambda *_: None)\n"
        "print(zeros['a'].total, 'torch' in sys.modules)"
    )
    assert python("-c", program, str(tmp_path / "w.pt")).stdout == "False\n3 False\n"
