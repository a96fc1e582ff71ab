"""The options that several commands share, in groups that a command takes whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ucseg_cli.cli.number_type import POSITIVE, TIME_LIMIT, WHOLE
from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.facts.choices import CONVENTION_NAMES, DTYPES, TIMEOUT

if TYPE_CHECKING:
    from ucseg_cli.facts.conditions import Conditions, Size
    from ucseg_cli.facts.settings import Settings
    from ucseg_cli.gate.cache import Cache
    from ucseg_cli.references import Reference
    from ucseg_cli.report.parts.module_table import Arrangement

ARGUMENT, MODEL, MEASURE, TRAINING = "Argument", "Model", "Measure", "Train"
JUDGE, OUTPUT = "Judge", "Output"
"""The groups of options in a command's help."""

ORDERS = ("tree", "count", "path")
_HOW_TO_NAME = "as in v2, v2+backbone=10, net.py:Net or torchvision:resnet50"


def one_of(noun: str, word: str, known: Iterable[str], option: str) -> str:
    """A word out of a fixed set; raises UnknownNameError with the nearest one."""
    known = tuple(known)
    if word not in known:
        raise UnknownNameError(noun, word, known, where=f"{option} {word}")
    return word


def choice(
    *flags: str,
    noun: str,
    known: Sequence[str],
    help: str,  # noqa: A002 - the word on the screen
    panel: str = MEASURE,
) -> Any:
    """An option whose value is one of the *known* words, completed and checked."""

    def check(word: str | None) -> str | None:
        return word and one_of(noun, word, known, flags[0])

    return typer.Option(
        *flags,
        metavar="NAME",
        help=f"{help}: {', '.join(known)}.",
        autocompletion=lambda incomplete: [name for name in known if name.startswith(incomplete)],
        callback=check,
        rich_help_panel=panel,
    )


def complete_reference(context: typer.Context, incomplete: str) -> list[str]:
    """Shell completion of a reference, on a sweep of the name of a space as well."""
    from ucseg_cli.cli.completion import complete_reference as completion  # only a shell asks

    with_spaces = context.info_name == "sweep"
    return completion.complete_reference(incomplete, with_spaces=with_spaces)


def complete_metric(incomplete: str) -> list[str]:
    """Shell completion of a metric's name."""
    from ucseg_cli.analysis.counting.metrics import METRICS

    return [metric for metric in METRICS if metric.startswith(incomplete)]


def reference_argument(metavar: str, help: str) -> Any:  # noqa: A002 - the word on the screen
    """An argument that names models."""
    return typer.Argument(
        metavar=metavar, help=help, autocompletion=complete_reference, rich_help_panel=MODEL
    )


def since_option(help: str) -> Any:  # noqa: A002 - the word on the screen
    """An option that names a revision of git."""
    return typer.Option("--since", metavar="REV", help=help, rich_help_panel=MODEL)


_variant = partial(
    typer.Option,
    "--variant",
    "-v",
    metavar="MODEL",
    autocompletion=complete_reference,
    rich_help_panel=MODEL,
)
_size = partial(typer.Option, "--size", "-s", metavar="H[xW]", rich_help_panel=MEASURE)
_flag: Callable[..., Any] = partial(typer.Option, rich_help_panel=MEASURE)

BatchOption = Annotated[
    int, _flag("--batch", "-b", metavar="N", click_type=WHOLE, help="Images in the input.")
]
InputOption = Annotated[
    str | None,
    _flag(
        "--input",
        "-i",
        metavar="SHAPE[:DTYPE],…",
        help="Other than an image: 1x16:int64, mask=1x16, or a function as net.py:example.",
    ),
]
TimeoutOption = Annotated[
    float | None,
    _flag(
        "--timeout",
        metavar="SECONDS",
        click_type=TIME_LIMIT,
        help=f"How long your own code may run, {TIMEOUT:g} unless configured.",
    ),
]
NoCacheOption = Annotated[bool, _flag("--no-cache", help="Ignore the cache.")]
DeployOption = Annotated[
    bool, _flag("--deploy", help="After folding batch norms into the convolutions before them.")
]
ReconcileOption = Annotated[
    bool, _flag("--reconcile", help="Also what other counters print, and why.")
]
ConventionOption = Annotated[
    str | None,
    choice(
        "--convention",
        "-c",
        noun="convention",
        known=CONVENTION_NAMES,
        help="How operations are priced, fvcore unless configured",
    ),
]
DtypeOption = Annotated[
    str | None,
    choice("--dtype", noun="dtype", known=DTYPES, help="As if all floating-point tensors had it"),
]
ExitZeroOption = Annotated[
    bool,
    typer.Option("--exit-zero", help="Exit 0 even if a check fails.", rich_help_panel=JUDGE),
]
DepthOption = Annotated[
    int,
    typer.Option(
        "--depth",
        "-d",
        metavar="N",
        click_type=POSITIVE,
        help="Levels of modules below the root.",
        rich_help_panel=OUTPUT,
    ),
]
TopOption = Annotated[
    int | None,
    typer.Option(
        "--top",
        "-n",
        metavar="N",
        click_type=POSITIVE,
        help="Only the first N rows of a table, the rest in one; JSON and CSV have all.",
        rich_help_panel=OUTPUT,
    ),
]


class OneModel(NamedTuple):
    """The model of a command about one, as an argument or an option."""

    model: Annotated[str | None, reference_argument("[MODEL]", f"A model, {_HOW_TO_NAME}.")] = None
    variant: Annotated[str | None, _variant(help="The same as MODEL.")] = None

    @property
    def name(self) -> str | None:
        """The one name that was typed; raises UsageError if two were."""
        named = dict.fromkeys(name for name in (self.model, self.variant) if name is not None)
        if len(named) > 1:
            what = f"two models are named, '{self.model}' and '{self.variant}'"
            raise UsageError(what, where="--variant", help="name one of them")
        return next(iter(named), None)

    def find(self, settings: Settings) -> Reference:
        """The model; the default one if none is named. Raises UsageError if two are."""
        return settings.default if self.name is None else settings.find(self.name)


class ManyModels(NamedTuple):
    """The models of a command about any number."""

    models: Annotated[
        list[str] | None, reference_argument("[MODEL]...", f"Models, {_HOW_TO_NAME}.")
    ] = None
    variant: Annotated[list[str] | None, _variant(help="The same as MODEL; repeatable.")] = None

    def named(self, settings: Settings) -> list[Reference]:
        """The models that were typed, in order."""
        return list(map(settings.find, [*(self.models or []), *(self.variant or [])]))

    def find(self, settings: Settings) -> list[Reference]:
        """The models that were typed; the default one if there is none."""
        return self.named(settings) or [settings.default]


class OneInput(NamedTuple):
    """The input that a model runs on."""

    size: Annotated[
        str | None, _size(help="Input size in pixels, 224 unless configured: 512, 384x640.")
    ] = None
    batch: BatchOption = 1
    input: InputOption = None
    timeout: TimeoutOption = None
    no_cache: NoCacheOption = False

    def project(self) -> Settings:
        """The settings of the project, with the time limit as typed."""
        return project_with(self.timeout)

    def conditions(self, settings: Settings) -> Conditions:
        """The input as typed, else the first configured size; raises UsageError."""
        if self.input is not None:
            return _given(self.input, settings, self.size, self.batch)
        return _conditions(self.size or settings.sizes[0], self.batch)

    def open_cache(self) -> Cache | None:
        """The user's cache, unless it is to be ignored; one for each command, to warn once."""
        return open_cache(no_cache=self.no_cache)


class ManyInputs(NamedTuple):
    """The inputs, one for each size, that models run on."""

    size: Annotated[
        list[str] | None,
        _size(help="Input size in pixels, 224 unless configured: 512, 384x640; repeatable."),
    ] = None
    batch: BatchOption = 1
    input: InputOption = None
    timeout: TimeoutOption = None
    no_cache: NoCacheOption = False

    def project(self, *, needed: bool = False) -> Settings:
        """As OneInput's; a configuration may be *needed*."""
        return project_with(self.timeout, needed=needed)

    def conditions(self, settings: Settings) -> list[Conditions]:
        """The input as typed, or each size once, else the configured sizes; raises UsageError."""
        typed = typed_inputs(settings, self.size or (), self.input, self.batch)
        return typed or typed_inputs(settings, settings.sizes, None, self.batch)

    def open_cache(self) -> Cache | None:
        """As OneInput's."""
        return open_cache(no_cache=self.no_cache)


class Rows(NamedTuple):
    """Which modules are shown, and in which order."""

    depth: DepthOption = 2
    sort: Annotated[
        str,
        choice("--sort", noun="order", known=ORDERS, help="Order of modules", panel=OUTPUT),
    ] = "tree"
    top: TopOption = None

    @property
    def arrangement(self) -> Arrangement:
        """Depth, order and number as they were typed."""
        from ucseg_cli.report.parts.module_table import Arrangement

        return Arrangement(self.depth, self.sort, self.top)


def typed_inputs(
    settings: Settings, sizes: Sequence[str | Size], other: str | None, batch: int = 1
) -> list[Conditions]:
    """The *other* input as typed, or each size once; raises UsageError if there are both."""
    if other is not None:
        return [_given(other, settings, sizes, batch)]
    return list(dict.fromkeys(_conditions(size, batch) for size in sizes))


def project_with(timeout: float | None, *, needed: bool = False) -> Settings:
    """The settings of the project, with the time limit as typed."""
    from ucseg_cli.workflow.load_project import load_project

    settings = load_project(needed=needed)
    return settings if timeout is None else settings._replace(timeout=timeout)


def open_cache(*, no_cache: bool) -> Cache | None:
    """The user's cache, unless it is to be ignored."""
    if no_cache:
        return None
    from ucseg_cli.workflow import measure

    return measure.open_cache()


def _conditions(size: str | Size, batch: int) -> Conditions:
    from ucseg_cli.facts.conditions import make_conditions, parse_size

    return make_conditions(parse_size(size) if isinstance(size, str) else size, batch)


def _given(inputs: str, settings: Settings, size: object, batch: int) -> Conditions:
    from ucseg_cli.facts.conditions import Conditions

    if size or batch != 1:
        what = "the whole shape is given already"
        where = f"--input {inputs[:40]}"
        raise UsageError(what, where=where, help="leave --size and --batch out")
    return Conditions(given=settings.find_input(inputs))
