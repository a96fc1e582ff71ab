"""Variants recorded by the parts that they share cost what each of them costs alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from support.strategies import any_small_conditions, any_variant
from ucseg_cli.analysis.counting.metrics import METRICS, totals
from ucseg_cli.analysis.space.assembled import OutcomeFigures
from ucseg_cli.analysis.space.benefits import BENEFITS, figure_of
from ucseg_cli.engine.parts.parts_recorder import PartsRecorder, WholeOnlyError
from ucseg_cli.engine.parts.record_space import SpaceRecorder
from ucseg_cli.engine.recording.record import record
from ucseg_cli.engine.trace_model import Tracer, trace_source
from ucseg_cli.errors import Place
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.encoding.encoded_parts import decode_outcomes, encode_outcomes
from ucseg_cli.facts.encoding.encoded_trace import TraceFormatError
from ucseg_cli.facts.parts import Assembled, Composed, Made, Outcome, PartBook, Step, Wiring
from ucseg_cli.facts.trace import Price, Trace
from ucseg_cli.references import Argument, FromFile, FromLibrary
from ucseg_cli.references.designs import Model
from ucseg_cli.references.variants import as_variant

THOROUGH = settings().max_examples > settings.get_profile("default").max_examples
AT_64 = Conditions(Size(64, 64))
DESIGNS = """
import torch
import torch.nn.functional as F
from torch import nn

class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))

class Block(nn.Module):
    def __init__(self, inputs, channels, rate, gated):
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, padding=rate, dilation=rate, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.gate = Gate(channels) if gated else nn.Identity()
        self.short = nn.Conv2d(inputs, channels, 1) if inputs != channels else None

    def forward(self, x):
        y = self.gate(self.norm(self.conv(x)))
        y += x if self.short is None else self.short(x)
        return F.relu(y, inplace=True)

class Net(nn.Module):
    def __init__(self, width=8, depth=2, rate=1, gated=True):
        super().__init__()
        if width == 7:
            raise ValueError("7 is odd here")
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.body = nn.ModuleList(Block(width, width, rate, gated) for _ in range(depth))
        self.out = nn.Linear(width, 5)

    def forward(self, image):
        x = self.stem(image)
        kept = []
        for block in self.body:
            x = block(x)
            kept.append(x[:, ::2])
        y = torch.cat([*kept, x], 1)[:, : self.out.in_features]
        low, _ = F.interpolate(y, size=image.shape[-2:], mode="bilinear").chunk(2, dim=-1)
        return {"out": self.out(low.mean((2, 3))), "kept": kept}

class Encoder(nn.Module):
    def __init__(self, dim=16, depth=1, heads=2):
        super().__init__()
        self.patches = nn.Conv2d(3, dim, 16, 16)
        self.places = nn.Parameter(torch.zeros(1, 16, dim))
        layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, depth)

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2) + self.places
        return self.layers(x).mean(1)

class Recurrent(nn.Module):
    def __init__(self, hidden=8, layers=1):
        super().__init__()
        self.cells = nn.LSTM(64, hidden, layers, batch_first=True)

    def forward(self, image):
        return self.cells(image.mean(1))[0]

class Tied(nn.Module):
    def __init__(self, times=2):
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight
        self.first.bias.requires_grad_(False)
        self.register_buffer("scale", torch.ones(64))
        self.times, self.calls = times, 0

    def forward(self, x):
        for _ in range(self.times):
            self.calls += 1
            x = self.second(self.first(x)) * self.scale
        return x

class Reads(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 1)

    def forward(self, x):
        return self.conv(x) if x.sum() > 0 else x
"""

STATES = """
import random
import torch
import torch.nn.functional as F
from torch import nn

SETTINGS, KEPT, REGISTRY = {"gelu": False}, [], {}

class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.calls = nn.Conv2d(3, 3, 3, padding=1), 0

    def forward(self, x):
        self.calls += 1
        for _ in range(self.calls):
            x = self.conv(x)
        return x

class Wrapped(nn.Module):
    def __init__(self, times=1):
        super().__init__()
        self.child, self.times = nn.Sequential(Counter()), times

    def forward(self, x):
        for _ in range(self.times):
            x = self.child(x)
        return x

class Told(nn.Module):
    def __init__(self, times=1):
        super().__init__()
        self.child, self.times = Counter(), times

    def forward(self, x):
        for number in range(self.times):
            self.child.calls = number
            x = self.child(x)
        return x

class Sampled(nn.Module):
    def __init__(self, sampled=False):
        super().__init__()
        self.sampled, self.drop = sampled, nn.Dropout(0.1)

    def train(self, mode=True):
        super().train(mode)
        self.drop.train(self.sampled)
        return self

    def forward(self, x):
        return self.drop(x * 2)

class Act(nn.Module):
    def forward(self, x):
        return F.gelu(F.gelu(x)) if SETTINGS["gelu"] else F.relu(x)

class Global(nn.Module):
    def __init__(self, gelu=False):
        super().__init__()
        SETTINGS["gelu"] = gelu
        self.act = Act()

    def forward(self, x):
        return self.act(x)

class Head(nn.Module):
    wide = False

    def forward(self, x):
        return torch.cat([x, x], 1) if self.wide else x * 2

class OfClass(nn.Module):
    def __init__(self, wide=False):
        super().__init__()
        Head.wide = wide
        self.head = Head()

    def forward(self, x):
        return self.head(x)

class Keeps(nn.Module):
    def __init__(self, keep):
        super().__init__()
        self.keep, self.conv = keep, nn.Conv2d(3, 3, 1)

    def forward(self, x):
        x = self.conv(x)
        self.keep(x)
        return x

def keep(x):
    KEPT.append(x)

class Hoards(nn.Module):
    def __init__(self, times=2, bound=True):
        super().__init__()
        kept = KEPT if not bound else []
        self.times, self.keeps = times, Keeps(kept.append if bound else keep)
        self.kept = lambda: kept

    def forward(self, x):
        for _ in range(self.times):
            x = self.keeps(x)
        return sum(self.kept())

class MaySkip(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return x if random.random() < 0.5 else self.conv(x)

class Skips(nn.Module):
    def __init__(self, depth=8):
        super().__init__()
        self.layers = nn.ModuleList(MaySkip() for _ in range(depth))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

class Chooses(nn.Module):
    def __init__(self, index=0):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, 2), nn.Conv2d(3, 3, 3, 2)
        self.index = index

    def forward(self, x):
        y = self.first(x)
        return (y, self.second(y))[self.index]

class Swaps(nn.Module):
    def __init__(self, swap=False):
        super().__init__()
        self.high, self.low = nn.Conv2d(3, 3, 3, 2), nn.Conv2d(3, 3, 3, 2)
        self.swap = swap

    def forward(self, x):
        return self.high(self.low(x)) if self.swap else self.low(self.high(x))

class Casts(nn.Module):
    def __init__(self, casts=False):
        super().__init__()
        self.conv, self.casts = nn.Conv2d(3, 4, 3), casts

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.casts):
            return self.conv(x)

class Counted(nn.Module):
    made = 0

    def __init__(self, width=3):
        super().__init__()
        Counted.made += 1
        self.conv = nn.Conv2d(3, width * Counted.made, 1)

    def forward(self, x):
        return self.conv(x)

class Registered(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        if "net" in REGISTRY:
            raise KeyError("net is there already")
        REGISTRY["net"] = self
        self.conv = nn.Conv2d(3, width, 1)

    def forward(self, x):
        return self.conv(x)

class Typed(nn.Module):
    def __init__(self, double=False):
        super().__init__()
        if double:
            torch.set_default_dtype(torch.float64)
        self.line = nn.Linear(64, 2)

    def forward(self, x):
        return self.line(x.to(self.line.weight.dtype))
"""


def figures_by_parts(
    models: Sequence[Model],
    conditions: Sequence[Conditions] = (AT_64,),
    *,
    coded: bool = False,
    prices: tuple[Price, ...] = (),
) -> Iterator[tuple[list[Outcome], Callable[[int, str], int | None]]]:
    """The outcomes of each variant, and what figure each has of a metric on an input."""
    recorder = SpaceRecorder(conditions, wired=True)
    book = PartBook([], []) if coded else recorder.book
    figures = OutcomeFigures(book, prices)
    for outcomes in recorder.record(models):
        if coded:
            parts, weights = recorder.book
            new = PartBook(parts[len(book.parts) :], weights[len(book.weights) :])
            line: Any = json.loads(json.dumps(encode_outcomes(outcomes, new)))
            outcomes = decode_outcomes(line, book)  # noqa: PLW2901

        def figure(number: int, metric: str, of: Sequence[Outcome] = outcomes) -> int | None:
            return figures.figure(of[number], metric)

        yield outcomes, figure


def figures_alone(trace: Trace) -> Mapping[str, int | None]:
    return {**totals(trace), **{metric: figure_of(trace, metric) for metric in BENEFITS}}


def test_prices_of_a_project_are_those_of_each_variant_alone() -> None:
    place, tracer = Place("ucseg.toml", 2), Tracer()
    prices = (
        Price("hardswish", "macs", "3*out[0].numel", place),
        Price("relu", "fvcore", "in[0].numel", place),
        Price("batch_norm", "torch", "2*in[0].numel + in[1].numel", place),
    )
    variants = [as_variant(name) for name in ("v1", "v2", "v2+backbone=4")]
    by_parts = figures_by_parts(variants, prices=prices)
    for variant, (_, figure) in zip(variants, by_parts, strict=True):
        trace = tracer.trace(variant, AT_64)
        alone = totals(trace.with_prices(prices))
        assert {metric: figure(0, metric) for metric in alone} == alone
        changed = {metric for metric, count in totals(trace).items() if alone[metric] != count}
        assert changed == {"fvcore", "macs", "torch"}


@settings(max_examples=200 if THOROUGH else 5)
@given(st.lists(any_variant(), min_size=2, max_size=2), any_small_conditions())
def test_every_figure_of_any_variants_is_that_of_each_alone(
    variants: list[Any], conditions: Conditions
) -> None:
    inputs, tracer = (conditions, AT_64), Tracer()
    by_parts = figures_by_parts([*variants, variants[0]], inputs)
    for variant, (outcomes, figure) in zip([*variants, variants[0]], by_parts, strict=True):
        for number, at in enumerate(inputs):
            assert isinstance(outcomes[number], Assembled)
            alone = figures_alone(tracer.trace(variant, at))
            assert {metric: figure(number, metric) for metric in alone} == alone


def variants_of(source: FromFile, **axes: Sequence[Any]) -> list[Model]:
    """Every combination of values."""
    models: list[Model] = [source]
    for name, values in axes.items():
        models = [
            model._replace(arguments=(*model.arguments, Argument(name, str(value))))  # type: ignore[union-attr,call-arg]
            for model in models
            for value in values
        ]
    return models


@pytest.fixture(scope="module")
def designs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("designs") / "designs.py"
    path.write_text(DESIGNS, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "axes", "kind"),
    [
        (
            "Net",
            {"width": (6, 8), "depth": (1, 3), "rate": (1, 5), "gated": (True, False)},
            Assembled,
        ),
        ("Encoder", {"dim": (16, 32), "depth": (1, 2), "heads": (2, 4)}, Assembled),
        ("Recurrent", {"hidden": (8, 9), "layers": (1, 2)}, Assembled),
        ("Tied", {"times": (1, 2)}, Assembled),
        ("Reads", {"width": (4, 5)}, Trace),  # it decides by values, which only a run has
    ],
)
@pytest.mark.parametrize("coded", [False, True])
def test_any_design_costs_by_parts_what_each_variant_costs_alone(
    designs: Path, name: str, axes: dict[str, Sequence[Any]], kind: type, *, coded: bool
) -> None:
    source = FromFile(str(designs), name)
    models = variants_of(source, **axes)
    for model, (outcomes, figure) in zip(
        models, figures_by_parts(models, coded=coded), strict=True
    ):
        assert isinstance(outcomes[0], kind)
        alone = figures_alone(trace_source(model, AT_64))  # type: ignore[arg-type]
        assert {metric: figure(0, metric) for metric in alone} == alone


STATEFUL = [
    ("Wrapped", {"times": (1, 2, 3)}),
    ("Told", {"times": (1, 2, 3)}),
    ("Sampled", {"sampled": (False, True, False)}),
    ("Global", {"gelu": (False, True, False)}),
    ("OfClass", {"wide": (False, True, False)}),
    ("Hoards", {"times": (1, 3), "bound": (True, False)}),
    ("Skips", {"depth": (8, 9)}),
    ("Chooses", {"index": (0, 1)}),
    ("Swaps", {"swap": (False, True)}),
    ("Casts", {"casts": (False, True, False)}),
    ("Counted", {"width": (3, 4)}),
    ("Registered", {"width": (3, 4)}),
    ("Typed", {"double": (False, True, False)}),
]


@pytest.mark.parametrize(("name", "axes"), STATEFUL, ids=[name for name, _ in STATEFUL])
def test_no_variant_sees_what_another_call_or_variant_has_left(
    tmp_path: Path, name: str, axes: dict[str, Sequence[Any]]
) -> None:
    path = tmp_path / "states.py"
    path.write_text(STATES, encoding="utf-8")
    models = variants_of(FromFile(str(path), name), **axes)
    inputs = (AT_64, Conditions(Size(96, 64)))
    metrics = (*METRICS, *BENEFITS, *(["output-stride:high"] if name == "Swaps" else ()))
    alone = [[trace_source(model, at) for at in inputs] for model in models]  # type: ignore[arg-type]
    for traces, (_, figure) in zip(alone, figures_by_parts(models, inputs), strict=True):
        for number, trace in enumerate(traces):
            assert {metric: figure(number, metric) for metric in metrics} == {
                metric: figure_of(trace, metric) for metric in metrics
            }


def test_a_variant_that_exits_stops_no_other(tmp_path: Path) -> None:
    path = tmp_path / "exits.py"
    path.write_text(
        "from torch import nn\n"
        "class Exits(nn.Conv2d):\n"
        "    def __init__(self, width=1):\n"
        "        if width == 1:\n"
        "            raise SystemExit(3)\n"
        "        super().__init__(3, width, 1)\n"
        "    def forward(self, x):\n"
        "        if self.out_channels == 2:\n"
        "            raise SystemExit('no')\n"
        "        return super().forward(x)\n",
        encoding="utf-8",
    )
    models = variants_of(FromFile(str(path), "Exits"), width=(1, 2, 3))
    first, second, third = (outcomes[0] for outcomes, _ in figures_by_parts(models))
    assert str(first) == "Exits cannot be built: SystemExit: 3"
    assert isinstance(second, Trace)
    assert second.failure is not None
    assert isinstance(third, Assembled)


def test_a_network_of_a_library_too() -> None:
    source = FromLibrary("torchvision", "mobilenet_v3_small")
    models = [source._replace(arguments=(Argument("num_classes", str(n)),)) for n in (5, 7)]
    for model, (_, figure) in zip(models, figures_by_parts(models), strict=True):
        alone = figures_alone(trace_source(model, AT_64))
        assert {metric: figure(0, metric) for metric in alone} == alone


def test_a_variant_that_cannot_be_built_or_run_says_why_and_stops_no_other(designs: Path) -> None:
    source = FromFile(str(designs), "Net")
    models = variants_of(source, width=(7, 8), depth=(1, 0), rate=(1,))
    found = [outcomes[0] for outcomes, _ in figures_by_parts(models)]
    assert str(found[0]) == "Net cannot be built: ValueError: 7 is odd here"
    assert isinstance(found[2], Assembled)
    assert isinstance(found[3], Assembled)


class Counter(nn.Module):
    """Its second call does otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.calls = nn.Conv2d(3, 3, 3, padding=1, device="meta"), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        for _ in range(self.calls):
            x = self.conv(x)
        return x


class Keeps(Counter):
    """It keeps what it makes, so that this stays alive."""

    kept: Tensor

    def forward(self, x: Tensor) -> Tensor:
        self.kept = self.conv(x)
        out: Tensor = self.conv(self.kept)
        return out


class Resizes(nn.Module):
    """It changes its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unsqueeze_(0).squeeze_(0).t_()


class Redraws(nn.Module):
    """It changes what it made."""

    def forward(self, x: Tensor) -> Tensor:
        y = (x * 2)[0, 0].clone().t_().resize_(4, 3)
        return (y @ y.t())[None, None]


class Twice(nn.Module):
    def __init__(self, child: nn.Module, *, flat: bool = False) -> None:
        super().__init__()
        self.child, self.flat = child, flat

    def forward(self, x: Tensor) -> Tensor:
        x = x[0, 0].clone() if self.flat else x
        out: Tensor = self.child(self.child(x)) + 1
        return out


@pytest.mark.parametrize("make", [Counter, Keeps, Resizes, Redraws])
def test_a_module_that_is_not_the_same_after_a_call_is_run_again(
    make: Callable[[], nn.Module],
) -> None:
    flat = make is Resizes
    parts: list[Any] = []
    recorder = PartsRecorder(parts)
    image = torch.empty(1, 3, 9, 7, device="meta")
    with recorder.watching_calls():
        run = recorder.run(Twice(make(), flat=flat).eval(), (image,), {})
    alone = totals(record(Twice(make(), flat=flat), image))
    outcome = Assembled(run.composed, run.input_bytes, ())
    figures = OutcomeFigures(PartBook(parts, []))
    for metric in ("fvcore", "macs", "torch", "peak-memory"):
        assert figures.figure(outcome, metric) == alone[metric]


def test_a_storage_that_grows_is_refused() -> None:
    class Grows(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * 2).resize_(90, 90)

    recorder = PartsRecorder([])
    with recorder.watching_calls(), pytest.raises(WholeOnlyError, match="grows"):
        recorder.run(Grows(), (torch.empty(1, 3, 2, 2, device="meta"),), {})


def test_a_tensor_that_nothing_made_is_refused() -> None:
    made_before = torch.ones(3, 1, 1, device="meta")

    class Adds(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + made_before

    recorder = PartsRecorder([])
    with recorder.watching_calls(), pytest.raises(WholeOnlyError, match="nothing made"):
        recorder.run(Adds(), (torch.empty(1, 3, 2, 2, device="meta"),), {})


def test_modules_and_torch_are_as_they_were_afterwards() -> None:
    call = nn.Module.__call__
    recorder = PartsRecorder([])
    with pytest.raises(KeyError), recorder.watching_calls():
        raise KeyError
    assert nn.Module.__call__ is call
    assert torch.is_grad_enabled()


WIRED = Wiring(1, (Step(0, (0, None), (1,), "conv"), Step(None, (), (1,), "head")), (1,))
VARIANT = Assembled(Composed((0,), (Made(4, 0, None),), WIRED), 8, (0,), ((1, 3, 2, 2),))


@pytest.mark.parametrize(
    ("key", "row"),
    [
        ("outcomes", {"assembled": VARIANT}),  # no such part
        ("outcomes", {"assembled": [[[], [], None], True, [], [], [], []]}),
        ("outcomes", {"assembled": [[[], [], None], 4, [], [["a"]], [], []]}),
        ("outcomes", {"error": 3}),
        ("parts", {"composed": [[0], [], None]}),
        ("parts", {"composed": [[], [[4, 0, None]], None]}),
        ("parts", {"composed": [[], [[-4, 0, 0]], None]}),
        ("parts", {"composed": [[], [], [1, [[0, [0], [1], None]], []]]}),  # no such part
        ("parts", {"composed": [[], [], [1, [[None, [2], [1], None]], []]]}),  # no such tensor
        ("parts", {"composed": [[], [], [1, [], [1]]]}),
        ("parts", {"trace": {}}),
    ],
)
def test_what_no_recorder_wrote_is_refused(key: str, row: Any) -> None:
    empty: dict[str, list[Any]] = {"parts": [], "weights": [], "outcomes": []}
    assert decode_outcomes(empty, PartBook([], [])) == []
    for data in (None, {}, {**empty, key: [row]}):
        with pytest.raises(TraceFormatError):
            decode_outcomes(data, PartBook([], []))
