"""The peak of layers for which the CPU takes another way than meta, compared with real runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from support.real_memory import most_alive, most_allocated, record_without_data
from ucseg_cli.analysis.memory.peak_memory import fused_calls, peak_memory, real_run_bytes
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.engine.forward_arguments import ArgumentMaker
from ucseg_cli.engine.recording.record import record
from ucseg_cli.engine.recording.way_on_cpu import way_on_cpu
from ucseg_cli.engine.trace_model import record_on_meta
from ucseg_cli.engine.user_code.accelerators import accelerators_elsewhere
from ucseg_cli.facts.conditions import Conditions, Input
from ucseg_cli.facts.trace import KERNEL, Trace
from ucseg_cli.report.answers.look.memory import memory_report


class Calls(nn.Module):
    """A forward pass that is one function, whose layers are the module's."""

    def __init__(self, run: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        self.layers = nn.ModuleList(layers)

    def forward(self, *inputs: Tensor) -> Any:
        return self.run(*self.layers, *inputs)


def peaks(model: nn.Module, *inputs: Tensor) -> tuple[int, int]:
    """Without data, and recorded on real tensors."""
    model.eval()
    without, real = record_without_data(model, *inputs), record(model, *inputs)
    return peak_memory(without).bytes, peak_memory(real).bytes


def notes(model: nn.Module, *inputs: Tensor) -> str:
    trace = record_without_data(model.eval(), *inputs)
    return " ".join(memory_report(Subject("net", trace), Conditions(), None, top=None).notes)


# Recurrent layers

RECURRENT: dict[str, tuple[type[nn.RNNBase], dict[str, Any]]] = {
    f"{kind.__name__} {settings}": (kind, settings)
    for kind in (nn.RNN, nn.GRU, nn.LSTM)
    for settings in (
        {},
        {"bidirectional": True},
        {"num_layers": 3},
        {"batch_first": True},
        {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.5},
        {"bias": False},
    )
} | {
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "projected": (nn.LSTM, {"proj_size": 16}),
    "doubles": (nn.LSTM, {"dtype": torch.float64}),
    "half": (nn.GRU, {"dtype": torch.bfloat16}),
}


def recurrent(name: str) -> tuple[nn.Module, Tensor]:
    kind, settings = RECURRENT[name]
    make = cast("Callable[..., nn.Module]", kind)
    return make(32, 64, **settings).eval(), torch.rand(20, 6, 32, dtype=settings.get("dtype"))


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("name", RECURRENT)
def test_the_peak_of_a_recurrent_layer_is_that_of_the_cpu(name: str, tmp_path: Path) -> None:
    model, x = recurrent(name)
    without, real = peaks(model, x)
    # The kernel's own packed weights are in what an LSTM allocates: there only storages compare.
    is_lstm_kernel = bool(fused_calls(record(model, x)))
    measured = most_alive(model, x) if is_lstm_kernel else most_allocated(model, x, folder=tmp_path)
    assert without == real == measured


@pytest.mark.parametrize("shape", [(20, 32), (1, 1, 32), (3, 50, 32)])
def test_the_peak_is_right_for_any_length_and_without_a_batch(shape: tuple[int, ...]) -> None:
    for model in (nn.GRU(32, 64), nn.RNN(32, 64), nn.LSTM(32, 64)):
        x = torch.rand(shape)
        assert {*peaks(model, x)} == {most_alive(model.eval(), x)}


def test_layers_beside_a_recurrent_one_keep_their_peak(tmp_path: Path) -> None:
    def run(embed: nn.Module, layer: nn.Module, head: nn.Module, x: Tensor) -> Tensor:
        embedded = embed(x)
        states, _ = layer(embedded)
        return cast("Tensor", head(states + 1) + embedded.mean())

    model = Calls(run, nn.Linear(16, 32), nn.GRU(32, 64), nn.Linear(64, 500)).eval()
    x = torch.rand(20, 6, 16)
    assert {*peaks(model, x)} == {most_allocated(model, x, folder=tmp_path)}


def test_packed_sequences_have_their_peak_too(tmp_path: Path) -> None:
    packed = nn.utils.rnn.pack_sequence([torch.rand(9, 32), torch.rand(5, 32), torch.rand(2, 32)])

    def run(layer: nn.Module, data: Tensor) -> Tensor:
        sequence = nn.utils.rnn.PackedSequence(data, packed.batch_sizes)
        return cast("Tensor", layer(sequence)[0].data)

    for layer in (nn.GRU(32, 64), nn.RNN(32, 64, bidirectional=True)):
        model = Calls(run, layer).eval()
        measured = most_allocated(model, packed.data, folder=tmp_path)
        assert peak_memory(record(model, packed.data)).bytes == measured


def test_the_answer_says_how_each_recurrent_layer_was_taken() -> None:
    said = notes(nn.Sequential(nn.LSTM(32, 64)), torch.rand(20, 6, 32))
    assert "one kernel for each layer and direction: lstm in 0." in said
    assert "are not seen" in said
    assert "Operator by operator" not in said
    said = notes(nn.Sequential(nn.GRU(32, 64)), torch.rand(20, 6, 32))
    assert "Operator by operator as on the CPU: gru in 0." in said
    assert "one kernel for each" not in said
    assert "Not exact" not in said
    assert " in 0." not in notes(nn.Sequential(nn.Linear(3, 3)), torch.rand(2, 3))


def test_a_recurrent_layer_that_could_not_be_followed_is_said_to_be_not_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ucseg_cli.engine.recording.record.way_on_cpu", lambda *_: None)
    said = notes(nn.Sequential(nn.GRU(32, 64)), torch.rand(20, 6, 32))
    assert "Not exact" in said
    assert "gru in 0" in said


def test_a_real_run_of_a_recurrent_layer_is_not_thought_smaller_than_it_is(tmp_path: Path) -> None:
    model, x = nn.GRU(64, 128).eval(), torch.rand(50, 8, 64)
    trace = record_without_data(model, x)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    assert real_run_bytes(trace) == weights + 2 * most_allocated(model, x, folder=tmp_path)


# Attention


class Attention(nn.Module):
    """Attention on heads of one projection; *use* is what happens to its output."""

    def __init__(
        self,
        use: Callable[[Tensor], Tensor],
        mask: Callable[[Tensor, int], Tensor | None] = lambda _x, _places: None,
        *,
        is_odd: bool = False,
    ) -> None:
        super().__init__()
        self.project = nn.Linear(32, 96)
        self.use, self.mask, self.is_odd = use, mask, is_odd

    def forward(self, x: Tensor) -> Tensor:
        batch, places, _ = x.shape
        q, k, v = self.project(x).view(batch, places, 3, 4, 8).permute(2, 0, 3, 1, 4)
        if self.is_odd:
            k = k.transpose(2, 3).contiguous().transpose(2, 3)
        return self.use(nn.functional.scaled_dot_product_attention(q, k, v, self.mask(x, places)))


USES: dict[str, Callable[[Tensor], Tensor]] = {
    "returned": lambda y: y,
    "heads together": lambda y: y.transpose(1, 2).reshape(len(y), -1, 32) + 1,
    "as a view": lambda y: y.transpose(1, 2).view(len(y), -1, 32) + 1,
    "contiguous": lambda y: y.contiguous() + 1,
    "cloned": lambda y: y.clone() + 1,
    "flat": lambda y: y.flatten(1) * 2,
    "places first": lambda y: y.permute(2, 0, 1, 3).reshape(-1, 32) + 1,
    "heads last": lambda y: y.permute(0, 2, 3, 1).contiguous() + 1,
}
MASKS: dict[str, Callable[[Tensor, int], Tensor | None]] = {
    "no": lambda _x, _places: None,
    "bool": lambda x, n: torch.ones(n, n, dtype=torch.bool, device=x.device).tril(),
    "bool of four axes": lambda x, n: torch.ones(1, 1, n, n, dtype=torch.bool, device=x.device),
    "bool for each image": lambda x, n: x.new_ones(len(x), 1, 1, n).bool().expand(-1, 1, n, n),
    "float": lambda x, n: torch.zeros(n, n, device=x.device),
}


@pytest.mark.parametrize("is_odd", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("use", USES)
def test_the_peak_of_attention_is_that_of_the_cpu(use: str, mask: str, *, is_odd: bool) -> None:
    if use == "as a view" and is_odd:
        pytest.skip("without the fused kernel, torch refuses this view")
    model, x = Attention(USES[use], MASKS[mask], is_odd=is_odd).eval(), torch.rand(2, 40, 32)
    assert {*peaks(model, x)} == {most_alive(model, x)}


def test_attention_is_one_kernel_only_where_the_rows_of_each_head_lie_together() -> None:
    x = torch.rand(2, 40, 32)
    for is_odd in (False, True):
        trace = record_without_data(Attention(USES["returned"], is_odd=is_odd).eval(), x)
        assert bool(fused_calls(trace)) is not is_odd


def test_a_model_that_chooses_the_kernel_of_attention_is_believed() -> None:
    def only_products(layer: nn.Module, x: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return cast("Tensor", layer(x))

    x = torch.rand(2, 40, 32)
    model = Calls(only_products, Attention(USES["heads together"])).eval()
    assert not fused_calls(record_without_data(model, x))
    assert {*peaks(model, x)} == {most_alive(model, x)}

    def only_fused(layer: nn.Module, x: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return cast("Tensor", layer(x))

    model = Calls(only_fused, Attention(USES["heads together"])).eval()
    trace = record_without_data(model, x)
    assert len(fused_calls(trace)) == 1
    assert "bmm" in {op.name for op in trace.ops}  # recorded as its parts all the same
    assert {*peaks(model, x)} == {most_alive(model, x)}


def test_real_values_of_attention_are_the_same_in_the_layout_of_the_cpu() -> None:
    model, x = Attention(USES["returned"]).eval(), torch.rand(2, 40, 32)
    seen: list[Tensor] = []

    def use(y: Tensor) -> Tensor:
        seen.append(y)
        return y

    model.use = use
    record(model, x)
    with torch.no_grad():
        model(x)
    recorded, real = seen
    assert recorded.stride() == real.stride()
    assert torch.allclose(recorded, real, atol=1e-6)


@pytest.mark.parametrize("element", ["bfloat16", "float64"])
def test_attention_in_another_element_type_has_its_peak(element: str) -> None:
    model, x = Attention(USES["returned"], MASKS["bool"]).eval(), torch.rand(2, 40, 32)
    trace, dtype = record_without_data(model, x), getattr(torch, element)
    measured = most_alive(model.to(dtype), x.to(dtype))
    assert peak_memory(trace, element).bytes == measured


def test_the_answer_names_the_fast_path_where_torch_has_one() -> None:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    sentence = "nn.TransformerEncoderLayer with batch_first as one kernel whose own memory"
    assert sentence in notes(layer, torch.rand(2, 10, 32))
    assert sentence not in notes(Attention(USES["returned"]), torch.rand(2, 40, 32))


# Kernels whose output lies in a storage larger than itself, and other calls


def image(*shape: int) -> tuple[Tensor, ...]:
    return (torch.rand(shape),)


LARGER: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
    "fold": (nn.Fold((8, 10), 3), image(2, 27, 48)),
    "fold without a batch": (nn.Fold((8, 10), 3), image(27, 48)),
    "fold with gaps": (nn.Fold((32, 32), 1, stride=4), image(2, 4, 64)),
    "fold, dilated": (nn.Fold((8, 10), 3, dilation=2, padding=2, stride=2), image(2, 27, 20)),
    "fold in doubles": (nn.Fold((8, 10), 3), (torch.rand(2, 27, 48, dtype=torch.float64),)),
    "unfold": (nn.Unfold(3), image(2, 3, 8, 10)),
    "unfold that skips": (nn.Unfold(1, stride=2), image(2, 3, 8, 10)),
    "both, kept": (
        nn.Sequential(nn.Unfold(3, padding=1), nn.Fold((8, 10), 3, padding=1), nn.ReLU()),
        image(2, 3, 8, 10),
    ),
    "squared error": (nn.MSELoss(), image(8, 40) + image(8, 40)),
    "squared error of a row": (nn.MSELoss(), image(8, 40) + image(40)),
    "each squared error": (nn.MSELoss(reduction="none"), image(8, 40) + image(8, 40)),
    "smooth error": (nn.SmoothL1Loss(reduction="sum"), image(8, 40) + image(8, 40)),
    "cross entropy of bits": (nn.BCELoss(), image(8, 40) + image(8, 40)),
    "soft margin": (nn.SoftMarginLoss(), image(8, 40) + image(8, 40)),
}


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", LARGER)
def test_an_output_keeps_the_storage_that_its_kernel_began_with(name: str) -> None:
    model, inputs = LARGER[name]
    assert {*peaks(model, *inputs)} == {most_alive(model, *inputs)}


def test_maxima_over_one_axis_make_no_indices_without_gradients(tmp_path: Path) -> None:
    model, x = nn.MaxPool1d(2).eval(), torch.rand(8, 50, 64)
    measured = most_allocated(model, x, folder=tmp_path)
    assert {*peaks(model, x)} == {measured} == {x.nbytes * 3 // 2}


def test_a_linear_layer_adds_its_bias_in_place(tmp_path: Path) -> None:
    layer = nn.Linear(64, 300).requires_grad_(requires_grad=False)
    model, x = Calls(lambda one, x: one(x.mT), layer).eval(), torch.rand(8, 64, 50)
    assert {*peaks(model, x)} == {most_allocated(model, x, folder=tmp_path)}


def test_no_other_call_is_followed_to_the_cpu() -> None:
    aten = torch.ops.aten
    assert way_on_cpu(aten.linear.default, (torch.rand(2, 3), torch.rand(4, 3)), {}) is None
    way = way_on_cpu(aten.scaled_dot_product_attention.default, (torch.rand(2, 4, 8, 16),) * 3, {})
    assert way is not None
    assert way.kernel
    assert way_on_cpu(aten.scaled_dot_product_attention.default, (torch.rand(2),) * 3, {}) is None


def test_the_kernel_stands_beside_the_call_in_a_trace() -> None:
    trace = record(Attention(USES["returned"]).eval(), torch.rand(2, 40, 32))
    (call,) = fused_calls(trace)
    assert "flash" in trace.ops[call].attributes[KERNEL]


# Autocast


class Autocast(nn.Module):
    """Layers under autocast."""

    def __init__(self, *layers: nn.Module, **settings: Any) -> None:
        super().__init__()
        self.layers, self.settings = nn.Sequential(*layers), settings

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", **self.settings):
            return cast("Tensor", self.layers(x))


class Mixed(nn.Module):
    """One layer twice, with and without autocast, and tensors that forward makes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(32, 32), nn.LayerNorm(32)

    def forward(self, x: Tensor) -> Tensor:
        table = torch.zeros(x.shape, device=x.device) + torch.tensor([1.0] * 32, device=x.device)
        y = self.norm(self.layer(x)) + table
        y = torch.softmax(y @ y.mT, -1) @ y
        with torch.autocast("cpu", enabled=False):
            y = self.layer(y.float())
        return cast("Tensor", self.layer(y.relu_()))


CAST: dict[str, tuple[list[nn.Module], tuple[int, ...]]] = {
    "linear": ([nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 8)], (1, 16, 32)),
    "conv": (
        [nn.Conv2d(3, 8, 3), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(8, 8, 3)],
        (2, 3, 16, 16),
    ),
    "attention": ([Attention(USES["contiguous"], MASKS["bool"])], (2, 40, 32)),
    "mixed": ([Mixed()], (4, 10, 32)),
}


def traced(model: nn.Module, shape: tuple[int, ...]) -> Trace:
    with accelerators_elsewhere():  # as around every user's code
        trace = record_on_meta(model.eval(), ArgumentMaker((Input(shape),)))
    assert trace is not None
    return trace


@pytest.mark.parametrize("settings", [{}, {"dtype": torch.float16}, {"enabled": False}], ids=str)
@pytest.mark.parametrize("name", CAST)
def test_autocast_casts_what_it_casts_on_the_cpu(name: str, settings: dict[str, Any]) -> None:
    layers, shape = CAST[name]
    model, x = Autocast(*layers, **settings).eval(), torch.rand(shape)
    trace = traced(model, shape)
    assert trace.device == "meta"
    assert peak_memory(trace).bytes == most_alive(model, x)
    if settings.get("enabled", True):
        assert [op.name for op in trace.ops] == [op.name for op in record(model, x).ops]
    assert all(type(parameter) is nn.Parameter for parameter in model.parameters())


def test_a_recurrent_layer_under_autocast_is_said_to_be_not_exact() -> None:
    class Under(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(32, 64)

        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu"):
                return cast("Tensor", self.gru(x)[0])

    weights = (model := Under()).gru._flat_weights
    trace = traced(model, (20, 6, 32))
    said = " ".join(memory_report(Subject("net", trace), Conditions(), None, top=None).notes)
    assert "Not exact" in said
    assert model.gru._flat_weights is weights


@pytest.mark.parametrize(
    ("model", "x", "name"),
    [
        (Calls(lambda x: nn.functional.one_hot(x.argmax(1), 4)), torch.rand(2, 4, 9), "one_hot"),
        (nn.BatchNorm1d(4).bfloat16(), torch.rand(2, 4).bfloat16(), "batch_norm"),
        (Calls(lambda e, x: e(x.long()), nn.EmbeddingBag(9, 4)), torch.rand(2, 4), "embedding_bag"),
    ],
)
def test_what_the_cpu_does_in_another_way_is_said_to_be_not_exact(
    model: nn.Module, x: Tensor, name: str
) -> None:
    assert "Not exact, since the CPU does it in another way" in notes(model, x)
    assert name in notes(model, x)
    assert "Not exact" not in notes(nn.BatchNorm1d(4), torch.rand(2, 4))
