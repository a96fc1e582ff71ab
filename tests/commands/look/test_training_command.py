"""``ucseg memory --train`` and ``ucseg flops --train``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run
from support.screens import verdict
from ucseg_cli.units import format_count

STEP = ("v2", "--batch", "8", "--train", "--optimizer", "adamw")


def answer(ucseg: Run, command: str, *arguments: str) -> Any:
    return json.loads(ucseg(command, *arguments, "-f", "json").stdout)


def test_json_has_the_keys_that_scripts_rely_on(ucseg: Run) -> None:
    said = answer(ucseg, "memory", *STEP)
    assert said["kind"] == "ucseg.memory"
    train = said["train"]
    assert train.keys() == {"peak", "parts", "activations", "at"}
    assert list(train["parts"]) == ["weights", "gradients", "optimizer", "activations", "input"]
    assert sum(train["parts"].values()) == train["peak"]
    assert sum(train["activations"].values()) == train["parts"]["activations"]
    assert train["at"] == {
        "phase": "backward",
        "module": "classifier.1",
        "op": "convolution_backward",
    }
    assert said["largest_batch"] is None
    assert said["conditions"]["mode"] == "train"
    assert said["conditions"]["training"] == {
        "optimizer": "adamw",
        "loss": "cross-entropy",
        "amp": False,
        "frozen": [],
        "checkpointed": [],
    }


def test_what_is_saved_adds_up_by_module_at_every_level(ucseg: Run) -> None:
    said = answer(ucseg, "memory", *STEP)
    rows = said["saved"]
    top = [row for row in rows if "." not in row["path"] and not (row["own"] and row["path"])]
    assert sum(row["saved"] for row in top) == said["train"]["activations"]["saved"]
    for parent in ("features", "aspp", "decoder"):
        whole = next(row for row in rows if row["path"] == parent and not row["own"])
        below = [row for row in rows if row["path"].startswith(f"{parent}.")]
        below += [row for row in rows if row["path"] == parent and row["own"]]
        assert sum(row["saved"] for row in below) == whole["saved"]


def test_the_sentence_names_the_step_its_peak_and_where_it_stands(ucseg: Run) -> None:
    said = ucseg("memory", *STEP).stdout
    assert verdict(said).startswith(
        "A training step of v2 with AdamW on 8×3×224×224 needs at most 527.5 MB, in backward of "
        "classifier.1; 71.1% is saved for backward."
    )
    assert "step AdamW, cross-entropy" in said
    assert "gradients set to none, forward, loss, backward, update" in said


@pytest.mark.torch
@pytest.mark.parametrize("limit", ["100MB", "8GB"])
def test_the_largest_batch_fits_and_the_next_one_does_not(ucseg: Run, limit: str) -> None:
    said = answer(ucseg, "memory", "v2", "--size", "32", "--train", "--fits", limit)
    found = said["largest_batch"]
    half, fits, too_large = found["tried"]
    assert (half["batch"], too_large["batch"]) == (found["batch"] // 2, found["batch"] + 1)
    assert half["peak"] < fits["peak"] <= found["limit"] < too_large["peak"]
    assert said["train"]["peak"] == fits["peak"]
    assert said["conditions"]["inputs"] == [[found["batch"], 3, 32, 32]]


@pytest.mark.torch
def test_no_batch_that_fits_is_a_failed_gate(ucseg: Run) -> None:
    said = ucseg("memory", "v2", "--size", "32", "--train", "--fits", "1MB")
    assert said.returncode == 1
    assert verdict(said.stdout).startswith("No batch of a training step of v2 with SGD at 32 fits")


def test_operations_of_forward_and_backward_add_up(ucseg: Run) -> None:
    said = answer(ucseg, "flops", "v2", "--batch", "8", "--train", "--optimizer", "adamw")
    total = said["total"]
    assert total.keys() == {"macs", "torch"}
    assert sum(said["train"].values()) == total["torch"]
    inference = answer(ucseg, "flops", "v2")["total"]  # of one image
    assert said["train"]["forward"] == 8 * inference["torch"]
    assert total["macs"] < 3 * 8 * inference["macs"]  # the image itself needs no gradient


def test_what_flop_counter_mode_counts_too_often_is_said_and_how_much_it_is(ucseg: Run) -> None:
    step = ("flops", "v2", "--batch", "8", "--train", "--optimizer", "adamw")
    total = json.loads(ucseg(*step, "-f", "json").stdout)["total"]
    excess = format_count(total["torch"] - 2 * total["macs"])
    assert f"{excess} of these are counted too often" in ucseg(*step).stdout
    assert "too often" not in ucseg(*step, "-c", "macs").stdout


def test_a_budget_has_the_step_beside_it(ucseg: Run, tmp_path: Path) -> None:
    budget = """[[tool.ucseg.budgets]]
id = "fits"
metric = "train-memory"
batch = 8
optimizer = "adamw"
max = "527MB"
"""
    (tmp_path / "pyproject.toml").write_text(budget)
    done = ucseg("check", "-f", "json")
    (check,) = json.loads(done.stdout)["checks"]
    assert done.returncode == 1
    assert check["value"] == answer(ucseg, "memory", *STEP)["train"]["peak"]
    assert (check["metric"], check["status"]) == ("train-memory", "fail")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('metric = "params"\noptimizer = "adam"', "params is not of a training step"),
        ('metric = "peak-memory"\nfreeze = "a"', "peak-memory is not of a training step"),
        ('metric = "train-memory"\noptimizer = "adm"', "no optimizer named 'adm'"),
        ('metric = "train-memory"\namp = "yes"', "'yes' is not a switch"),
        ('metric = "train-memory"\ndtype = "float16"', "does not depend on a dtype"),
        ('metric = "train-memory"\nmodule = "aspp"', "is of a whole network"),
        ('metric = "macs"\nbatch = 0', "0 is not a batch"),
        ('metric = "macs"\nbatch = 2\ninput = "1x3x8x8"', "the input has its own batch"),
    ],
)
def test_a_budget_that_cannot_be_meant_is_refused(
    ucseg: Run, tmp_path: Path, line: str, said: str
) -> None:
    budget = f'[[tool.ucseg.budgets]]\nid = "b"\nmax = 5\n{line}\n'
    (tmp_path / "pyproject.toml").write_text(budget)
    done = ucseg("check")
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.torch
def test_training_memory_is_a_limit_and_an_objective_of_a_sweep(ucseg: Run) -> None:
    options = ("--vary", "head=*", "--batch", "2", "--size", "32", "--minimize", "train-memory")
    said = answer(ucseg, "sweep", "v2", *options)
    for variant in said["variants"]:
        step = (variant["reference"], "--batch", "2", "--size", "32", "--train")
        peak = answer(ucseg, "memory", *step)["train"]["peak"]
        assert variant["metrics"]["train-memory"] == peak


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("memory", "v2", "--optimizer", "adam"), "--optimizer is of a training step"),
        (("memory", "v2", "--amp"), "--amp is of a training step"),
        (("memory", "v2", "--freeze", "features"), "--freeze is of a training step"),
        (("memory", "v2", "--fits", "8GB"), "--fits is of a training step"),
        (("memory", "v2", "--train", "--optimizer", "adm"), "no optimizer named 'adm'"),
        (("memory", "v2", "--train", "--dtype", "float16"), "--dtype is not of a training step"),
        (("memory", "v2", "--train", "--fits", "8 parsecs"), "'8 parsecs' is not a quantity"),
        (("memory", "v2", "--train", "--fits", "8GB", "--batch", "4"), "--fits finds the batch"),
        (("memory", "v2", "--train", "--fits", "8GB", "--input", "2x3x9x9"), "has no batch"),
        (("flops", "v2", "--train", "--batch", "8", "-c", "fvcore"), "counts no backward pass"),
        (("flops", "v2", "--train", "--batch", "8", "--deploy"), "--deploy is of inference"),
        (("flops", "v2", "--train", "--batch", "8", "--reconcile"), "--reconcile is of inference"),
    ],
)
def test_what_does_not_go_together_is_refused(
    ucseg: Run, arguments: tuple[str, ...], said: str
) -> None:
    done = ucseg(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


UNTRAINABLE = {
    "frozen": ("self.requires_grad_(False)", "return y", "freeze less"),
    "detached": ("", "return y.detach()", "freeze less"),
    "integers": ("", "return y.argmax(1)", "freeze less"),
    "complex": ("", "return torch.fft.fft2(y)", "a loss is a real number"),
    "in_place": ("", "z = y.sigmoid(); w = z * 2; z.add_(1); return w + z", "out of place"),
    "hook": ("self.c.weight.register_hook(lambda g: 1 / 0)", "return y", "without --train runs"),
    "mode": ("self.train = lambda mode=True: 1 / 0", "return y", "without --train runs"),
}


@pytest.mark.torch
@pytest.mark.parametrize("kind", UNTRAINABLE)
def test_what_cannot_be_trained_has_its_reason_and_a_way_out(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    built, forward, way_out = UNTRAINABLE[kind]
    Path("net.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.c = torch.nn.Conv2d(3, 4, 1)\n"
        f"        {built}\n"
        "    def forward(self, x):\n"
        "        y = self.c(x)\n"
        f"        {forward}\n"
    )
    for command in ("memory", "flops"):
        ended = ucseg(command, "net.py:Net", "--train", "--size", "8", "--batch", "2")
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith("error: net.py:Net cannot run a training step: ")
        assert way_out in ended.stderr
        assert "--input gives it other arguments" not in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.torch
def test_a_loss_of_ones_own_is_a_model_that_returns_it(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "import torch\n"
        "def Net():\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 5, 1))\n"
        "class Step(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.net = Net()\n"
        "    def forward(self, image, target):\n"
        "        return torch.nn.functional.cross_entropy(self.net(image), target)\n"
    )
    refused = ucseg("memory", "net.py:Net", "--train", "--loss", "net.py:my_loss")
    assert refused.returncode == 2
    assert "a loss of your own cannot be named: 'net.py:my_loss'" in refused.stderr
    assert "whose forward pass returns its loss" in refused.stderr
    given = ("--input", "2x3x16x16,target=2x16x16:int64")
    theirs = answer(ucseg, "memory", "net.py:Step", "--train", *given)["train"]
    ours = answer(ucseg, "memory", "net.py:Net", "--train", "--size", "16", "--batch", "2")["train"]
    assert theirs["parts"]["input"] == ours["parts"]["input"]
    # the output dies in the model's own forward; a loop that names it holds it to the end
    assert 0 <= ours["peak"] - theirs["peak"] <= 2 * 5 * 16 * 16 * 4


def test_a_loss_that_is_unknown_has_the_known_ones_beside_it(ucseg: Run) -> None:
    refused = ucseg("memory", *STEP, "--loss", "cros-entropy")
    assert refused.returncode == 2
    assert "known: cross-entropy, mean" in refused.stderr
    assert "did you mean 'cross-entropy'?" in refused.stderr
