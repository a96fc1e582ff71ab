"""The arguments of a forward pass: tensors of given shapes, or what a user's function returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from ucseg_cli.engine.recording.build_on_meta import building_on_meta
from ucseg_cli.engine.recording.tensor_numbers import named_tensors_in
from ucseg_cli.engine.user_code.accelerators import accelerators_on_meta
from ucseg_cli.engine.user_code.arguments import BY_NAME
from ucseg_cli.engine.user_code.import_model import Builder, example_caller
from ucseg_cli.engine.user_code.isolation import seed_generators
from ucseg_cli.errors import ModelError, UcsegError, UsageError, nearest_name
from ucseg_cli.facts.conditions import OTHER_ARGUMENTS, Conditions, Example, Input
from ucseg_cli.facts.training import Training
from ucseg_cli.units import plural

NO_KEYWORDS: Mapping[str, Any] = MappingProxyType({})


class Arguments(NamedTuple):
    """The values that a model is called with."""

    positional: Sequence[Any] = ()
    keywords: Mapping[str, Any] = NO_KEYWORDS

    @property
    def tensors(self) -> list[Tensor]:
        """Every tensor, also in lists and dictionaries, in order."""
        return [tensor for _, tensor in named_tensors_in((*self.positional, self.keywords))]

    def each(self, change: Callable[[Tensor], Tensor]) -> Arguments:
        """The same with every tensor changed; one that stands twice stays one."""
        changed: dict[int, Tensor] = {}

        def once(tensor: Tensor) -> Tensor:
            if id(tensor) not in changed:
                changed[id(tensor)] = change(tensor)
            return changed[id(tensor)]

        nest = (tuple(self.positional), dict(self.keywords))
        return Arguments(*tree_map_only(Tensor, once, nest))


class ArgumentMaker(NamedTuple):
    """Makes the arguments of a forward pass: of given shapes, or by a user's function.

    *training* is the step that the pass is part of, if it is.
    """

    inputs: Sequence[Input] = ()
    function: Builder | None = None
    training: Training | None = None

    def __call__(self, device: str) -> Arguments:
        """The arguments on ``meta``, without data, or on another device; the same ones every time.

        Raises ModelError where the function fails.
        """
        if self.function is None:
            return _of_shapes(self.inputs, device)
        return _of_function(self.function, device)


def argument_maker(conditions: Conditions) -> ArgumentMaker:
    """Makes what goes in under *conditions*; a user's function needs model_builder around it.

    Raises UsageError or ModelError where there is no such function.
    """
    training = conditions.training
    if isinstance(conditions.given, Example):
        function = example_caller(conditions.given.function)
        return ArgumentMaker(function=function, training=training)
    return ArgumentMaker(conditions.inputs, training=training)


def _of_shapes(inputs: Sequence[Input], device: str) -> Arguments:
    """Tensors whose data is the same every time: in 0 to 1, and 0 for integers."""
    generator = None if device == "meta" else torch.Generator().manual_seed(0)
    made = [(given.name, _tensor(given, device, generator)) for given in inputs]
    return Arguments(
        [tensor for name, tensor in made if not name],
        {name: tensor for name, tensor in made if name},
    )


def _tensor(given: Input, device: str, generator: torch.Generator | None) -> Tensor:
    dtype: torch.dtype = getattr(torch, given.dtype)
    if generator is None:
        return torch.empty(given.shape, dtype=dtype, device=device)  # zeros is slow in torch 2.6
    if not (dtype.is_floating_point or dtype.is_complex):
        return torch.zeros(given.shape, dtype=dtype, device=device)
    return torch.rand(given.shape, dtype=dtype, generator=generator).to(device)


def _of_function(call: Builder, device: str) -> Arguments:
    """Those that the function returns, on *device*; random ones are the same every time."""
    if device != "meta":
        return _as_arguments(_call(call), call)
    try:
        with building_on_meta(), accelerators_on_meta():
            returned = _call(call)
    except UcsegError:  # it looks at values; on the CPU it has them, or gives the better message
        returned = _call(call)
    return _as_arguments(returned, call).each(_on_meta)


def _on_meta(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else torch.empty_like(tensor, device="meta")


def _call(call: Builder) -> Any:
    seed_generators()
    return call.call()


def _as_arguments(returned: Any, call: Builder) -> Arguments:
    """A tuple has the arguments in order, a dictionary the keywords; anything else is the only one.

    A named tuple is a value of its own.
    """
    if returned is None:
        what = f"{call.source.name} returns None, not the arguments of a forward pass"
        fix = (
            "let it return a tensor, a tuple of arguments or a dictionary of keywords; () for none"
        )
        raise ModelError(what, where=str(call.source), help=fix)
    if type(returned) is tuple:
        return Arguments(returned)
    if isinstance(returned, Mapping):
        return Arguments((), {str(name): value for name, value in returned.items()})
    return Arguments((returned,))


def refuse_other_arguments(model: nn.Module, make: ArgumentMaker) -> None:
    """Raise UsageError where the forward pass does not take the arguments, with what it takes."""
    try:
        signature = inspect.signature(model.forward)
    except (ValueError, TypeError):  # a script, or written in C
        return
    arguments = make("meta")
    try:
        signature.bind(*arguments.positional, **arguments.keywords)
    except TypeError as error:
        why = _mismatch(signature, arguments, make.function and str(make.function.source))
        raise UsageError(f"forward{signature} {why}", help=OTHER_ARGUMENTS) from error


def _mismatch(signature: inspect.Signature, arguments: Arguments, function: str | None) -> str:
    """How the arguments differ from those that a forward pass takes, and what to change."""
    parameters = signature.parameters.values()
    named = {one.name: one for one in parameters if one.kind in BY_NAME}
    unknown = [name for name in arguments.keywords if name not in named]
    if unknown and not any(one.kind is one.VAR_KEYWORD for one in parameters):
        return f"takes no '{unknown[0]}'{_instead_of(unknown[0], [*named], function)}"
    count = plural(len(arguments.positional), "argument" if function else "input tensor")
    refused = f"does not take {count}"
    try:
        bound = signature.bind_partial(*arguments.positional, **arguments.keywords)
    except TypeError as error:  # too many, or one by its place and by its name
        by_keyword = [one.name for one in named.values() if one.kind is one.KEYWORD_ONLY]
        if arguments.keywords:
            return f"refuses them: {error}"
        return (
            f"{refused} by place; it takes keywords: {', '.join(by_keyword)}"
            if by_keyword
            else refused
        )
    required = [name for name, one in named.items() if one.default is one.empty]
    missing = [name for name in required if name not in bound.arguments]
    if not missing:
        return refused
    added = ",".join(f"{name}=SHAPE" for name in missing)
    fix = f"let {function} return that" if function else f"add {added} to the input"
    needs = f"needs {' and '.join(missing)}, too; {fix}"
    return needs if arguments.keywords else f"{refused}: it {needs}"


def _instead_of(unknown: str, known: Sequence[str], function: str | None) -> str:
    """A way to write it instead of with a keyword that is unknown."""
    if (near := nearest_name(unknown, known)) is not None:
        return f"; did you mean '{near}'?"
    way = "; for one argument that is a dictionary, return a tuple of it: ({…},)"
    return way if function else ""
