"""What in an architecture is wasted or will hurt: rules that read traces, so they work on any model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

from ucseg_cli.facts.choices import DEFAULT_CONVENTION
from ucseg_cli.analysis.counting.metrics import own_figures, totals
from ucseg_cli.analysis.counting.module_tree import module_rows, partition
from ucseg_cli.analysis.geometry.dilated_reach import Reach, reaches
from ucseg_cli.analysis.geometry.stride import strides
from ucseg_cli.analysis.rules.lint_catalogue import (
    BIAS_BEFORE_NORM,
    HEAVY_BLOCK,
    LATE_CLASSIFIER,
    MOSTLY_PADDING,
    NORM_OF_ONE_VALUE,
    ONE_BY_ONE,
    RULES,
    UNFIT_RATES,
    UNUSED_PARAMETERS,
    Rule,
)
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.errors import UnknownNameError, UsageError
from ucseg_cli.facts.trace import Op, Trace
from ucseg_cli.references.variants import Variant
from ucseg_cli.units import exact_ratio, format_count, format_percent, format_shape

Check = Callable[[Subject], Iterable["Finding"]]

CLASSIC_STRIDE, CLASSIC_RATE = 16, 18
"""The output stride for which DeepLabv3 chose the rates 6, 12, 18 (Chen et al. 2017, arXiv:1706.05587, section 3.3)."""
HEAVY = Fraction(1, 3)
BLOCK_DEPTH = 2
MOSTLY = Fraction(1, 2)
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Finding(NamedTuple):
    """A place where a rule applies.

    Args:
        rule: which.
        module: path of the module.
        message: what is there, with its numbers.
        evidence: these numbers, raw.
        fix: axes to change, for a variant of the family; empty where no axis fixes it.
        exact: whether the fix computes the same function in eval mode; None where there is none.
    """

    rule: Rule
    module: str
    message: str
    evidence: Mapping[str, int] = NOTHING
    fix: Mapping[str, str] = NOTHING
    exact: bool | None = None


def lint(subject: Subject) -> tuple[Finding, ...]:
    """Every finding of every rule once, the most severe first, then by code and module."""
    found = (finding for check in CHECKS for finding in check(subject))
    different = {
        (each.rule.code, each.module, each.message): each for each in found
    }  # a module may run twice
    return tuple(
        sorted(
            different.values(), key=lambda each: (-each.rule.severity, each.rule.code, each.module)
        )
    )


class LintChanges(NamedTuple):
    """What a model has that its baseline has not, the other way round, and of what both have how many are told alike."""

    added: tuple[Finding, ...]
    removed: tuple[Finding, ...]
    altered: tuple[tuple[Finding, Finding], ...]
    unchanged: int


def lint_changes(
    baseline: Subject, model: Subject, name_after: Callable[[str], str]
) -> LintChanges:
    """Findings by rule and by what the module is for, whatever its position; none where one model could not run.

    *name_after* tells what a module of the baseline is called in the model.
    """
    if baseline.trace.failure is not None or model.trace.failure is not None:
        return LintChanges((), (), (), 0)
    before = {
        _identity(each, baseline.place(name_after(each.module))): each for each in lint(baseline)
    }
    after = {_identity(each, model.place(each.module)): each for each in lint(model)}
    both = [(before[place], each) for place, each in after.items() if place in before]
    altered = tuple((old, new) for old, new in both if old.evidence != new.evidence)
    return LintChanges(
        tuple(each for place, each in after.items() if place not in before),
        tuple(each for place, each in before.items() if place not in after),
        altered,
        len(both) - len(altered),
    )


def _identity(finding: Finding, place: str) -> tuple[str, ...]:
    """What makes it the same finding in another model: rule, place, and which figures speak for it."""
    return finding.rule.code, place, *finding.evidence


def chosen_rules(select: Iterable[str], ignore: Iterable[str]) -> frozenset[str]:
    """The codes to look for: those that begin with one of *select* (all where empty) and with none of *ignore*.

    Raises UnknownNameError for a word with which no code begins, and UsageError where no rule is left.
    """
    select, ignore = tuple(select), tuple(ignore)
    for option, words in (("--select", select), ("--ignore", ignore)):
        for word in words:
            if not word or not any(code.startswith(word) for code in RULES):
                raise UnknownNameError("rule", word, RULES, where=f"{option} {word}".rstrip())
    chosen = frozenset(
        code
        for code in RULES
        if (not select or code.startswith(select)) and not (ignore and code.startswith(ignore))
    )
    if not chosen:
        raise UsageError(
            "no rule is left to look for", where="--select, --ignore", help="ignore fewer of them"
        )
    return chosen


def _degenerate_convs(subject: Subject) -> Iterator[Finding]:
    for reach in reaches(subject.trace):
        if reach.is_pointwise:
            fix = _without_degenerate_rates(subject, reach)
            yield Finding(
                ONE_BY_ONE, reach.module, _reach_message(reach, "is exactly a 1×1 conv"), _reach_evidence(reach), fix,
                exact=False if fix else None,
            )  # fmt: skip
        elif reach.share < MOSTLY:
            read = f"reads data in {format_percent(reach.share)} of its products"
            yield Finding(
                MOSTLY_PADDING, reach.module, _reach_message(reach, read), _reach_evidence(reach)
            )


def _without_degenerate_rates(subject: Subject, reach: Reach) -> dict[str, str]:
    """The ASPP without the branches that another computes already: each such conv is one more 1×1 branch."""
    variant = subject.variant
    if variant is None or not reach.module.startswith("aspp.branches."):
        return {}
    degenerate = {max(each.rate) for each in reaches(subject.trace) if each.is_pointwise}
    rates = ",".join(str(rate) for rate in variant.rates if rate not in degenerate)
    return {"rates": rates} if rates else {}


def _reach_message(reach: Reach, what: str) -> str:
    place = f"rate {max(reach.rate)} on a {format_shape(reach.map)} map {what}"
    if not reach.dead_positions:
        return place
    dead = f"{reach.dead_positions} of {reach.kernel_positions} taps read only padding"
    return f"{place}: {dead}, with {format_count(reach.dead_params, exact=True)} parameters on them"


def _reach_evidence(reach: Reach) -> dict[str, int]:
    return {
        "rate": max(reach.rate),
        "map_height": reach.map[0],
        "map_width": reach.map[1],
        "kernel_positions": reach.kernel_positions,
        "dead_positions": reach.dead_positions,
        "dead_params": reach.dead_params,
        "reads": reach.reads,
        "products": reach.products,
    }


def _unfit_rates(subject: Subject) -> Iterator[Finding]:
    """One finding for each coarse map on which a tap lies further out, in pixels, than the classic rates put it."""
    known = strides(subject.trace)
    coarse: dict[int, list[Op]] = {}
    for op in _convs(subject.trace):
        source = op.inputs[0] or 0
        if max(op.attributes["dilation"]) > 1 and max(known.get(source, (0,))) > CLASSIC_STRIDE:
            coarse.setdefault(source, []).append(op)
    for source, ops in coarse.items():
        rates = sorted({max(op.attributes["dilation"]) for op in ops})
        stride = int(max(known[source]))
        farthest, classic = rates[-1] * stride, CLASSIC_RATE * CLASSIC_STRIDE
        if farthest <= classic:
            continue
        yield Finding(
            UNFIT_RATES,
            _common_parent(subject.trace.modules[op.module].path for op in ops),
            f"{'rate' if len(rates) == 1 else 'rates'} {', '.join(map(str, rates))} at stride {stride}: the outer taps lie "
            f"{farthest} pixels from the centre; DeepLabv3 chose {classic} ({CLASSIC_RATE} at stride {CLASSIC_STRIDE})",
            {
                "stride": stride,
                "largest_rate": rates[-1],
                "pixels": farthest,
                "classic_pixels": classic,
            },
            _finer_rates(subject.variant, stride),
            exact=False if subject.variant else None,
        )


def _finer_rates(variant: Variant | None, stride: int) -> dict[str, str]:
    """All rates of a variant, in their order, brought from the classic stride to *stride*, or nearer where that is still too far."""
    if variant is None:
        return {}
    scale = min(
        Fraction(CLASSIC_STRIDE, stride),
        Fraction(CLASSIC_RATE * CLASSIC_STRIDE, stride * max(variant.rates)),
    )
    return {"rates": ",".join(str(max(1, int(rate * scale))) for rate in variant.rates)}


def _late_classifiers(subject: Subject) -> Iterator[Finding]:
    trace = subject.trace
    made_by = {tensor: op for _, op in trace.kernels() for tensor in op.outputs}
    for op in _convs(trace):
        source = made_by.get(op.inputs[0] or 0)
        if (
            not _is_pointwise(trace, op)
            or source is None
            or not source.name.startswith("upsample_bilinear")
        ):
            continue
        before, after = trace.shape(source.inputs[0]) or (), trace.shape(source.outputs[0]) or ()
        saved = _saved_by_commuting(trace, op, prod(before[2:]), prod(after[2:]))
        if saved > 0:
            path = trace.modules[op.module].path
            own_head = path == "classifier.1" and subject.variant is not None
            yield Finding(
                LATE_CLASSIFIER,
                path,
                f"a 1×1 conv on {format_shape(after[2:])} positions after a bilinear upsample from {format_shape(before[2:])}; "
                f"before it, the conv computes the same for {format_count(saved, exact=True)} fewer fvcore FLOPs",
                {
                    "positions": prod(after[2:]),
                    "positions_before": prod(before[2:]),
                    "saved": saved,
                },
                {"head": "before-upsample"} if own_head else {},
                exact=True if own_head else None,
            )


def _saved_by_commuting(trace: Trace, conv: Op, before: int, after: int) -> int:
    """What fvcore would count less if a pointwise conv ran on the *before* positions and its output were upsampled.

    The conv saves its products on the other positions; upsampling, at 4 per element, then carries the conv's channels.
    """
    out = trace.shape(conv.outputs[0]) or ()
    images, channels, weights = (
        out[0],
        (trace.shape(conv.inputs[0]) or ())[1],
        prod(trace.shape(conv.inputs[1]) or ()),
    )
    return images * ((after - before) * weights + 4 * after * (channels - out[1]))


def _unused_parameters(subject: Subject) -> Iterator[Finding]:
    trace = subject.trace
    used = {
        trace.tensors[tensor].storage
        for op in trace.ops
        for tensor in op.inputs
        if tensor is not None
    }
    used |= {trace.tensors[tensor].storage for tensor in trace.outputs}
    for module in trace.modules:
        unused = [w for w in module.parameters if trace.tensors[w.tensor].storage not in used]
        if unused:
            count = sum(trace.tensors[weight.tensor].numel for weight in unused)
            names = ", ".join(weight.name for weight in unused)
            message = (
                f"{format_count(count, exact=True)} parameters ({names}) that no operator reads"
            )
            yield Finding(UNUSED_PARAMETERS, module.path, message, {"params": count})


def _biases_before_norm(subject: Subject) -> Iterator[Finding]:
    trace = subject.trace
    made_by = {tensor: op for _, op in trace.kernels() for tensor in op.outputs}
    uses = Counter(tensor for _, op in trace.kernels() for tensor in op.inputs) + Counter(
        trace.outputs
    )
    for op in trace.ops:
        if op.name != "batch_norm":
            continue
        conv = made_by.get(op.inputs[0] or 0)
        if conv is None or conv.name != "convolution" or conv.inputs[2] is None:
            continue
        if (
            uses[conv.outputs[0]] == uses[conv.inputs[2]] == 1
        ):  # else something beside the norm sees the bias
            count = trace.tensors[conv.inputs[2]].numel
            message = f"a bias of {format_count(count, exact=True)} parameters that the batch norm after it takes away"
            yield Finding(
                BIAS_BEFORE_NORM, trace.modules[conv.module].path, message, {"params": count}
            )


def _norms_of_one_value(subject: Subject) -> Iterator[Finding]:
    trace = subject.trace
    for op in trace.ops:
        shape = trace.shape(op.inputs[0]) if op.name == "batch_norm" else None
        if shape is not None and prod(shape[2:]) == 1 and len(shape) > 2:
            message = f"normalises {format_shape(shape)}: one value per channel and image, so training at batch 1 fails"
            yield Finding(
                NORM_OF_ONE_VALUE, trace.modules[op.module].path, message, {"channels": shape[1]}
            )


def _heavy_blocks(subject: Subject) -> Iterator[Finding]:
    own, whole = own_figures(subject.trace), totals(subject.trace)
    rows = partition(module_rows(subject.trace, own, max_depth=BLOCK_DEPTH))
    for metric, noun in (("params", "parameters"), (DEFAULT_CONVENTION, "fvcore FLOPs")):
        for row in rows:
            share = exact_ratio(row.figures.get(metric, 0), whole[metric])
            if share is not None and share > HEAVY and len(rows) > 1:
                axes = subject.variant.governing_axes(row.path) if subject.variant else ()
                governed = f"; governed by {', '.join(axes)}" if axes else ""
                held = f"{format_percent(share)} of the {noun} ({format_count(row.figures[metric], exact=True)}){governed}"
                yield Finding(
                    HEAVY_BLOCK,
                    row.path,
                    held,
                    {metric: row.figures[metric], "total": whole[metric]},
                )


CHECKS: tuple[Check, ...] = (
    _degenerate_convs,
    _unfit_rates,
    _late_classifiers,
    _unused_parameters,
    _biases_before_norm,
    _norms_of_one_value,
    _heavy_blocks,
)


def _convs(trace: Trace) -> Iterator[Op]:
    return (
        op
        for _, op in trace.kernels()
        if op.name == "convolution" and not op.attributes["transposed"]
    )


def _is_pointwise(trace: Trace, op: Op) -> bool:
    kernel = (trace.shape(op.inputs[1]) or ())[2:]
    return set(kernel) == set(op.attributes["stride"]) == {1} and set(op.attributes["padding"]) == {
        0
    }


def _common_parent(paths: Iterable[str]) -> str:
    parts = [path.split(".") for path in paths]
    shared: list[str] = []
    for names in zip(*parts, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return ".".join(shared)
