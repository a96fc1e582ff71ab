"""``ucseg verify``: our counts beside those of other counters that were run for real."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from ucseg_cli.analysis.counters.agreement import Agreement, Difference
from ucseg_cli.analysis.counters.switches import SWITCHES, plain_notes
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Judgement, Kind, Report
from ucseg_cli.report.fields import Field, Fields, Output, make_entries, make_table
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.units import plural

NAMES = {
    "numel": "sum(p.numel())",
    "fvcore": "FlopCountAnalysis",
    "activations": "ActivationCountAnalysis",
    "torch": "FlopCounterMode",
}
SWITCHED = f"Run as a trace is recorded: {', '.join(SWITCHES)}."
TABLES, JSON = Output.TABLES, Output.JSON


class _Differing(NamedTuple):
    """A figure on which a counter differs from ours."""

    counter: str
    difference: Difference


def _status(agreement: Agreement) -> str:
    words = {True: "agrees", False: "differs", None: "failed"}
    return words[agreement.agrees]


def _differing(agreement: Agreement) -> list[_Differing]:
    return [_Differing(agreement.counter, difference) for difference in agreement.differences]


DIFFERENCES: Fields[_Differing] = (
    Field("counter", "counter", attrgetter("counter"), output=TABLES),
    Field("scope", "scope", attrgetter("difference.scope")),
    Field("name", "name", attrgetter("difference.name"), Kind.PATH),
    Field("ours", "ours", attrgetter("difference.ours"), Kind.EXACT),
    Field("theirs", "theirs", attrgetter("difference.theirs"), Kind.EXACT),
)
COUNTERS: Fields[Agreement] = (
    Field("status", "status", _status, Kind.STATUS, output=TABLES),
    Field("counter", "counter", attrgetter("counter"), output=TABLES),
    Field("name", "", attrgetter("counter"), output=JSON),
    Field("convention", "", attrgetter("convention"), output=JSON),
    Field("total", "", attrgetter("theirs"), output=JSON),
    Field("runs", "runs", lambda a: NAMES[a.counter], tier=2, output=TABLES),
    Field("ours", "ours", attrgetter("ours"), Kind.EXACT),
    Field("theirs", "theirs", attrgetter("theirs"), Kind.EXACT, output=TABLES),
    Field("compared", "compared", attrgetter("compared"), Kind.EXACT, tier=2),
    Field("agrees", "", attrgetter("agrees"), output=JSON),
    Field("failure", "", attrgetter("failure"), output=JSON),
    Field("left_out", "", lambda a: list(a.left_out), output=JSON),
    Field("differences", "differences", lambda a: len(a.differences), Kind.EXACT, output=TABLES),
    Field("differences", "", lambda a: make_entries(DIFFERENCES, _differing(a)), output=JSON),
)


def verify_report(
    subject: Subject, conditions: Conditions, agreements: Sequence[Agreement]
) -> Report:
    """Every counter, and every figure on which one differs from ours."""
    tables = [make_table("counters", "Counters, run on real tensors", COUNTERS, agreements)]
    differing = [pair for agreement in agreements for pair in _differing(agreement)]
    if differing:
        tables.append(make_table("differences", "Differences", DIFFERENCES, differing))
    return Report(
        kind="ucseg.verify",
        title=f"verify {subject.name}",
        conditions=shown_conditions([conditions]),
        tables=tuple(tables),
        summary=_summary(subject, conditions, agreements),
        notes=tuple(_notes(subject, agreements)),
        payload={
            "conditions": raw_conditions([conditions]),
            "model": subject.name,
            "switches": list(SWITCHES),
            "counters": make_entries(COUNTERS, agreements),
            "verdict": {"status": "differs" if differing else "agrees"},
        },
        judgements=tuple(_judgement(subject, agreement) for agreement in agreements),
    )


def _notes(subject: Subject, agreements: Sequence[Agreement]) -> Iterator[str]:
    """The counters that failed, what is not compared, how all were run, and how they are else."""
    for agreement in agreements:
        if agreement.failure:
            yield f"{agreement.counter} could not count it: {agreement.failure}"
        if agreement.left_out:
            yield (
                f"{agreement.counter} counts a shared module where it is called, so what holds "
                f"one is not compared: {', '.join(agreement.left_out)}"
            )
    yield SWITCHED
    compared = {agreement.convention for agreement in agreements}
    conventions = (one for name, one in CONVENTIONS.items() if name in compared)
    yield from plain_notes(subject.trace, *conventions)


def _judgement(subject: Subject, agreement: Agreement) -> Judgement:
    if agreement.failure:
        message = f"{agreement.counter} could not count it: {agreement.failure}"
        return Judgement(agreement.counter, subject.name, "warn", message)
    counted = f"{agreement.counter} counts {agreement.theirs:,}, ucseg {agreement.ours:,}"
    differences = plural(len(agreement.differences), "difference")
    message = f"{counted}; {differences} in {plural(agreement.compared, 'figure')}"
    status = "pass" if agreement.agrees else "fail"
    return Judgement(agreement.counter, subject.name, status, message)


def _summary(subject: Subject, conditions: Conditions, agreements: Sequence[Agreement]) -> str:
    where = f"{subject.name} at {conditions.at}"
    compared = plural(sum(agreement.compared for agreement in agreements), "figure")
    differing = [agreement.counter for agreement in agreements if agreement.agrees is False]
    if differing:
        count = sum(len(agreement.differences) for agreement in agreements)
        return f"{', '.join(differing)} and ucseg differ on {where} in {count:,} of {compared}."
    failed = [agreement.counter for agreement in agreements if agreement.failure]
    counters = plural(len(agreements) - len(failed), "counter")
    without = f"; {', '.join(failed)} could not count it" if failed else ""
    return f"{counters} and ucseg agree on {where} to the last unit, in {compared}{without}."
