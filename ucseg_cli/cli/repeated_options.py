"""A command that refuses an option given twice where it takes one value, rather than losing the first."""

from __future__ import annotations

from typer._click.core import Context, Parameter  # the parser, which Typer vendors
from typer.core import TyperCommand, TyperOption

from ucseg_cli.errors import UsageError


class OnceCommand(TyperCommand):
    """Typer's command, with that check before the values are used."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse as always; raises UsageError for a repeated option."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        given = [each for each in order if _takes_one_value(each)]
        for option in given:
            if given.count(option) > 1:
                name = max(option.opts, key=len)
                raise UsageError(
                    f"{name} is given twice",
                    where=f"{ctx.command_path} {name}",
                    help="it takes one value",
                )
        return super().parse_args(ctx, args)


def _takes_one_value(parameter: Parameter) -> bool:
    return isinstance(parameter, TyperOption) and not parameter.multiple and not parameter.is_flag
