"""Models whose forward pass takes keywords, lists, dictionaries and values, against torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ucseg_cli.analysis.counters.agreement import agreement
from ucseg_cli.analysis.counting.operations import total_flops
from ucseg_cli.analysis.counting.parameters import total_params
from ucseg_cli.engine.counters import count_model, count_model_of
from ucseg_cli.engine.forward_arguments import ArgumentMaker, Arguments, argument_maker
from ucseg_cli.engine.recording.record import record
from ucseg_cli.engine.trace_model import Tracer, record_on_meta, runnable_model, trace_source
from ucseg_cli.engine.user_code.accelerators import accelerators_elsewhere
from ucseg_cli.engine.user_code.import_model import model_builder
from ucseg_cli.errors import ModelError, UcsegError, UnknownNameError, UsageError
from ucseg_cli.facts.conditions import Conditions, parse_inputs
from ucseg_cli.facts.encoding.encoded_trace import TraceFormatError, decode_trace, encode_trace
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import FromFile, FromLibrary
from ucseg_cli.references.variants import CATALOGUE

CODE = """
import random
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate


class Neck(nn.Module):
    def __init__(self):
        super().__init__()
        self.laterals = nn.ModuleList([nn.Conv2d(c, 16, 1) for c in (8, 16, 32)])

    def forward(self, maps):
        outs = [conv(m) for conv, m in zip(self.laterals, maps)]
        for i in (1, 0):
            outs[i] = outs[i] + interpolate(outs[i + 1], scale_factor=2)
        return outs


class Dict(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)
        self.e = nn.Embedding(100, 8)

    def forward(self, batch):
        return {"out": self.a(batch["x"]) + self.e(batch["ids"]).mean(1)}


class Keywords(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)

    def forward(self, *, features, mask=None):
        y = self.a(features)
        return y if mask is None else y * mask


class Flags(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Linear(8, 4)

    def forward(self, x, task, return_logits):
        y = self.a(x)
        if task == "classify":
            y = self.b(y.mean((2, 3)))
        return y if return_logits else y.softmax(1)


class Nothing(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Parameter(torch.zeros(16, 64))
        self.l = nn.Linear(64, 3)

    def forward(self):
        return self.l(self.p)


@dataclass
class Out:
    logits: torch.Tensor
    hidden: list


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.proj = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(1, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, image, *, mask=None, pool=True, extra=None):
        y = self.conv(image)
        if mask is not None:
            y = y + self.proj(mask[:, None].to(y.dtype))
        return Out(self.head(y.mean((2, 3))) if pool else y, [y])


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(4, 8)
        self.b.weight = self.a.weight

    def forward(self, q, k):
        return OrderedDict(out=self.a(q) + self.b(k))


class Lengths(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)

    def forward(self, x, lengths):
        return [self.a(x[: int(n)]) for n in lengths]


class Emptying(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)

    def forward(self, batch):
        return self.a(batch.pop("x")).add_(batch.pop("y"))


Pair = namedtuple("Pair", "x y")


class OfPair(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)

    def forward(self, pair):
        assert isinstance(pair, Pair)
        return self.a(pair.x) * pair.y


def maps():
    return ([torch.rand(1, 8, 32, 32), torch.rand(1, 16, 16, 16), torch.rand(1, 32, 8, 8)],)

def as_list():
    return list(maps()[0])

def batch(rows=2):
    return ({"x": torch.rand(rows, 4), "ids": torch.zeros(rows, 7, dtype=torch.int64)},)

def as_keywords():
    return {"x": torch.rand(2, 4), "ids": torch.zeros(2, 7, dtype=torch.int64)}

def flags():
    return torch.rand(1, 3, 32, 32), "classify", False

def nothing():
    return ()

def no_keywords():
    return {}

def masked():
    mask = torch.ones(1, 16, 16, dtype=torch.bool)
    return {"image": torch.rand(1, 3, 16, 16), "mask": mask, "pool": False, "extra": None}

def tied():
    x = torch.rand(2, 4)
    return x, x

def tied_for_real():
    x = torch.from_numpy(np.random.rand(2, 4).astype("float32"))
    return x, x

def from_numpy():
    return torch.from_numpy(np.random.rand(2, 4).astype("float32")), torch.rand(2, 4)

def lengths():
    return torch.rand(9, 4), torch.tensor([3, 5])

def as_long_as_needed():
    lengths = torch.tensor([3, 5])
    return torch.rand(int(lengths.max()), 4), lengths

def drawn():
    return torch.rand(random.randint(1, 50) + np.random.randint(50), 4), [torch.randint(50, ())]

def both():
    return ({"x": torch.rand(2, 4), "y": torch.rand(2, 8)},)

def pair():
    return Pair(torch.rand(2, 4), torch.rand(2, 8))

def one():
    return torch.rand(2, 4)

def forgotten():
    torch.rand(1)

def failing():
    return {}["image"]

LIMIT = 3
"""


@pytest.fixture
def at(tmp_path: Path) -> Callable[[str], Conditions]:
    (tmp_path / "net.py").write_text(CODE, encoding="utf-8")

    def conditions(written: str) -> Conditions:
        is_function = written.partition("+")[0].isidentifier()
        text = f"{tmp_path / 'net.py'}:{written}" if is_function else written
        return Conditions(given=parse_inputs(text))

    return conditions


At = Callable[[str], Conditions]


def model(tmp_path: Path, name: str) -> FromFile:
    return FromFile(str(tmp_path / "net.py"), name)


CASES = [
    # issue: lists of maps, a dictionary, keywords alone, a string and a flag, nothing at all
    ("Neck", "maps", 229_376),
    ("Dict", "batch", 64),
    ("Keywords", "features=2x4", 64),
    ("Flags", "flags", 221_216),
    ("Nothing", "nothing", 3_072),
    ("Nothing", "no_keywords", 3_072),
    ("Neck", "as_list", 229_376),
    ("Dict", "batch+rows=5", 160),
    ("Keywords", "features=2x4,mask=2x8", 64),
    ("Keywords", "features=3x5x4,mask=3x5x8:bool", 480),
    ("Segmenter", "1x3x16x16,mask=1x16x16:int64", 3 * 8 * 9 * 256 + 8 * 256 + 32),
    ("Segmenter", "image=1x3x16x16", 3 * 8 * 9 * 256 + 32),
    ("Segmenter", "masked", 3 * 8 * 9 * 256 + 8 * 256),
    ("Two", "tied", 128),
    ("Two", "k=2x4,q=2x4", 128),
    ("Two", "from_numpy", 128),
    ("Lengths", "lengths", 8 * 32),
    ("Lengths", "as_long_as_needed", 8 * 32),
    ("Emptying", "both", 64),
    ("OfPair", "pair", 64),
]


@pytest.mark.parametrize(("name", "written", "macs"), CASES)
def test_figures_are_those_of_torch_for_the_same_arguments(
    tmp_path: Path, at: At, name: str, written: str, macs: int
) -> None:
    source, conditions = model(tmp_path, name), at(written)
    trace = trace_source(source, conditions)
    assert trace.failure is None
    with runnable_model(source, conditions) as (really, arguments):
        really.requires_grad_(requires_grad=False)  # else it fails on a layer of a parameter
        counter = FlopCounterMode(display=False)
        with torch.inference_mode(), counter:
            really(*arguments.positional, **arguments.keywords)
        assert total_params(trace)["params"] == sum(one.numel() for one in really.parameters())
    assert total_flops(trace)["torch"] == counter.get_total_flops() == 2 * macs
    assert total_flops(trace)["macs"] == macs


@pytest.mark.parametrize(("name", "written", "macs"), CASES)
def test_every_other_counter_agrees_on_the_same_arguments(
    tmp_path: Path, at: At, name: str, written: str, macs: int
) -> None:
    trace = trace_source(model(tmp_path, name), at(written))
    counts = count_model_of(model(tmp_path, name), at(written))
    assert [count.failure for count in counts] == [None] * 4
    assert all(agreement(trace, count).agrees for count in counts)
    assert counts[-1].total == 2 * macs


@pytest.mark.parametrize(
    ("name", "written", "shown"),
    [
        ("Neck", "maps", "(1×8×32×32, 1×16×16×16, 1×32×8×8)"),
        ("Dict", "batch", "(x 2×4, ids 2×7 int64)"),
        ("Segmenter", "masked", "(image 1×3×16×16, mask 1×16×16 bool)"),
        ("Nothing", "nothing", "(no tensors)"),
        ("Lengths", "as_long_as_needed", "(5×4, 2 int64)"),
        ("OfPair", "pair", "(x 2×4, y 2×8)"),
        ("Emptying", "both", "(x 2×4, y 2×8)"),
    ],
)
def test_a_trace_knows_every_tensor_that_a_function_returned(
    tmp_path: Path, at: At, name: str, written: str, shown: str
) -> None:
    trace = trace_source(model(tmp_path, name), at(written))
    assert at(written).as_run(trace).shown == f"{tmp_path}/net.py:{written} {shown}"
    assert decode_trace(encode_trace(trace)) == trace


def test_names_of_inputs_that_are_not_there_are_refused(tmp_path: Path, at: At) -> None:
    data = encode_trace(trace_source(model(tmp_path, "Dict"), at("batch")))
    for names in (["x"], ["x", "y", "z"], [1, 2], 3):
        with pytest.raises(TraceFormatError):
            decode_trace({**data, "input_names": names})


@pytest.mark.parametrize("written", ["tied", "tied_for_real"])
def test_a_tensor_that_stands_twice_is_one_tensor(tmp_path: Path, at: At, written: str) -> None:
    first, second = trace_source(model(tmp_path, "Two"), at(written)).inputs
    assert first == second


def test_a_model_runs_without_data_where_it_needs_none(tmp_path: Path, at: At) -> None:
    devices = {
        written: trace_source(model(tmp_path, name), at(written)).device
        for name, written, _ in CASES
    }
    needing = {written for written, device in devices.items() if device == "cpu"}
    assert needing == {"lengths", "as_long_as_needed"}


def test_a_function_draws_the_same_numbers_each_time(tmp_path: Path, at: At) -> None:
    traces = [trace_source(model(tmp_path, "Lengths"), at("drawn")) for _ in range(3)]
    assert {trace.failure for trace in traces} == {None}
    assert len({total_flops(trace)["macs"] for trace in traces}) == 1
    source, conditions = model(tmp_path, "Lengths"), at("drawn")
    with model_builder(source):
        make = argument_maker(conditions)
        first, second = make("cpu").tensors, make("cpu").tensors
        on_meta = make("meta").tensors
    assert all(map(torch.equal, first, second))
    assert [tensor.shape for tensor in on_meta] == [tensor.shape for tensor in first]


def test_the_function_may_stand_in_another_file_and_share_classes_with_the_model(
    tmp_path: Path, at: At
) -> None:
    at("maps")
    code = "from net import Pair\nimport torch\ndef pair(): return Pair(torch.rand(3, 4), 2)"
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "examples.py").write_text(code)
    given = parse_inputs(f"{tmp_path / 'others' / 'examples.py'}:pair")
    trace = trace_source(model(tmp_path, "OfPair"), Conditions(given=given))
    assert (trace.failure, total_flops(trace)["macs"]) == (None, 3 * 32)


@pytest.mark.parametrize(
    ("name", "written", "why"),
    [
        ("Keywords", "featrues=2x4", "takes no 'featrues'; did you mean 'features'?"),
        ("Keywords", "mask=2x8", "needs features, too; add features=SHAPE to the input"),
        ("Keywords", "2x4", "does not take 1 input tensor by place; it takes keywords: features"),
        ("Two", "2x4", "does not take 1 input tensor: it needs k, too; add k=SHAPE to the input"),
        ("Two", "2x4,2x4,2x4", "does not take 3 input tensors"),
        ("Two", "2x4,q=2x4", "refuses them: multiple values for argument 'q'"),
        ("Two", "one", "does not take 1 argument: it needs k, too; let "),
        ("Nothing", "1x3", "does not take 1 input tensor"),
        ("Dict", "as_keywords", "takes no 'x'; for one argument that is a dictionary, return a"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_what_to_write(
    tmp_path: Path, at: At, name: str, written: str, why: str
) -> None:
    failure = trace_source(model(tmp_path, name), at(written)).failure
    assert failure is not None
    assert f") {why}" in failure


@pytest.mark.parametrize(
    ("written", "kind", "what", "way"),
    [
        ("mapz", UnknownNameError, "no function named 'mapz'", "did you mean 'maps'?"),
        ("LIMIT", UsageError, "LIMIT is not a class, function or model but int", ""),
        ("batch+row=3", UnknownNameError, "no argument of batch named 'row'", "'rows'"),
        ("forgotten", ModelError, "forgotten returns None, not the arguments", "() for none"),
        ("failing", ModelError, "failing cannot be called: KeyError: 'image'", "UCSEG_DEBUG"),
    ],
)
def test_a_function_that_gives_no_arguments_is_an_error_of_its_own(
    tmp_path: Path, at: At, written: str, kind: type[UcsegError], what: str, way: str
) -> None:
    with pytest.raises(kind) as caught:
        trace_source(model(tmp_path, "Neck"), at(written))
    assert caught.value.what.startswith(what)
    assert way in (caught.value.help or "")


@pytest.mark.parametrize("built_in", [CATALOGUE["v2"], FromLibrary("torchvision", "resnet18")])
def test_a_function_is_refused_for_a_network_that_is_not_the_user_s(at: At, built_in: Any) -> None:
    with pytest.raises(UsageError, match="gives arguments to a model of your own") as caught:
        Tracer().trace(built_in, at("maps"))
    assert "a function of your file that returns this model" in (caught.value.help or "")


def test_a_variant_takes_its_tensor_by_place(at: At) -> None:
    with pytest.raises(UsageError, match="takes one tensor"):
        Tracer().trace(CATALOGUE["v2"], at("x=1x3x64x64"))
    assert Tracer().trace(CATALOGUE["v2"], at("1x3x64x64")).failure is None


def test_a_pass_leaves_its_arguments_as_they_were() -> None:
    class Writing(nn.Module):
        def forward(self, batch: dict[str, torch.Tensor], *, more: list[Any]) -> torch.Tensor:
            more.append(1)
            return batch.pop("x").add_(1)

    x = torch.zeros(2)
    batch, more = {"x": x}, [None, x]
    trace = record(Writing(), batch, keywords={"more": more})
    assert trace.input_names == ("x", "more.1")
    assert batch == {"x": x}
    assert more == [None, x]
    assert not x.any()


def test_lazy_modules_get_their_shapes_from_keywords() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LazyLinear(3)

        def forward(self, *, x: list[torch.Tensor]) -> Any:
            return self.layer(x[0])

    trace: Trace = record(Lazy(), keywords={"x": [torch.zeros(2, 5)]})
    assert total_flops(trace)["macs"] == 2 * 5 * 3


def test_counters_take_what_a_model_called_model_takes() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Linear(4, 4)

        def forward(self, model: torch.Tensor) -> dict[str, Any]:
            return {"out": self.model(model), "size": 4}

    x = torch.zeros(2, 4)
    trace = record(Odd(), keywords={"model": x})
    counts = count_model(Odd(), model=x)
    assert all(agreement(trace, count).agrees for count in counts)
    assert counts[1].modules == {"": 32, "model": 32}


def test_autocast_casts_tensors_in_any_argument_as_on_the_cpu() -> None:
    class Cast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, first: list[torch.Tensor], *, second: dict[str, Any]) -> torch.Tensor:
            with torch.autocast("cpu"):
                both = torch.stack([first[0] @ second["x"], second["x"] @ second["x"]])
                return cast("torch.Tensor", self.layer(both) * second["times"])

    model, x = Cast().eval(), torch.zeros(4, 4)
    arguments = Arguments(([x],), {"second": {"x": x, "times": 2}})
    without_data = arguments.each(lambda tensor: tensor.to("meta"))
    assert without_data.tensors[0] is without_data.tensors[1]

    class Maker(ArgumentMaker):
        def __call__(self, _device: str) -> Arguments:
            return without_data

    with accelerators_elsewhere():  # as around every user's code
        trace = record_on_meta(model, Maker())
    real = record(model, *arguments.positional, keywords=arguments.keywords)
    assert trace is not None
    assert trace.device == "meta"
    assert trace.ops == real.ops
    assert trace.inputs == real.inputs
    assert [row.dtype for row in trace.tensors] == [row.dtype for row in real.tensors]


def test_a_function_may_ask_for_an_accelerator(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        CODE + "def there():\n    return {'batch': {'x': torch.rand(2, 4).cuda()}}\n"
        "def made_there():\n    return {'x': torch.rand(2, 4, device='cuda')}\n"
        "class Takes(nn.Module):\n    def forward(self, x=None, batch=None):\n"
        "        return (x if batch is None else batch['x']).sqrt()\n"
    )
    for name in ("there", "made_there"):
        given = parse_inputs(f"{tmp_path / 'net.py'}:{name}")
        trace = trace_source(model(tmp_path, "Takes"), Conditions(given=given))
        assert (trace.failure, trace.device) == (None, "meta")
        assert [trace.tensors[index].shape for index in trace.inputs] == [(2, 4)]
