"""Taps: whose outputs are looked at, and the shape and stride of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from ucseg_cli.analysis.counting.module_tree import parent_path, path_depth
from ucseg_cli.analysis.geometry.grid import HEIGHT, TIME, WIDTH, places
from ucseg_cli.analysis.geometry.stride import Stride, grids, strides, whole_stride
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import UsageError, nearest_name
from ucseg_cli.facts.trace import Module, Tap, Trace
from ucseg_cli.references.path_pattern import is_pattern, path_pattern

MODEL = "(model)"
"""The name of the tap of a model without parts."""
RANK_OF_MAPS = 4
CHANNELS = {(2, 3): 1, (1, 2): 3}
"""The channels' axis by those of height and width: N×C×H×W, and transformers' N×H×W×C."""


class Output(NamedTuple):
    """A tensor that a tapped module returned; *tensor* is None where the module never ran."""

    name: str
    module: str
    tensor: int | None


class Map(NamedTuple):
    """The lengths of a feature map, whatever the order of its axes."""

    channels: int
    height: int
    width: int


class TapShape(NamedTuple):
    """One tensor of a tap.

    Args:
        name: of the tap, with the tensor's if the module returned several: ``backbone[out]``.
        module: whose output it is.
        shape: whole; None where the module never ran.
        stride: in input pixels, along height and width; None where it has no fixed grid.
        time_stride: in frames, of a video.
        map: None for what is not a feature map of an image.
        dtype: None where the module never ran.
    """

    name: str
    module: str
    shape: tuple[int, ...] | None
    stride: Stride | None
    time_stride: Fraction | None = None
    map: Map | None = None
    dtype: str | None = None

    @property
    def whole_stride(self) -> int | None:
        """The stride where it is one whole number along height and width."""
        return whole_stride(self.stride)

    @property
    def whole_strides(self) -> tuple[int, ...] | None:
        """Along height and width, for a video time first; None where one is not a whole number."""
        time = () if self.time_stride is None else (self.time_stride,)
        along = (*time, *(self.stride or ()))
        whole = tuple(step.numerator for step in along if step.denominator == 1)
        return whole if self.stride and len(whole) == len(along) else None


def tap_shapes(trace: Trace, taps: Iterable[Tap] | None = None) -> tuple[TapShape, ...]:
    """Each tensor of *taps*, in order; of the default ones, those that there are."""
    if taps is None:
        shapes = tap_shapes(trace, default_taps(trace))
        return tuple(shape for shape in shapes if shape.shape is not None)
    return tuple(_shape(trace, output) for output in tap_outputs(trace, taps))


def tap_outputs(trace: Trace, taps: Iterable[Tap]) -> Iterator[Output]:
    """The tensors that tapped modules returned, named; None for a module that never ran."""
    for tap in taps:
        if (module := _called(trace, tap.module)) is None:
            continue
        named = len(module.output_names) == len(module.outputs)
        names = module.output_names if named else tuple(map(str, range(len(module.outputs))))
        if not module.outputs or names == ("0",):
            yield Output(tap.name, tap.module, next(iter(module.outputs), None))
        else:
            pairs = zip(names, module.outputs, strict=True)
            yield from (Output(f"{tap.name}[{name}]", tap.module, tensor) for name, tensor in pairs)


def default_taps(trace: Trace) -> tuple[Tap, ...]:
    """The taps that the network names, else its top-level modules, else the whole model.

    A container that is only iterated, such as a ModuleList, gives way to its children. Modules
    that never ran are left out.
    """
    if trace.taps:
        return trace.taps
    below: dict[str, list[Module]] = {}
    for module in trace.modules:
        if module.path and module.alias_of is None:
            below.setdefault(parent_path(module.path), []).append(module)
    parts = tuple(Tap(module.path, module.path) for module in _that_ran(below, ""))
    roots = (module for module in trace.modules if not module.path and module.outputs)
    return parts or tuple(Tap(MODEL, root.path) for root in roots)


def choose_taps(subjects: Sequence[Subject], patterns: Sequence[str]) -> list[tuple[Tap, ...]]:
    """The taps of each model: every module that a pattern fits, once and in the model's order.

    A pattern may be the name of a tap, too. Raises UsageError for one that fits in no model.
    """
    for pattern in patterns:
        if not any(_fitting(subject.trace, pattern) for subject in subjects):
            raise _fits_nothing(subjects, pattern)
    return [_chosen(subject.trace, patterns) for subject in subjects]


def _that_ran(below: dict[str, list[Module]], path: str) -> Iterator[Module]:
    for module in below.get(path, ()):
        if module.outputs:
            yield module
        elif not module.calls:
            yield from _that_ran(below, module.path)


def _chosen(trace: Trace, patterns: Iterable[str]) -> tuple[Tap, ...]:
    order = {module.path: place for place, module in enumerate(trace.modules)}
    taps = dict.fromkeys(tap for pattern in patterns for tap in _fitting(trace, pattern))
    return tuple(sorted(taps, key=lambda tap: order[tap.module]))


def _fitting(trace: Trace, pattern: str) -> list[Tap]:
    """The modules that a pattern fits and that returned something; all of them if none did."""
    if named := [tap for tap in trace.taps if tap.name == pattern]:
        return named
    fits, several = path_pattern(pattern), is_pattern(pattern)
    found = [
        module.path
        for module in trace.modules
        if module.path and fits.fullmatch(module.path) and not (several and module.alias_of)
    ]
    ran = [path for path in found if (module := _called(trace, path)) and module.outputs]
    return [Tap(path, path) for path in ran or found]


def _fits_nothing(subjects: Sequence[Subject], pattern: str) -> UsageError:
    known: dict[str, None] = {}
    for subject in subjects:
        known.update((tap.name, None) for tap in subject.trace.taps)
        known.update((module.path, None) for module in subject.trace.modules)
    nearest = nearest_name(pattern, known)
    suggestion = f"did you mean '{nearest}'? " if nearest else ""
    name = subjects[0].name if len(subjects) == 1 else "MODEL"
    models = " or ".join(dict.fromkeys(subject.name for subject in subjects))
    return UsageError(
        f"no module of {models} is named '{pattern}'",
        where=f"--tap {pattern}",
        help=f"{suggestion}`ucseg params {name} --depth {max(1, path_depth(pattern))}` shows them",
    )


def _called(trace: Trace, path: str) -> Module | None:
    """The module, under its first path if it has several; None if there is none."""
    module = trace.by_path.get(path)
    return module and (trace.by_path[module.alias_of] if module.alias_of is not None else module)


def _shape(trace: Trace, output: Output) -> TapShape:
    if output.tensor is None:
        return TapShape(output.name, output.module, None, None)
    tensor, grid = trace.tensors[output.tensor], grids(trace).get(output.tensor, ())
    time = places(grid).get(TIME)
    return TapShape(
        output.name,
        output.module,
        tensor.shape,
        strides(trace).get(output.tensor),
        time and time.step,
        _map(trace, output.tensor),
        tensor.dtype,
    )


def _map(trace: Trace, tensor: int) -> Map | None:
    """By its grid; without one, as after global pooling, N×C×H×W if the network reads images."""
    shape, found = trace.tensors[tensor].shape, places(grids(trace).get(tensor, ()))
    if len(shape) != RANK_OF_MAPS:
        return None
    if tensor not in grids(trace):
        reads_images = any(
            len(trace.shape(tensor) or ()) == RANK_OF_MAPS for tensor in trace.inputs
        )
        return Map(*shape[1:]) if reads_images else None
    if not {HEIGHT, WIDTH} <= found.keys():
        return None
    down, across = found[HEIGHT].position, found[WIDTH].position
    channels = CHANNELS.get((down, across))
    return None if channels is None else Map(shape[channels], shape[down], shape[across])
