"""Every output format by name; each is imported only for who asks for it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the options ask for names alone
    from ucseg_cli.report.document import Report
    from ucseg_cli.report.formats.screen import Screen

FORMATS = ("table", "json", "csv", "markdown", "latex", "html", "comment")
DRAWN_FORMATS = ("svg",)
"""Formats that only an answer with a picture can be written as."""
GRAPH_FORMATS = ("mermaid", "dot")
"""Formats that only a diagram can be written as."""
STACKED_FORMATS = ("folded", "speedscope")
"""Formats of viewers of profiles, for an answer whose picture is an icicle of one model."""
JUDGED_FORMATS = ("github", "junit", "sarif")
"""Formats that only an answer that judges something can be written as."""
FOR_CI = ("comment", *JUDGED_FORMATS)
_FILES = {
    **{name: f"ci.{name}" for name in FOR_CI},
    **dict.fromkeys(STACKED_FORMATS, "viewers.stacks"),
    **dict.fromkeys(GRAPH_FORMATS, "viewers.graphs"),
}
"""Modules of formats that are not in one of their own name."""
FOR_MACHINES = ("json", "csv", "html", "svg", "speedscope", "mermaid", "dot", "junit", "sarif")
"""Formats that are UTF-8 whatever the stream; the others are spelled for it."""
WITH_EXACT = ("markdown", "latex", "html", "comment")
"""Those that round counts unless asked for exact ones; the others are for machines."""


def render(report: Report, format_name: str, screen: Screen) -> str:
    """The report in a format of one of these lists; *screen* is where a table is read."""
    if format_name == "table":
        from ucseg_cli.report.formats.terminal import render_terminal

        return render_terminal(report, screen)
    module = import_module(f"ucseg_cli.report.formats.{_FILES.get(format_name, format_name)}")
    renderer: Callable[..., str] = getattr(module, f"render_{format_name}")
    return renderer(report, exact=screen.exact) if format_name in WITH_EXACT else renderer(report)
