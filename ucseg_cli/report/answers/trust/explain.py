"""``ucseg explain``: the meaning of a metric, convention, axis, rule, exit status or other term."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from ucseg_cli.analysis.counters.peers import PEERS
from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention, Level, price_label
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, SYNONYMS
from ucseg_cli.analysis.rules.lint_catalogue import RULES, Rule
from ucseg_cli.errors import ExitStatus, UnknownNameError
from ucseg_cli.facts.budget import BUDGET_KEYS
from ucseg_cli.facts.choices import PRICE_KEYS
from ucseg_cli.references.variants import AXES, CATALOGUE, ORIGINS, Axis
from ucseg_cli.report.document import Cell, Column, Kind, Report, Row, Table

EXIT_MEANINGS = {
    ExitStatus.OK: "did the job, and every check passed",
    ExitStatus.GATE_FAILED: "a check failed: a limit is exceeded, a model differs from its lock, "
    "a lock would be raised without a reason, a counter differs, a checkpoint fits no variant, "
    "or `lint --fail-on` found something",
    ExitStatus.NO_VERDICT: "no verdict: bad usage, an unknown name, "
    "a model that cannot be built or run, a machine too noisy to rank, an internal error",
    ExitStatus.INTERRUPTED: "interrupted",
    ExitStatus.READER_GONE: "the reader closed the pipe",
}
LEVELS = {
    Level.CALLS: "It counts operators as the model called them; only convolutions are taken apart.",
    Level.KERNELS: "It counts the kernels that compute, below any composite operator.",
}


class Topic(NamedTuple):
    """A term: a sentence that stands alone, more sentences, and a table if that says it better."""

    name: str
    sentence: str
    more: tuple[str, ...] = ()
    table: Table | None = None


def topics() -> Mapping[str, Topic]:
    """Every topic by name."""
    written, tables = _written(), _tables()
    every = [
        Topic(name, text["sentence"], tuple(text.get("more", ())), tables.get(name))
        for name, text in written.items()
        if name not in EVERY_METRIC
    ]
    every += map(_convention, CONVENTIONS.values())
    every += map(_rule, RULES.values())
    for metric in EVERY_METRIC.values():
        if metric.name not in CONVENTIONS:
            more = written.get(metric.name, {}).get("more", ())
            every.append(Topic(metric.name, metric.meaning, tuple(more)))
    every += map(_axis, AXES)
    return {topic.name: topic for topic in every}


def explain_report(name: str | None) -> Report:
    """One topic, or all of them by name; raises UnknownNameError with the nearest one."""
    known = topics()
    topic = _index(known) if name is None else _find(name, known)
    in_a_sentence = [(topic.name, topic.sentence)]
    return Report(
        kind="ucseg.explain",
        title=_title(topic),
        conditions={},
        tables=(topic.table,) if topic.table else (),
        summary=topic.more[-1] if topic.more else topic.sentence,
        notes=topic.more[:-1],
        records=topic.table or _table("", ("topic", "in a sentence"), in_a_sentence),
        payload={
            "topic": topic.name,
            "sentence": topic.sentence,
            "more": list(topic.more),
            "entries": _entries(topic.table) if topic.table else [],
        },
    )


@cache
def _written() -> dict[str, Any]:
    """The topics whose text does not follow from the code."""
    import tomllib

    file = files("ucseg_cli.report.answers.trust").joinpath("topics.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _tables() -> dict[str, Table]:
    """The tables of topics, which follow from the code."""
    statuses = ((str(int(status)), meaning) for status, meaning in EXIT_MEANINGS.items())
    axes = ((axis.name, axis.accepts, axis.meaning) for axis in AXES)
    conventions = ((one.name, one.meaning) for one in CONVENTIONS.values())
    rules = ((rule.code, rule.severity.name.lower(), rule.title) for rule in RULES.values())
    metrics = ((metric.name, metric.meaning) for metric in EVERY_METRIC.values())
    peers = ((peer.name, peer.unit, peer.call, peer.why) for peer in PEERS)
    others = ("counter", "unit", "read with", "how it counts")
    return {
        "exit-status": _table("Exit status", ("status", "meaning"), statuses),
        "axes": _table("Axes", ("axis", "accepts", "governs"), axes),
        "convention": _table("Conventions", ("convention", "meaning"), conventions),
        "lint": _table("Rules", ("rule", "severity", "what it finds"), rules),
        "metrics": _table("Metrics", ("metric", "meaning"), metrics),
        "variants": _table("Named variants", ("variant", "origin"), ORIGINS.items()),
        "budgets": _table("Keys of a budget", ("key", "meaning"), BUDGET_KEYS.items()),
        "prices": _table("Keys of a price", ("key", "meaning"), PRICE_KEYS.items()),
        "reconcile": _table("Figures of others", others, peers),
    }


def _table(title: str, columns: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> Table:
    first, *others = columns
    shown = (Column(first, first), *(Column(name, name, Kind.PROSE) for name in others))
    return Table("entries", title, shown, tuple(map(Row, rows)))


def _convention(convention: Convention) -> Topic:
    prices = ((name, price_label(name)) for name in convention.prices)
    switches = _written().get(convention.name, {}).get("more", ())
    uncounted = "`ucseg flops` lists the operators that it does not price, with the calls of each."
    return Topic(
        convention.name,
        f"{convention.title}: {convention.unit}.",
        (convention.meaning, LEVELS[convention.level], *switches, uncounted),
        _table("Priced operators", ("ATen operator", "summed as"), prices),
    )


def _rule(rule: Rule) -> Topic:
    severity, source = f"Severity: {rule.severity.name.lower()}.", f"Source: {rule.source}"
    return Topic(rule.code, f"{rule.code}: {rule.title}.", (rule.reasoning, severity, source))


def _axis(axis: Axis) -> Topic:
    original = axis.show(getattr(CATALOGUE["v1"], axis.name))
    return Topic(axis.name, axis.meaning, (f"Accepts {axis.accepts}; v1 has {original}.",))


def _find(name: str, known: Mapping[str, Topic]) -> Topic:
    """The topic of that name, in upper or lower case, or of another word for it."""
    by_folded_name = {known_name.casefold(): topic for known_name, topic in known.items()}
    words = {word: name for name, text in _written().items() for word in text.get("also", ())}
    also = SYNONYMS | words
    folded = name.casefold()
    topic = known.get(name) or by_folded_name.get(folded) or known.get(also.get(folded, ""))
    if topic is None:
        raise UnknownNameError("topic", name, known, hint="`ucseg explain` lists them all")
    return topic


def _title(topic: Topic) -> str:
    """The sentence first, since the details are about its subject."""
    if not topic.more:  # then it is the last line
        return f"explain {topic.name}"
    named = topic.sentence.startswith((f"{topic.name}:", f"{topic.name} "))
    return topic.sentence if named else f"{topic.name}: {topic.sentence}"


def _index(known: Mapping[str, Topic]) -> Topic:
    rows = ((topic.name, topic.sentence) for topic in known.values())
    table = _table("Topics", ("topic", "in a sentence"), rows)
    return Topic("topics", "`ucseg explain TOPIC` says more about each.", (), table)


def _entries(table: Table) -> list[dict[str, Cell]]:
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row.cells, strict=True)) for row in table.rows]
