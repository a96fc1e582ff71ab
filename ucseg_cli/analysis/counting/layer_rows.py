"""Layers as a tree in the order of running, in which equal neighbours are one row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from ucseg_cli.analysis.counting.layers import Layer, Shape, Window
from ucseg_cli.analysis.counting.module_tree import Figures, sum_figures


class LayerRow(NamedTuple):
    """A layer, or a module with the layers that ran in it one after the other.

    Args:
        path: of the module; *last* is that of the last one of several equal ones.
        type: its class, or the name of an operator.
        depth: levels below the model.
        times: how many neighbours it stands for.
        inputs, outputs, window: as a Layer's, of the first of them.
        figures: of all of them together.
        call: as a Layer's; None for a module with layers.
        is_leaf: whether no row below it is a part of it.
    """

    path: str
    last: str
    type: str
    depth: int
    times: int
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    window: Window | None
    figures: Figures
    call: int | None
    is_operator: bool
    is_leaf: bool


class _Node(NamedTuple):
    """A layer, or what ran in a module without a break."""

    path: str
    type: str
    layer: Layer | None
    nodes: tuple[_Node, ...]
    figures: Figures

    @property
    def likeness(self) -> object:
        """Equal for nodes that only differ in their names."""
        if self.layer is not None:
            return self.layer._replace(path="")
        return self.type, tuple(node.likeness for node in self.nodes)

    @property
    def first(self) -> Layer:
        """The layer that runs first."""
        return self.layer or self.nodes[0].first

    @property
    def last(self) -> Layer:
        """The layer that runs last."""
        return self.layer or self.nodes[-1].last


def layer_rows(
    layers: Sequence[Layer], types: Mapping[str, str], *, depth: int | None, fold: bool
) -> list[LayerRow]:
    """The tree in order, *depth* levels down; with *fold*, equal neighbours as one row.

    *types* are the classes of modules by path. Rows of one level add up to what they are inside of.
    """
    nodes = _nodes(layers, 0, types)
    return list(_rows(nodes, 1, 1, depth=depth, fold=fold))


def _parts(layer: Layer) -> tuple[str, ...]:
    """The names that lead to a layer; an operator stands below the module that runs it."""
    names = tuple(filter(None, layer.path.split(".")))
    return (*names, f"({layer.type})") if layer.is_operator else names or ("",)


def _nodes(layers: Sequence[Layer], level: int, types: Mapping[str, str]) -> tuple[_Node, ...]:
    found: list[_Node] = []
    for _, group in groupby(layers, key=lambda layer: _parts(layer)[: level + 1]):
        run = list(group)
        if all(len(_parts(layer)) == level + 1 for layer in run):
            found += (_Node(one.path, one.type, one, (), one.figures) for one in run)
        else:
            path = ".".join(_parts(run[0])[: level + 1])
            total = sum_figures(layer.figures for layer in run)
            found.append(_Node(path, types[path], None, _nodes(run, level + 1, types), total))
    return tuple(found)


def _rows(
    nodes: Sequence[_Node], level: int, times: int, *, depth: int | None, fold: bool
) -> Iterator[LayerRow]:
    """Each node, or run of equal ones, with what is below the first of them.

    *times* is how often all of it is there, since it is inside of what was folded.
    """
    for run in _alike(nodes) if fold else ([node] for node in nodes):
        node, several = run[0], len(run)
        opened = bool(node.nodes) and (depth is None or level < depth)
        figures = {name: several * times * figure for name, figure in node.figures.items()}
        yield LayerRow(
            path=node.path,
            last=run[-1].path,
            type=node.type,
            depth=level,
            times=several,
            inputs=node.first.inputs,
            outputs=node.last.outputs,
            window=node.layer.window if node.layer else None,
            figures=figures,
            call=node.layer.call if node.layer else None,
            is_operator=node.layer.is_operator if node.layer else False,
            is_leaf=not opened,
        )
        if opened:
            yield from _rows(node.nodes, level + 1, several * times, depth=depth, fold=fold)


def _alike(nodes: Sequence[_Node]) -> Iterator[list[_Node]]:
    """Runs of neighbours that only differ in their names."""
    for _, run in groupby(nodes, key=lambda node: node.likeness):
        yield list(run)
