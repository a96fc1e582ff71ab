"""Pictures of a few things, for tests of how they are drawn."""

from __future__ import annotations

from ucseg_cli.report.pictures.scatter import Bound, Dot, Mark, Scale, Scatter, Strip, Strips

PARAMS, FLOPS = Scale("parameters", goal="less"), Scale("FLOPs", goal="less")
DOTS = (
    Dot(300_000, 250, Mark.OUTSIDE, 3, (1, 1)),
    Dot(100_000, 200, Mark.FRONT, 0, (0, 0)),
    Dot(200_000, 120, Mark.FRONT, 1, (0, 1)),
    Dot(220_000, 220, Mark.PLAIN, 2, (1, 0)),
)
BASE = Dot(260_000, 180, Mark.BASE)
SCATTER = Scatter(
    "FLOPs by parameters",
    "4 variants",
    PARAMS,
    FLOPS,
    DOTS,
    BASE,
    "v2",
    (Bound(250_000, "params ≤ 250k"),),
    (Bound(240, "fvcore ≤ 240"),),
    title_of=lambda dot: f"number {dot.variant}",
)

MS = 1_000_000
STRIPS = Strips(
    "Time of one call",
    "Medians.",
    (
        Strip("v2", (78 * MS, 80 * MS, 90 * MS), (79 * MS, 80 * MS, 82 * MS)),
        Strip("<b>&\u202e", (26 * MS,), (26 * MS, 26 * MS, 26 * MS)),
    ),
)
