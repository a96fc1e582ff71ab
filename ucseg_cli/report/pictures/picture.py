"""The pictures that an answer may show."""

from __future__ import annotations

from ucseg_cli.report.pictures.scatter import Panels, Scatter, Strips

Picture = Scatter | Panels | Strips
