"""Other counters run on modules of every kind, and a counter that is wrong is caught."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.utils.flop_counter import FlopCounterMode

from support.fixture_types import TraceOf
from support.function_module import Function
from ucseg_cli.analysis.counters.agreement import Difference, agreement
from ucseg_cli.analysis.counters.switches import FAST_PATH, UNPRICED, plain_notes, plain_total
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.operations import total_flops, uncounted
from ucseg_cli.engine.counters import (
    count_model,
    count_model_of,
    count_with_fvcore,
    count_with_torch,
)
from ucseg_cli.engine.recording.record import has_lazy_modules, record, trace_modules
from ucseg_cli.errors import ModelError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.count import Count
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references.variants import CATALOGUE

X = (2, 4, 6, 8)


CASES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "grouped conv": (nn.Conv2d(4, 6, (3, 1), stride=2, padding=1, dilation=2, groups=2), X),
    "transposed conv": (
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        X,
    ),
    "conv 1d": (nn.Conv1d(4, 6, 3), (2, 4, 9)),
    "conv 3d": (nn.Conv3d(4, 6, 3), (2, 4, 5, 6, 7)),
    "transposed conv 1d": (nn.ConvTranspose1d(4, 6, 3), (2, 4, 9)),
    "conv without batch": (nn.Conv2d(4, 6, 3), (4, 6, 8)),
    "reflecting conv": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), X),
    "linear": (nn.Linear(4, 5), (2, 4)),
    "linear on a vector": (nn.Linear(4, 5), (4,)),
    "linear on more axes": (nn.Linear(8, 5), X),
    "linear without bias": (nn.Linear(8, 5, bias=False), X),
    "matmul": (Function(lambda x: x @ x.mT), (2, 3, 4)),
    "matmul broadcast": (Function(lambda x: x @ torch.ones(4, 6)), (2, 3, 4)),
    "matmul broadcast to the left": (Function(lambda x: torch.ones(3, 2) @ x), (5, 2, 4)),
    "vector times matrix": (Function(lambda x: torch.ones(2) @ x), (2, 4)),
    "mm": (Function(lambda x: torch.mm(x, x.T)), (2, 4)),
    "addmm": (Function(lambda x: torch.addmm(torch.ones(2), x, x.T)), (2, 4)),
    "bmm": (Function(lambda x: torch.bmm(x, x.mT)), (2, 3, 4)),
    "batch norm": (nn.BatchNorm2d(4), X),
    "batch norm without affine": (nn.BatchNorm2d(4, affine=False), X),
    "batch norm without statistics": (nn.BatchNorm2d(4, track_running_stats=False), X),
    "layer norm": (nn.LayerNorm(8), X),
    "layer norm without affine": (nn.LayerNorm(8, elementwise_affine=False), X),
    "group norm": (nn.GroupNorm(2, 4), X),
    "group norm without affine": (nn.GroupNorm(2, 4, affine=False), X),
    "instance norm": (nn.InstanceNorm2d(4), X),
    "instance norm with affine": (nn.InstanceNorm2d(4, affine=True, track_running_stats=True), X),
    "nearest": (nn.Upsample(scale_factor=2), X),
    "bilinear": (nn.Upsample(scale_factor=2.5, mode="bilinear"), X),
    "bilinear with aligned corners": (nn.Upsample((7, 9), mode="bilinear", align_corners=True), X),
    "bicubic": (nn.Upsample(scale_factor=2, mode="bicubic"), X),
    "adaptive pooling": (nn.AdaptiveAvgPool2d((2, 3)), X),
    "global pooling": (nn.AdaptiveAvgPool2d(1), X),
    "adaptive pooling 1d": (nn.AdaptiveAvgPool1d(2), (2, 4, 6)),
    "grid sample": (
        Function(lambda x: functional.grid_sample(x, torch.zeros(2, 3, 3, 2), align_corners=False)),
        X,
    ),
    "max pooling": (nn.MaxPool2d(2), X),
    "einsum that is a matmul": (
        Function(lambda x: torch.einsum("bij,bjk->bik", x, torch.ones(2, 4, 5))),
        (2, 3, 4),
    ),
    "einsum that is attention": (Function(lambda x: torch.einsum("bij,bkj->bik", x, x)), (2, 3, 4)),
    "a conv called twice": (nn.Sequential(conv := nn.Conv2d(4, 4, 1), nn.ReLU(), conv), X),
}


@pytest.mark.parametrize(("module", "shape"), CASES.values(), ids=CASES)
def test_our_counts_equal_those_of_other_counters(
    module: nn.Module, shape: tuple[int, ...]
) -> None:
    x = torch.zeros(shape)
    trace = record(module, x)
    counts = count_model(module.eval(), x)
    assert [agreement(trace, count).differences for count in counts] == [()] * 4


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_conv_that_fvcore_does_not_see_because_its_padding_is_a_word_has_no_price_there(
    padding: str, rank: int
) -> None:
    conv: type[nn.Module] = getattr(nn, f"Conv{rank}d")
    module, x = conv(4, 6, 3, padding=padding).eval(), torch.zeros((2, 4, *(8, 6, 5)[:rank]))
    trace = record(module, x)
    result = agreement(trace, count_with_fvcore(module, x))
    assert (result.ours, result.theirs, result.agrees) == (0, 0, True)
    assert agreement(trace, count_with_torch(module, x)).ours > 0
    missed = uncounted(trace, CONVENTIONS["fvcore"])
    assert [(one.op, one.calls) for one in missed] == [(f"conv{rank}d", 1)]


ATTENTION: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "attention": (
        Function(lambda x: functional.scaled_dot_product_attention(x, x, x)),
        (2, 2, 5, 8),
    ),
    "masked": (
        Function(lambda x: functional.scaled_dot_product_attention(x, x, x, is_causal=True)),
        (2, 2, 5, 8),
    ),
    "transformer encoder": (
        nn.Sequential(*(nn.TransformerEncoderLayer(8, 2, 16) for _ in range(2))),
        (2, 5, 8),
    ),
    "batch first": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
    "lstm": (nn.LSTM(8, 6, 2), (2, 5, 8)),
    "gru": (nn.GRU(8, 6), (2, 5, 8)),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(("module", "shape"), ATTENTION.values(), ids=ATTENTION)
def test_a_block_that_torch_has_one_kernel_for_costs_what_it_is_made_of_with_data_and_without(
    module: nn.Module, shape: tuple[int, ...], device: str
) -> None:
    x = torch.zeros(shape)
    counts = count_model(module.to("cpu").eval(), x)
    trace = record(module.to(device), x.to(device))
    assert [agreement(trace, count).differences for count in counts] == [()] * 4


def test_multi_head_attention_costs_its_projections_and_two_matmuls_a_head() -> None:
    attention, x = nn.MultiheadAttention(8, 2).eval(), torch.zeros(2, 3, 8)
    with torch.no_grad():
        theirs = count_with_fvcore(attention, x, x, x)
    assert agreement(record(attention, x, x, x), theirs).agrees
    assert theirs.total == 4 * (2 * 3 * 8 * 8) + 2 * (
        3 * 2 * 2 * 2 * 4
    )  # in and out of 8 by 8; heads of 2 by 2 by 4


KERNELS: dict[str, Callable[..., Any]] = {
    "flash": torch.ops.aten._scaled_dot_product_flash_attention,
    "efficient": lambda q, k, v: torch.ops.aten._scaled_dot_product_efficient_attention(
        q,
        k,
        v,
        None,
        False,  # noqa: FBT003 - ATen's signature
    ),
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_attention_kernel_that_is_called_by_its_own_name_has_torch_s_price(kernel: str) -> None:
    def attend(query: Tensor) -> Tensor:
        key = query.new_empty(2, 2, 7, 8)
        out: Tensor = KERNELS[kernel](query, key, key)[0]
        return out

    module, x = Function(attend), torch.empty(2, 2, 5, 8, dtype=torch.float16, device="meta")
    result = agreement(record(module, x), count_with_torch(module, x))
    assert (result.differences, result.ours) == ((), 2 * 2 * (2 * 2 * 5 * 7 * 8))


def test_a_module_that_nobody_prices_counts_nothing_everywhere() -> None:
    counts = count_model(nn.Hardswish(), torch.zeros(X))
    assert [count.total for count in counts] == [0] * 4


def test_the_counters_leave_the_model_without_hooks_and_in_its_mode() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).eval()
    keys = list(model.state_dict())
    count_model(model, torch.zeros(X))
    assert list(model.state_dict()) == keys
    assert not any(
        module.training or module._forward_hooks or module._forward_pre_hooks
        for module in model.modules()
    )
    assert torch.is_grad_enabled()


# A counter that is wrong


CONDITIONS = Conditions(Size(33, 47))


@pytest.fixture(scope="module")
def counts() -> dict[str, Count]:
    return {count.counter: count for count in count_model_of(CATALOGUE["v2"], CONDITIONS)}


@pytest.fixture
def trace(trace_of: TraceOf) -> Trace:
    return trace_of(CATALOGUE["v2"], CONDITIONS)


@pytest.mark.parametrize("counter", ["numel", "fvcore", "torch"])
def test_untouched_counts_agree_in_every_figure(
    trace: Trace, counts: dict[str, Count], counter: str
) -> None:
    result = agreement(trace, counts[counter])
    assert result.agrees
    assert (result.counter, result.ours) == (counter, result.theirs)
    assert result.compared > 190


@pytest.mark.parametrize("counter", ["numel", "fvcore", "torch"])
def test_a_total_off_by_one_is_caught(trace: Trace, counts: dict[str, Count], counter: str) -> None:
    wrong = counts[counter]._replace(total=counts[counter].total + 1)
    result = agreement(trace, wrong)
    assert result.differences == (Difference("total", "", wrong.total - 1, wrong.total),)
    assert not result.agrees


@pytest.mark.parametrize("counter", ["numel", "fvcore", "torch"])
def test_a_module_off_by_one_is_caught(
    trace: Trace, counts: dict[str, Count], counter: str
) -> None:
    right = counts[counter].modules["aspp.project.0"]
    wrong = counts[counter]._replace(
        modules={**counts[counter].modules, "aspp.project.0": right - 1}
    )
    assert agreement(trace, wrong).differences == (
        Difference("module", "aspp.project.0", right, right - 1),
    )


@pytest.mark.parametrize("counter", ["fvcore", "torch"])
def test_an_operator_off_by_one_is_caught(
    trace: Trace, counts: dict[str, Count], counter: str
) -> None:
    operators = counts[counter].operators or {}
    wrong = counts[counter]._replace(operators={**operators, "conv": operators["conv"] + 1})
    assert agreement(trace, wrong).differences == (
        Difference("operator", "conv", operators["conv"], operators["conv"] + 1),
    )


def test_a_row_of_one_counter_is_a_difference_and_the_missing_one_is_none(
    trace: Trace, counts: dict[str, Count]
) -> None:
    theirs: dict[str, Any] = dict(counts["fvcore"].operators or {})
    theirs["hardswish"] = 7
    without = theirs.pop("batch_norm")
    modules = dict(counts["fvcore"].modules)
    project = modules.pop("aspp.project.0")
    wrong = counts["fvcore"]._replace(operators=theirs, modules=modules)
    assert agreement(trace, wrong).differences == (
        Difference("module", "aspp.project.0", project, None),
        Difference("operator", "batch_norm", without, None),
        Difference("operator", "hardswish", None, 7),
    )


def test_a_figure_of_nothing_may_be_left_out(trace: Trace, counts: dict[str, Count]) -> None:
    some = {path: count for path, count in counts["fvcore"].modules.items() if count}
    assert len(some) < len(counts["fvcore"].modules)
    assert agreement(trace, counts["fvcore"]._replace(modules=some)).agrees


@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)])
def test_a_recurrent_cell_costs_its_two_matmuls(cell: type[nn.Module], gates: int) -> None:
    module, x = cell(3, 4).eval(), torch.zeros(2, 3)
    _, fvcore, activations, torch_s = count_model(module, x)
    assert agreement(record(module, x), activations).agrees
    assert activations.total == 2 * 2 * gates * 4
    for count in (fvcore, torch_s):
        result = agreement(record(module, x), count)
        assert result.agrees
        assert result.ours == 2 * gates * (3 * 4 + 4 * 4) * (2 if count.counter == "torch" else 1)


def test_a_shared_parameter_counts_for_the_module_that_comes_first() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3))
    model[1].weight = model[0].weight
    x = torch.zeros(1, 3, 8, 8)
    assert all(agreement(record(model, x), count).agrees for count in count_model(model, x))


PARAMETRIZED: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "weight norm": (parametrizations.weight_norm(nn.Conv2d(3, 8, 3)), (1, 3, 8, 8)),
    "spectral norm": (parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)), (1, 3, 8, 8)),
    "orthogonal": (parametrizations.orthogonal(nn.Linear(8, 8)), (2, 8)),
}


@pytest.mark.parametrize("name", PARAMETRIZED)
def test_parametrized_layers_are_counted_by_every_counter(name: str) -> None:
    layer, shape = PARAMETRIZED[name]
    model, x = nn.Sequential(layer, nn.ReLU()).eval(), torch.zeros(shape)
    counts = count_model(model, x)
    assert [count.failure for count in counts] == [None] * 4
    assert [agreement(record(model, x), count).differences for count in counts] == [()] * 4
    assert all(parameter.requires_grad for parameter in model.parameters())


class ViewOfWeight(nn.Module):
    """Modules that get or give a view of a weight, as class tokens and embeddings are."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.layer = nn.Linear(8, 8)
        self.inner: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        token = self.token.expand(len(x), -1, -1)
        if self.way == "in":
            token = self.inner(token)
        if self.way == "in and out of a sequence":
            token = nn.Sequential(nn.Identity(), nn.Flatten(1))(token)[:, None]
        mixed: Tensor = self.layer(torch.cat((token, x), 1))
        return mixed


@pytest.mark.parametrize("way", ["in", "in and out of a sequence", "beside"])
def test_a_view_of_a_weight_that_goes_through_a_module_stops_no_counter(way: str) -> None:
    model, x = ViewOfWeight(way).eval(), torch.zeros(2, 3, 8)
    counts = count_model(model, x)
    assert [count.failure for count in counts] == [None] * 4
    assert [agreement(record(model, x), count).differences for count in counts] == [()] * 4
    assert all(parameter.requires_grad for parameter in model.parameters())


LAZY: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU()),
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(5)),
    "batch norm": lambda: nn.Sequential(nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d()),
    "transposed conv": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.LazyConvTranspose2d(2, 2)),
    "instance norm": lambda: nn.Sequential(nn.LazyInstanceNorm2d(affine=True)),
    "run twice": lambda: nn.Sequential(*[nn.LazyConv2d(3, 3, padding=1)] * 2),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_layers_are_counted_by_every_counter_and_stay_lazy(name: str) -> None:
    model, x = LAZY[name]().eval(), torch.zeros(1, 3, 8, 8)
    counts = count_model(model, x)
    assert [count.failure for count in counts] == [None] * 4
    assert [agreement(record(model, x), count).differences for count in counts] == [()] * 4
    assert has_lazy_modules(model)


def test_lazy_layers_that_no_pass_reaches_are_named() -> None:
    class Unused(nn.Conv2d):
        def __init__(self) -> None:
            super().__init__(3, 4, 3)
            self.lost = nn.ModuleList([nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d()])

    with pytest.raises(ModelError, match=r"forward does not run lost\.0, lost\.1") as caught:
        record(Unused(), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ModelError, match=r"no forward pass gives lost\.0, lost\.1 a shape") as said:
        trace_modules(Unused(), caught.value.what)
    assert said.value.notes == (caught.value.what,)
    assert "nn.Linear(64, 10) instead of" in (said.value.help or "")


def test_a_counter_that_fails_leaves_the_others_their_counts() -> None:
    class OnlyWithoutTracing(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            if torch._C._get_tracing_state() is not None:
                raise RuntimeError("not while tracing")
            return super().forward(x)

    model, x = OnlyWithoutTracing(4, 2).eval(), torch.zeros(3, 4)
    numel, fvcore, _, torch_s = count_model(model, x)
    assert (numel.failure, torch_s.failure, torch_s.total) == (None, None, 2 * 3 * 4 * 2)
    assert fvcore.failure == "not while tracing"
    assert agreement(record(model, x), fvcore).agrees is None


# The switches that the counters are run under


def attend(x: Tensor, **options: Any) -> Tensor:
    return functional.scaled_dot_product_attention(x, x, x, **options)


class Attention(nn.Module):
    """The attention of a vision transformer, as models write it."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(768, 3 * 768), nn.Linear(768, 768)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).reshape(*x.shape[:2], 3, 12, 64).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(attended.transpose(1, 2).reshape(x.shape))
        return out


class SelfAttention(nn.Module):
    """torch's own layer, without the weights that keep it from its kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x, x, x, need_weights=False)[0]
        return out


def encoder() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2)


HEADS, TOKENS = (2, 4, 10, 32), (2, 10, 32)

SWITCHED: dict[str, tuple[nn.Module, tuple[int, ...], torch.dtype]] = {
    "attention": (Attention(), (1, 64, 768), torch.float32),
    "an encoder": (encoder(), TOKENS, torch.float32),
    "self-attention": (SelfAttention(), TOKENS, torch.float32),
    "a mask": (
        Function(lambda x: attend(x, attn_mask=torch.zeros(10, 10))),
        HEADS,
        torch.float32,
    ),
    "causal": (Function(lambda x: attend(x, is_causal=True)), HEADS, torch.float32),
    "dropout": (Function(lambda x: attend(x, dropout_p=0.5)), HEADS, torch.float32),
    "no heads": (Function(attend), TOKENS, torch.float32),
    "an LSTM": (nn.LSTM(32, 16), TOKENS, torch.float32),
    "both ways": (nn.LSTM(32, 16, 2, bidirectional=True), TOKENS, torch.float32),
    "an LSTM in float64": (nn.LSTM(32, 16).double(), TOKENS, torch.float64),
    "projections": (nn.LSTM(32, 16, proj_size=8), TOKENS, torch.float32),
    "a GRU": (nn.GRU(32, 16), TOKENS, torch.float32),
    "convs": (nn.Conv2d(4, 6, 3), X, torch.float32),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(("model", "size", "dtype"), SWITCHED.values(), ids=SWITCHED)
def test_the_figure_of_a_plain_flop_counter_mode_is_known(
    model: nn.Module, size: tuple[int, ...], dtype: torch.dtype
) -> None:
    if model is SWITCHED["no heads"][0] and torch.__version__ >= "2.14":
        pytest.skip("this torch has a kernel for it, and traces have no version of torch")
    x = torch.rand(size, dtype=dtype)
    trace = record(model.eval(), x)
    printed = plain_flop_counter_mode(model, x)
    assert plain_total(trace) == printed
    shown = any(
        f"prints {printed:,} on" in note for note in plain_notes(trace, CONVENTIONS["torch"])
    )
    assert shown == (printed != total_flops(trace)["torch"])


def plain_flop_counter_mode(model: nn.Module, x: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        model(x)
    return int(counter.get_total_flops())


def plain_fvcore(model: nn.Module, x: Tensor) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit, which it uses, is deprecated
        from fvcore.nn import FlopCountAnalysis

        counts = FlopCountAnalysis(model, x).unsupported_ops_warnings(enabled=False)
        return int(counts.uncalled_modules_warnings(enabled=False).total())


@pytest.mark.parametrize(
    ("make", "size", "of_torch", "of_fvcore"),
    # with gradients, without, and under our switches: the table of docs/counting.md
    [
        (
            Attention,
            (1, 64, 768),
            (301_989_888, 301_989_888, 314_572_800),
            (150_994_944, 150_994_944, 150_994_944),
        ),
        (encoder, TOKENS, (655_360, 0, 706_560), (340_480, 176_640, 340_480)),
    ],
)
def test_the_page_has_the_figures_of_plain_counters(
    make: Callable[[], nn.Module],
    size: tuple[int, ...],
    of_torch: tuple[int, int, int],
    of_fvcore: tuple[int, int, int],
) -> None:
    model, x = make().eval(), torch.rand(size)
    switched = {count.counter: count.total for count in count_model(model, x)}
    for plain, figures, name in (
        (plain_flop_counter_mode, of_torch, "torch"),
        (plain_fvcore, of_fvcore, "fvcore"),
    ):
        with torch.no_grad():
            without = plain(model, x)
        assert (plain(model, x), without, switched[name]) == figures
    page = (Path(__file__).parents[2] / "docs" / "counting.md").read_text("utf-8")
    for figures in (of_torch, of_fvcore):
        assert " | ".join(f"{figure:,}" for figure in figures) in page


@pytest.mark.parametrize(
    ("make", "size", "is_said"),
    [(encoder, TOKENS, True), (SelfAttention, TOKENS, True), (Attention, (1, 64, 768), False)],
)
def test_a_note_names_the_layers_that_torch_may_run_as_one_kernel(
    make: Callable[[], nn.Module], size: tuple[int, ...], *, is_said: bool
) -> None:
    trace = record(make().eval(), torch.rand(size))
    fvcore, torch_, macs = (CONVENTIONS[name] for name in ("fvcore", "torch", "macs"))
    assert (FAST_PATH.format(UNPRICED.format("fvcore")) in plain_notes(trace, fvcore)) == is_said
    both = FAST_PATH.format(UNPRICED.format("fvcore and FlopCounterMode"))
    assert (both in plain_notes(trace, fvcore, torch_)) == is_said
    assert plain_notes(trace, macs) == ()


# Modules of two names


class Steps(nn.Module):
    """Named modules, called in the order of *calls*, by name."""

    def __init__(self, calls: tuple[str, ...], **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.calls = calls

    def forward(self, x: Tensor) -> Tensor:
        for name in self.calls:
            x = self.get_submodule(name)(x)
        return x


def _block() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))


def _two_attributes() -> nn.Module:
    layer = nn.Linear(8, 8)
    return Steps(("second", "first", "second"), first=layer, second=layer)


def _a_block_twice_in_a_list() -> nn.Module:
    block = _block()
    blocks = nn.ModuleList([block, _block(), block])
    return Steps(("blocks.0", "blocks.1", "blocks.2"), blocks=blocks)


def _an_attribute_of_a_sequence() -> nn.Module:
    layer = nn.Linear(8, 8)
    body = nn.Sequential(layer, nn.ReLU(), nn.Linear(8, 8))
    return Steps(("body", "head"), layer=layer, body=body, head=body[2])


def _an_attribute_called_outside() -> nn.Module:
    layer = nn.Linear(8, 8)
    return Steps(("body.1", "tail"), body=nn.Sequential(layer, nn.Linear(8, 8)), tail=layer)


def _a_block_in_two_sequences() -> nn.Module:
    block = _block()
    return Steps(
        ("one", "two"), one=nn.Sequential(block, nn.ReLU()), two=nn.Sequential(nn.ReLU(), block)
    )


def _a_list_of_two_names() -> nn.Module:
    layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
    return Steps(("right.0", "right.1", "left.0"), left=layers, right=layers)


ALIASES: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "two attributes": (_two_attributes, ()),
    "a block twice in a list": (_a_block_twice_in_a_list, ()),
    "an attribute of a sequence": (_an_attribute_of_a_sequence, ("body",)),
    "an attribute called outside": (_an_attribute_called_outside, ()),
    "a block in two sequences": (_a_block_in_two_sequences, ("one", "two")),
    "a list of two names": (_a_list_of_two_names, ()),
}
"""Models with modules of two names, and what holds one of them only in part."""


@pytest.mark.parametrize("name", ALIASES)
def test_a_module_of_two_names_is_compared_as_one(name: str) -> None:
    build, sharing = ALIASES[name]
    model, x = build().eval(), torch.zeros(2, 8)
    counts = count_model(model, x)
    found = [agreement(record(model, x), count) for count in counts]
    assert [agrees.differences for agrees in found] == [()] * 4
    # Only a counter that follows calls means another thing by a container.
    assert [agrees.left_out for agrees in found] == [(), (), (), sharing]
    assert all(agrees.compared > 2 for agrees in found)


@pytest.mark.parametrize("name", ALIASES)
def test_a_wrong_count_of_a_module_of_two_names_is_noticed(name: str) -> None:
    model, x = ALIASES[name][0]().eval(), torch.zeros(2, 8)
    trace = record(model, x)
    alias = next(module for module in trace.modules if module.alias_of)
    for count in count_model(model, x):
        modules = {**count.modules, alias.path: count.modules.get(alias.path, 0) + 1}
        (difference,) = agreement(trace, count._replace(modules=modules)).differences
        assert (difference.scope, difference.name) == ("module", alias.alias_of)
