"""``ucseg explain``: what a metric, convention, axis, variant, exit status or word of the grammar means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ucseg_cli.analysis.counters.peers import PEERS
from ucseg_cli.analysis.counting.conventions import CONVENTIONS, Convention, Level, price_label
from ucseg_cli.analysis.counting.metrics import METRICS
from ucseg_cli.analysis.rules.lint_catalogue import RULES, Rule
from ucseg_cli.errors import ExitStatus, UnknownNameError
from ucseg_cli.facts.budget import BUDGET_KEYS
from ucseg_cli.references.variants import AXES, CATALOGUE, ORIGINS
from ucseg_cli.report.document import Cell, Column, Kind, Report, Row, Table


class Topic(NamedTuple):
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
    prices = ((name, price_label(name)) for name in convention.prices)
    return Topic(
        convention.name,
        f"{convention.title}: {convention.unit}.",
        (
            convention.meaning,
            level[convention.level],
            "What it does not price is listed by `ucseg flops`, with the number of calls.",
        ),
        _table("Priced operators", ("ATen operator", "summed as"), prices),
    )


EXIT_MEANINGS = {
    ExitStatus.OK: "did the job, and every check passed",
    ExitStatus.GATE_FAILED: "a check failed: a limit is exceeded, a model differs from its lock, a lock would be raised "
    "without a reason, a counter differs, a checkpoint fits no variant, or `lint --fail-on` found something",
    ExitStatus.NO_VERDICT: "no verdict: bad usage, an unknown name, a model that cannot be built or run, an internal error",
    ExitStatus.INTERRUPTED: "interrupted",
    ExitStatus.READER_GONE: "the reader closed the pipe",
}

_GENERAL = (
    Topic(
        "exit-status",
        "The exit status says how a command ended, and never depends on the output format.",
        ("`--exit-zero` turns 1 into 0, and nothing else.",),
        _table(
            "Exit status",
            ("status", "meaning"),
            ((str(int(k)), v) for k, v in EXIT_MEANINGS.items()),
        ),
    ),
    Topic(
        "axes",
        "An axis is one choice of the design; a variant has a value on each.",
        (),
        _table(
            "Axes", ("axis", "accepts", "governs"), ((a.name, a.accepts, a.meaning) for a in AXES)
        ),
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
        (
            "It can stand wherever a model is asked for; of two changes to one axis the later wins.",
            "`ucseg explain model` says how to name your own, one of torchvision's, or a checkpoint.",
        ),
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
        "reach",
        "The reach of a dilated conv is how much of what its kernel reads is data rather than padding.",
        (
            "A kernel position that only ever sees padding is dead: its weights do nothing, and cost MACs.",
            "Where only the centre is alive, the conv is exactly a 1×1 conv. A larger input, or a smaller rate, fixes that.",
            "`ucseg reach` shows from which size on every kernel position sees data, by inverting strides.",
        ),
    ),
    Topic(
        "receptive-field",
        "A receptive field is the box of input pixels that one position of a map can see, on an input without borders.",
        (
            "It follows from kernels, dilations and strides, so it is the same at every input size, and may exceed the input.",
            "Global gates (squeeze-excite, image pooling) let each position see a mean of everything; they are set aside and named.",
            "Where kernel positions of a dilated conv are dead (`ucseg reach`), its branch sees less.",
        ),
    ),
    Topic(
        "deploy",
        "With --deploy every batch norm is folded into the convolution or linear layer before it, as a runtime would do.",
        (
            "In eval mode a norm scales and shifts each channel, as the layer's weight and bias can: the outputs are the same.",
            "The layer gets a bias where it had none; the norm's parameters, buffers and operations are gone.",
            "A norm stays where its input is used elsewhere, it or the layer runs twice, or it computes its own statistics.",
            "The answer then names it and says why.",
        ),
    ),
    Topic(
        "attribution",
        "An attribution shows how much each changed axis adds to the difference between two variants.",
        (
            "alone is the baseline with only this change, minus the baseline.",
            "last is the candidate, minus the candidate without only this change; where it differs from alone, axes interact.",
            "share is the Shapley value: the axis's marginal effect averaged over all orders in which the changes can be made.",
            "Shares are exact fractions that add up to the difference, and as printed they are rounded so that they still do.",
            "Beyond 6 changes only the declared order of the axes is followed, and the answer says so.",
            "Source: Shapley 1953, A value for n-person games.",
        ),
    ),
    Topic(
        "model",
        "A model is named as a variant with any axes changed, as your own class, as one of torchvision's, or as a checkpoint.",
        (
            "v2+backbone=10 is a variant; net.py:Net+width=32 a class, function or model in a file, package.module:Net in a module.",
            "torchvision:resnet50 is a network that torchvision lists; weights.pt a checkpoint.",
            "A file is run, as `python net.py` would; its folder and this one are importable meanwhile, and nothing of it stays.",
            "It is built and run without weights or data, and on random data only if it needs some; the answer says so.",
            "Where it does not run, its parameters are counted all the same; --input gives it other tensors than an image.",
            "One that has the family's parameters under its names and runs its operators is compared by axes, as a variant is.",
        ),
    ),
    Topic(
        "checkpoint",
        "A checkpoint is a file with a state dict: the names and tensors of a network that was trained.",
        (
            "Its format is told by what it holds: safetensors, or what torch.save wrote, of which nothing but weights is unpickled.",
            "Only names, shapes and element types are read, so that a large file takes no longer than a small one.",
            "Where a file holds several, weights.pt+key=NAME says which; what DataParallel or torch.compile puts before names is stripped.",
            "`ucseg identify` reads every axis that shapes determine; output_stride, head, dropout and the values of rates are in none.",
            "It fits a variant where load_state_dict(strict=True) would take it.",
        ),
    ),
    Topic(
        "configuration",
        "The configuration of a project is [tool.ucseg] in the nearest pyproject.toml that has it, or ucseg.toml.",
        (
            "It settles default, baseline, size and convention, names variants, and holds budgets and what lint looks for.",
            "UCSEG_CONFIG names another file; options on the command line go before it.",
            "`ucseg config` shows what is in force and where each value comes from.",
        ),
    ),
    Topic(
        "budgets",
        "A budget is a limit on a metric of a variant, or of a module in it, that `ucseg check` checks.",
        (
            "max is the most that passes, warn is reported and passes; vs-baseline says how much more than the baseline there may be.",
            "Values are compared as integers; of a percentage the limit is rounded down, which decides as the exact one would.",
            "A pattern of variants or modules is judged for each that it fits; one that fits nothing is an error.",
        ),
        _table("Keys of a budget", ("key", "meaning"), BUDGET_KEYS.items()),
    ),
    Topic(
        "lock",
        "The lock is what a team has agreed that its models are: ucseg.lock.json, written by `ucseg lock`.",
        (
            "It has the totals, the counts by module, the taps and the geometry of every convolution, for each size that is locked.",
            "`ucseg check --locked` fails on anything that differs, a dilation too, which no count shows.",
            "A total that is higher than before needs `ucseg lock --reason`; the reason and its day are kept in the lock.",
        ),
    ),
    Topic(
        "reconcile",
        "With --reconcile, `ucseg flops` shows what other counters print, and the steps from our figure.",
        (
            "Their prices are tables here, checked against the packages by a test; none of them is run.",
            "Some look at operators, others hook modules by class and miss functions, or see a module and its function both.",
            "What a trace does not tell, such as a layer whose price is not derived, is not reconciled, with the reason.",
        ),
        _table(
            "Figures of others",
            ("counter", "unit", "read with", "how it counts"),
            ((peer.name, peer.unit, peer.call, peer.why) for peer in PEERS),
        ),
    ),
    Topic(
        "own",
        "A row marked (own) is what a module holds or runs itself, beside its children, so that every level adds up.",
        ("Functional calls such as F.interpolate belong to the module whose forward ran them.",),
    ),
)


_MORE = {
    "peak-memory": (
        "A storage is alive from the operator that makes it until the program lets go of the last tensor on it.",
        "`ucseg memory` shows where the peak is, what is alive there, and the least that the same order of operators needs.",
        "What a kernel allocates for itself, the allocator's rounding, weights and gradients are not in it.",
        "On the CPU it equals what torch's allocator hands out, but for 24 bytes per row and column in a bilinear upsampling.",
    ),
}
"""Facts about a metric beside its meaning."""


def _rule(rule: Rule) -> Topic:
    severity = f"Severity: {rule.severity.name.lower()}."
    return Topic(
        rule.code,
        f"{rule.code}: {rule.title}.",
        (rule.reasoning, severity, f"Source: {rule.source}"),
    )


def topics() -> Mapping[str, Topic]:
    """Every topic by name."""
    every = (
        *_GENERAL,
        *map(_convention, CONVENTIONS.values()),
        *map(_rule, RULES.values()),
        *(
            Topic(m.name, m.meaning, _MORE.get(m.name, ()))
            for m in METRICS.values()
            if m.name not in CONVENTIONS
        ),
        *(
            Topic(
                a.name,
                a.meaning,
                (f"Accepts {a.accepts}; v1 has {a.show(getattr(CATALOGUE['v1'], a.name))}.",),
            )
            for a in AXES
        ),
    )
    return {topic.name: topic for topic in every}


def explain_report(name: str | None) -> Report:
    """One topic, or all of them by name; raises UnknownNameError with the nearest one."""
    known = topics()
    name = next(
        (
            topic_name
            for topic_name in known
            if name is not None and topic_name.casefold() == name.casefold()
        ),
        name,
    )
    if name is not None and name not in known:
        raise UnknownNameError("topic", name, known, hint="`ucseg explain` lists them all")
    topic = known[name] if name is not None else _index(known)
    return Report(
        kind="ucseg.explain",
        title=_title(topic),
        conditions={},
        tables=(topic.table,) if topic.table else (),
        summary=topic.more[-1] if topic.more else topic.sentence,
        notes=topic.more[:-1],
        records=topic.table
        or _table("", ("topic", "in a sentence"), [(topic.name, topic.sentence)]),
        payload={
            "topic": topic.name,
            "sentence": topic.sentence,
            "more": list(topic.more),
            "entries": _entries(topic),
        },
    )


def _title(topic: Topic) -> str:
    """The sentence first, since the details are about its subject."""
    if not topic.more:  # then it is the last line
        return f"explain {topic.name}"
    named = topic.sentence.startswith((f"{topic.name}:", f"{topic.name} "))
    return topic.sentence if named else f"{topic.name}: {topic.sentence}"


def _index(known: Mapping[str, Topic]) -> Topic:
    rows = ((topic.name, topic.sentence) for topic in known.values())
    return Topic(
        "topics",
        "`ucseg explain TOPIC` says more about each.",
        (),
        _table("Topics", ("topic", "in a sentence"), rows),
    )


def _entries(topic: Topic) -> list[dict[str, Cell]]:
    if topic.table is None:
        return []
    keys = [column.key for column in topic.table.columns]
    return [dict(zip(keys, row.cells, strict=True)) for row in topic.table.rows]
