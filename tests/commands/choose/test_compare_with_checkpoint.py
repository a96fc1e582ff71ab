"""``compare`` of a network and a checkpoint says whether the one loads the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run, TraceOf
from support.screens import unwrapped, verdict
from ucseg_cli.analysis.family.axes_from_shapes import expected_shapes
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.references.variants import as_variant

Shapes = dict[str, tuple[int, ...]]
Save = Callable[[str, Shapes], None]


@pytest.fixture
def shapes(trace_of: TraceOf) -> Shapes:
    return expected_shapes(trace_of(as_variant("v2"), Conditions()))


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """Write names and shapes as safetensors of bytes that are not there to be read."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, shapes: Shapes) -> None:
        header, end = {}, 0
        for entry, shape in shapes.items():
            size = 4
            for side in shape:
                size *= side
            header[entry] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
            end += size
        text = json.dumps(header).encode()
        Path(name).write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))

    return write


def under(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def loading(ucseg: Run, *models: str) -> list[dict[str, Any]]:
    answer = json.loads(ucseg("compare", *models, "-f", "json").stdout)
    found: list[dict[str, Any]] = answer["loading"]
    return found


@pytest.mark.parametrize("prefix", ["model.", "module.", "_orig_mod.module.", "net.student."])
@pytest.mark.parametrize("order", [1, -1])
def test_a_prefix_is_stripped_and_no_module_differs(
    ucseg: Run, save: Save, shapes: Shapes, prefix: str, order: int
) -> None:
    save("a.safetensors", under(prefix, shapes))
    pair = ["v2", "a.safetensors"][::order]
    answer = json.loads(ucseg("compare", *pair, "-f", "json").stdout)
    assert answer["verdict"]["summary"] == (
        f"a.safetensors loads into v2 strictly, once '{prefix}' is stripped: 298 of 298 entries."
    )
    assert {module["params"]["delta"] for module in answer["modules"]} == {0}
    (found,) = answer["loading"]
    assert (found["checkpoint"], found["network"]) == ("a.safetensors", "v2")
    assert (found["strict"], found["prefix"], found["matched"]) == (True, prefix, 298)


def test_without_a_prefix_the_sentence_names_none(ucseg: Run, save: Save, shapes: Shapes) -> None:
    save("a.safetensors", shapes)
    assert verdict(ucseg("compare", "v2", "a.safetensors").stdout) == (
        "a.safetensors loads into v2 strictly: 298 of 298 entries."
    )


def test_entries_in_the_way_are_counted_and_named(ucseg: Run, save: Save, shapes: Shapes) -> None:
    del shapes["decoder.1.bn1.weight"], shapes["decoder.1.bn1.bias"]
    shapes |= {"classifier.1.weight": (19, 64, 1, 1), "aux.weight": (3, 2)}
    save("a.safetensors", under("model.", shapes))
    answer = ucseg("compare", "v2", "a.safetensors")
    assert verdict(answer.stdout) == (
        "a.safetensors does not load into v2 strictly, even once 'model.' is stripped: "
        "2 entries are missing, 1 is unexpected, 1 has another shape."
    )
    assert answer.returncode == 0
    assert "classifier.1.weight other shape 21×64×1×1 19×64×1×1" in unwrapped(answer.stdout)
    (found,) = loading(ucseg, "v2", "a.safetensors")
    assert [(d["kind"], d["name"], d["expected"], d["found"]) for d in found["differences"]] == [
        ("missing", "decoder.1.bn1.weight", [64], None),
        ("missing", "decoder.1.bn1.bias", [64], None),
        ("shape", "classifier.1.weight", [21, 64, 1, 1], [19, 64, 1, 1]),
        ("unexpected", "aux.weight", None, [3, 2]),
    ]
    assert (found["strict"], found["expected"], found["matched"]) == (False, 298, 295)


def test_the_table_is_short_and_says_how_many_more(ucseg: Run, save: Save, shapes: Shapes) -> None:
    save("a.safetensors", shapes | {f"aux.{index}": (1,) for index in range(7)})
    titled = "Entries of a.safetensors that v2 does not load"
    for options, rows, others in (((), 5, 2), (("--top", "3"), 3, 4), (("--full",), 7, 0)):
        screen = ucseg("compare", "v2", "a.safetensors", *options).stdout
        assert titled in screen
        assert screen.count("unexpected") == rows + 1  # and in the sentence
        assert (f"{others} others" in screen) is bool(others)


def test_counters_that_torch_adds_are_not_missing(ucseg: Run, save: Save, shapes: Shapes) -> None:
    counters = [name for name in shapes if name.endswith("num_batches_tracked")]
    save("a.safetensors", {n: shape for n, shape in shapes.items() if n not in counters})
    assert verdict(ucseg("compare", "a.safetensors", "v2").stdout) == (
        "a.safetensors loads into v2 strictly: 254 of 298 entries; "
        "torch adds 44 counters num_batches_tracked."
    )


def test_several_networks_each_say_whether_they_load_the_checkpoint(
    ucseg: Run, save: Save, shapes: Shapes
) -> None:
    save("a.safetensors", under("net.", shapes))
    found = loading(ucseg, "a.safetensors", "v2", "v1", "v2+dropout=0.1")
    assert [(one["network"], one["strict"], one["prefix"]) for one in found] == [
        ("v2", True, "net."),
        ("v1", False, "net."),
        ("v2+dropout=0.1", True, "net."),
    ]
    (among,) = loading(ucseg, "v2", "v1", "a.safetensors")
    assert (among["network"], among["strict"]) == ("v2", True)


def test_two_networks_and_two_checkpoints_load_nothing(
    ucseg: Run, save: Save, shapes: Shapes
) -> None:
    save("a.safetensors", shapes)
    save("b.safetensors", under("net.", shapes))
    assert loading(ucseg, "v1", "v2") == []
    assert loading(ucseg, "a.safetensors", "b.safetensors") == []
    summary = verdict(ucseg("compare", "a.safetensors", "b.safetensors").stdout)
    assert summary.startswith("b.safetensors has as many parameters as a.safetensors")


def test_a_folded_network_is_not_compared_with_a_checkpoint(
    ucseg: Run, save: Save, shapes: Shapes
) -> None:
    save("a.safetensors", shapes)
    refused = ucseg("compare", "v2", "a.safetensors", "--deploy")
    assert refused.returncode == 2
    assert "does not say which batch norms fold" in refused.stderr


@pytest.mark.torch
def test_a_user_s_class_is_asked_for_its_own_buffers(
    ucseg: Run, save: Save, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn, zeros\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc = nn.Linear(2, 3)\n"
        "        self.register_buffer('mean', zeros(4))\n"
        "        self.register_buffer('grid', zeros(5), persistent=False)\n"
        "    def forward(self, x): return self.fc(x)\n"
    )
    kept: Shapes = {"net.fc.weight": (3, 2), "net.fc.bias": (3,), "net.mean": (4,)}
    save("a.safetensors", kept)
    answer = ucseg("compare", "net.py:Net", "a.safetensors", "--input", "1x2", "-f", "json").stdout
    assert json.loads(answer)["loading"][0]["strict"]
    assert [module["status"] for module in json.loads(answer)["modules"]] == ["unchanged"] * 2
    save("b.safetensors", kept | {"net.grid": (5,)})
    (found,) = loading(ucseg, "net.py:Net", "b.safetensors", "--input", "1x2")
    assert [d["name"] for d in found["differences"]] == ["grid"]


def test_what_is_unknown_of_a_checkpoint_is_not_called_changed(ucseg: Run, save: Save) -> None:
    save("a.safetensors", {"fc.weight": (3, 2)})
    screen = ucseg("compare", "v2", "a.safetensors").stdout
    assert "MACs" not in screen
    assert "FLOPs (fvcore)" in screen
