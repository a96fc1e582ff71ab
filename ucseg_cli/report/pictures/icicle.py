"""An icicle: a tree whose widths are shares of a whole, row below row; values, in any format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Cell(NamedTuple):
    """A node of the tree.

    Args:
        path: its whole name.
        value: its share of the width; its *cells* add up to it, if it has any.
        figures: the value as text, the longest first: the first one that fits is shown.
        words: all about it, shown on hovering.
        kind: the place of its kind in the legend; None for a node without one.
        cells: those below it, from left to right.
    """

    path: str
    value: int
    figures: tuple[str, ...]
    words: str
    kind: int | None = None
    cells: tuple[Cell, ...] = ()

    def walk(self) -> Iterator[Cell]:
        """Itself and all below it, from above."""
        yield self
        for cell in self.cells:
            yield from cell.walk()

    def leaves(self) -> Iterator[Cell]:
        """The nodes without others below them, from left to right."""
        return (cell for cell in self.walk() if not cell.cells)


class Icicle(NamedTuple):
    """A tree as shares of its root.

    Args:
        title: what it is. description: what it shows, for those who do not see it.
        root: everything.
        kinds: names of the kinds; *signs* stand before the names of cells of a kind, *colours*
            are theirs.
        note: what the widths are, and what else a reader needs.
    """

    title: str
    description: str
    root: Cell
    kinds: tuple[str, ...]
    signs: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    note: str = ""
