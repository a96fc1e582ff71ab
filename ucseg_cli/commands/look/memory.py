"""The command ``ucseg memory``."""

from __future__ import annotations

from ucseg_cli.cli.options import DtypeOption, OneInput, OneModel, TopOption
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def memory(
    *, of: OneModel, at: OneInput, dtype: DtypeOption = None, top: TopOption = None, output: Output
) -> int:
    """Find the peak memory of inference.

    Where it is, what is alive there, and what is kept longer than it is used.

    Examples:
      ucseg memory v2 --size 512
      ucseg memory net.py:Net --batch 8 --dtype float16
    """
    from ucseg_cli.report.answers.look.memory import memory_report
    from ucseg_cli.workflow.measure import measure

    settings = at.project()
    conditions, cache = at.conditions(settings), at.open_cache()
    subjects = measure([of.find(settings)], [conditions], settings, cache=cache)
    conditions = conditions.as_run(subjects[0].trace)
    output.deliver(memory_report(subjects[0], conditions, dtype, top=top), subjects)
    return ExitStatus.OK
