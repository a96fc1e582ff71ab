"""Sub-commands as Typer runs them: stricter parsing, and help in groups with examples."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any

from typer._click.core import Context, Parameter  # the parser, which Typer vendors
from typer._click.formatting import HelpFormatter
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from ucseg_cli.cli.command_groups import GROUPS
from ucseg_cli.cli.options import ARGUMENT, JUDGE, MEASURE, MODEL, OUTPUT, TRAINING
from ucseg_cli.cli.output_options import Output, format_help
from ucseg_cli.errors import UsageError

PANELS = (ARGUMENT, MODEL, MEASURE, TRAINING, JUDGE, OUTPUT, None)
EXAMPLES = "\nExamples:\n"


class Command(TyperCommand):
    """Typer's command, which loses no word of the user's and says where its answer goes."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse as Typer does; raises UsageError for a repeated option and for a word too many."""
        args = self._one_value_each(ctx, args)
        values, extra, order = self.make_parser(ctx).parse_args(args=list(args))
        given = [parameter for parameter in order if _takes_one_value(parameter)]
        for option in given:
            if given.count(option) > 1:
                name = max(option.opts, key=len)
                where = f"{ctx.command_path} {name}"
                raise UsageError(f"{name} is given twice", where=where, help="it takes one value")
        if extra and not ctx.resilient_parsing:  # a shell asks while the last option lacks a value
            raise self._too_many(ctx, values, extra)
        return super().parse_args(ctx, args)

    def _one_value_each(self, ctx: Context, args: list[str]) -> list[str]:
        """The words with an option that takes several repeated before each, as Click has it.

        It takes all up to the next option, such as the files that a shell makes of ``*.md``.
        """
        several = {
            name
            for parameter in self.get_params(ctx)
            if isinstance(parameter, TyperOption) and str(parameter.metavar).endswith("...")
            for name in parameter.opts
        }
        spread: list[str] = []
        option, is_first = "", False
        for index, word in enumerate(args):
            if word == "--":
                return [*spread, *args[index:]]
            if word.startswith("-") and not is_first:
                option, is_first = (word, True) if word in several else ("", False)
            elif option:
                spread += [] if is_first else [option]
                is_first = False
            spread.append(word)
        return spread

    def invoke(self, ctx: Context) -> Any:
        """Run the command, after noting where its answer, or an error instead, is to go."""
        fields = {name: ctx.params[name] for name in Output._fields if name in ctx.params}
        if fields:
            ctx.obj.destination = Output(**fields).destination
        return super().invoke(ctx)

    def get_help(self, ctx: Context) -> str:
        """The help, in ASCII for a stream that takes no more."""
        return spell_help(super().get_help(ctx))

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """The words of the usage; Typer puts braces around an argument that must be given."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_help_text(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The description as paragraphs, and the examples as they are written."""
        text = inspect.cleandoc(self.help or "")
        self.help, _, examples = text.partition(EXAMPLES)
        super().format_help_text(ctx, formatter)
        if examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line.strip()}\n" for line in examples.splitlines()))

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The options under what they are about."""
        for panel in PANELS:
            rows = [
                _record(parameter, *record, ctx)
                for parameter in self.get_params(ctx)
                if _panel(parameter) == panel and (record := parameter.get_help_record(ctx))
            ]
            if rows:
                with formatter.section(panel or "Options"):
                    formatter.write_dl(rows)

    def _too_many(self, ctx: Context, values: dict[str, Any], extra: list[str]) -> UsageError:
        named = [parameter for parameter in self.params if isinstance(parameter, TyperArgument)]
        given = [str(values[parameter.name]) for parameter in named if parameter.name in values]
        takes = f"one {named[0].make_metavar(ctx).strip('[]').lower()}" if named else "no argument"
        words = ", ".join((*given, *extra))
        several = "`ucseg compare` takes several models; " if "model" in takes else ""
        return UsageError(
            f"`{ctx.command_path}` takes {takes}; you gave {len(given) + len(extra)}: {words}",
            help=f"{several}`{ctx.command_path} --help` shows how",
        )


class Group(TyperGroup):
    """Typer's group, with its sub-commands in groups."""

    def get_help(self, ctx: Context) -> str:
        """The help, in ASCII for a stream that takes no more."""
        return spell_help(super().get_help(ctx))

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002
        """The sub-commands under what they are for; all columns are equally wide."""
        widest = max(map(len, self.commands))
        for title, names in GROUPS.items():
            known = [self.commands[name] for name in names if name in self.commands]
            if known:
                with formatter.section(title.capitalize()):
                    formatter.write_dl(
                        [(f"{one.name:{widest}}", one.get_short_help_str(60)) for one in known]
                    )


def spell_help(text: str) -> str:
    """The help goes to stdout, or without a sub-command to stderr: in signs that both take."""
    if text.isascii():
        return text
    from ucseg_cli.terminal.streams import spell_for

    return spell_for(spell_for(text, sys.stdout), sys.stderr)


def _takes_one_value(parameter: Parameter) -> bool:
    return isinstance(parameter, TyperOption) and not parameter.multiple and not parameter.is_flag


def _panel(parameter: Parameter) -> str | None:
    panel: str | None = getattr(parameter, "rich_help_panel", None)
    return panel or (ARGUMENT if isinstance(parameter, TyperArgument) else None)


def _record(parameter: Parameter, name: str, text: str, ctx: Context) -> tuple[str, str]:
    """A row of the help: an argument without brackets, and the formats that this command has."""
    if isinstance(parameter, TyperArgument):
        return re.sub(r"[\[\]{}]", "", name), text
    return (
        name,
        f"{format_help(ctx.info_name or '')}  {text}".strip()
        if parameter.name == "format"
        else text,
    )
