"""Every sub-command under its name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from ucseg_cli import __version__
from ucseg_cli.cli.command import Command, Group
from ucseg_cli.cli.command_groups import COMMANDS
from ucseg_cli.cli.option_groups import summary_of, with_groups

EPILOG = (
    "A model is a variant with any axes changed (v2+backbone=10+rates=6,12), your own class "
    "(net.py:Net+width=32), torchvision:resnet50, or a checkpoint (weights.pt). "
    "`ucseg COMMAND --help` shows examples."
)

VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
]


def make_app(arguments: Sequence[str], *, in_full: bool = False) -> typer.Typer:
    """The command line as Typer sees it, with only the sub-command that is called, if one is.

    Where no word names one, all are listed and none is run: they come without their options.
    """
    called = [name for name in arguments[:1] if name in COMMANDS]
    listed = not in_full and COMMANDS.keys().isdisjoint(arguments)
    app = typer.Typer(
        cls=Group,
        name="ucseg",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # rich markup would delete what stands in brackets
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
        epilog=EPILOG,
    )
    app.callback(invoke_without_command=True)(root)  # for --version alone
    for name in called or COMMANDS:
        module = import_module(f"ucseg_cli.commands.{COMMANDS[name]}.{name}")
        function = getattr(module, name)
        app.command(name, cls=Command)(summary_of(function) if listed else with_groups(function))
    return app


def root(
    *,
    version: VersionOption = False,
) -> None:
    """Show what a network costs: parameters, operations, memory, and why variants differ."""
    if version:
        from ucseg_cli.terminal.streams import print_text  # the help has no use for it

        print_text(f"ucseg {__version__}")
        raise typer.Exit
