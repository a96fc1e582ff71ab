"""The command ``ucseg init``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ucseg_cli.cli.options import (
    MEASURE,
    OUTPUT,
    InputOption,
    NoCacheOption,
    OneModel,
    TimeoutOption,
    open_cache,
    typed_inputs,
)
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus

if TYPE_CHECKING:
    from ucseg_cli.workflow.start_project import Start

SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size",
        "-s",
        metavar="H[xW]",
        help="Input size in pixels, for limits and lock: 512, 384x640; else 224.",
        rich_help_panel=MEASURE,
    ),
]
WorkflowOption = Annotated[
    bool,
    typer.Option(
        "--workflow",
        help="Also write .github/workflows/ucseg.yml, which checks each pull request.",
        rich_help_panel=OUTPUT,
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Print what would be added, and write nothing.", rich_help_panel=OUTPUT
    ),
]


def init(
    *,
    of: OneModel,
    size: SizeOption = None,
    input: InputOption = None,  # noqa: A002 - the option's name
    timeout: TimeoutOption = None,
    no_cache: NoCacheOption = False,
    workflow: WorkflowOption = False,
    dry_run: DryRunOption = False,
    output: Output,
) -> int:
    """Start a configuration with budgets.

    Adds [tool.ucseg] to the pyproject.toml of this folder, or writes ucseg.toml if there is none,
    with limits 2% above today's figures, and locks the model. Nothing is ever overwritten. With a
    configuration that is there, --workflow alone adds the workflow.

    Examples:
      ucseg init v2
      ucseg init net.py:Net+width=32 --size 512 --workflow
      ucseg init --dry-run
    """
    from ucseg_cli.facts.conditions import Conditions
    from ucseg_cli.facts.settings import Settings
    from ucseg_cli.workflow.start_project import plan_start, plan_workflow

    settings = Settings() if timeout is None else Settings(timeout=timeout)
    (given,) = typed_inputs(settings, [size] if size else (), input) or [Conditions()]
    cache = open_cache(no_cache=no_cache)
    names_nothing = not (of.name or size or input)
    start = plan_workflow() if workflow and names_nothing else None
    if start is None:
        start = plan_start(of.find(settings), given, settings, workflow=workflow, cache=cache)
    if dry_run:
        output.print_as_is(_text(start), "table", "--dry-run")
    else:
        start.write()
        _report(start, output)
    return ExitStatus.OK


def _text(start: Start) -> str:
    """The text that is added; of several files, each below its name."""
    from ucseg_cli.system.paths import shown

    if len(start.files) == 1:
        return start.files[0].added
    return "\n".join(f"# {shown(file.path)}\n{file.added}" for file in start.files)


def _report(start: Start, output: Output) -> None:
    from ucseg_cli.report.answers.keep.init import init_report
    from ucseg_cli.system.paths import shown

    files = {}
    if start.configuration:
        extended = start.configuration.before is not None
        files[shown(start.configuration.path)] = "[tool.ucseg] added" if extended else "new"
    if start.lock:
        files[start.lock.path_shown] = "new"
    if start.workflow:
        files[shown(start.workflow.path)] = "new"
    report = init_report(
        start.model.name,
        start.given,
        start.budgets,
        files,
        failure=start.failure,
        missing_action=start.missing_action,
    )
    output.deliver(report)
