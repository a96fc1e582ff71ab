"""The options of a training step, which commands take as a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ucseg_cli.cli.options import TRAINING, choice, one_of
from ucseg_cli.errors import UsageError
from ucseg_cli.facts.choices import DEFAULT_OPTIMIZER, LOSSES, OPTIMIZERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ucseg_cli.analysis.counting.conventions import Convention
    from ucseg_cli.facts.conditions import Conditions
    from ucseg_cli.facts.settings import Settings
    from ucseg_cli.facts.training import Training


OptimizerOption = Annotated[
    str | None,
    choice(
        "--optimizer",
        noun="optimizer",
        known=tuple(OPTIMIZERS),
        help=f"What updates the parameters, {DEFAULT_OPTIMIZER} unless named",
        panel=TRAINING,
    ),
]


def _check_loss(word: str | None) -> str | None:
    """A loss that is known; raises UsageError, which says how else to train with another."""
    from ucseg_cli.references import is_source

    if word and is_source(word):
        raise UsageError(
            f"a loss of your own cannot be named: '{word}'",
            where=f"--loss {word}",
            help="name a model whose forward pass returns its loss, and give it the target with "
            "--input: docs/training.md has one",
        )
    return word and one_of("loss", word, LOSSES, "--loss")


LossOption = Annotated[
    str | None,
    typer.Option(
        "--loss",
        metavar="NAME",
        help=f"Unless named, cross-entropy on N×C×… outputs, else the mean: {', '.join(LOSSES)}.",
        autocompletion=lambda incomplete: [name for name in LOSSES if name.startswith(incomplete)],
        callback=_check_loss,
        rich_help_panel=TRAINING,
    ),
]
AmpOption = Annotated[
    bool,
    typer.Option(
        "--amp", help="Forward and loss under autocast to bfloat16.", rich_help_panel=TRAINING
    ),
]
FreezeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--freeze",
        metavar="PATTERN",
        help="Modules without gradients: features.*; repeatable.",
        rich_help_panel=TRAINING,
    ),
]
CheckpointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--checkpoint",
        metavar="PATTERN",
        help="Modules that are run again in backward, instead of kept; repeatable.",
        rich_help_panel=TRAINING,
    ),
]


class StepOptions(NamedTuple):
    """Which training step a metric of training is of."""

    optimizer: OptimizerOption = None
    loss: LossOption = None
    amp: AmpOption = False
    freeze: FreezeOption = None
    checkpoint: CheckpointOption = None

    @property
    def given(self) -> list[str]:
        """The options that are there."""
        return [f"--{name}" for name, value in self._asdict().items() if value]

    @property
    def training(self) -> Training:
        """The step; the default one if no option is there."""
        from ucseg_cli.facts.training import Training

        return Training(
            self.optimizer or DEFAULT_OPTIMIZER,
            self.loss,
            self.amp,
            tuple(self.freeze or ()),
            tuple(self.checkpoint or ()),
        )


class TrainingOptions(NamedTuple):
    """Whether a step of training is looked at instead of a forward pass, and which."""

    train: Annotated[
        bool,
        typer.Option(
            "--train", help="A training step, not a forward pass.", rich_help_panel=TRAINING
        ),
    ] = False
    optimizer: OptimizerOption = None
    loss: LossOption = None
    amp: AmpOption = False
    freeze: FreezeOption = None
    checkpoint: CheckpointOption = None

    def applied_to(self, conditions: Conditions) -> Conditions:
        """The same input in a step of training, if one is asked for.

        Raises UsageError for an option that says nothing without it.
        """
        options = StepOptions(**{name: getattr(self, name) for name in StepOptions._fields})
        if self.train:
            return conditions._replace(training=options.training)
        for option in options.given:
            fix = f"write --train {option}"
            raise UsageError(f"{option} is of a training step", where=option, help=fix)
        return conditions

    def convention(self, typed: str | None, settings: Settings, of_a_step: str) -> Convention:
        """Under which operations are counted: as named or configured, else of a step *of_a_step*.

        Raises UsageError for one that counts no backward pass.
        """
        from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Level

        named = CONVENTIONS[typed or settings.convention]
        if not self.train or named.level is Level.KERNELS:
            return named
        if typed is not None:
            what, fix = f"{typed} counts no backward pass", "write --convention torch, or macs"
            raise UsageError(what, where=f"--convention {typed}", help=fix)
        return CONVENTIONS[of_a_step]

    def refuse(self, of_inference: Mapping[str, bool]) -> None:
        """Raise UsageError for one of these options that is given beside ``--train``."""
        for option in (name for name, is_given in of_inference.items() if is_given and self.train):
            what, fix = f"{option} is of inference", "leave it or --train out"
            raise UsageError(what, where=option, help=fix)
