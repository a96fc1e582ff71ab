"""Options that several commands share, spelled once, in groups that a command takes whole."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from ucseg_cli.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from ucseg_cli.conditions import Conditions
    from ucseg_cli.report.module_table import Arrangement

FORMATS = ("table", "json", "csv", "markdown", "html")
ORDERS = ("tree", "count", "path")
CONVENTION_NAMES = ("fvcore", "macs", "torch")


def complete_from(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Shell completion out of a fixed set."""
    known = tuple(names)
    return lambda incomplete: [name for name in known if name.startswith(incomplete)]


def complete_reference(incomplete: str) -> list[str]:
    """Shell completion of a reference: a variant, then axes and their usual values."""
    from ucseg_cli.variants import AXES, CATALOGUE

    head, plus, last = incomplete.rpartition("+")
    if not plus:
        return [name for name in CATALOGUE if name.startswith(last)]
    written = [f"{axis.name}={value}" for axis in AXES for value in axis.examples]
    return [f"{head}+{assignment}" for assignment in written if assignment.startswith(last)]


ModelArgument = Annotated[
    str | None,
    typer.Argument(metavar="[MODEL]", help="A variant, as in v2 or v2+backbone=10.", autocompletion=complete_reference),
]
VariantOption = Annotated[
    str | None,
    typer.Option("--variant", "-v", metavar="MODEL", help="The same as MODEL.", autocompletion=complete_reference),
]
SizeOption = Annotated[str, typer.Option("--size", "-s", metavar="H[xW]", help="Input size in pixels: 512 or 384x640.")]
SizesOption = Annotated[
    list[str], typer.Option("--size", "-s", metavar="H[xW]", help="Input size in pixels: 512 or 384x640; repeatable.")
]
BatchOption = Annotated[int, typer.Option("--batch", "-b", metavar="N", help="Images in the input.")]
ConventionOption = Annotated[
    str,
    typer.Option(
        "--convention", "-c", metavar="NAME", help=f"How operations are priced: {', '.join(CONVENTION_NAMES)}.",
        autocompletion=complete_from(CONVENTION_NAMES),
    ),
]  # fmt: skip
DepthOption = Annotated[int, typer.Option("--depth", "-d", metavar="N", help="Levels of modules below the root.")]
TopOption = Annotated[
    int | None, typer.Option("--top", "-n", metavar="N", help="Only the N heaviest modules; the rest in one row.")
]
SortOption = Annotated[
    str,
    typer.Option(
        "--sort", metavar="ORDER", help="tree, count (heaviest first, at one level) or path.",
        autocompletion=complete_from(ORDERS),
    ),
]  # fmt: skip
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Record afresh, and keep nothing.")]
ExitZeroOption = Annotated[bool, typer.Option("--exit-zero", help="Exit 0 also where a gate fails.")]
DEFAULT_SIZE = "224"


@dataclass(frozen=True, slots=True)
class Output:
    """Where an answer goes, and in which form. One run may do several."""

    format: Annotated[
        str,
        typer.Option(
            "--format", "-f", metavar="NAME", help=f"On the screen: {', '.join(FORMATS)}.",
            autocompletion=complete_from(FORMATS),
        ),
    ] = "table"  # fmt: skip
    export_json: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write JSON to FILE (- is stdout).")] = (
        None
    )
    export_csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write CSV to FILE.")] = None
    export_markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write Markdown to FILE.")] = None
    export_html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a web page to FILE.")] = None
    exact: Annotated[bool, typer.Option("--exact", help="Counts in full, without k, M or G.")] = False

    def check(self) -> None:
        """Raise UnknownNameError for an unknown format, before anything is measured."""
        if self.format not in FORMATS:
            raise UnknownNameError("format", self.format, FORMATS, where=f"--format {self.format}")

    @property
    def exports(self) -> dict[str, Path]:
        """Files to write, by format."""
        named = {
            "json": self.export_json,
            "csv": self.export_csv,
            "markdown": self.export_markdown,
            "html": self.export_html,
        }
        return {format_name: path for format_name, path in named.items() if path is not None}


def with_groups(command: Callable[..., int]) -> Callable[..., int]:
    """Let a command take a group of options as one argument, such as ``output: Output``.

    Typer sees each field of the dataclass as an option of its own; the command gets the dataclass.
    """
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return", None)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint) and isinstance(hint, type)}
    own = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(command).parameters.items()
        if name not in groups
    ]
    added = [parameter for group in groups.values() for parameter in _parameters(group)]

    @wraps(command)
    def run(**given: Any) -> int:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
            given[name].check()
        return command(**given)

    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined] # what inspect.signature reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return run


def _parameters(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


def chosen_model(model: str | None, variant: str | None) -> str:
    """The model as argument or option, else the default; raises UsageError where the two disagree."""
    if model is not None and variant is not None and model != variant:
        raise UsageError(f"two models are named, '{model}' and '{variant}'", where="--variant", help="name one of them")
    from ucseg_cli.variants import DEFAULT

    return next((name for name in (model, variant) if name is not None), DEFAULT)


def chosen_conditions(size: str, batch: int) -> Conditions:
    """Size and batch as they were typed."""
    from ucseg_cli.conditions import make_conditions, parse_size

    return make_conditions(parse_size(size), batch)


def chosen_arrangement(sort: str, top: int | None) -> Arrangement:
    """Order and number of module rows."""
    from ucseg_cli.report.module_table import Arrangement

    return Arrangement(one_of(sort, ORDERS, "--sort"), at_least(top, 1, "--top"))


def chosen_depth(depth: int) -> int:
    """Levels of modules."""
    return at_least(depth, 1, "--depth") or 1


def at_least(number: int | None, least: int, option: str) -> int | None:
    """A whole number that is not too small; raises UsageError."""
    if number is not None and number < least:
        raise UsageError(f"{number} is too small", where=f"{option} {number}", help=f"it is at least {least}")
    return number


def one_of(word: str, known: Iterable[str], option: str) -> str:
    """A word out of a fixed set; raises UnknownNameError with the nearest one."""
    known = tuple(known)
    if word not in known:
        raise UnknownNameError(f"value of {option}", word, known, where=f"{option} {word}")
    return word
