"""The command ``ucseg cache``."""

from __future__ import annotations

from typing import Annotated

import typer

from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus, OutputError


def cache(
    *,
    clear: Annotated[bool, typer.Option("--clear", help="Delete every trace.")] = False,
    output: Output,
) -> int:
    """Show or clear the cache.

    Examples:
      ucseg cache
      ucseg cache --clear
    """
    from ucseg_cli.report.answers.trust.cache import CacheState, cache_report
    from ucseg_cli.workflow.measure import open_cache

    kept = open_cache()
    try:
        cleared = kept.clear() if clear else None
    except OSError as error:
        raise OutputError(
            f"not every trace can be deleted: {error.strerror}",
            where=str(error.filename or kept.directory),
            help="make it yours to delete, or name another cache with UCSEG_CACHE_DIR",
        ) from error
    entries, leftovers = kept.entries(), kept.leftovers()
    size = sum(size for _, size in (*entries, *leftovers))
    state = CacheState(str(kept.directory), len(entries), len(leftovers), size, cleared)
    output.deliver(cache_report(state))
    return ExitStatus.OK
