"""The pictures that an answer may show."""

from __future__ import annotations

from ucseg_cli.report.pictures.course import Course
from ucseg_cli.report.pictures.diagram import Diagram
from ucseg_cli.report.pictures.icicle import Icicle
from ucseg_cli.report.pictures.scatter import Panels, Scatter, Strips
from ucseg_cli.report.pictures.waterfall import Waterfall

OneDrawing = Scatter | Strips | Icicle | Course | Waterfall | Diagram
Picture = OneDrawing | Panels
