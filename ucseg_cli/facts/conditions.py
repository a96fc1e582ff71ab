"""The conditions under which a model is looked at: what goes in."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ucseg_cli.errors import UnknownNameError, UsageError, Where
from ucseg_cli.facts.choices import CROSS_ENTROPY, DTYPE, DTYPES, MEAN
from ucseg_cli.facts.training import Training
from ucseg_cli.references import OwnCode, Reference, find_source, is_source
from ucseg_cli.units import format_shape

if TYPE_CHECKING:
    from ucseg_cli.facts.trace import Trace

DEFAULT_SIDE = 224
MAX_SIDE = 2**20
MAX_BATCH = 2**16
MAX_PIXELS = 2**44
CHANNELS = 3
SPATIAL_RANK = 4
INPUT_DTYPES = (
    *DTYPES,
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
    "complex64",
    "complex128",
)
MAX_RANK = 8

OTHER_ARGUMENTS = (
    "several and keywords as in 1x3x224x224,mask=1x224x224:int64; lists, dictionaries and values "
    "come from a function of yours that returns the arguments, as in net.py:example"
)
"""How to feed a model whose forward pass takes more than an image."""

SIDES = r"([0-9]+)(?:\s*[x×X]\s*([0-9]+))?"
SHAPE = rf"[0-9]{{1,15}}(?:[x×X][0-9]{{1,15}}){{0,{MAX_RANK - 1}}}"
"""How a size, and the shape of a tensor, are written."""

_SIZE_HELP = "write one number for a square (512) or HEIGHTxWIDTH (384x640)"
_INPUT_HELP = (
    "write lengths with x between, as in 1x3x16x112x112, a dtype as in 1x16:int64, a keyword as in "
    "mask=1x16, or a function that returns the arguments as in net.py:example"
)


class Size(NamedTuple):
    """Height and width of the input in pixels."""

    height: int = DEFAULT_SIDE
    width: int = DEFAULT_SIDE

    def __str__(self) -> str:
        return f"{self.height}" if self.height == self.width else f"{self.height}x{self.width}"


class Input(NamedTuple):
    """One tensor that goes into a model.

    Its *name* is the keyword that it is passed as, or the keys that lead to it in a dictionary;
    empty if its place alone says what it is.
    """

    shape: tuple[int, ...]
    dtype: str = DTYPE
    name: str = ""

    def __str__(self) -> str:
        return f"{self._named} {self.dtype}"

    @property
    def shown(self) -> str:
        """On a screen, where float32 needs no words: ``mask 1×224×224 int64``."""
        return self._named if self.dtype == DTYPE else str(self)

    @property
    def written(self) -> str:
        """As `--input` takes it."""
        keyword = f"{self.name}=" if self.name else ""
        return f"{keyword}{'x'.join(map(str, self.shape))}:{self.dtype}"

    @property
    def _named(self) -> str:
        return f"{self.name} {format_shape(self.shape)}".strip()


class Tensors(NamedTuple):
    """The input of a model that does not take an image; those without a name come first."""

    inputs: tuple[Input, ...]

    def __str__(self) -> str:
        return ", ".join(tensor.shown for tensor in self.inputs)

    @property
    def shown(self) -> str:
        """As a header has it."""
        return str(self)

    @property
    def written(self) -> str:
        """As `--input` takes it."""
        return ",".join(tensor.written for tensor in self.inputs)


class Example(NamedTuple):
    """A function of the user's that returns the arguments of the forward pass.

    *inputs* are the tensors in them, once a pass has shown which these are.
    """

    name: str
    function: OwnCode
    inputs: tuple[Input, ...] | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def shown(self) -> str:
        """As a header has it: ``net.py:example (image 1×3×224×224, ids 1×16 int64)``."""
        if self.inputs is None:
            return self.name
        tensors = ", ".join(tensor.shown for tensor in self.inputs)
        return f"{self.name} ({tensors or 'no tensors'})"

    @property
    def written(self) -> str:
        """As `--input` takes it."""
        return self.name


Given = Tensors | Example
"""Instead of an image."""


class Conditions(NamedTuple):
    """The input of a model: N×3×H×W in float32, unless something else is *given*.

    The model runs forward in eval mode, unless a step of its *training* is asked for.
    """

    size: Size = Size()
    batch: int = 1
    given: Given | None = None
    training: Training | None = None

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The tensors, in the order of the forward pass's arguments; none if they are unknown."""
        if self.given is not None:
            return self.given.inputs or ()
        return (Input((self.batch, CHANNELS, self.size.height, self.size.width)),)

    @property
    def first_shape(self) -> tuple[int, ...]:
        """The shape of the first tensor; empty without one."""
        return self.inputs[0].shape if self.inputs else ()

    @property
    def extent(self) -> Size | None:
        """Height and width of the first tensor; None if it is not N×C×H×W."""
        first = self.first_shape
        return Size(*first[2:]) if len(first) == SPATIAL_RANK else None

    @property
    def at(self) -> Size | Given:
        """How a sentence names these conditions: by the size, or by what is given."""
        return self.size if self.given is None else self.given

    @property
    def shown(self) -> str:
        """The input as a header has it."""
        return self.inputs[0].shown if self.given is None else self.given.shown

    @property
    def written(self) -> str:
        """As a lock has it: ``384x640``, ``1x16:int64,mask=1x16:bool``, ``net.py:example``."""
        return str(self.size) if self.given is None else self.given.written

    @property
    def by_place(self) -> Conditions:
        """The same tensors without their names, for a variant that a user's model is, too."""
        if self.given is None:
            return self
        return self._replace(given=Tensors(tuple(one._replace(name="") for one in self.inputs)))

    def as_run(self, *traces: Trace) -> Conditions:
        """With what the first pass shows: the tensors that a function returned, and the loss."""
        trace = next((trace for trace in traces if trace.failure is None), None)
        if trace is None:
            return self
        training = self.training
        if training is not None and trace.trained is not None:
            loss = CROSS_ENTROPY if trace.trained.targets else MEAN
            training = training._replace(loss=loss)
        return self._replace(given=self._given_to(trace), training=training)

    def _given_to(self, trace: Trace) -> Given | None:
        if not isinstance(self.given, Example):
            return self.given
        rows = [trace.tensors[index] for index in trace.inputs]
        names = trace.input_names or ("",) * len(rows)
        inputs = (Input(row.shape, row.dtype, name) for row, name in zip(rows, names, strict=True))
        return self.given._replace(inputs=tuple(inputs))

    def __str__(self) -> str:
        tensors = ", ".join(map(str, self.inputs))
        mode = "eval mode" if self.training is None else f"train mode, {self.training}"
        return f"{self.at if isinstance(self.given, Example) else tensors}, {mode}"


class Point(NamedTuple):
    """A model as it was named, and the input that it runs on: what is traced and judged."""

    reference: Reference
    conditions: Conditions


def parse_size(text: str, *, where: Where = None) -> Size:
    """``512`` or ``384x640`` as a Size; raises UsageError with the way to write it."""
    where = where or f"--size {text[:24]}"
    match = re.fullmatch(SIDES, text.strip())
    if match is None:
        raise UsageError(f"'{text}' is not an input size", where=where, help=_SIZE_HELP)
    digits = (match[1], match[2] or match[1])
    if max(map(len, digits)) > 12:  # also spares int() a text of a million digits
        what = f"the size {text[:12]}… is absurdly large"
        raise UsageError(what, where=where, help=f"each side is at most {MAX_SIDE:,}")
    height, width = map(int, digits)
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        what = f"the size {height:,}×{width:,} is out of range"
        fix = f"each side is between 1 and {MAX_SIDE:,} pixels"
        raise UsageError(what, where=where, help=fix)
    return Size(height, width)


def parse_conditions(text: str, *, where: Where = None, beneath: Path | None = None) -> Conditions:
    """The inverse of *written*; types may be left out. Raises UsageError."""
    if re.search("[:,=]|[x×X].*[x×X]", text):
        return Conditions(given=parse_inputs(text, where=where, beneath=beneath))
    return make_conditions(parse_size(text, where=where), 1)


def make_conditions(size: Size, batch: int) -> Conditions:
    """Size and batch together; raises UsageError if the tensors' sizes would not fit 64 bits."""
    if not 1 <= batch <= MAX_BATCH:
        what, fix = f"the batch {batch:,} is out of range", f"it is between 1 and {MAX_BATCH:,}"
        raise UsageError(what, where=f"--batch {batch}", help=fix)
    if batch * size.height * size.width > MAX_PIXELS:
        images = f"{batch:,} images of {size.height:,}×{size.width:,} pixels"
        raise UsageError(
            f"{images} are more than can be addressed",
            where=f"--batch {batch} --size {size}",
            help=f"batch × height × width is at most {MAX_PIXELS:,}",
        )
    return Conditions(size, batch)


def parse_inputs(
    text: str, *, where: Where = None, beside: Path | None = None, beneath: Path | None = None
) -> Given:
    """``1x3x16x112x112,mask=1x16:int64`` as tensors, or ``net.py:example`` as a function.

    A function's file is found as a model's is; see parse_reference. Raises UsageError with the way
    to write it.
    """
    where = where or f"--input {text[:40]}"
    if is_source(text):
        return _parse_example(text.strip(), where, beside, beneath)
    inputs = tuple(_parse_input(part, where) for part in text.split(","))
    _refuse_order(inputs, where)
    if sum(prod(tensor.shape) for tensor in inputs) > MAX_PIXELS:
        what = "so large an input is more than can be addressed"
        fix = f"all tensors together have at most {MAX_PIXELS:,} elements"
        raise UsageError(what, where=where, help=fix)
    return Tensors(inputs)


def _parse_example(text: str, where: Where, beside: Path | None, beneath: Path | None) -> Example:
    function = find_source(text, where=where, beside=beside, beneath=beneath)
    if not isinstance(function, OwnCode):
        what = f"'{text}' is not a function of yours"
        raise UsageError(what, where=where, help="write FILE.py:NAME or PACKAGE.MODULE:NAME")
    return Example(text, function)


def _refuse_order(inputs: tuple[Input, ...], where: Where) -> None:
    """Raise UsageError where a keyword stands twice, or a tensor without one after it."""
    names = [tensor.name for tensor in inputs]
    for index, name in enumerate(names):
        if name in names[:index] and name:
            fix = "keep one of them"
            raise UsageError(f"the keyword '{name}' stands twice", where=where, help=fix)
        if not name and any(names[:index]):
            what = "a tensor without a keyword follows one with a keyword"
            raise UsageError(what, where=where, help="keywords come last, as in 1x3x8x8,mask=1x8")


def _parse_input(text: str, where: Where) -> Input:
    keyword, equals, described = text.strip().rpartition("=")
    if equals and not keyword.isidentifier():
        raise UsageError(f"'{keyword}' cannot be a keyword", where=where, help=_INPUT_HELP)
    shape, colon, dtype = described.strip().partition(":")
    if not re.fullmatch(SHAPE, shape):
        raise UsageError(f"'{text}' is not an input shape", where=where, help=_INPUT_HELP)
    if colon and dtype not in INPUT_DTYPES:
        raise UnknownNameError("dtype", dtype, INPUT_DTYPES, where=where)
    numbers = tuple(map(int, re.split(r"[x×X]", shape)))
    if 0 in numbers:
        fix = "each length is at least 1"
        raise UsageError(f"'{text}' has a length of 0", where=where, help=fix)
    return Input(numbers, dtype or DTYPE, keyword)
