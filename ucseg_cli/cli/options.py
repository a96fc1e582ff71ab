"""The options that several commands share, each spelled once, in groups that a command takes whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ucseg_cli.cli.completion.complete_reference import complete_reference
from ucseg_cli.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from ucseg_cli.facts.conditions import Conditions, Size
    from ucseg_cli.facts.settings import Settings
    from ucseg_cli.gate.cache import Cache
    from ucseg_cli.report.parts.module_table import Arrangement

ORDERS = ("tree", "count", "path")
CONVENTION_NAMES = ("fvcore", "macs", "torch")


def complete_from(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Shell completion out of a fixed set."""
    known = tuple(names)
    return lambda incomplete: [name for name in known if name.startswith(incomplete)]


def one_of(noun: str, word: str, known: Iterable[str], option: str) -> str:
    """A word out of a fixed set; raises UnknownNameError with the nearest one."""
    known = tuple(known)
    if word not in known:
        raise UnknownNameError(noun, word, known, where=f"{option} {word}")
    return word


def at_least(number: int, least: int, option: str) -> int:
    """A whole number that is not too small; raises UsageError."""
    if number < least:
        raise UsageError(
            f"{number} is too small", where=f"{option} {number}", help=f"it is at least {least}"
        )
    return number


VariantOption = Annotated[
    str | None,
    typer.Option(
        "--variant",
        "-v",
        metavar="MODEL",
        help="The same as MODEL.",
        autocompletion=complete_reference,
    ),
]
VariantsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        "-v",
        metavar="MODEL",
        help="The same as MODEL; repeatable.",
        autocompletion=complete_reference,
    ),
]
BatchOption = Annotated[
    int, typer.Option("--batch", "-b", metavar="N", help="Images in the input.")
]
InputOption = Annotated[
    str | None,
    typer.Option(
        "--input",
        "-i",
        metavar="SHAPE[:DTYPE],…",
        help="Other tensors than an image: 1x3x16x112x112, 1x16:int64.",
    ),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Record afresh, and keep nothing.")]
ExitZeroOption = Annotated[
    bool, typer.Option("--exit-zero", help="Exit 0 also where a gate fails.")
]
DeployOption = Annotated[
    bool,
    typer.Option("--deploy", help="After folding batch norms into the convolutions before them."),
]
ReconcileOption = Annotated[
    bool, typer.Option("--reconcile", help="Also what other counters print, and why.")
]
DepthOption = Annotated[
    int, typer.Option("--depth", "-d", metavar="N", help="Levels of modules below the root.")
]
TopOption = Annotated[
    int | None,
    typer.Option(
        "--top",
        "-n",
        metavar="N",
        help="Only the first N rows of a table, the rest in one; JSON and CSV have all.",
    ),
]
ConventionOption = Annotated[
    str | None,
    typer.Option(
        "--convention", "-c", metavar="NAME", help=f"How operations are priced: {', '.join(CONVENTION_NAMES)}.",
        autocompletion=complete_from(CONVENTION_NAMES),
    ),
]  # fmt: skip


class OneModel(NamedTuple):
    """The model of a command about one, as an argument or an option."""

    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="A model, as in v2, v2+backbone=10, net.py:Net or torchvision:resnet50.",
            autocompletion=complete_reference,
        ),
    ] = None
    variant: VariantOption = None

    def name(self, settings: Settings) -> str:
        """The reference; raises UsageError where argument and option disagree."""
        if self.model is not None and self.variant is not None and self.model != self.variant:
            raise UsageError(
                f"two models are named, '{self.model}' and '{self.variant}'",
                where="--variant",
                help="name one of them",
            )
        return next(
            (name for name in (self.model, self.variant) if name is not None), settings.default
        )


class ManyModels(NamedTuple):
    """The models of a command about any number."""

    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Models, as in v2, v2+backbone=10, net.py:Net or torchvision:resnet50.",
            autocompletion=complete_reference,
        ),
    ] = None
    variant: VariantsOption = None

    @property
    def named(self) -> list[str]:
        """The references, in the order they were typed."""
        return [*(self.models or []), *(self.variant or [])]

    def names(self, settings: Settings) -> list[str]:
        """The references that were typed; the default model where there is none."""
        return self.named or [settings.default]


class OneInput(NamedTuple):
    """The input that a model runs on."""

    size: Annotated[
        str | None,
        typer.Option("--size", "-s", metavar="H[xW]", help="Input size in pixels: 512 or 384x640."),
    ] = None
    batch: BatchOption = 1
    input: InputOption = None
    no_cache: NoCacheOption = False

    def conditions(self, settings: Settings) -> Conditions:
        """The tensors, or size and batch, as typed, else the first size that is configured; raises UsageError."""
        if self.input is not None:
            return _given(self.input, self.size, self.batch)
        return _conditions(self.size or settings.sizes[0], self.batch)

    def open_cache(self) -> Cache | None:
        """The person's cache, unless they want none; one for each command, so that it warns once."""
        return _open_cache(no_cache=self.no_cache)


class ManyInputs(NamedTuple):
    """The inputs, one for each size, that models run on."""

    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size",
            "-s",
            metavar="H[xW]",
            help="Input size in pixels: 512 or 384x640; repeatable.",
        ),
    ] = None
    batch: BatchOption = 1
    input: InputOption = None
    no_cache: NoCacheOption = False

    def conditions(self, settings: Settings) -> list[Conditions]:
        """The tensors, or each size once with the batch, as typed, else as configured; raises UsageError."""
        if self.input is not None:
            return [_given(self.input, self.size, self.batch)]
        return list(
            dict.fromkeys(_conditions(size, self.batch) for size in self.size or settings.sizes)
        )

    def open_cache(self) -> Cache | None:
        """The person's cache, unless they want none; one for each command, so that it warns once."""
        return _open_cache(no_cache=self.no_cache)


class Rows(NamedTuple):
    """Which modules are shown, and in which order."""

    depth: DepthOption = 2
    sort: Annotated[
        str,
        typer.Option(
            "--sort", metavar="ORDER", help="tree, count (heaviest first, at one level) or path.",
            autocompletion=complete_from(ORDERS),
        ),
    ] = "tree"  # fmt: skip
    top: TopOption = None

    @property
    def arrangement(self) -> Arrangement:
        """Depth, order and number as they were typed; raises UsageError."""
        from ucseg_cli.report.parts.module_table import Arrangement

        top = None if self.top is None else at_least(self.top, 1, "--top")
        return Arrangement(
            at_least(self.depth, 1, "--depth"), one_of("order", self.sort, ORDERS, "--sort"), top
        )


def _conditions(size: str | Size, batch: int) -> Conditions:
    from ucseg_cli.facts.conditions import make_conditions, parse_size

    return make_conditions(parse_size(size) if isinstance(size, str) else size, batch)


def _given(inputs: str, size: object, batch: int) -> Conditions:
    from ucseg_cli.facts.conditions import Conditions, parse_inputs

    if size or batch != 1:
        raise UsageError(
            "the whole shape is given already",
            where=f"--input {inputs[:40]}",
            help="leave --size and --batch out",
        )
    return Conditions(given=parse_inputs(inputs))


def _open_cache(*, no_cache: bool) -> Cache | None:
    if no_cache:
        return None
    from ucseg_cli.workflow.measure import open_cache

    return open_cache()
