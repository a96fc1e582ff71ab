"""Checkpoints of every kind: nested, wrapped, quantised, huge, broken, hostile, or no weights."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import struct
import sys
import time
import tracemalloc
import warnings
import zipfile
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations

from support.fixture_types import Run
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.engine.checkpoints import pickled_values, torch_file
from ucseg_cli.engine.checkpoints.read_checkpoint import read_state_dict
from ucseg_cli.errors import ModelError, UcsegError, UnknownNameError, UsageError
from ucseg_cli.facts.state_dict import state_dict_trace, unwrapped
from ucseg_cli.report.parts.checkpoint_notes import checkpoint_notes

WEIGHTS = {"a.weight": torch.zeros(2, 3), "a.bias": torch.zeros(2, dtype=torch.float16)}


def shapes(path: Path | str, key: str | None = None) -> dict[str, tuple[int, ...]]:
    return {entry.name: entry.shape for entry in read_state_dict(str(path), key).entries}


def refusal(path: Path | str, key: str | None = None) -> str:
    """The error that a file gives, with its notes and help as one text."""
    with pytest.raises(UcsegError) as error:
        read_state_dict(str(path), key)
    assert error.value.exit_status == 2
    assert str(path) in (error.value.where or "")
    message = " | ".join((error.value.what, *error.value.notes, error.value.help or ""))
    assert "weights_only" not in message
    return message


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_of_torch_has_its_names_shapes_and_types(tmp_path: Path, *, legacy: bool) -> None:
    torch.save(WEIGHTS, tmp_path / "weights", _use_new_zipfile_serialization=not legacy)
    state = read_state_dict(str(tmp_path / "weights"))
    assert [entry[:3] for entry in state.entries] == [
        ("a.weight", (2, 3), "float32"),
        ("a.bias", (2,), "float16"),
    ]
    assert (state.format, state.key, state.prefix, state.left_out) == ("torch", None, "", ())


def test_a_safetensors_file_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    save_file({f"features.{n}.w": torch.zeros(n) for n in (10, 9, 1)}, tmp_path / "weights.pt")
    state = read_state_dict(str(tmp_path / "weights.pt"))
    assert [entry.name for entry in state.entries] == [
        "features.1.w",
        "features.9.w",
        "features.10.w",
    ]
    assert state.format == "safetensors"


def test_every_format_is_read_without_torch(python: Run, tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "weights.safetensors")
    torch.save(WEIGHTS, tmp_path / "weights.pt")
    torch.save(WEIGHTS, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    arrays = {name: weight.numpy() for name, weight in WEIGHTS.items()}
    np.savez(tmp_path / "weights.npz", **arrays)  # type: ignore[arg-type]
    (tmp_path / "weights.pkl").write_bytes(pickle.dumps({"model": arrays}))
    program = (
        "import sys\nfrom ucseg_cli.gate import tracing\n"
        "from ucseg_cli.references import FromCheckpoint\n"
        "state = tracing.read_state_dict(FromCheckpoint(sys.argv[1]))\n"
        "print(len(state.entries), 'torch' in sys.modules)"
    )
    for name in ("weights.safetensors", "weights.pt", "old.pt", "weights.npz", "weights.pkl"):
        assert python("-c", program, str(tmp_path / name)).stdout == "2 False\n"


@pytest.mark.parametrize("legacy", [False, True])
def test_tied_weights_are_the_same_memory(tmp_path: Path, legacy: bool) -> None:  # noqa: FBT001
    tied = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})
    tied["b"].weight = tied["a"].weight
    torch.save(tied.state_dict(), tmp_path / "tied.pt", _use_new_zipfile_serialization=not legacy)
    state = read_state_dict(str(tmp_path / "tied.pt"))
    assert total_params(state_dict_trace(state))["params"] == sum(
        weight.numel() for weight in tied.parameters()
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_the_modules_of_a_second_version_are_known(tmp_path: Path, legacy: bool) -> None:  # noqa: FBT001
    net = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.BatchNorm1d(3)})
    torch.save(net.state_dict(), tmp_path / "net.pt", _use_new_zipfile_serialization=not legacy)
    assert read_state_dict(str(tmp_path / "net.pt")).versioned == {"b"}
    torch.save(dict(net.state_dict()), tmp_path / "plain.pt")
    assert read_state_dict(str(tmp_path / "plain.pt")).versioned == set()


def test_part_of_a_tensor_is_not_the_whole(tmp_path: Path) -> None:
    whole = torch.zeros(4, 4)
    torch.save({"whole": whole, "part": whole[:2], "again": whole.view(16)}, tmp_path / "views.pt")
    first, part, again = (
        entry.memory for entry in read_state_dict(str(tmp_path / "views.pt")).entries
    )
    assert first == again != part


@pytest.mark.filterwarnings("ignore:Sparse CSR", "ignore:.*quantiz")
def test_tensors_of_every_kind_are_read(tmp_path: Path) -> None:
    weight = torch.ones(4, 4)
    kinds = {
        "scalar": torch.tensor(3),
        "none": torch.zeros(0, 5),
        "complex": torch.zeros(2, dtype=torch.complex64),
        "float8": torch.zeros(3, dtype=torch.float8_e4m3fn),
        "sparse": weight.to_sparse(),
        "rows": weight.to_sparse_csr(),
        "quantised": torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
        "by channel": torch.quantize_per_channel(
            weight, torch.ones(4), torch.zeros(4), 0, torch.quint8
        ),
        "parameter": nn.Parameter(weight),
        "nowhere": torch.zeros(7, device="meta"),
    }
    torch.save(kinds, tmp_path / "kinds.pt")
    state = read_state_dict(str(tmp_path / "kinds.pt"))
    assert {entry.name: entry.shape for entry in state.entries} == {
        name: tensor.shape for name, tensor in kinds.items()
    }
    assert {entry.name for entry in state.entries if entry.layout != "strided"} == {
        "sparse", "rows", "quantised", "by channel", "nowhere",
    }  # fmt: skip
    assert total_params(state_dict_trace(state))["params"] == sum(
        tensor.numel() for tensor in kinds.values()
    )


@pytest.mark.parametrize(
    ("nested", "key"),
    [
        ({"state_dict": WEIGHTS}, "state_dict"),
        ({"model": WEIGHTS, "epoch": 3, "loss": torch.tensor(0.5)}, "model"),
        ({"model": WEIGHTS, "optimizer": {"state": {0: {"exp_avg": torch.zeros(9)}}}}, "model"),
        (
            {"model": WEIGHTS, "optimizer": {"state": {"a.weight": {"exp_avg": torch.zeros(9)}}}},
            "model",
        ),
        ({"state_dict": WEIGHTS, "callbacks": {"best": {"score": torch.zeros(1)}}}, "state_dict"),
        ({"ema": {"decay": 0.9, "shadow": WEIGHTS}}, "ema.shadow"),
        ({"model": WEIGHTS, "last": {"metric": torch.tensor(1.0)}}, "model"),
        ({"mean": torch.zeros(3), "model": {**WEIGHTS}}, "model"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_state_dict_is_found_under_its_key(
    tmp_path: Path, nested: dict[str, Any], key: str
) -> None:
    torch.save(nested, tmp_path / "last.ckpt")
    state = read_state_dict(str(tmp_path / "last.ckpt"))
    assert state.key == key
    assert [entry.name for entry in state.entries] == list(WEIGHTS)


@pytest.mark.parametrize(
    "name", ["optimizer", "optim_states", "callbacks", "loops", "lr_schedulers", "grad_scaler"]
)
def test_the_other_tensors_of_training_are_not_taken_for_a_model(tmp_path: Path, name: str) -> None:
    torch.save({"model": WEIGHTS, name: {"exp_avg": torch.zeros(9)}}, tmp_path / "last.ckpt")
    assert read_state_dict(str(tmp_path / "last.ckpt")).key == "model"


@pytest.mark.parametrize(("levels", "found"), [(6, True), (7, False)])
def test_six_levels_of_mappings_are_searched(tmp_path: Path, levels: int, *, found: bool) -> None:
    nested: dict[str, Any] = WEIGHTS
    for _ in range(levels):
        nested = {"in": nested}
    torch.save(nested, tmp_path / "deep.pt")
    if found:
        assert read_state_dict(str(tmp_path / "deep.pt")).key == ".".join(["in"] * levels)
    else:
        assert "holds no state dict" in refusal(tmp_path / "deep.pt")


def test_a_key_chooses_one_of_several_state_dicts(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"model": WEIGHTS, "ema": {"shadow": {"b": torch.zeros(4)}}, "epoch": 3}, path)
    message = refusal(path)
    assert "holds 2 state dicts" in message
    assert "model (2 tensors), ema.shadow (1 tensors)" in message
    assert f"write {path}+key=model" in message
    assert shapes(path, "ema.shadow") == shapes(path, "ema") == {"b": (4,)}
    with pytest.raises(UnknownNameError, match="no key named 'modle'") as error:
        read_state_dict(str(path), "modle")
    assert error.value.help == "did you mean 'model'?"


def test_a_key_of_a_file_that_is_one_state_dict_is_refused_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plain.pt"
    torch.save(WEIGHTS, path)
    with pytest.raises(UsageError) as error:
        read_state_dict(str(path), "ema")
    assert error.value.what == f"{path} is one state dict, without a key 'ema'"
    assert (error.value.notes, error.value.help) == ((), f"write {path}")


def test_an_optimizer_s_tensors_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    torch.save({"model": WEIGHTS, "optimizer": {"exp_avg": torch.zeros(9)}}, tmp_path / "last.ckpt")
    assert shapes(tmp_path / "last.ckpt", "optimizer") == {"exp_avg": (9,)}


def test_values_that_are_not_tensors_are_left_out_and_listed(tmp_path: Path) -> None:
    odd: dict[Any, Any] = {**WEIGHTS, "epoch": 3, "a._extra_state": None, 7: torch.zeros(1)}
    torch.save(odd, tmp_path / "weights.pt")
    state = read_state_dict(str(tmp_path / "weights.pt"))
    assert [entry.name for entry in state.entries] == list(WEIGHTS)
    assert state.left_out == ("epoch", "a._extra_state", "7")


def test_a_mapping_that_holds_itself_or_one_thing_in_many_places_is_read_in_no_time(
    tmp_path: Path,
) -> None:
    itself: dict[str, Any] = {"model": WEIGHTS}
    itself["again"] = itself
    many: dict[str, Any] = {"model": WEIGHTS}
    for _ in range(60):
        many = {"left": many, "right": many}
    torch.save({"a": itself, "b": many}, tmp_path / "odd.pt")
    started = time.monotonic()
    assert shapes(tmp_path / "odd.pt") == {
        name: tuple(tensor.shape) for name, tensor in WEIGHTS.items()
    }
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.optim.swa_utils.AveragedModel])
def test_a_wrapped_network_is_read_as_itself(
    tmp_path: Path, wrap: Callable[[nn.Module], nn.Module]
) -> None:
    torch.save(wrap(nn.Linear(2, 3)).state_dict(), tmp_path / "wrapped.pt")
    state = unwrapped(read_state_dict(str(tmp_path / "wrapped.pt")))
    found = {entry.name: entry.shape for entry in state.entries}
    assert found == {"weight": (3, 2), "bias": (3,)}
    assert state.prefix == "module."


def _safetensors(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def _header(dtype: str = "F32", shape: list[int] | None = None, end: int = 8) -> bytes:
    return json.dumps(
        {"a": {"dtype": dtype, "shape": shape or [2], "data_offsets": [0, end]}}
    ).encode()


@pytest.mark.parametrize(
    "content",
    [
        _safetensors(_header()),
        _safetensors(_header(), bytes(7)),
        _safetensors(_header(), bytes(9)),
        _safetensors(_header())[:20],
        _safetensors(_header(), bytes(8), length=2**63),
        _safetensors(_header(), bytes(8), length=90_000_000),
        _safetensors(_header(), bytes(8), length=3),
        _safetensors(_header(shape=[2**62, 8]), bytes(8)),
        _safetensors(_header(shape=[3]), bytes(8)),
        _safetensors(_header("Q4"), bytes(8)),
        _safetensors(b"{garbage", bytes(8)),
    ],
)
def test_a_broken_safetensors_file_is_refused_with_its_sizes(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    message = refusal(tmp_path / "a.safetensors")
    assert "cut short or damaged" in message
    assert f"the file has {len(content):,}" in message


@pytest.mark.parametrize(
    ("change", "said"),
    [(-100, "100 are missing"), (-1, "1 are missing"), (2, "2 are too many")],
)
def test_a_safetensors_file_of_another_length_says_how_long_it_should_be(
    tmp_path: Path, change: int, said: str
) -> None:
    save_file({"a": torch.zeros(99)}, tmp_path / "whole.safetensors")
    whole = (tmp_path / "whole.safetensors").read_bytes()
    path, size = tmp_path / "other.safetensors", len(whole) + change
    path.write_bytes(whole[:size] + bytes(max(0, change)))
    sizes = f"by its header it should have {len(whole):,} bytes, and the file has {size:,}: {said}"
    assert f"| {sizes} |" in (message := refusal(path))
    assert "its header should have" not in message


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_of_torch_cut_short_anywhere_is_refused(tmp_path: Path, *, legacy: bool) -> None:
    torch.save(WEIGHTS, tmp_path / "whole.pt", _use_new_zipfile_serialization=not legacy)
    whole = (tmp_path / "whole.pt").read_bytes()
    for length in sorted({9, 40, len(whole) // 2, len(whole) - 30, len(whole) - 1}):
        (tmp_path / "cut.pt").write_bytes(whole[:length])
        message = refusal(tmp_path / "cut.pt")
        assert "cut short" in message or "not a file of torch" in message


def test_damage_in_the_middle_is_an_error_or_does_no_harm(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    for at in range(0, len(whole), 7):
        (tmp_path / "flipped.pt").write_bytes(
            whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        )
        with suppress(UcsegError):  # and no other
            assert read_state_dict(str(tmp_path / "flipped.pt")).entries


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a PNG image"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"\xef\xbb\xbf  <html>", "a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "a git-lfs pointer",
        ),
        (b'{"weight_map": {}}', "JSON"),
        (b"weights: {a: 1}\n", "text"),
        ("Gewichte für alle {".encode(), "text"),
        (b"\x1f\x8b\x08\x00\x00", "compressed with gzip"),
        (b"GGUF\x03\x00\x00\x00\x00", "a GGUF file"),
        (b"\x00" * 257 + b"ustar" + b"\x00" * 250, "a tar archive"),
        (b"\x00\x01\x02", "neither a torch file nor safetensors"),
        (b"\x08\x08\x12\x07pytorch\x1a\x052.9.0:\x8a\x04", "an ONNX file"),
        (b"\x08\x07:\xf2\x9b\x02\n\x1a", "an ONNX file"),
        (b"\x08\x06\x12\x8c\x02\n\x17\n\x05image", "a Core ML file"),
        (b"\x08\x01\x12\x80\xb2\x04\nO", "a TensorFlow SavedModel"),
        (b"\n+\n\x05input\x12\x0bPlaceholder*\r\n", "a TensorFlow graph"),
        (b"\x1c\x00\x00\x00TFL3\x14\x00 \x00", "a TensorFlow Lite file"),
        (b"\x89HDF\r\n\x1a\n\x00", "an HDF5 file"),
        (b"\x81\xa6params\x82\xa5conv1\x82", "a msgpack file"),
        (b"\xde\x00\x10\xd9\x21encoder", "a msgpack file"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "a single NumPy array"),
        (b"MATLAB 5.0 MAT-file, Platform", "a MATLAB file"),
        (b"PK\x03\x04 and no more", "cut short"),
        (b"PK\x05\x06" + bytes(18), "torch.save did not write"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_holds_no_weights_is_called_what_it_is(
    tmp_path: Path, content: bytes, what: str
) -> None:
    (tmp_path / "weights.pt").write_bytes(content)
    assert what in refusal(tmp_path / "weights.pt")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("model.ckpt.index", "part of a TensorFlow checkpoint"),
        ("model.ckpt.data-00000-of-00001", "part of a TensorFlow checkpoint"),
        ("model.onnx", "an ONNX file"),
        ("yolo.weights", "a Darknet file"),
        ("net.plan", "a TensorRT engine"),
        ("net.caffemodel", "a Caffe file"),
    ],
)
def test_a_file_without_a_mark_is_called_what_its_name_says(
    tmp_path: Path, name: str, what: str
) -> None:
    (tmp_path / name).write_bytes(b"\x00\x01\x02\xff")
    message = refusal(tmp_path / name)
    assert f"is {what}; ucseg reads files of torch and safetensors, and .npz" in message


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ("saved_model.pb", "a TensorFlow SavedModel"),
        ("checkpoint", "a folder of TensorFlow checkpoints"),
        ("manifest.ocdbt", "an Orbax checkpoint"),
        ("Manifest.json", "a Core ML package"),
    ],
)
def test_a_folder_of_another_library_is_called_what_it_is(
    tmp_path: Path, inside: str, what: str
) -> None:
    (tmp_path / inside).touch()
    assert f"is {what}; ucseg reads" in refusal(tmp_path)
    (tmp_path / "last.ckpt").touch()
    assert f"as in {tmp_path / 'last.ckpt'}" in refusal(tmp_path)


def test_a_keras_archive_is_called_what_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", b"{}")
        archive.writestr("model.weights.h5", b"\x89HDF")
    assert "is a Keras file; ucseg reads" in refusal(tmp_path / "model.keras")


def test_the_help_says_how_to_fetch_a_git_lfs_pointer(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "`git lfs pull`" in refusal(tmp_path / "weights.pt")


def test_a_torchscript_archive_is_refused_by_that_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("script/data.pkl", b"")
        archive.writestr("script/constants.pkl", b"")
    assert "is a TorchScript archive" in refusal(tmp_path / "script.pt")


def test_a_zip_archive_of_another_program_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "slides.pt", "w") as archive:
        archive.writestr("slide.xml", b"")
    assert "torch.save did not write" in refusal(tmp_path / "slides.pt")


def test_a_pickle_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(WEIGHTS, tmp_path / "bomb.pt")
    with zipfile.ZipFile(tmp_path / "bomb.pt") as archive:
        size = archive.getinfo("bomb/data.pkl").file_size
    monkeypatch.setattr(torch_file, "MOST_PICKLE", size)
    assert shapes(tmp_path / "bomb.pt")
    monkeypatch.setattr(torch_file, "MOST_PICKLE", size - 1)
    assert f"unpacks to {size:,} bytes" in refusal(tmp_path / "bomb.pt")


def test_a_pickle_of_endless_instructions_ends_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickled_values, "MOST_INSTRUCTIONS", 100_000)
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\x80\x02" + b"N0" * 5_000_000)
    assert "more than 100,000 bytes beside data" in refusal(tmp_path / "bomb.pt")


HOSTILE = {
    "a text longer than the file": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62),
    "bytes longer than the file": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40),
    "a negative length": b"\x80\x02T" + struct.pack("<i", -1),
    "a frame longer than the file": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N",
    "a name of 200,000 letters": b"\x80\x02c" + b"a" * 200_000 + b"\n" + b"b" * 200_000 + b"\n.",
    "a place far beyond the memo": b"\x80\x02Nr\xff\xff\xff\xff.",
    "a place that was never filled": b"\x80\x02j\xff\xff\xff\xff.",
    "a number of a million digits": b"\x80\x02I" + b"9" * 1_000_000 + b"\n.",
    "a key of 100,000 tuples": b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"Ns.",
    "a set of 100,000 tuples": b"\x80\x04\x8f(" + b")" + b"\x85" * 100_000 + b"\x90.",
    "100,000 nested lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "an instruction that is not one": b"\x80\x02\xfe.",
    "an extension": b"\x80\x02\x82\x01.",
    "out of band data": b"\x80\x05\x97.",
    "nothing on the stack": b"\x80\x02.",
    "a call of nothing": b"\x80\x02)R.",
    "a state of nothing": b"\x80\x02N}b.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_in_no_time(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.pt"
    for content in (HOSTILE[name], in_archive(HOSTILE[name])):
        path.write_bytes(content)
        started = time.monotonic()
        assert refusal(path)
        assert time.monotonic() - started < 5


def in_archive(pickled: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    return data.getvalue()


def test_data_that_is_missing_or_too_short_is_damage(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "whole.pt")
    for damage in ("missing", "short"):
        with (
            zipfile.ZipFile(tmp_path / "whole.pt") as whole,
            zipfile.ZipFile(tmp_path / "damaged.pt", "w") as damaged,
        ):
            for name in whole.namelist():
                is_data = name.endswith("data/0")
                if not is_data or damage == "short":
                    damaged.writestr(name, whole.read(name)[: -1 if is_data else None])
        message = refusal(tmp_path / "damaged.pt")
        assert "the data of a tensor should have 24 bytes, and is" in message


class Harmful:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_whatever_stands_beside_the_weights_is_never_called(
    tmp_path: Path, form: str, protocol: int
) -> None:
    path, harm = tmp_path / "evil.pt", tmp_path / "harm"
    odd: dict[Any, Any] = {
        "harm": Harmful(harm),
        "score": np.float64(0.5),
        "path": tmp_path,
        "names": {"a", "b"},
        "frozen": frozenset({(1, (2,))}),
        "options": SimpleNamespace(rate=0.1),
        "counts": Counter("aab"),
        "default": defaultdict(list, a=[1]),
        ("a", 1): 3,
    }
    if form == "pickle":
        arrays = {name: weight.numpy() for name, weight in WEIGHTS.items()}
        path.write_bytes(pickle.dumps({**arrays, **odd}, protocol=protocol))
    else:
        torch.save(
            {**WEIGHTS, **odd},
            path,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=form == "zip",
        )
    state = read_state_dict(str(path))
    assert not harm.exists()
    assert {entry.name: entry.shape for entry in state.entries} == {
        name: tuple(weight.shape) for name, weight in WEIGHTS.items()
    }
    assert state.left_out == (*list(odd)[:-1], "(tuple)")


def test_a_whole_module_is_read_by_its_tensors(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4)), nn.ReLU())
    net.register_buffer("scratch", torch.zeros(5), persistent=False)
    torch.save(net, tmp_path / "module.pt")
    torch.save({"model": net, "epoch": 3}, tmp_path / "in_a_mapping.pt")
    expected = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert shapes(tmp_path / "module.pt") == shapes(tmp_path / "in_a_mapping.pt") == expected
    assert read_state_dict(str(tmp_path / "module.pt")).remarks == (
        (
            "The file holds a whole torch.nn.modules.container.Sequential: "
            "only its tensors are read, and nothing is run."
        ),
    )


@pytest.mark.parametrize(
    "value", [torch.zeros(2), [torch.zeros(2)], {"epoch": 3}, {}, 5, {1: torch.zeros(2)}]
)
def test_a_file_without_a_state_dict_is_refused_with_its_content(
    tmp_path: Path, value: Any
) -> None:
    torch.save(value, tmp_path / "other.pt")
    assert "holds no state dict" in (message := refusal(tmp_path / "other.pt"))
    assert "it holds" in message


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (torch.zeros(2), "it holds a tensor |"),
        (np.zeros(2), "it holds an array |"),
        ([torch.zeros(2)], "it holds a list |"),
        (5, "it holds an int |"),
        ({}, "it holds a mapping |"),
        ("weights" * 9999, "it holds a long text |"),
        (SimpleNamespace(a=1), "it holds a types.SimpleNamespace |"),
        ({"k" * 5000: 1, 7: 2}, f"with the keys {'k' * 40}…{'k' * 40}, 7 |"),
        ({torch.float32: 1, (1, 2): 2}, "with the keys (torch.float32), (tuple) |"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 99 else "",
)
def test_what_a_file_holds_is_said_in_a_user_s_words(tmp_path: Path, value: Any, held: str) -> None:
    torch.save(value, tmp_path / "other.pt")
    assert held in refusal(tmp_path / "other.pt")


def test_a_safetensors_file_without_tensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.safetensors").write_bytes(_safetensors(b"{}"))
    assert "holds no tensors" in refusal(tmp_path / "none.safetensors")


def test_a_safetensors_file_has_no_keys(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="has no keys"):
        read_state_dict(str(tmp_path / "a.safetensors"), "model")


def test_a_name_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    torch.save({"a" * 1000: torch.zeros(1)}, tmp_path / "long.pt")
    assert shapes(tmp_path / "long.pt") == {"a" * 1000: (1,)}
    torch.save({"a" * 1001: torch.zeros(1)}, tmp_path / "longer.pt")
    assert "has 1,001 letters" in refusal(tmp_path / "longer.pt")
    torch.save({"a." * 5000 + "weight": torch.zeros(1)}, tmp_path / "long.pt")
    assert "has 10,006 letters" in refusal(tmp_path / "long.pt")


def test_a_missing_file_comes_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").touch()
    assert f"did you mean '{tmp_path / 'weights.pt'}'?" in refusal(tmp_path / "wieghts.pt")
    assert "there is no folder" in refusal(tmp_path / "none" / "weights.pt")


@pytest.mark.parametrize("name", ["w.pt", "w.npz", "w.safetensors", "w.index.json"])
def test_a_link_to_nothing_is_called_one(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("gone.pt")
    message = refusal(tmp_path / name)
    assert f"{tmp_path / name} is a link to gone.pt, which is missing" in message
    assert "did you mean" not in message


def test_a_folder_is_refused_with_a_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    assert f"as in {tmp_path / 'last.ckpt'}" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["a\0b.pt", "x" * 5000])
def test_a_name_that_no_file_can_have_is_an_error_like_another(name: str) -> None:
    assert "cannot be read" in refusal(name)


def test_a_file_without_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(WEIGHTS, tmp_path / "secret.pt")
    monkeypatch.setattr(Path, "open", _denied)  # permissions do not stop root
    assert "cannot be read: Permission denied" in refusal(tmp_path / "secret.pt")


def _denied(self: Path, *_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied", str(self))


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
def test_a_pipe_or_a_device_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    assert "not a regular file" in refusal(tmp_path / "pipe.pt")
    assert "not a regular file" in refusal("/dev/zero")


def test_only_the_header_of_a_huge_safetensors_file_is_read(tmp_path: Path) -> None:
    elements = 10**10
    header = _header(shape=[elements], end=4 * elements)
    with (tmp_path / "huge.safetensors").open("wb") as file:
        file.write(_safetensors(header))
        file.truncate(8 + len(header) + 4 * elements)  # a hole on the disk
    started = time.monotonic()
    assert shapes(tmp_path / "huge.safetensors") == {"a": (elements,)}
    assert time.monotonic() - started < 2


@pytest.fixture
def huge(tmp_path: Path) -> Iterator[Path]:
    """A file of torch with 8 GB of zeros, which take no room on the disk."""
    size = 8 * 10**9
    data: Any = torch.UntypedStorage.from_file(str(tmp_path / "zeros"), shared=True, nbytes=size)
    weight = torch.tensor([], dtype=torch.float32).set_(data, 0, (size // 4,), (1,))
    with torch.serialization.skip_data():
        torch.save(OrderedDict(a=weight, b=weight), tmp_path / "huge.pt")
    yield tmp_path / "huge.pt"
    (tmp_path / "huge.pt").unlink()


@pytest.mark.skipif(
    sys.platform != "linux", reason="holes, and a limit on memory, as Linux has them"
)
def test_no_data_of_a_huge_file_of_torch_is_read(huge: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    state = read_state_dict(str(huge))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    assert [(entry.shape, entry.memory) for entry in state.entries] == [
        ((2 * 10**9,), 0),
        ((2 * 10**9,), 0),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="holes as Linux has them")
def test_no_data_of_a_huge_old_file_or_pickle_is_read(tmp_path: Path) -> None:
    arrays = {"a": np.zeros(2 << 20, np.float32)}
    (tmp_path / "arrays.pkl").write_bytes(pickle.dumps(arrays, protocol=4))
    torch.save(
        {"a": torch.zeros(2 << 20)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False
    )
    tracemalloc.start()
    for name in ("arrays.pkl", "old.pt"):
        assert shapes(tmp_path / name) == {"a": (2 << 20,)}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


def test_nothing_in_the_package_unpickles() -> None:
    root = Path(torch_file.__file__).parents[1]
    texts = [path.read_text("utf-8") for path in root.rglob("*.py")]
    assert not [text for text in texts if "torch.load(" in text or "pickle.load" in text]


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_of_numpy_are_read_by_their_headers(
    tmp_path: Path, version: tuple[int, int]
) -> None:
    arrays = {"a.weight": np.zeros((2, 3), np.float16), "n": np.array(3), "flag": np.ones(2, bool)}
    with zipfile.ZipFile(tmp_path / "weights.npz", "w") as archive:
        for name, array in {**arrays, "text": np.array(["x"])}.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array, version=version)
    state = read_state_dict(str(tmp_path / "weights.npz"))
    assert [entry[:3] for entry in state.entries] == [
        ("a.weight", (2, 3), "float16"),
        ("n", (), "int64"),
        ("flag", (2,), "bool"),
    ]
    assert (state.format, state.left_out) == ("numpy", ("text",))


def npz(path: Path, shape: str, data: bytes, method: int = zipfile.ZIP_STORED) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    with zipfile.ZipFile(path, "w", method) as archive:
        mark = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
        archive.writestr("a.npy", mark + header + data)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("shape", "size", "is_whole"),
    [
        ("(2, 3)", 24, True),
        ("(2, 3)", 23, False),
        ("()", 4, True),
        ("()", 3, False),
        ("(0, 100000000000)", 0, True),
        ("(100000000000, 1000000000)", 0, False),
        ("(1000, 1000)", 3_999_999, False),
        ("(1000, 1000)", 4_000_000, True),
        ("(-2, -3)", 24, False),
    ],
)
def test_an_array_has_the_data_of_its_shape(
    tmp_path: Path, shape: str, size: int, method: int, *, is_whole: bool
) -> None:
    npz(tmp_path / "a.npz", shape, bytes(size), method)
    if is_whole:
        assert str(shapes(tmp_path / "a.npz")["a"]) == shape
    else:
        assert f"bytes, and has {size:,}" in refusal(tmp_path / "a.npz")


def test_a_zip_archive_cannot_claim_more_than_it_has(tmp_path: Path) -> None:
    for method, most in ((zipfile.ZIP_STORED, 1), (zipfile.ZIP_DEFLATED, 1032)):
        npz(tmp_path / "a.npz", "(10000000,)", bytes(4000), method)
        content = bytearray((tmp_path / "a.npz").read_bytes())
        start = content.rindex(b"PK\x01\x02")  # the entry of the directory
        packed = int.from_bytes(content[start + 20 : start + 24], "little")
        content[start + 24 : start + 28] = (50_000_000).to_bytes(4, "little")
        (tmp_path / "a.npz").write_bytes(content)
        message = refusal(tmp_path / "a.npz")
        left = int(message.split("and has ")[1].split(" ")[0].replace(",", ""))
        assert packed * most - 200 < left < packed * most


def test_members_in_the_same_bytes_are_damage(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000), "b": torch.zeros(1000)}, tmp_path / "twice.pt")
    content = bytearray((tmp_path / "twice.pt").read_bytes())
    assert shapes(tmp_path / "twice.pt")
    first, second = (content.rindex(b"twice/data/%d" % key) - 46 for key in (0, 1))
    offset = slice(first + 42, first + 46)
    content[second + 42 : second + 46] = content[offset]
    for entry in (first, second):
        content[entry + 20 : entry + 28] = (5000).to_bytes(4, "little") * 2
    (tmp_path / "twice.pt").write_bytes(content)
    assert "longer than the file" in refusal(tmp_path / "twice.pt")


def test_a_tensor_of_a_new_type_lies_within_its_storage(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(9, dtype=torch.uint16)}, tmp_path / "a.pt")
    assert shapes(tmp_path / "a.pt") == {"a": (9,)}
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "b.pt", "w") as archive:
        for name, data in members.items():
            archive.writestr(
                name, data.replace(b"K\tK\x01", b"K\x63K\x01").replace(b"K\t\x85", b"K\x63\x85")
            )
    assert "reaches beyond its storage" in refusal(tmp_path / "b.pt")


def test_shards_are_read_by_their_index_and_one_says_that_it_is_one(tmp_path: Path) -> None:
    first, second = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    save_file({"a": torch.zeros(2), "unused": torch.zeros(9)}, tmp_path / first)
    save_file({"b": torch.zeros(3)}, tmp_path / second)
    index = tmp_path / "model.safetensors.index.json"
    places = {"a": first, "b": second}
    index.write_text(json.dumps({"metadata": {"total_size": 7}, "weight_map": places}))
    assert shapes(index) == shapes(tmp_path) == {"a": (2,), "b": (3,)}
    assert read_state_dict(str(index)).format == "2 shards"
    assert read_state_dict(str(tmp_path / first)).remarks == (
        "This is one of 2 shards; name their index to count them all.",
    )
    (tmp_path / second).rename(tmp_path / "model-00002-of-00003.safetensors")
    assert f"the shard {second} is missing" in missing_shard(index)
    for place in ("../weights.pt", "/etc/passwd", "..", "", 3, index.name):
        index.write_text(json.dumps({"weight_map": {"a": place}}))
        assert "is not a file beside it" in missing_shard(index)
    for place in ("x" * 5000, "x/" * 2500):
        index.write_text(json.dumps({"weight_map": {"a" * 5000: place}}))
        assert len(missing_shard(index)) < 300
    index.write_text(json.dumps({"weight_map": {"c" * 5000: first}}))
    assert len(missing_shard(index)) < 300
    index.write_text(json.dumps({"weight_map": {"c": first}}))
    assert f"the shard {first} has no tensor named 'c'" in missing_shard(index)


def missing_shard(index: Path) -> str:
    with pytest.raises(ModelError) as error:
        read_state_dict(str(index))
    return error.value.what


def test_a_distributed_checkpoint_is_read_by_its_metadata(tmp_path: Path) -> None:
    checkpoint = pytest.importorskip("torch.distributed.checkpoint")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checkpoint.save({**WEIGHTS, "epoch": 3}, checkpoint_id=tmp_path)
    state = read_state_dict(str(tmp_path))
    assert {entry.name: (entry.shape, entry.dtype) for entry in state.entries} == {
        "a.weight": ((2, 3), "float32"),
        "a.bias": ((2,), "float16"),
    }
    (tmp_path / ".metadata").write_bytes(b"\x80\x02N.")
    with pytest.raises(ModelError, match="is damaged"):
        read_state_dict(str(tmp_path))


def test_a_program_of_torch_export_is_called_what_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "program.pt2", "w") as archive:
        archive.writestr("program/archive_format", b"pt2")
    assert "is a program of torch.export" in refusal(tmp_path / "program.pt2")


def test_vectors_of_normalised_layers_are_buffers(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(
            parametrizations.weight_norm(nn.Conv1d(4, 8, 3)),
            parametrizations.spectral_norm(nn.Linear(8, 8)),
            parametrizations.orthogonal(nn.Linear(4, 4)),
            nn.utils.weight_norm(nn.Linear(3, 3)),
            nn.utils.spectral_norm(nn.Linear(5, 5)),
            nn.Embedding(4, 4),
        )
    torch.save(net.state_dict(), tmp_path / "normed.pt")
    counted = total_params(state_dict_trace(read_state_dict(str(tmp_path / "normed.pt"))))
    assert counted["params"] == sum(weight.numel() for weight in net.parameters())
    assert counted["buffers"] == sum(buffer.numel() for buffer in net.buffers())


def test_packed_weights_of_quantized_layers_are_counted(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))
        quantize: Any = torch.ao.quantization.quantize_dynamic
        quantized = quantize(net, {nn.Linear})
        torch.save(quantized.state_dict(), tmp_path / "quantized.pt")
    state = read_state_dict(str(tmp_path / "quantized.pt"))
    assert total_params(state_dict_trace(state))["params"] == 32 + 4 + 8
    assert "keep weight and bias packed" in state.remarks[0]


class Recurrent(nn.Module):
    """Layers that quantization packs into objects of torch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 5, num_layers=2, bidirectional=True)
        self.gru = nn.GRU(4, 5, batch_first=True)
        self.cell = nn.GRUCell(3, 4)
        self.head = nn.Linear(4, 2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
def test_weights_that_recurrent_layers_pack_are_counted_once(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    net = Recurrent()
    quantize: Any = torch.ao.quantization.quantize_dynamic
    kinds = {nn.LSTM, nn.GRU, nn.GRUCell, nn.Linear}
    torch.save(quantize(net, kinds, dtype=dtype).state_dict(), tmp_path / "packed.pt")
    state = read_state_dict(str(tmp_path / "packed.pt"))
    counted: Counter[str] = Counter()
    for entry in state.entries:
        counted[entry.name.split(".")[0]] += (entry.packed_in is not None) * prod(entry.shape)
    assert counted == {
        name: sum(weight.numel() for weight in layer.parameters())
        for name, layer in net.named_children()
    }
    assert total_params(state_dict_trace(state))["params"] == counted.total()
    assert not state.packed


def test_packed_weights_that_cannot_be_counted_are_named(tmp_path: Path) -> None:
    opaque = b"ctorch\nScriptObject\n)R(S'bytes'\nS'__torch__.torch.classes.x.Context'\ntb"
    pickled = (
        b"(dS'module.l._packed_params'\n" + opaque + b"sS'module.c._prepack_op_context'\n" + opaque
        + b"sS'module.epoch'\nI3\nsS'module.a.weight'\n"
        + pickle.dumps(np.zeros(3, np.float32), protocol=0)[:-1] + b"s."
    )  # fmt: skip
    (tmp_path / "packed.pt").write_bytes(pickled)
    state = unwrapped(read_state_dict(str(tmp_path / "packed.pt")))
    assert [entry.name for entry in state.entries] == ["a.weight"]
    assert checkpoint_notes(state)[:2] == (
        "Left out, since it is not a tensor of the network: epoch.",
        (
            "Quantized layers pack weights in a form that cannot be counted: l._packed_params, "
            "c._prepack_op_context."
        ),
    )


def test_tensors_without_values_are_said_to_have_none(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3, device="meta"), "b": torch.zeros(3)}, tmp_path / "meta.pt")
    state = read_state_dict(str(tmp_path / "meta.pt"))
    assert [entry.layout for entry in state.entries] == ["meta", "strided"]
    notes = " ".join(checkpoint_notes(state))
    assert "1 entry is on the meta device: a shape without values that could be loaded." in notes


def test_errors_are_of_the_kinds_that_commands_know(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"text")
    with pytest.raises(ModelError):
        read_state_dict(str(tmp_path / "a.pt"))
