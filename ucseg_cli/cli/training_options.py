"""The options of a training step, which commands take as a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ucseg_cli.cli.options import TRAINING, choice
from ucseg_cli.errors import UsageError
from ucseg_cli.facts.choices import DEFAULT_OPTIMIZER, LOSSES, OPTIMIZERS

if TYPE_CHECKING:
    from ucseg_cli.facts.conditions import Conditions


class TrainingOptions(NamedTuple):
    """Whether a step of training is looked at instead of a forward pass, and which."""

    train: Annotated[
        bool, typer.Option("--train", help="A training step instead.", rich_help_panel=TRAINING)
    ] = False
    optimizer: Annotated[
        str | None,
        choice(
            "--optimizer",
            noun="optimizer",
            known=tuple(OPTIMIZERS),
            help=f"What updates the parameters, {DEFAULT_OPTIMIZER} unless named",
            panel=TRAINING,
        ),
    ] = None
    loss: Annotated[
        str | None,
        choice(
            "--loss",
            noun="loss",
            known=LOSSES,
            help="Unless named, the first of N×C×… outputs and the second of others",
            panel=TRAINING,
        ),
    ] = None
    amp: Annotated[
        bool,
        typer.Option(
            "--amp", help="Forward and loss under autocast to bfloat16.", rich_help_panel=TRAINING
        ),
    ] = False
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            "--freeze",
            metavar="PATTERN",
            help="Modules without gradients: features.*; repeatable.",
            rich_help_panel=TRAINING,
        ),
    ] = None
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(
            "--checkpoint",
            metavar="PATTERN",
            help="Modules that are run again in backward, instead of kept; repeatable.",
            rich_help_panel=TRAINING,
        ),
    ] = None

    def applied_to(self, conditions: Conditions) -> Conditions:
        """The same input in a step of training, if one is asked for.

        Raises UsageError for an option that says nothing without it.
        """
        if not self.train:
            asked = {
                "--optimizer": self.optimizer,
                "--loss": self.loss,
                "--amp": self.amp,
                "--freeze": self.freeze,
                "--checkpoint": self.checkpoint,
            }
            for option in (name for name, value in asked.items() if value):
                fix = f"write --train {option}"
                raise UsageError(f"{option} is of a training step", where=option, help=fix)
            return conditions
        from ucseg_cli.facts.training import Training

        return conditions._replace(
            training=Training(
                self.optimizer or DEFAULT_OPTIMIZER,
                self.loss,
                self.amp,
                tuple(self.freeze or ()),
                tuple(self.checkpoint or ()),
            )
        )
