"""``ucseg explain``: what a metric, convention, axis, variant, exit status or word of the grammar means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ucseg_cli.analysis.conventions import CONVENTIONS, Convention, Level
from ucseg_cli.analysis.totals import METRICS
from ucseg_cli.errors import ExitStatus, UnknownNameError
from ucseg_cli.report.document import Cell, Column, Kind, Report, Row, Table
from ucseg_cli.variants import AXES, CATALOGUE, ORIGINS


@dataclass(frozen=True, slots=True)
class Topic:
    """Something to be explained: a sentence that stands alone, more sentences, and a table where that says it better."""

    name: str
    sentence: str
    more: tuple[str, ...] = ()
    table: Table | None = None


def _table(title: str, columns: Iterable[str], rows: Iterable[tuple[Cell, ...]]) -> Table:
    first, *others = columns
    shown = (Column(first, first), *(Column(name, name, Kind.PROSE) for name in others))
    return Table("entries", title, shown, tuple(map(Row, rows)))


def _convention(convention: Convention) -> Topic:
    level = {
        Level.CALLS: "It looks at operators as the model called them; only convolutions are taken apart.",
        Level.KERNELS: "It looks at the kernels that compute, below any composite operator.",
    }
    prices = ((name, price.label) for name, price in convention.prices.items())
    return Topic(
        convention.name,
        f"{convention.title}: {convention.unit}.",
        (
            convention.meaning,
            level[convention.level],
            "What it does not price is listed by `ucseg flops`, with the number of calls. `ucseg verify` runs the original.",
        ),
        _table("Priced operators", ("ATen operator", "summed as"), prices),
    )


EXIT_MEANINGS = {
    ExitStatus.OK: "did the job, and every gate held",
    ExitStatus.GATE_FAILED: "a gate failed: a limit is exceeded, or a counter differs",
    ExitStatus.NO_VERDICT: "no verdict: bad usage, an unknown name, a model that cannot be built or run, an internal error",
    ExitStatus.INTERRUPTED: "interrupted",
    ExitStatus.READER_GONE: "the reader closed the pipe",
}

_GENERAL = (
    Topic(
        "exit-status",
        "The exit status says how a command ended, and never depends on the output format.",
        ("`--exit-zero` turns 1 into 0, and nothing else.",),
        _table("Exit status", ("status", "meaning"), ((str(int(k)), v) for k, v in EXIT_MEANINGS.items())),
    ),
    Topic(
        "axes",
        "An axis is one choice of the design; a variant has a value on each.",
        (),
        _table("Axes", ("axis", "accepts", "governs"), ((a.name, a.accepts, a.meaning) for a in AXES)),
    ),
    Topic(
        "metrics",
        "A metric is a figure of a whole network that can be compared or limited: `ucseg check --max METRIC=QUANTITY`.",
        (),
        _table("Metrics", ("metric", "meaning"), ((m.name, m.meaning) for m in METRICS.values())),
    ),
    Topic(
        "reference",
        "A reference names a model: a variant, and any axes to change, as in v2+backbone=10+rates=6,12.",
        ("It can stand wherever a model is asked for; of two changes to one axis the later wins.",),
    ),
    Topic(
        "variants",
        "A variant is one point of the design space; these have names.",
        (),
        _table("Named variants", ("variant", "origin"), ORIGINS.items()),
    ),
    Topic(
        "trace",
        "A trace is what one forward pass did: every operator with its shapes, and the module whose forward ran it.",
        (
            "It is recorded in eval mode on torch's meta device, without weights or data, so that it costs the same at any size.",
            "Every figure is arithmetic on traces; they are kept in the cache under a fingerprint of all they depend on.",
        ),
    ),
    Topic(
        "uncounted",
        "An operator is uncounted where the convention has no price for it: activations, additions, concatenation.",
        ("Views and new empty tensors compute nothing and are not listed.",),
    ),
    Topic(
        "taps",
        "A tap is a feature map with a name: low (entry 1 of the backbone), mid (entry 3), high (the last entry kept).",
        (
            "Its stride is the number of input pixels between neighbouring positions, from the strides of the operators before it.",
        ),
    ),
    Topic(
        "own",
        "A row marked (own) is what a module holds or runs itself, beside its children, so that every level adds up.",
        ("Functional calls such as F.interpolate belong to the module whose forward ran them.",),
    ),
)


def topics() -> Mapping[str, Topic]:
    """Every topic by name."""
    every = (
        *_GENERAL,
        *map(_convention, CONVENTIONS.values()),
        *(Topic(m.name, m.meaning) for m in METRICS.values() if m.name not in CONVENTIONS),
        *(
            Topic(a.name, a.meaning, (f"Accepts {a.accepts}; v1 has {a.show(getattr(CATALOGUE['v1'], a.name))}.",))
            for a in AXES
        ),
    )
    return {topic.name: topic for topic in every}


def explain_report(name: str | None) -> Report:
    """One topic, or all of them by name; raises UnknownNameError with the nearest one."""
    known = topics()
    if name is not None and name not in known:
        raise UnknownNameError("topic", name, known, hint="`ucseg explain` lists them all")
    topic = known[name] if name is not None else _index(known)
    return Report(
        kind="ucseg.explain",
        title=f"explain {topic.name}",
        conditions={},
        tables=(topic.table,) if topic.table else (),
        summary=topic.sentence,
        notes=topic.more,
        records=topic.table or _table("", ("topic", "in a sentence"), [(topic.name, topic.sentence)]),
        payload={"topic": topic.name, "sentence": topic.sentence, "more": list(topic.more), "entries": _entries(topic)},
    )


def _index(known: Mapping[str, Topic]) -> Topic:
    rows = ((topic.name, topic.sentence) for topic in known.values())
    return Topic(
        "topics", "`ucseg explain TOPIC` tells more of each.", (), _table("Topics", ("topic", "in a sentence"), rows)
    )


def _entries(topic: Topic) -> list[dict[str, Cell]]:
    if topic.table is None:
        return []
    keys = [column.key for column in topic.table.columns]
    return [dict(zip(keys, row.cells, strict=True)) for row in topic.table.rows]
