"""The variants of one design, one after the other: whatever two of them share is run once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain, starmap
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ucseg_cli.engine.forward_arguments import argument_maker
from ucseg_cli.engine.parts.parts_recorder import PartsRecorder, WholeOnlyError
from ucseg_cli.engine.parts.signatures import Signatures
from ucseg_cli.engine.recording.build_on_meta import building_on_meta, values_left_alone
from ucseg_cli.engine.recording.record import has_lazy_modules, trace_modules
from ucseg_cli.engine.trace_model import Tracer, function_of, trace_built
from ucseg_cli.engine.user_code.accelerators import accelerators_on_meta
from ucseg_cli.engine.user_code.import_model import model_builders, user_state
from ucseg_cli.engine.user_code.isolation import seed_generators
from ucseg_cli.errors import UcsegError
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.parts import Assembled, Outcome, PartBook
from ucseg_cli.facts.trace import Tap, Trace
from ucseg_cli.nets import Backbone, SegmentationNetwork
from ucseg_cli.nets.backbone import run_features
from ucseg_cli.nets.network import Child, make_anew
from ucseg_cli.references import Buildable, OwnCode, Unbuildable
from ucseg_cli.references.designs import Model
from ucseg_cli.references.variants import Variant, layout


class Built(NamedTuple):
    """A variant on meta, the numbers of what it owns, and the maps that it names, or its parts."""

    network: nn.Module
    weights: tuple[int, ...]
    taps: tuple[Tap, ...] = ()


class Design(NamedTuple):
    """How the variants of a design come about: by *build*, or traced as a *whole*.

    While *fresh* lasts, what a variant changes besides itself may change: no other one sees it.
    """

    build: Callable[[Any], Built]
    whole: Callable[[Any, Conditions], Trace]
    fresh: Callable[[], AbstractContextManager[None]] = nullcontext


class SpaceRecorder:
    """Records variants of one design, in a process in which nothing else runs.

    *book* gets the parts; with *wired*, which step takes what another one returned, too.
    """

    def __init__(self, conditions: Sequence[Conditions], *, wired: bool = False) -> None:
        self.book = PartBook([], [])
        self._conditions = conditions
        self._recorder = PartsRecorder(self.book.parts, wired=wired)

    def record(self, models: Iterable[Model]) -> Iterator[list[Outcome]]:
        """The outcome of each variant on each input."""
        models = iter(models)
        first = next(models, None)
        if first is None:
            return
        with self._design(first) as design, self._recorder.watching_calls():
            yield self._outcomes(design, first)
            for model in models:
                yield self._outcomes(design, model)

    @contextmanager
    def _design(self, model: Model) -> Iterator[Design]:
        if isinstance(model, Unbuildable):
            raise TypeError(model)
        if isinstance(model, Variant):
            family = _Family(self.book)
            yield Design(family.build, Tracer().trace)
        else:
            with _own_design(model, self._conditions, self.book, self._recorder) as own:
                yield own

    def _outcomes(self, design: Design, model: Model) -> list[Outcome]:
        return [self._outcome(design, model, conditions) for conditions in self._conditions]

    def _outcome(self, design: Design, model: Model, conditions: Conditions) -> Outcome:
        if conditions.training is not None:
            return _whole(design, model, conditions)
        with design.fresh():
            return self._outcome_of(design, model, conditions)

    def _outcome_of(self, design: Design, model: Model, conditions: Conditions) -> Outcome:
        try:
            built = design.build(model)
            arguments = argument_maker(conditions)("meta")
            run = self._recorder.run(built.network, arguments.positional, arguments.keywords)
        except (Exception, SystemExit):  # noqa: BLE001 - as a whole it gives the better message
            return _whole(design, model, conditions)
        branches = _branches(built.network)
        return Assembled(*run[:2], built.weights, run.inputs, built.taps, branches)


def _whole(design: Design, model: Model, conditions: Conditions) -> Outcome:
    try:
        with design.fresh():
            return design.whole(model, conditions)
    except UcsegError as error:
        return error


def _branches(network: nn.Module) -> tuple[str, ...]:
    for name in layout.BRANCHES.split("."):
        network = network._modules.get(name) or nn.Module()
    return tuple(f"{layout.BRANCHES}.{name}" for name in network._modules if name.isdecimal())


# The built-in family


class _Family:
    """Builds variants of children that are built once."""

    def __init__(self, book: PartBook) -> None:
        self._book = book
        self._backbones: dict[tuple[int, int], Backbone] = {}
        self._children: dict[tuple[Any, ...], nn.Module] = {}
        self._weights: dict[nn.Module, int] = {}
        self._tracer = Tracer()

    def build(self, variant: Variant) -> Built:
        """The variant, of children that other variants may have as well."""
        network = _FamilyNetwork(variant, self._backbone(variant), self._make)
        network.training = False  # its children are in eval mode already
        weights = tuple(self._weights[child] for child in network.children())
        return Built(network, weights, tuple(starmap(Tap, variant.taps.items())))

    def _backbone(self, variant: Variant) -> Backbone:
        key = (variant.backbone, variant.output_stride)
        if key not in self._backbones:
            with building_on_meta():
                backbone = self._tracer.backbone(variant)
            features = _Features(backbone.features, variant.taps).eval()
            self._backbones[key] = backbone._replace(features=features)
            self._own(features)
        return self._backbones[key]

    def _make(self, name: str, constructor: Callable[..., Child], *given: Any) -> Child:
        """The child for these arguments; no two children of a network are the same."""
        key = (name, constructor, *given)
        if key not in self._children:
            with building_on_meta():
                child = self._children[key] = make_anew(name, constructor, *given).eval()
            self._own(child)
        return cast("Child", self._children[key])

    def _own(self, child: nn.Module) -> None:
        self._book.weights.append(trace_modules(child))
        self._weights[child] = len(self._book.weights) - 1


class _Features(nn.Sequential):
    """The backbone as one module that is called, so that it is one part."""

    def __init__(self, features: nn.Sequential, taps: Mapping[str, str]) -> None:
        super().__init__(*features)
        self.taps = taps

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return run_features(self, x, self.taps)


class _FamilyNetwork(SegmentationNetwork):
    def run_backbone(self, x: Tensor) -> dict[str, Tensor]:
        tapped: dict[str, Tensor] = self.features(x)
        return tapped


# Any other design


@contextmanager
def _own_design(
    source: Buildable, conditions: Sequence[Conditions], book: PartBook, recorder: PartsRecorder
) -> Iterator[Design]:
    """A user's class or function, or a library's network; imported once."""
    functions: Iterator[OwnCode | None] = map(function_of, conditions)
    example = next((one for one in functions if one is not None), None)
    with model_builders(source, example) as builder_of, accelerators_on_meta():
        weights = _Weights(book, recorder.signatures)

        def build(model: Buildable) -> Built:
            recorder.signatures.forget()
            seed_generators()
            with building_on_meta():
                network = builder_of(model)()
            with torch._C.DisableTorchFunction():
                if has_lazy_modules(network):
                    raise WholeOnlyError("lazy modules")
                if recorder.wired and _has_two_names(network):
                    raise WholeOnlyError("a module with two names")
                taps = tuple(Tap(name, name) for name in network._modules)
                return Built(network.eval(), weights.of(network), taps)

        def whole(model: Buildable, at: Conditions) -> Trace:
            seed_generators()
            return trace_built(builder_of(model), argument_maker(at))

        with values_left_alone():
            yield Design(build, whole, user_state(source).restored)


class _Weights:
    """Enters what modules own into the book, once for equal modules."""

    def __init__(self, book: PartBook, signatures: Signatures) -> None:
        self._book, self._signatures = book, signatures
        self._numbers: dict[int, int] = {}

    def of(self, network: nn.Module) -> tuple[int, ...]:
        """The numbers of what it owns: of parts that others may have as well."""
        if not _is_tree(network):
            return (self._new(network),)
        return tuple(chain(self._own(network), *map(self._of, network.children())))

    def _of(self, module: nn.Module) -> Iterator[int]:
        signature = self._signatures.of_module(module)
        if signature is not None:
            if signature not in self._numbers:
                self._numbers[signature] = self._new(module)
            yield self._numbers[signature]
            return
        yield from self._own(module)
        for child in module.children():
            yield from self._of(child)

    def _own(self, module: nn.Module) -> Iterator[int]:
        """The number of what it owns itself, if it does."""
        if module._parameters or module._buffers:
            yield self._new(_without_children(module))

    def _new(self, module: nn.Module) -> int:
        self._book.weights.append(trace_modules(module))
        return len(self._book.weights) - 1


def _has_two_names(network: nn.Module) -> bool:
    """Whether any of its modules has; which of them a call is of depends on all calls."""
    every = sum(1 for _ in network.named_modules(remove_duplicate=False))
    return every > sum(1 for _ in network.modules())


def _is_tree(network: nn.Module) -> bool:
    """Whether no module and no tensor has two owners, so that their sums add up."""
    seen: set[int] = set()
    for _, module in network.named_modules(remove_duplicate=False):
        tensors = (*module._parameters.values(), *module._buffers.values())
        owned = [id(one) for one in (module, *tensors) if one is not None]
        if not seen.isdisjoint(owned) or len(set(owned)) < len(owned):
            return False
        seen.update(owned)
    return True


def _without_children(module: nn.Module) -> nn.Module:
    alone = nn.Module()
    alone._parameters, alone._buffers = module._parameters, module._buffers
    return alone
