"""Operators of a project's own, recorded and given a price: of one kernel, and of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.counting.operations import total_flops, uncounted, used_prices
from ucseg_cli.analysis.memory.moved_bytes import moved_bytes
from ucseg_cli.engine.recording.record import record
from ucseg_cli.errors import Place
from ucseg_cli.facts.trace import Price

PLACE = Place("ucseg.toml", 2)
Attend = Callable[[Tensor, Tensor], Tensor]


@pytest.fixture(scope="module")
def attend() -> Attend:
    """An operator that torch knows nothing of but its shapes."""

    @torch.library.custom_op("ucsegtests::attend", mutates_args=())
    def operator(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return x @ weight if bias is None else x @ weight + bias

    operator.register_fake(lambda x, weight, *_, **__: x.new_empty(len(x), weight.shape[1]))
    return operator


class Net(nn.Module):
    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.attend = attend
        self.first, self.weight = nn.Linear(8, 8), nn.Parameter(torch.zeros(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(self.first(x), self.weight).relu()


def prices(formula: str, op: str = "ucsegtests::attend") -> tuple[Price, ...]:
    return tuple(Price(op, name, formula, PLACE) for name in CONVENTIONS)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_an_operator_of_its_own_is_uncounted_until_it_has_a_price(
    attend: Attend, device: str
) -> None:
    trace = record(Net(attend).to(device), torch.zeros(4, 8, device=device))
    assert [one.op for one in uncounted(trace, CONVENTIONS["macs"])] == [
        "relu",
        "ucsegtests::attend",
    ]
    priced = trace.with_prices(prices("in[0].numel*in[1].shape[1]"))
    linear, own = 4 * 8 * 8, 4 * 8 * 3
    assert total_flops(priced) == {
        "fvcore": linear + own,
        "macs": linear + own,
        "torch": 2 * linear + own,
    }
    assert [one.op for one in uncounted(priced, CONVENTIONS["macs"])] == ["relu"]
    assert len(used_prices(priced)) == 3
    left_out = trace.with_prices(prices("in[2].numel"))
    with pytest.raises(Exception, match=r"in\[2\] is left out"):
        totals(left_out)


def test_it_moves_what_goes_in_and_comes_out(attend: Attend) -> None:
    model = Net(attend)
    trace = record(model, torch.zeros(4, 8))
    linear = 4 * (4 * 8 + 8 * 8 + 8 + 4 * 8)
    own, relu = 4 * (4 * 8 + 8 * 3 + 4 * 3), 4 * 2 * 4 * 3
    assert moved_bytes(trace) == linear + own + relu


def test_one_that_is_made_of_what_a_convention_prices_keeps_those_prices() -> None:
    library: Any = torch.library.Library("ucsegtests", "FRAGMENT")  # type: ignore[no-untyped-call]
    library.define("pair(Tensor x, Tensor weight) -> Tensor")
    library.impl("pair", lambda x, weight: (x @ weight).exp(), "CompositeImplicitAutograd")
    weight = torch.zeros(8, 3)

    class Pair(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = torch.ops.ucsegtests.pair(x, weight)
            return found

    trace = record(Pair(), torch.zeros(4, 8)).with_prices(prices("1000", "ucsegtests::pair"))
    # fvcore's trace shows the call alone; below it are a product, which the others price, and exp
    assert total_flops(trace) == {"fvcore": 1000, "macs": 96, "torch": 192}
