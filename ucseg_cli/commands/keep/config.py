"""The command ``ucseg config``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.options import OUTPUT
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus, UsageError

SchemaOption = Annotated[
    bool,
    typer.Option(
        "--schema",
        help="Print the JSON schema of ucseg.toml and [tool.ucseg], for editors.",
        rich_help_panel=OUTPUT,
    ),
]
PyprojectOption = Annotated[
    bool,
    typer.Option(
        "--pyproject",
        help="With --schema: that of a whole pyproject.toml.",
        rich_help_panel=OUTPUT,
    ),
]


def config(
    *, schema: SchemaOption = False, pyproject: PyprojectOption = False, output: Output
) -> int:
    """Show what is configured.

    Every setting in force here, and where it comes from. With --schema, what could be configured.

    Examples:
      ucseg config
      ucseg config -f json
      ucseg config --schema > ucseg.schema.json
    """
    if schema:
        return _print_schema(output, pyproject=pyproject)
    if pyproject:
        what = "without --schema, --pyproject changes nothing"
        raise UsageError(what, where="--pyproject", help="`ucseg config --schema --pyproject`")
    from ucseg_cli.report.answers.keep.config import config_report
    from ucseg_cli.system.paths import shown
    from ucseg_cli.workflow.check_lock import lock_path
    from ucseg_cli.workflow.load_project import load_project

    settings = load_project(needed=True)
    lock = lock_path(settings)
    path = shown(settings.path) if settings.path else None
    output.deliver(config_report(settings, path, shown(lock) if lock.exists() else None))
    return ExitStatus.OK


def _print_schema(output: Output, *, pyproject: bool) -> int:
    import json

    from ucseg_cli.project.schema import section_schema, shared_schema

    schema = shared_schema() if pyproject else section_schema()
    output.print_as_is(json.dumps(schema, indent=2, ensure_ascii=False), "json", "--schema")
    return ExitStatus.OK
