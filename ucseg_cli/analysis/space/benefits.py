"""Metrics that cost nothing and are wanted for themselves, so that a front has more than costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, Metric, find_metric, totals
from ucseg_cli.analysis.counting.module_tree import path_depth
from ucseg_cli.analysis.geometry.dilated_reach import reaches
from ucseg_cli.analysis.geometry.receptive_field import live_sizes
from ucseg_cli.analysis.geometry.tap_shapes import MODEL, default_taps, tap_shapes
from ucseg_cli.errors import UnknownNameError, UsageError, Where
from ucseg_cli.facts.trace import Tap, Trace
from ucseg_cli.references.variants import layout

HIGH_TAP = "high"
"""The tap whose stride is the output stride, where a network names its taps as the family does."""
OUTPUT = (Tap(MODEL, ""),)

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
    if metric == LIVE_POSITIONS.name:
        return live_positions(trace)
    branches = filter(_is_branch, trace.by_path)
    parts = (path for path in trace.by_path if path_depth(path) == 1)
    taps = trace.taps or tuple(Tap(path, path) for path in parts)
    return figure_of_maps(trace, metric, maps_of(metric, branches, taps))


def maps_of(metric: str, branches: Iterable[str], taps: Sequence[Tap]) -> tuple[Tap, ...]:
    """The maps that a benefit looks at.

    Args:
        metric: its name, with that of a tap if it has one.
        branches: the paths of the ASPP's.
        taps: the maps that the network names, else its top-level modules.
    """
    name, _, tap = metric.partition(":")
    if name == RECEPTIVE_FIELD.name:
        return tuple(Tap(path, path) for path in branches) or OUTPUT
    named = tuple(one for one in taps if one.name == (tap or HIGH_TAP))
    return named[:1] or (OUTPUT if tap in {"", MODEL} else (Tap(tap, tap),))


def figure_of_maps(trace: Trace, metric: str, maps: Sequence[Tap]) -> int | None:
    """The figure of a benefit that looks at certain maps."""
    is_field = metric == RECEPTIVE_FIELD.name
    return _receptive_field(trace, maps) if is_field else _output_stride(trace, maps)


def benefits_of(trace: Trace) -> dict[str, int | None]:
    """Every benefit of a network by its name."""
    return {name: figure_of(trace, name) for name in BENEFITS}


def refuse_unknown_tap(trace: Trace, metric: str, where: Where) -> None:
    """Raise UnknownNameError for a metric of a tap that a network does not have.

    In the family that is also a module that only holds others, such as ``features``.
    """
    _, colon, name = metric.partition(":")
    tap = _tap(trace, name)
    is_idle = tap is not None and trace.taps and not trace.by_path[tap.module].calls
    if colon and trace.failure is None and (tap is None or is_idle):
        known = [tap.name for tap in default_taps(trace)]
        raise UnknownNameError("tap", name, known, where=where)


def _receptive_field(trace: Trace, maps: Sequence[Tap]) -> int | None:
    """Pixels along the shorter side of what the widest of them sees."""
    return max((min(size) for size in live_sizes(trace, maps) if size is not None), default=None)


def _output_stride(trace: Trace, maps: Sequence[Tap]) -> int | None:
    """The stride of the first, if it is a whole number along both sides."""
    shapes = tap_shapes(trace, maps)
    return shapes[0].whole_stride if shapes else None


def live_positions(trace: Trace) -> int:
    """Kernel positions of all dilated convs that read data somewhere."""
    return sum(conv.kernel_positions - conv.dead_positions for conv in reaches(trace))


def _tap(trace: Trace, name: str) -> Tap | None:
    """The tap of that name, or the module at that path."""
    named = next((tap for tap in default_taps(trace) if tap.name == name), None)
    return named or (Tap(name, name) if name in trace.by_path else None)


def _is_branch(path: str) -> bool:
    index = layout.branch_index(path)
    return index is not None and path == f"{layout.BRANCHES}.{index}"
