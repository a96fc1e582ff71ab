"""Metrics that cost nothing and are wanted for themselves, so that a front has more than costs."""

from __future__ import annotations

from collections.abc import Callable

from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, Metric, find_metric, totals
from ucseg_cli.analysis.geometry.dilated_reach import reaches
from ucseg_cli.analysis.geometry.receptive_field import receptive_fields
from ucseg_cli.analysis.geometry.tap_shapes import MODEL, default_taps, tap_shapes
from ucseg_cli.errors import UnknownNameError, UsageError, Where
from ucseg_cli.facts.trace import Tap, Trace
from ucseg_cli.references.variants import layout

HIGH_TAP = "high"
"""The tap whose stride is the output stride, where a network names its taps as the family does."""

RECEPTIVE_FIELD = Metric(
    name="receptive-field",
    title="receptive field",
    meaning="Pixels that a position sees, along the shorter side and without dead kernel "
    "positions: of the ASPP's widest branch, else of the output.",
    depends_on_size=True,
    additive=False,
)
OUTPUT_STRIDE = Metric(
    name="output-stride",
    title="output stride",
    meaning="Input pixels between positions of a tap, as in output-stride:mid; without a name "
    "of the high tap, else of the output.",
    depends_on_size=True,
    additive=False,
)
LIVE_POSITIONS = Metric(
    name="live-positions",
    title="live positions",
    meaning="Kernel positions of dilated convs that ever read data, not only padding.",
    depends_on_size=True,
    additive=False,
)
BENEFITS = {metric.name: metric for metric in (RECEPTIVE_FIELD, OUTPUT_STRIDE, LIVE_POSITIONS)}


def find_any_metric(text: str, where: Where) -> tuple[Metric, str]:
    """The metric that *text* names, a cost or a benefit, and its name with the tap if it has one.

    Raises UsageError as find_metric does, and for a tap of any metric but the output stride.
    """
    name, colon, tap = text.partition(":")
    metric = BENEFITS.get(name.strip().casefold().replace("_", "-"))
    if metric is None:
        try:
            metric = find_metric(name, where, EVERY_METRIC)
        except UnknownNameError:
            known = (*EVERY_METRIC, *BENEFITS)
            raise UnknownNameError("metric", name, known, where=where) from None
    if not colon:
        return metric, metric.name
    if metric is not OUTPUT_STRIDE or not tap.strip():
        what = f"'{text}' names no tap of {metric.name}"
        raise UsageError(what, where=where, help=f"write {metric.name}, or output-stride:TAP")
    return metric, f"{metric.name}:{tap.strip()}"


def figure_of(trace: Trace, metric: str) -> int | None:
    """The figure of a metric by its name; None for a network that has none."""
    if metric in EVERY_METRIC:
        return totals(trace).get(metric)
    if trace.failure is not None:
        return None
    name, _, tap = metric.partition(":")
    return _FIGURES[name](trace, tap)


def benefits_of(trace: Trace) -> dict[str, int | None]:
    """Every benefit of a network by its name."""
    return {name: figure_of(trace, name) for name in BENEFITS}


def refuse_unknown_tap(trace: Trace, metric: str, where: Where) -> None:
    """Raise UnknownNameError for a metric of a tap that a network does not have."""
    _, colon, tap = metric.partition(":")
    if colon and trace.failure is None and _tap(trace, tap) is None:
        known = [tap.name for tap in default_taps(trace)]
        raise UnknownNameError("tap", tap, known, where=where)


def receptive_field(trace: Trace) -> int | None:
    """Pixels along the shorter side of what the widest live branch sees, else the output."""
    branches = [Tap(path, path) for path in trace.by_path if _is_branch(path)]
    fields = receptive_fields(trace, branches or [Tap(MODEL, "")])
    return max((min(field.live_size) for field in fields if field.live_size), default=None)


def output_stride(trace: Trace, tap: str = "") -> int | None:
    """The stride of a tap, if it is a whole number along both sides."""
    high = _tap(trace, HIGH_TAP) or Tap(MODEL, "")
    named = _tap(trace, tap) if tap else high
    shapes = tap_shapes(trace, [named]) if named else ()
    return shapes[0].whole_stride if shapes else None


def live_positions(trace: Trace) -> int:
    """Kernel positions of all dilated convs that read data somewhere."""
    return sum(conv.kernel_positions - conv.dead_positions for conv in reaches(trace))


_FIGURES: dict[str, Callable[[Trace, str], int | None]] = {
    RECEPTIVE_FIELD.name: lambda trace, _: receptive_field(trace),
    OUTPUT_STRIDE.name: output_stride,
    LIVE_POSITIONS.name: lambda trace, _: live_positions(trace),
}


def _tap(trace: Trace, name: str) -> Tap | None:
    """The tap of that name, or the module at that path."""
    named = next((tap for tap in default_taps(trace) if tap.name == name), None)
    return named or (Tap(name, name) if name in trace.by_path else None)


def _is_branch(path: str) -> bool:
    index = layout.branch_index(path)
    return index is not None and path == f"{layout.BRANCHES}.{index}"
