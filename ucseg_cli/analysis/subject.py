"""The subject of an answer: a model under the name it was given, with its trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ucseg_cli.facts.trace import ConstructorAxis, Trace
from ucseg_cli.references import Model
from ucseg_cli.references.variants import Axis, AxisValues, Variant, layout
from ucseg_cli.references.variants.axis_values import AnyText

if TYPE_CHECKING:
    from ucseg_cli.analysis.counting.fold_batch_norms import Folding
    from ucseg_cli.facts.state_dict import StateDict


class Subject(NamedTuple):
    """A traced model.

    Args:
        variant: None for a model outside the family.
        folding: how its trace was rewritten, if it was.
        known_as: the reference to the variant that a user's own model was recognised as.
        state: the whole state dict of a checkpoint, where a network may load it.
        model: what the name stands for.
    """

    name: str
    trace: Trace
    variant: Variant | None = None
    folding: Folding | None = None
    known_as: str | None = None
    state: StateDict | None = None
    model: Model | None = None

    @property
    def axes(self) -> AxisValues:
        """The axes of its design with their values; none if nothing builds it."""
        return self.constructor_axes if self.variant is None else self.variant.values

    @property
    def constructor_axes(self) -> AxisValues:
        """The same of its own constructor, even if it was recognised as one of the family."""
        return tuple((constructor_axis(axis), axis.value) for axis in self.trace.axes)

    def role(self, path: str) -> str:
        """The path with an ASPP branch named by its role, so that like is compared with like."""
        position, role = self._branch(path)
        return role + path.removeprefix(position)

    def place(self, path: str) -> str:
        """The part of the design that a module belongs to: an ASPP branch's role, else the path."""
        return self._branch(path)[1] or path

    def _branch(self, path: str) -> tuple[str, str]:
        """The branch that the module at *path* is in, and its role; empty outside of any."""
        if self.variant is None or not path.startswith(layout.BRANCHES):
            return "", ""
        roles = self.variant.roles()
        inside = (branch for branch in roles.items() if f"{path}.".startswith(f"{branch[0]}."))
        return next(inside, ("", ""))


def constructor_axis(axis: ConstructorAxis) -> Axis:
    """The axis that an argument of any constructor is."""
    accepts = " or ".join(axis.choices) or axis.accepts
    return Axis(axis.name, accepts, "", AnyText(), axis.choices)


def default_axes(trace: Trace) -> AxisValues:
    """The default of every argument with which its model can be built."""
    return tuple((constructor_axis(axis), axis.default) for axis in trace.axes)
