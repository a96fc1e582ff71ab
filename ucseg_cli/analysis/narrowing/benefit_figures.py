"""Benefits of a network: how far its output sees, how fine its maps are, where convs read."""

from __future__ import annotations

from typing import NamedTuple

from ucseg_cli.analysis.geometry.dilated_reach import reaches
from ucseg_cli.analysis.geometry.receptive_field import receptive_fields
from ucseg_cli.analysis.geometry.tap_shapes import tap_shapes
from ucseg_cli.facts.trace import Tap, Trace

HIGH = "high"
OUTPUT = Tap("output", "")


class BenefitFigures(NamedTuple):
    """Figures of which less is a loss, but for the stride, of which more is one.

    Args:
        receptive_field: height and width in pixels that a position of the output sees; None where
            it is unknown, or every position sees everything.
        receptive_field_at_size: the same on this input, without dead kernel positions.
        output_stride: of the tap ``high``, or of the output where there is no such tap.
        live_positions: kernel positions of dilated convs that ever read data, over all of them.
    """

    receptive_field: tuple[int, int] | None
    receptive_field_at_size: tuple[int, int] | None
    output_stride: int | None
    live_positions: int


def benefit_figures(trace: Trace) -> BenefitFigures:
    """The figures of a network, equal to those of ``probe`` and ``reach``."""
    field = next(iter(receptive_fields(trace, [OUTPUT])), None)
    deepest = next((tap for tap in trace.taps if tap.name == HIGH), OUTPUT)
    shape = next(iter(tap_shapes(trace, [deepest])), None)
    convs = reaches(trace)
    return BenefitFigures(
        receptive_field=field and field.size,
        receptive_field_at_size=field and field.live_size,
        output_stride=shape and shape.whole_stride,
        live_positions=sum(conv.kernel_positions - conv.dead_positions for conv in convs),
    )
