"""The diagrams of a report as text for Mermaid and for Graphviz."""

from __future__ import annotations

from ucseg_cli.report.document import Report
from ucseg_cli.report.pictures.diagram import Diagram
from ucseg_cli.report.pictures.text.graph_text import dot, mermaid


def render_mermaid(report: Report) -> str:
    """The first diagram as a flowchart."""
    return mermaid(_diagram(report))


def render_dot(report: Report) -> str:
    """The first diagram as a digraph."""
    return dot(_diagram(report))


def _diagram(report: Report) -> Diagram:
    return next(picture for picture in report.pictures() if isinstance(picture, Diagram))
