from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support.fixture_types import Number, Run, Tables, TraceOf, WriteWeights
from support.screens import unwrapped, verdict
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.family.axes_from_shapes import expected_shapes
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.references.variants import CATALOGUE

Arrays = dict[str, NDArray[Any]]
V2 = CATALOGUE["v2"]


def write(path: str, arrays: Arrays) -> None:
    """A safetensors file of float32 and int64."""
    header, data, end = {}, [], 0
    for name, array in arrays.items():
        code = "I64" if array.dtype == np.int64 else "F32"
        span = (end, end + array.nbytes)
        header[name] = {"dtype": code, "shape": array.shape, "data_offsets": span}
        data.append(array.tobytes())
        end += array.nbytes
    text = json.dumps(header).encode()
    Path(path).write_bytes(len(text).to_bytes(8, "little") + text + b"".join(data))


@pytest.fixture
def dense(trace_of: TraceOf) -> Arrays:
    """Weights of v2 without a zero, but for counters and what is shifted by nothing."""
    random = np.random.default_rng(0)
    arrays: Arrays = {}
    for name, shape in expected_shapes(trace_of(V2, Conditions())).items():
        if name.endswith("num_batches_tracked"):
            arrays[name] = np.array(3)
        else:
            arrays[name] = random.uniform(0.5, 1, shape).astype(np.float32)
    return arrays


@pytest.fixture
def pruned(dense: Arrays) -> Arrays:
    """Some output channels are zero; those of the first decoder block stay so."""
    dense["decoder.0.pointwise.weight"][[3, 5]] = 0
    for norm in ("decoder.0.bn2", "decoder.1.bn1"):
        dense[f"{norm}.bias"][[3, 5]] = dense[f"{norm}.running_mean"][[3, 5]] = 0
    dense["features.4.block.0.0.weight"][:7] = 0
    dense["classifier.1.weight"][20] = 0
    dense["features.9.block.0.0.weight"][0, :4] = -0.0
    write("pruned.safetensors", dense)
    return dense


def sparsity(ucseg: Run, *words: str) -> dict[str, Any]:
    answer = ucseg("params", *words, "--sparsity", "-f", "json")
    assert (answer.returncode, answer.stderr) == (0, "")
    found: dict[str, Any] = json.loads(answer.stdout)["sparsity"]
    return found


def test_zeros_of_every_entry_are_counted(ucseg: Run, pruned: Arrays) -> None:
    found = sparsity(ucseg, "pruned.safetensors")
    assert {entry["name"]: entry["zeros"] for entry in found["entries"]} == {
        name: int((array == 0).sum()) for name, array in pruned.items()
    }
    assert {entry["name"]: len(entry["zero_rows"] or ()) for entry in found["entries"]} == {
        name: sum(not row.any() for row in array) if array.ndim > 1 else 0
        for name, array in pruned.items()
    }
    assert found["total"] == {"params": 645_245, "zeros": 416, "unknown": 0, "zero_rows": 10}
    assert found["removal"] is None
    assert [row["name"] for row in found["types"]] == ["float32", "int64"]


@pytest.mark.parametrize("network", [(), ("--model", "v2")], ids=["names", "network"])
@pytest.mark.parametrize(
    "options", [("-d", "1"), ("-d", "4"), ("--top", "3"), ("--sort", "path")], ids=" ".join
)
def test_rows_add_up(
    ucseg: Run,
    pruned: Arrays,
    read_tables: Tables,
    number: Number,
    network: tuple[str, ...],
    options: tuple[str, ...],
) -> None:
    assert pruned
    words = ("params", "pruned.safetensors", "--sparsity", *network, *options, "--exact")
    tables = read_tables(ucseg(*words, "-f", "markdown").stdout)
    for title, grid in tables.items():
        if title == "Without the removable channels":
            continue
        header, *rows, total = grid
        depths = [row[0] for row in rows]
        for place, name in enumerate(header):
            if name in {"parameters", "zeros", "zero rows", "removable", "MACs saved", "bytes"}:
                level = [
                    number(row[place]) for row, path in zip(rows, depths, strict=True)
                    if not any(path.startswith(f"{other}.") for other in depths)
                ]  # fmt: skip
                assert sum(level) == number(total[place]), (title, name)


def test_reasons_to_keep_a_channel_have_a_column_only_where_there_are_some(
    ucseg: Run, pruned: Arrays
) -> None:
    words = ("params", "pruned.safetensors", "--sparsity", "--model", "v2")
    screen = ucseg(*words).stdout
    assert "zero, but kept since" in screen
    assert not re.search("^total .*–", screen, re.MULTILINE)
    pruned["classifier.1.weight"][20] = 1
    pruned["features.4.block.0.0.weight"][:7] = 1
    write("pruned.safetensors", pruned)
    screen = ucseg(*words).stdout
    assert re.search("^decoder.0.pointwise +64 +2 +2$", screen, re.MULTILINE)
    assert "kept since" not in screen


def test_json_rows_of_the_first_level_add_up(ucseg: Run, pruned: Arrays) -> None:
    assert pruned
    found = sparsity(ucseg, "pruned.safetensors", "--model", "v2", "-d", "1")
    for metric in ("params", "zeros", "zero_channels", "removable", "macs_saved"):
        assert sum(module[metric] for module in found["modules"]) == found["total"][metric]
    layers = found["removal"]["layers"]
    assert sum(len(layer["zero"]) for layer in layers) == found["total"]["zero_channels"] == 10
    assert sum(len(layer["removable"]) for layer in layers) == found["total"]["removable"]


def test_a_network_says_which_zero_channels_it_can_do_without(
    ucseg: Run, pruned: Arrays, trace_of: TraceOf
) -> None:
    assert pruned
    found = sparsity(ucseg, "pruned.safetensors", "--model", "v2")
    layers = {layer["path"]: layer for layer in found["removal"]["layers"]}
    block = layers["decoder.0.pointwise"]
    assert (block["zero"], block["removable"], block["kept"]) == ([3, 5], [3, 5], [])
    follower = layers["decoder.1.depthwise"]
    assert (follower["zero"], follower["removable"]) == ([], [3, 5])
    kept = layers["features.4.block.0.0"]["kept"]
    assert kept == [{"reason": "features.4.block.0.1 shifts it to a constant", "channels": 7}]
    output = {"reason": "it is the shape of the model's output", "channels": 1}
    assert layers["classifier.1"]["kept"] == [output]
    before = totals(trace_of(V2, Conditions()))
    assert found["removal"]["before"] == before
    saved = before["macs"] - found["removal"]["after"]["macs"]
    assert found["total"]["macs_saved"] == saved > 0


def test_the_sentence_says_what_can_be_removed_and_what_not(ucseg: Run, pruned: Arrays) -> None:
    assert pruned
    screen = ucseg("params", "pruned.safetensors", "--sparsity").stdout
    assert verdict(screen) == (
        "416 of the 645,245 parameters of pruned.safetensors are zero (0.1%); 10 rows of weights "
        "are all zero."
    )
    assert "`--model` names the network" in screen
    answer = ucseg("params", "pruned.safetensors", "--sparsity", "--model", "v2")
    assert answer.returncode == 0
    sentence = verdict(answer.stdout)
    assert "without 4 output channels v2 computes the same for" in sentence
    assert sentence.endswith("fewer MACs (0.2%); 8 whose weights are all zero have to stay.")


def test_without_zeros_nothing_is_to_be_removed(ucseg: Run, dense: Arrays) -> None:
    write("dense.safetensors", dense)
    said = verdict(ucseg("params", "dense.safetensors", "--sparsity").stdout)
    assert said == "None of the 645,245 parameters of dense.safetensors is zero."
    answer = ucseg("params", "dense.safetensors", "--sparsity", "--model", "v2")
    assert "no output channel of v2 can be removed." in verdict(answer.stdout)
    assert "Output channels" not in answer.stdout
    assert "Without the removable channels" not in answer.stdout


def test_a_file_of_zeros_keeps_one_channel_of_each_layer(
    ucseg: Run, tmp_path: Path, write_weights: WriteWeights
) -> None:
    write_weights(tmp_path / "zeros.safetensors", V2)
    found = sparsity(ucseg, "zeros.safetensors", "--model", "v2")
    assert found["total"]["zeros"] == found["total"]["params"] == 645_245
    layers = found["removal"]["layers"]
    assert "one channel has to stay" in {one["reason"] for row in layers for one in row["kept"]}
    assert all(len(layer["removable"]) < layer["channels"] for layer in layers)


def test_a_prefix_of_an_outer_module_is_stripped(ucseg: Run, pruned: Arrays) -> None:
    write("wrapped.safetensors", {f"net.module.{name}": one for name, one in pruned.items()})
    found = sparsity(ucseg, "wrapped.safetensors", "--model", "v2")
    assert found["total"] == sparsity(ucseg, "pruned.safetensors", "--model", "v2")["total"]


def test_csv_has_a_row_for_each_module_at_one_level(ucseg: Run, pruned: Arrays) -> None:
    assert pruned
    answer = ucseg("params", "pruned.safetensors", "--sparsity", "-d", "1", "-f", "csv")
    header, *rows = answer.stdout.splitlines()
    assert header == "path,type,params,zeros,share,zero_rows"
    zeros = [int(row.split(",")[3]) for row in rows]
    assert sum(zeros) == 416


@pytest.mark.parametrize(
    ("words", "message", "fix"),
    [
        (("v2", "--sparsity"), "v2 is not a checkpoint", "name a .pt, .pth"),
        (("pruned.safetensors", "--model", "v2"), "changes nothing without", "add --sparsity"),
        (
            ("pruned.safetensors", "--sparsity", "--model", "pruned.safetensors"),
            "pruned.safetensors is a checkpoint, which has no layers",
            "--model net.py:Net",
        ),
        (("pruned.safetensors", "--sparsity", "--deploy"), "does not say which batch norms", ""),
        (("pruned.safetensors", "--sparsity", "--model", "v22"), "no variant named", "'v2'"),
        (
            ("pruned.safetensors", "--sparsity", "--model", "v1"),
            "pruned.safetensors does not load into v1 strictly: ",
            "`ucseg compare v1 pruned.safetensors` shows all of them",
        ),
    ],
)
def test_a_mistake_says_what_to_type(
    ucseg: Run, pruned: Arrays, words: tuple[str, ...], message: str, fix: str
) -> None:
    assert pruned
    answer = ucseg("params", *words)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert message in unwrapped(answer.stderr)
    assert fix in unwrapped(answer.stderr)


def test_a_pruned_file_that_does_not_load_says_how_to_make_it_load(
    ucseg: Run, dense: Arrays
) -> None:
    weight = dense.pop("decoder.0.pointwise.weight")
    dense["decoder.0.pointwise.weight_orig"] = weight
    dense["decoder.0.pointwise.weight_mask"] = np.zeros_like(weight)
    write("masked.safetensors", dense)
    found = sparsity(ucseg, "masked.safetensors")
    assert found["total"]["zeros"] == weight.size
    assert found["total"]["params"] == 645_245
    assert "1 weight has a mask" in ucseg("params", "masked.safetensors", "--sparsity").stdout
    answer = ucseg("params", "masked.safetensors", "--sparsity", "--model", "v2")
    assert answer.returncode == 2
    assert "torch.nn.utils.prune.remove" in answer.stderr


def test_packed_values_are_named_and_their_zeros_unknown(ucseg: Run, tmp_path: Path) -> None:
    header = {
        "fc.qweight": {"dtype": "I32", "shape": [2, 4], "data_offsets": [0, 32]},
        "fc.qzeros": {"dtype": "I32", "shape": [1, 0], "data_offsets": [32, 32]},
        "fc.scales": {"dtype": "F32", "shape": [1, 4], "data_offsets": [32, 48]},
    }
    text = json.dumps(header).encode()
    file = len(text).to_bytes(8, "little") + text + bytes(48)
    (tmp_path / "w.safetensors").write_bytes(file)
    plain = sparsity(ucseg, "w.safetensors")
    assert plain["total"]["zeros"] == 12  # int32 as stored: nothing shows that it is packed
    header = {
        "fc.qweight": {"dtype": "I32", "shape": [2, 8], "data_offsets": [0, 64]},
        "fc.qzeros": {"dtype": "I32", "shape": [1, 1], "data_offsets": [64, 68]},
        "fc.scales": {"dtype": "F32", "shape": [1, 8], "data_offsets": [68, 100]},
        "fc.g_idx": {"dtype": "I32", "shape": [16], "data_offsets": [100, 164]},
    }
    text = json.dumps(header).encode()
    file = len(text).to_bytes(8, "little") + text + bytes(164)
    (tmp_path / "w.safetensors").write_bytes(file)
    found = sparsity(ucseg, "w.safetensors")
    assert found["total"] == {"params": 41, "zeros": 24, "unknown": 17, "zero_rows": 1}
    screen = ucseg("params", "w.safetensors", "--sparsity").stdout
    assert "packed 4-bit (GPTQ)" in screen
    assert "Zeros among packed values are not counted" in screen
    assert "24 of the 24 parameters of w.safetensors that can be counted are zero" in screen
