"""The command ``ucseg config``."""

from __future__ import annotations

from ucseg_cli.console.output import Output
from ucseg_cli.errors import ExitStatus


def config(*, output: Output) -> int:
    """Show what is configured.

    What is in force here, and where each value comes from.
    """
    from ucseg_cli.console.deliver import deliver
    from ucseg_cli.console.locks import lock_path
    from ucseg_cli.console.project import project
    from ucseg_cli.paths import shown
    from ucseg_cli.report.config import config_report

    settings = project(needed=True)
    lock = lock_path(settings)
    path = shown(settings.path) if settings.path else None
    deliver(config_report(settings, path, shown(lock) if lock.exists() else None), output)
    return ExitStatus.OK
