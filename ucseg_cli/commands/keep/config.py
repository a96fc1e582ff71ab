"""The command ``ucseg config``."""

from __future__ import annotations

from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def config(*, output: Output) -> int:
    """Show what is configured.

    Every setting in force here, and where it comes from.

    Examples:
      ucseg config
      ucseg config -f json
    """
    from ucseg_cli.report.answers.keep.config import config_report
    from ucseg_cli.system.paths import shown
    from ucseg_cli.workflow.check_lock import lock_path
    from ucseg_cli.workflow.load_project import load_project

    settings = load_project(needed=True)
    lock = lock_path(settings)
    path = shown(settings.path) if settings.path else None
    output.deliver(config_report(settings, path, shown(lock) if lock.exists() else None))
    return ExitStatus.OK
