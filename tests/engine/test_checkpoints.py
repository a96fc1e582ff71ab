"""Checkpoints of every kind: nested, wrapped, quantised, huge, broken, hostile, or no weights."""

from __future__ import annotations

import json
import os
import pickle
import resource
import struct
import sys
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from support.fixture_types import Run
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.engine.checkpoints import torch_file
from ucseg_cli.engine.checkpoints.read_checkpoint import read_state_dict
from ucseg_cli.errors import ModelError, ResourceError, UcsegError, UnknownNameError, UsageError
from ucseg_cli.facts.state_dict import state_dict_trace

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


def test_a_safetensors_file_is_read_without_torch(python: Run, tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "weights.safetensors")
    program = (
        "import sys\nfrom ucseg_cli.gate import tracing\n"
        "from ucseg_cli.references import FromCheckpoint\n"
        "state = tracing.read_state_dict(FromCheckpoint(sys.argv[1]))\n"
        "print(len(state.entries), 'torch' in sys.modules)"
    )
    assert python("-c", program, str(tmp_path / "weights.safetensors")).stdout == "2 False\n"
    torch.save(WEIGHTS, tmp_path / "weights.pt")
    assert (
        python("-c", program, str(tmp_path / "weights.pt")).stdout == "2 True\n"
    )  # so that this check can fail


@pytest.mark.parametrize("legacy", [False, True])
def test_tied_weights_are_the_same_memory(tmp_path: Path, legacy: bool) -> None:  # noqa: FBT001
    tied = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})
    tied["b"].weight = tied["a"].weight
    torch.save(tied.state_dict(), tmp_path / "tied.pt", _use_new_zipfile_serialization=not legacy)
    state = read_state_dict(str(tmp_path / "tied.pt"))
    assert total_params(state_dict_trace(state))["params"] == sum(
        weight.numel() for weight in tied.parameters()
    )
    assert state.versioned


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
        "sparse", "rows", "quantised", "by channel",
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
    assert shapes(tmp_path / "wrapped.pt") == {"weight": (3, 2), "bias": (3,)}
    assert read_state_dict(str(tmp_path / "wrapped.pt")).prefix == "module."


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


def test_the_help_says_how_to_fetch_a_git_lfs_pointer(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "`git lfs pull`" in refusal(tmp_path / "weights.pt")


def test_a_torchscript_archive_is_refused_by_that_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("script/data.pkl", b"")
        archive.writestr("script/constants.pkl", b"")
    assert "is a TorchScript archive" in refusal(tmp_path / "script.pt")


def test_a_zip_archive_of_another_program_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "arrays.npz", "w") as archive:
        archive.writestr("a.npy", b"")
    assert "torch.save did not write" in refusal(tmp_path / "arrays.npz")


def test_a_pickle_that_unpacks_to_more_than_a_gibibyte_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(WEIGHTS, tmp_path / "bomb.pt")
    member = zipfile.ZipInfo("bomb/data.pkl")
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda _: [member])
    member.file_size = 2**30
    assert shapes(tmp_path / "bomb.pt")
    member.file_size += 1
    assert "unpacks to 1,073,741,825 bytes" in refusal(tmp_path / "bomb.pt")


class Harmful:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_pickle_that_needs_more_is_refused_by_name_and_not_run(
    tmp_path: Path, form: str, protocol: int
) -> None:
    path, harm = tmp_path / "evil.pt", tmp_path / "harm"
    if form == "pickle":
        path.write_bytes(pickle.dumps({"a": Harmful(harm)}, protocol=protocol))
    else:
        torch.save(
            {**WEIGHTS, "a": Harmful(harm)},
            path,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=form == "zip",
        )
    message = refusal(path)
    assert not harm.exists()
    assert "torch.save(model.state_dict(), 'weights.pt')" in message
    if protocol == 2 or form == "pickle":
        assert f"would call {os.mkdir.__module__}.mkdir, which is refused" in message


def test_a_whole_module_is_refused_by_its_class(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    assert "torch.nn.modules.linear.Linear, which is refused" in refusal(tmp_path / "module.pt")


@pytest.mark.parametrize(
    "value", [torch.zeros(2), [torch.zeros(2)], {"epoch": 3}, {}, 5, {1: torch.zeros(2)}]
)
def test_a_file_without_a_state_dict_is_refused_with_its_content(
    tmp_path: Path, value: Any
) -> None:
    torch.save(value, tmp_path / "other.pt")
    assert "holds no state dict" in (message := refusal(tmp_path / "other.pt"))
    assert "it holds" in message


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


def test_a_file_that_cannot_be_mapped_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(WEIGHTS, tmp_path / "weights.pt")
    really = torch.load

    def load(path: str, *, mmap: bool, **more: Any) -> Any:
        if mmap:
            raise RuntimeError(
                "unable to mmap 40000001608 bytes from file <weights.pt>: "
                "Cannot allocate memory (12)"
            )
        return really(path, mmap=mmap, **more)

    monkeypatch.setattr(torch, "load", load)
    assert [
        (entry.shape, entry.memory)
        for entry in read_state_dict(str(tmp_path / "weights.pt")).entries
    ] == [
        ((2, 3), None),
        ((2,), None),
    ]


def test_an_old_file_larger_than_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(WEIGHTS, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    monkeypatch.setattr(torch, "load", _no_memory)
    with pytest.raises(ResourceError, match="memory is too small"):
        read_state_dict(str(tmp_path / "old.pt"))


def _no_memory(*_: object, **__: object) -> None:
    raise RuntimeError(
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    )


def test_nothing_but_weights_is_ever_unpickled() -> None:
    """Every call of torch.load in the package says so; nothing else there unpickles."""
    root = Path(torch_file.__file__).parents[1]
    calls = [
        line
        for path in root.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if "torch.load(" in line
    ]
    assert calls
    assert all("weights_only=True" in line for line in calls)
    assert not [path for path in root.rglob("*.py") if "pickle.load" in path.read_text("utf-8")]


def test_errors_are_of_the_kinds_that_commands_know(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"text")
    with pytest.raises(ModelError):
        read_state_dict(str(tmp_path / "a.pt"))
