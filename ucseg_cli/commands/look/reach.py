"""The command ``ucseg reach``."""

from __future__ import annotations

from ucseg_cli.cli.options import ManyInputs, OneModel
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def reach(*, of: OneModel, at: ManyInputs, output: Output) -> int:
    """Show how much data dilated convs read.

    The share of each that is data rather than padding, the kernel positions that only ever see
    padding, what these cost, and the size from which there are none.

    Examples:
      ucseg reach v2 --size 512
      ucseg reach v2 --size 224 --size 512
    """
    from ucseg_cli.report.answers.look.reach import reach_report
    from ucseg_cli.workflow.measure import measure

    settings = at.project()
    inputs, model = at.conditions(settings), of.find(settings)
    subjects = measure([model], inputs, settings, cache=at.open_cache())
    asked = zip(subjects, inputs, strict=True)
    measured = [(subject, conditions.as_run(subject.trace)) for subject, conditions in asked]
    output.deliver(reach_report(model.name, measured), subjects)
    return ExitStatus.OK
