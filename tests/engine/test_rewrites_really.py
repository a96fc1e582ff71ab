"""Every rewrite that the linter calls exact, done on real modules with real weights, in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from support.fixture_types import TraceOf
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.rules.lint_checks import Finding, lint
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.engine.counters import count_with_fvcore
from ucseg_cli.engine.recording.record import record
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.nets import build_model
from ucseg_cli.references.variants import as_variant

CLOSE = 1e-12
SIDES = st.integers(1, 12)


def lively(model: nn.Module) -> nn.Module:
    """In eval mode and float64, each parameter and statistic as training might leave it."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, *((-0.5, 0.5) if name.endswith("bias") else (0.5, 1.5)))
    return model.double().eval()


def run(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = model(x)
    return out


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference relative to the largest value."""
    assert one.shape == other.shape
    return float((one - other).abs().max() / one.abs().max())


def findings(model: nn.Module, x: Tensor, code: str) -> list[Finding]:
    return [
        finding for finding in lint(Subject("net", record(model, x))) if finding.rule.code == code
    ]


def picture(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    torch.manual_seed(0)


# UC104: the classifier before the upsample


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
@pytest.mark.parametrize("size", [(64, 64), (96, 33)], ids=str)
def test_the_classifier_may_stand_before_the_upsample_on_any_weights(
    name: str, size: tuple[int, int]
) -> None:
    late, early = lively(build_model(name)), lively(build_model(f"{name}+head=before-upsample"))
    early.load_state_dict(late.state_dict(), strict=True)
    x = picture(2, 3, *size)
    assert distance(run(late, x), run(early, x)) <= CLOSE


@given(
    height=SIDES,
    width=SIDES,
    factor=st.integers(2, 5),
    align=st.booleans(),
    groups=st.sampled_from([1, 2]),
)
def test_any_pointwise_conv_and_any_bilinear_upsample_commute(
    height: int, width: int, factor: int, *, align: bool, groups: int
) -> None:
    grow = nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=align)
    conv = nn.Conv2d(4, 6, 1, groups=groups)
    late, early = lively(nn.Sequential(grow, conv)), lively(nn.Sequential(conv, grow))
    x = picture(2, 4, height, width)
    assert distance(run(late, x), run(early, x)) <= CLOSE
    assert [finding.module for finding in findings(late, x, "UC104")] == ["1"]
    assert findings(early, x, "UC104") == []


def test_a_conv_that_is_not_pointwise_does_not_commute() -> None:
    grow, conv = nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 6, 3, padding=1)
    late, early = lively(nn.Sequential(grow, conv)), lively(nn.Sequential(conv, grow))
    x = picture(1, 4, 8, 8)
    assert distance(run(late, x), run(early, x)) > 1e-3


def grown(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2, mode="bilinear")


def twice_on(up: Tensor, conv: nn.Module) -> Tensor:
    return conv(up) + conv(up)  # type: ignore[no-any-return]


Rewrite = Callable[[nn.Module, Tensor], Tensor]
COMMUTED: dict[str, tuple[Rewrite, Rewrite]] = {
    "once": (lambda conv, x: conv(grown(x)), lambda conv, x: grown(conv(x))),
    "twice on one map": (
        lambda conv, x: twice_on(grown(x), conv),
        lambda conv, x: grown(conv(x)) + grown(conv(x)),
    ),
    "on two maps": (
        lambda conv, x: conv(grown(x)) + conv(grown(-x)),
        lambda conv, x: grown(conv(x)) + grown(conv(-x)),
    ),
    "before it, too": (
        lambda conv, x: conv(grown(x)) + grown(conv(-x)),
        lambda conv, x: grown(conv(x)) + grown(conv(-x)),
    ),
    "twice on a map with another reader": (
        lambda conv, x: (up := grown(x)).mean() + twice_on(up, conv),
        lambda conv, x: grown(conv(x)) + grown(conv(x)) + grown(x).mean(),
    ),
}


@pytest.mark.parametrize("padding", [0, "same", "valid"])
@pytest.mark.parametrize("name", COMMUTED)
def test_what_a_conv_before_the_upsample_saves_is_the_difference_that_fvcore_prints(
    name: str, padding: int | str
) -> None:
    class Net(nn.Module):
        def __init__(self, forward: Rewrite) -> None:
            super().__init__()
            self.conv = nn.Conv2d(16, 2, 1, padding=padding)
            self.rewrite = forward

        def forward(self, x: Tensor) -> Tensor:
            return self.rewrite(self.conv, x)

    late, early = (lively(Net(forward)) for forward in COMMUTED[name])
    early.load_state_dict(late.state_dict())
    x = picture(2, 16, 6, 5)
    assert distance(run(late, x), run(early, x)) <= CLOSE
    ours = [totals(record(model, x))["fvcore"] for model in (late, early)]
    assert ours == [count_with_fvcore(model, x).total for model in (late, early)]
    saved = [finding.evidence["saved"] for finding in findings(late, x, "UC104")]
    assert saved == [ours[0] - ours[1]] * (ours[0] > ours[1])
    assert findings(early, x, "UC104") == []


@pytest.mark.parametrize(
    ("name", "saved"),
    [("v1", 391_905_280), ("v2", 391_905_280), ("v2+classes=2", None), ("v3", None)],
)
def test_the_fixed_head_saves_the_difference_of_totals(
    trace_of: TraceOf, name: str, saved: int | None
) -> None:
    at = Conditions(Size(512, 512))
    late, early = (
        totals(trace_of(as_variant(head), at)) for head in (name, f"{name}+head=before-upsample")
    )
    assert late["fvcore"] - early["fvcore"] > 0
    assert saved is None or late["fvcore"] - early["fvcore"] == saved
    assert late["params"] == early["params"]


# UC101: a dilated conv that is a 1×1 conv


def centre_alone(conv: nn.Conv2d) -> nn.Conv2d:
    """The 1×1 conv with the centre's weights."""
    small = nn.Conv2d(
        conv.in_channels, conv.out_channels, 1, groups=conv.groups, bias=conv.bias is not None
    )
    row, column = (length // 2 for length in conv.kernel_size)
    small.weight = nn.Parameter(
        conv.weight[:, :, row : row + 1, column : column + 1].detach().clone()
    )
    small.bias = conv.bias
    return small


@given(
    rate=st.integers(2, 12),
    height=SIDES,
    width=SIDES,
    kernel=st.sampled_from([3, 5]),
    groups=st.sampled_from([1, 4]),
    bias=st.booleans(),
)
def test_a_dilated_conv_is_the_1x1_conv_of_its_centre_exactly_where_the_rule_says_so(
    rate: int, height: int, width: int, kernel: int, groups: int, *, bias: bool
) -> None:
    padding = rate * (kernel // 2)
    conv = nn.Conv2d(4, 4, kernel, padding=padding, dilation=rate, groups=groups, bias=bias)
    wide = lively(conv)
    small, x = lively(centre_alone(conv)), picture(1, 4, height, width)
    if findings(wide, x, "UC101"):
        assert distance(run(wide, x), run(small, x)) <= CLOSE
    else:
        assert distance(run(wide, x), run(small, x)) > 1e-6


@pytest.mark.parametrize(
    ("name", "side", "rates"), [("v2", 512, [18]), ("v2", 224, [12, 18]), ("v1", 224, [12])]
)
def test_a_variant_s_degenerate_branches_are_1x1_convs_at_that_size_and_at_no_larger(
    name: str, side: int, rates: list[int]
) -> None:
    model = lively(build_model(name))
    x = picture(1, 3, side, side)
    found = findings(model, x, "UC101")
    assert [finding.evidence["rate"] for finding in found] == rates
    fixed = copy.deepcopy(model)
    for finding in found:
        conv = fixed.get_submodule(finding.module)
        assert isinstance(conv, nn.Conv2d)
        fixed.set_submodule(finding.module, lively(centre_alone(conv)))
    assert distance(run(model, x), run(fixed, x)) <= CLOSE
    larger = picture(1, 3, 32 * max(rates) + 32, 32 * max(rates) + 32)
    still_dead = findings(model, larger, "UC101")
    assert max(rates) not in [finding.evidence["rate"] for finding in still_dead]
    assert distance(run(model, larger), run(fixed, larger)) > CLOSE


# UC106: a bias before a batch norm


@given(kernel=st.sampled_from([1, 3]), affine=st.booleans(), groups=st.sampled_from([1, 2]))
def test_a_bias_before_a_norm_can_be_taken_from_the_running_mean(
    kernel: int, *, affine: bool, groups: int
) -> None:
    model = lively(
        nn.Sequential(nn.Conv2d(4, 6, kernel, groups=groups), nn.BatchNorm2d(6, affine=affine))
    )
    x = picture(2, 4, 7, 5)
    (found,) = findings(model, x, "UC106")
    assert (found.module, found.evidence["params"]) == ("0", 6)
    fixed = copy.deepcopy(model)
    conv, norm = fixed.get_submodule("0"), fixed.get_submodule("1")
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert conv.bias is not None
    norm.running_mean -= conv.bias.detach()
    conv.bias = None
    assert distance(run(model, x), run(fixed, x)) <= CLOSE
    assert findings(fixed, x, "UC106") == []


def test_in_training_such_a_bias_changes_nothing_at_all() -> None:
    model = lively(nn.Sequential(nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6))).train()
    x = picture(4, 4, 7, 5)
    before = run(model, x)
    bias = model.get_submodule("0").bias
    assert isinstance(bias, Tensor)
    nn.init.uniform_(bias, -9, 9)
    assert distance(before, run(model, x)) <= CLOSE


# UC105: parameters that nothing reads


class Idle(nn.Module):
    """Has a layer that it never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.used(x)
        return out


def test_without_its_unused_parameters_a_model_computes_the_same() -> None:
    model, x = lively(Idle()), picture(1, 4, 7, 7)
    (found,) = findings(model, x, "UC105")
    fixed = copy.deepcopy(model)
    delattr(fixed, found.module)
    assert torch.equal(run(model, x), run(fixed, x))
    before, after = (totals(record(net, x))["params"] for net in (model, fixed))
    assert before - after == found.evidence["params"]
    assert findings(fixed, x, "UC105") == []


# UC107: a batch norm of one value


def test_training_at_batch_1_really_fails_where_the_rule_says_so() -> None:
    model = build_model("v2").train()
    found = findings(copy.deepcopy(model).eval(), torch.randn(1, 3, 64, 64), "UC107")
    assert [finding.module for finding in found] == ["aspp.branches.4.2"]
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        model(torch.randn(1, 3, 64, 64))
    model(torch.randn(2, 3, 64, 64))
