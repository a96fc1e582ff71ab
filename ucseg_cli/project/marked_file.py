"""A document with marked figures: read with every mistake in it, and written whole."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import find_metric_at
from ucseg_cli.errors import ConfigurationError, OutputError, Place, UcsegError, UsageError
from ucseg_cli.facts.budget import Budget, Figure
from ucseg_cli.facts.settings import Settings
from ucseg_cli.project.config_file import refuse_foreign
from ucseg_cli.project.markers import WRITE, Marked, Mistake, find_markers
from ucseg_cli.system.atomic_write import replace_file
from ucseg_cli.system.paths import shown
from ucseg_cli.system.plain_file import read_plain_file
from ucseg_cli.units import exact_quantity, parse_quantity

_AROUND = re.compile(r"[\s*_~`]*")
"""Space around a figure, and signs of Markdown, which make it bold, for one."""
_LINE_END = re.compile(r"\r\n?|\n")


class MarkedFigure(NamedTuple):
    """A figure of a document as a budget, and where in the text it stands."""

    budget: Budget
    start: int
    end: int


class MarkedFile(NamedTuple):
    """A document: *path* without links, and the text with all that is in it, to be written back."""

    path: Path
    text: str
    figures: tuple[MarkedFigure, ...]
    mistakes: tuple[UcsegError, ...]

    @property
    def name(self) -> str:
        """As a user would write it."""
        return shown(self.path)

    def rewrite(self, figures: Mapping[str, str]) -> None:
        """Write other figures, by the ids of their budgets, in the places of those that are there.

        Raises OutputError, too if the file is another one than was read.
        """
        parts, position = [], 0
        for budget, start, end in self.figures:
            right = figures.get(str(budget.id))
            if right is not None:
                parts += [self.text[position:start], right]
                position = end
        text = "".join((*parts, self.text[position:]))
        try:
            if _decode(read_plain_file(self.path, follow=False)) != self.text:
                what = "another process has changed it meanwhile"
                raise OutputError(what, where=Place(self.name), help="check it once more")
            replace_file(self.path, text.encode("utf-8", "surrogateescape"))
        except OSError as error:
            what = f"cannot write it: {error.strerror or error}"
            raise OutputError(what, where=Place(self.name)) from error


def read_marked_file(path: Path, settings: Settings) -> MarkedFile:
    """The document, with its marked figures and all that is wrong with them.

    Raises ConfigurationError for one that cannot be read, that another user owns, or that does not
    lie beneath the project's folder, through links.
    """
    folder, here = settings.folder.resolve(), Place(shown(path.absolute()))
    try:
        real = path.resolve()
        # a marker may name code, and a figure is written into the file
        if not real.is_relative_to(folder):
            fix = "change into the project of that document, and check it there"
            raise ConfigurationError(f"it is not beneath {folder}", where=here, help=fix)
        text = _decode(read_plain_file(real, follow=False))
        refuse_foreign(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: links to themselves, until Python 3.13
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"cannot read it: {reason}", where=here) from error
    return _with_figures(MarkedFile(real, text, (), ()), settings)


def _decode(data: bytes) -> str:
    """Bytes that are not UTF-8 stay what they are."""
    return data.decode("utf-8", "surrogateescape")


def _with_figures(file: MarkedFile, settings: Settings) -> MarkedFile:
    figures: list[MarkedFigure] = []
    mistakes: list[UcsegError] = []
    said: dict[str, int] = {}
    ends = [match.end() for match in _LINE_END.finditer(file.text)]
    for found in find_markers(file.text):
        place = Place(file.name, 1 + bisect_right(ends, found.at))
        if isinstance(found, Mistake):
            mistakes.append(ConfigurationError(found.what, where=place, help=found.fix))
            continue
        said[found.said] = said.get(found.said, 0) + 1
        number = f" #{said[found.said]}" if said[found.said] > 1 else ""
        try:
            name = f"{file.name}: {found.said}{number}"
            figures.append(_read_figure(file.text, found, settings, name, place))
        except UcsegError as error:
            mistakes.append(error)
    return file._replace(figures=tuple(figures), mistakes=tuple(mistakes))


def _read_figure(
    text: str, found: Marked, settings: Settings, name: str, place: Place
) -> MarkedFigure:
    """The figure of a marker; its size, if none is said, is the project's first."""
    reference, _, measured = found.said.rpartition(" ")
    if not reference:
        what = f"'{found.said}' does not name a model and a metric"
        raise UsageError(what, where=place, help=f"{WRITE}, as in v2 params or v2 fvcore@512")
    metric, given = find_metric_at(measured, place, beneath=settings.folder)
    start, end = _without_signs(text, found)
    figure = text[start:end]
    notation = exact_quantity(in_bytes=metric.in_bytes)
    if figure:
        try:
            notation = parse_quantity(figure, in_bytes=metric.in_bytes, where=place)
        except UsageError as error:
            fix = f"{error.help}; the marker stands right around it"
            raise UsageError(error.what[:120], where=place, help=fix) from error
    budget = Budget(
        id=name,
        variants=(settings.find_written(reference, place),),
        metric=metric.name,
        sizes=() if given and given.given else (given.size if given else settings.sizes[0],),
        input=given.given if given else None,
        figure=Figure(figure, notation),
        place=place,
    )
    return MarkedFigure(budget, start, end)


def _without_signs(text: str, found: Marked) -> tuple[int, int]:
    """Where the figure itself begins and ends."""
    before = _AROUND.match(text, found.start, found.end)
    start = before.end() if before else found.start
    after = _AROUND.match(text[start : found.end][::-1])
    return start, found.end - (after.end() if after else 0)
