"""The command ``ucseg verify``."""

from __future__ import annotations

from ucseg_cli.cli.options import ExitZeroOption, OneInput, OneModel
from ucseg_cli.cli.output_options import Output
from ucseg_cli.errors import ExitStatus


def verify(*, of: OneModel, at: OneInput, exit_zero: ExitZeroOption = False, output: Output) -> int:
    """Check our counts against other counters.

    Runs fvcore and torch's FlopCounterMode on real tensors and compares totals, modules and
    operators; exits with 1 if a figure differs.

    Examples:
      ucseg verify v2
      ucseg verify net.py:Net --size 64
    """
    from ucseg_cli.analysis.counters.agreement import agreement
    from ucseg_cli.gate import tracing
    from ucseg_cli.report.answers.trust.verify import verify_report
    from ucseg_cli.terminal.progress import show_progress
    from ucseg_cli.workflow.measure import measure
    from ucseg_cli.workflow.memory_guard import refuse_what_does_not_fit

    settings = at.project()._replace(prices=())  # no other counter knows them
    conditions, model = at.conditions(settings), of.find(settings)
    (subject,) = measure([model], [conditions], settings, cache=at.open_cache())
    refuse_what_does_not_fit(subject.trace, conditions)
    with show_progress() as announce:
        announce("running the other counters on real tensors…")
        counts = tracing.count_with_others(
            tracing.Request(model.model, conditions), settings.timeout
        )
    conditions = conditions.as_run(subject.trace)
    agreements = [agreement(subject.trace, count) for count in counts]
    output.deliver(verify_report(subject, conditions, agreements), [subject])
    agree = exit_zero or all(counter.agrees is not False for counter in agreements)
    return ExitStatus.OK if agree else ExitStatus.GATE_FAILED
