"""The pictures of a report as one SVG document, which needs nothing else."""

from __future__ import annotations

from ucseg_cli.errors import UsageError
from ucseg_cli.report.document import Report


def render_svg(report: Report) -> str:
    """All pictures, one below the other; raises UsageError for an answer that has none."""
    from ucseg_cli.report.pictures.svg.draw import document, drawable

    if not drawable(report.all_pictures()):
        what = "this answer has no picture"
        raise UsageError(what, where="svg", help="a page has its tables: --export-html FILE")
    return document(report)
