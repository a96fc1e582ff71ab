"""Pickles of every protocol, by torch, numpy and hand: read, and nothing in them is called."""

from __future__ import annotations

import copyreg
import os
import pickle
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ucseg_cli.engine.checkpoints import pickled_values
from ucseg_cli.engine.checkpoints.read_checkpoint import read_state_dict
from ucseg_cli.errors import UcsegError
from ucseg_cli.facts.state_dict import StateDict

PROTOCOLS = range(6)
OLD = {"zip": True, "old": False}


def network() -> nn.Module:
    """Layers with weights large and small, in two element types, and one of them tied."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(300, 100), nn.Linear(2, 3))
    net[3].to(torch.float16)
    net.add_module("again", net[3])
    return net


def facts(state: StateDict) -> dict[str, tuple[tuple[int, ...], str]]:
    return {entry.name: (entry.shape, entry.dtype) for entry in state.entries}


def expected(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[tuple[int, ...], str]]:
    return {
        name: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in tensors.items()
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("form", ["zip", "old", "plain", "whole", "arrays"])
def test_a_state_dict_is_read_in_every_protocol(tmp_path: Path, form: str, protocol: int) -> None:
    path, net = tmp_path / "weights.pt", network()
    tensors = net.state_dict()
    if form == "plain":
        path.write_bytes(pickle.dumps(tensors, protocol=protocol))
    elif form == "arrays":
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        path.write_bytes(pickle.dumps({"model": arrays, "epoch": 3}, protocol=protocol))
    else:
        value = net if form == "whole" else tensors
        torch.save(
            value,
            path,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=form != "old",
        )
    state = read_state_dict(str(path))
    assert facts(state) == expected(tensors)
    memory = {entry.name: entry.memory for entry in state.entries}
    assert form == "arrays" or memory["3.weight"] == memory["again.weight"] != memory["2.weight"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_data_of_a_large_pickle_is_passed_over(tmp_path: Path, protocol: int) -> None:
    arrays = {f"layer{n}.weight": np.full(200_000, n, np.float32) for n in range(30)}
    (tmp_path / "arrays.pkl").write_bytes(pickle.dumps(arrays, protocol=protocol))
    assert (tmp_path / "arrays.pkl").stat().st_size > pickled_values.MOST_INSTRUCTIONS
    assert len(read_state_dict(str(tmp_path / "arrays.pkl")).entries) == 30


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_array_whose_axes_are_permuted_has_its_own_shape(tmp_path: Path, protocol: int) -> None:
    arrays = {
        "a": np.zeros((5, 7, 3, 2)).transpose(2, 0, 3, 1),
        "b": np.zeros((5, 7, 3)).transpose(),
        "c": np.zeros((5, 7, 3)).transpose(0, 2, 1)[1:],
    }
    (tmp_path / "arrays.pkl").write_bytes(pickle.dumps({"model": arrays}, protocol=protocol))
    shapes = {
        entry.name: entry.shape for entry in read_state_dict(str(tmp_path / "arrays.pkl")).entries
    }
    assert shapes == {name: array.shape for name, array in arrays.items()}


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I2\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n%stb"
    )
    for data in (
        rb"S'\x80\xff\x00\xfe\x80\xff\x00\xfe'" + b"\n",
        b"T\x08\x00\x00\x00" + b"\x80\xff\x00\xfe" * 2,
        b"U\x08" + b"\x80\xff\x00\xfe" * 2,
    ):
        (tmp_path / "old.pkl").write_bytes(b"(dS'a.w'\n" + array % data + b"s.")
        assert facts(read_state_dict(str(tmp_path / "old.pkl"))) == {"a.w": ((2,), "float32")}


def test_protocol_0_of_torch_says_that_torch_cannot_load_it(tmp_path: Path) -> None:
    for protocol in (0, 1):
        torch.save(network().state_dict(), tmp_path / "weights.pt", pickle_protocol=protocol)
        remarks = " ".join(read_state_dict(str(tmp_path / "weights.pt")).remarks)
        assert ("torch.load cannot find them" in remarks) == (protocol == 0)
        if protocol == 0:
            with pytest.raises(AssertionError):  # torch 2.6 gives no reason
                torch.load(tmp_path / "weights.pt", weights_only=False)


@pytest.mark.parametrize(
    "content",
    [
        b"(dp0\nVa.weight\np1\n",
        b"}q\x00(X\x08\x00\x00\x00a.weight",
        b"ccollections\nOrderedDict\n(tRp0\n(dp1\n",
        b"L119547037146038801333356L\n.I1001\n.",
    ],
)
def test_a_pickle_without_a_mark_that_is_cut_short_is_not_text(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "cut.pt").write_bytes(content)
    assert "is cut short or damaged" in refusal(tmp_path / "cut.pt")


@pytest.mark.parametrize(
    "content", [b"I am a text, and no pickle.\n" * 9, b"(c) 2020 by us\nAll rights\n", b"a.b", b"]"]
)
def test_a_text_is_not_taken_for_a_pickle(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes.pt").write_bytes(content)
    assert "is text" in refusal(tmp_path / "notes.pt")


def refusal(path: Path) -> str:
    with pytest.raises(UcsegError) as error:
        read_state_dict(str(path))
    return " | ".join((error.value.what, *error.value.notes, error.value.help or ""))


class Wrapped(torch.Tensor):
    """Pickled as torch pickles a tensor whose values are those of others, such as torchao's."""

    def __reduce_ex__(self, _: object) -> Any:
        rebuild: Any = torch._utils._rebuild_wrapper_subclass
        arguments = Wrapped, torch.bfloat16, (2, 3), (3, 1), 0, None, "cpu", False
        inner = {"inner": torch.zeros(2, 3, dtype=torch.int8)}
        return torch._tensor._rebuild_from_type_v2, (rebuild, Wrapped, arguments, inner)


def test_a_tensor_that_wraps_others_is_of_its_class(tmp_path: Path) -> None:
    torch.save({"a.weight": Wrapped(), "a.bias": torch.zeros(2)}, tmp_path / "w.pt")
    weight, bias = read_state_dict(str(tmp_path / "w.pt")).entries
    assert (weight.shape, weight.dtype, weight.values) == ((2, 3), "bfloat16", None)
    assert weight.layout.endswith(".Wrapped")
    assert bias.layout == "strided"


class Harmful:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("form", ["zip", "old", "plain"])
def test_nothing_is_called_in_any_protocol(tmp_path: Path, form: str, protocol: int) -> None:
    path, harm = tmp_path / "evil.pt", tmp_path / "harm"
    value = {"a.weight": np.zeros(3, np.float32), "harm": Harmful(harm), "path": tmp_path}
    if form == "plain":
        path.write_bytes(pickle.dumps(value, protocol=protocol))
    else:
        value["a.weight"] = torch.zeros(3)
        zipped = form == "zip"
        torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    state = read_state_dict(str(path))
    assert facts(state) == {"a.weight": ((3,), "float32")}
    assert state.left_out == ("harm", "path")
    assert not harm.exists()


CALLS = {
    "reduce": b"cos\nmkdir\n(S'HARM'\ntR",
    "instance": b"(S'HARM'\nios\nmkdir\n",
    "object": b"(cos\nmkdir\nS'HARM'\no",
    "new object": b"\x80\x02cos\nmkdir\n(S'HARM'\nt\x81",
    "new object with keywords": b"\x80\x04cos\nmkdir\n(S'HARM'\nt}\x92",
    "global from the stack": b"\x80\x04S'os'\nS'mkdir'\n\x93(S'HARM'\ntR",
    "reconstructor": b"ccopyreg\n_reconstructor\n(cos\nmkdir\nS'HARM'\nNtR",
    "made by copyreg": b"ccopyreg\n__newobj__\n(cos\nmkdir\nS'HARM'\ntR",
    "subclass of a tensor": b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nmkdir\nN(S'HARM'\ntNtR",
    "state set by a function": b"cos\nmkdir\n}S'__setstate__'\ncos\nmkdir\nsbS'HARM'\nb",
    "state in slots": b"cos\nmkdir\n(N}S'__call__'\ncos\nmkdir\nstb(S'HARM'\ntR",
    "extension": b"\x80\x02\x82\xf0(S'HARM'\ntR",
    "extension of two bytes": b"\x80\x02\x83\xf0\x00(S'HARM'\ntR",
    "place of a tensor": b"(S'HARM'\ncos\nmkdir\ntQ",
    "evaluated": b'c__builtin__\neval\n(S\'__import__("os").mkdir("HARM")\'\ntR',
    "memory of a tensor": b"ctorch.storage\n_load_from_bytes\n(Bcos\nmkdir\n(S'HARM'\ntR.tR",
}


@pytest.fixture
def extension() -> Iterator[None]:
    """A number that other code of this process has given to a function, and has looked up."""
    copyreg.add_extension("os", "mkdir", 0xF0)
    assert pickle.loads(b"\x80\x02\x82\xf0.") is os.mkdir
    yield
    copyreg.remove_extension("os", "mkdir", 0xF0)


@pytest.mark.usefixtures("extension")
@pytest.mark.parametrize("name", CALLS)
def test_no_instruction_calls_anything(tmp_path: Path, name: str) -> None:
    harm = tmp_path / "harm"
    call = CALLS[name].replace(b"HARM", str(harm).encode())
    if name.startswith("memory"):
        inner = b"cos\nmkdir\n(S'" + str(harm).encode() + b"'\ntR."
        length = len(inner).to_bytes(4, "little")
        call = b"ctorch.storage\n_load_from_bytes\n(B" + length + inner + b"tR"
    for content in (call + b".", in_mapping(call)):
        (tmp_path / "evil.pt").write_bytes(content)
        try_to_read(tmp_path / "evil.pt")
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
            archive.writestr("evil/data.pkl", content)
        try_to_read(tmp_path / "evil.zip")
        assert not harm.exists()


def in_mapping(call: bytes) -> bytes:
    mark = call[:2] if call.startswith(b"\x80") else b""
    return mark + b"(dS'a'\n" + call.removeprefix(mark) + b"s."


def try_to_read(path: Path) -> None:
    with pytest.raises(UcsegError):  # there are no tensors in it
        read_state_dict(str(path))


def test_memory_in_memory_takes_no_time(tmp_path: Path) -> None:
    storage = b"N.N.(S'storage'\nctorch\nFloatStorage\nS'0'\nNI0\ntQ."
    bomb = b"N." + storage
    for _ in range(7):
        length = len(bomb).to_bytes(4, "little")
        load = b"ctorch.storage\n_load_from_bytes\nq\x00(B" + length + bomb + b"tq\x01R0"
        bomb = load + b"h\x00h\x01R0" * 9 + b"N." + storage
    assert len(bomb) < 1500
    (tmp_path / "bomb.pt").write_bytes(b"\x80\x03" + bomb)
    started = time.monotonic()
    refusal(tmp_path / "bomb.pt")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_array_with_less_data_than_its_shape_is_damage(tmp_path: Path, protocol: int) -> None:
    whole = {"a": np.zeros(1, np.float32), "b": np.zeros(9, np.float32)}
    written = pickle.dumps(whole, protocol=protocol)
    nine = {0: b"(I9\n", 1: b"(K\x09"}.get(protocol, b"K\x09\x85")
    absurd = nine.replace(b"I9", b"I99").replace(b"K\x09", b"K\x63")
    assert written.count(nine) == 1
    (tmp_path / "short.pkl").write_bytes(written.replace(nine, absurd))
    assert "should have 396 bytes, and has" in refusal(tmp_path / "short.pkl")


def test_the_storage_in_a_plain_pickle_has_to_be_there(tmp_path: Path) -> None:
    written = pickle.dumps({"a": torch.zeros(9)}, protocol=3)
    start = written.index(b"\x80\x02\x8a\nl\xfc\x9cF")  # of a file of torch.save
    length = int.from_bytes(written[start - 4 : start], "little")
    end = start + length
    for left_out, is_whole in ((0, True), (length - 90, False)):
        size = (length - left_out).to_bytes(4, "little")
        content = written[: start - 4] + size + written[start : end - left_out] + written[end:]
        (tmp_path / "cut.pkl").write_bytes(content)
        if is_whole:
            assert facts(read_state_dict(str(tmp_path / "cut.pkl"))) == {"a": ((9,), "float32")}
        else:
            assert "is cut short" in refusal(tmp_path / "cut.pkl")
