"""The linter: looks in a trace for what is wasted or will hurt, so it works on any model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

from ucseg_cli.analysis.counting.metrics import own_figures, totals
from ucseg_cli.analysis.counting.module_tree import module_rows, of_metrics, partition
from ucseg_cli.analysis.geometry.dilated_reach import Reach, reaches
from ucseg_cli.analysis.geometry.stride import strides
from ucseg_cli.analysis.rules.late_convs import late_convs, made_by
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
from ucseg_cli.facts.choices import DEFAULT_CONVENTION
from ucseg_cli.facts.trace import Op, Trace
from ucseg_cli.references.variants import Variant
from ucseg_cli.references.variants.layout import CLASSIFIER_CONV, branch_index
from ucseg_cli.units import (
    exact_ratio,
    format_count,
    format_percent,
    format_shape,
    plural,
    spoken_count,
)

Check = Callable[[Subject], Iterable["Finding"]]

CLASSIC_STRIDE, CLASSIC_RATE = 16, 18
"""The output stride for which DeepLabv3 chose the rates 6, 12, 18 (arXiv:1706.05587, 3.3)."""
CLASSIC_PIXELS = CLASSIC_STRIDE * CLASSIC_RATE
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
        exact: whether the fix gives the same output in eval mode; None where there is no fix.
    """

    rule: Rule
    module: str
    message: str
    evidence: Mapping[str, int] = NOTHING
    fix: Mapping[str, str] = NOTHING
    exact: bool | None = None


def lint(subject: Subject) -> tuple[Finding, ...]:
    """Every finding of every rule, the most severe first, then by code and module."""
    found = (finding for check in CHECKS for finding in check(subject))
    # A module may run twice; what is found in it both times is one finding.
    once = {(finding.rule.code, finding.module, finding.message): finding for finding in found}
    return tuple(sorted(once.values(), key=_severest_first))


def _severest_first(finding: Finding) -> tuple[int, str, str]:
    return -finding.rule.severity, finding.rule.code, finding.module


class LintChanges(NamedTuple):
    """Findings added, removed and altered against a baseline, and how many are the same."""

    added: tuple[Finding, ...]
    removed: tuple[Finding, ...]
    altered: tuple[tuple[Finding, Finding], ...]
    unchanged: int


def lint_changes(
    baseline: Subject, model: Subject, name_after: Callable[[str], str]
) -> LintChanges:
    """Findings by rule and the module's role, at any position.

    *name_after* gives the path in the model of a module of the baseline. There are none if a model
    could not run, and rules look at a forward pass alone, not at a training step.
    """
    traces = baseline.trace, model.trace
    if any(trace.failure is not None or trace.trained is not None for trace in traces):
        return LintChanges((), (), (), 0)
    before = {_identity(old, baseline.place(name_after(old.module))): old for old in lint(baseline)}
    after = {_identity(new, model.place(new.module)): new for new in lint(model)}
    both = [(before[place], new) for place, new in after.items() if place in before]
    altered = tuple((old, new) for old, new in both if old.evidence != new.evidence)
    return LintChanges(
        added=tuple(new for place, new in after.items() if place not in before),
        removed=tuple(old for place, old in before.items() if place not in after),
        altered=altered,
        unchanged=len(both) - len(altered),
    )


def _identity(finding: Finding, place: str) -> tuple[str, ...]:
    """The same finding in another model has this rule, this place, and figures of these names."""
    return finding.rule.code, place, *finding.evidence


def chosen_rules(select: Iterable[str], ignore: Iterable[str]) -> frozenset[str]:
    """The codes that begin with one of *select* (all where empty) and with none of *ignore*.

    Raises UnknownNameError for a word with which no code begins, and UsageError if no rule is left.
    """
    select, ignore = tuple(select), tuple(ignore)
    for option, words in (("--select", select), ("--ignore", ignore)):
        for word in words:
            if not word or not any(code.startswith(word) for code in RULES):
                raise UnknownNameError("rule", word, RULES, where=f"{option} {word}".rstrip())
    selected = [code for code in RULES if not select or code.startswith(select)]
    chosen = frozenset(code for code in selected if not ignore or not code.startswith(ignore))
    if not chosen:
        raise UsageError(
            "no rule is left to look for", where="--select, --ignore", help="ignore fewer of them"
        )
    return chosen


def _degenerate_convs(subject: Subject) -> Iterator[Finding]:
    for reach in reaches(subject.trace):
        at = f"rate {max(reach.rate)} on a {format_shape(reach.map)} map"
        if reach.is_pointwise:
            fix = _without_degenerate_rates(subject, reach)
            message = f"{at} is exactly a 1×1 conv{_dead_positions(reach)}"
            yield Finding(
                ONE_BY_ONE,
                reach.module,
                message,
                _reach_evidence(reach),
                fix,
                exact=False if fix else None,
            )
        elif reach.share < MOSTLY:
            share = format_percent(reach.share)
            message = f"{at} reads data in {share} of its products{_dead_positions(reach)}"
            yield Finding(MOSTLY_PADDING, reach.module, message, _reach_evidence(reach))


def _without_degenerate_rates(subject: Subject, reach: Reach) -> dict[str, str]:
    """The ASPP has a 1×1 branch already, so every conv that is another one can go."""
    variant = subject.variant
    if variant is None or branch_index(reach.module) is None:
        return {}
    degenerate = {max(conv.rate) for conv in reaches(subject.trace) if conv.is_pointwise}
    rates = ",".join(str(rate) for rate in variant.rates if rate not in degenerate)
    return {"rates": rates} if rates else {}


def _dead_positions(reach: Reach) -> str:
    if not reach.dead_positions:
        return ""
    dead = f"{reach.dead_positions} of {reach.kernel_positions} kernel positions"
    weights = format_count(reach.dead_params, exact=True)
    return f": {dead} only ever see padding; their {weights} weights do nothing"


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
    """One finding for each coarse map whose kernels reach further, in pixels, than the classic."""
    known, paths = strides(subject.trace), subject.trace.modules
    coarse: dict[int, list[Op]] = {}
    for op in _convs(subject.trace):
        source = op.inputs[0] or 0
        if max(op.attributes["dilation"]) > 1 and max(known.get(source, (0,))) > CLASSIC_STRIDE:
            coarse.setdefault(source, []).append(op)
    for source, ops in coarse.items():
        rates = sorted({max(op.attributes["dilation"]) for op in ops})
        stride = int(max(known[source]))
        pixels = rates[-1] * stride
        if pixels > CLASSIC_PIXELS:
            noun, listed = "rate" if len(rates) == 1 else "rates", ", ".join(map(str, rates))
            yield Finding(
                UNFIT_RATES,
                _common_parent(paths[op.module].path for op in ops),
                f"{noun} {listed} at stride {stride} reach {pixels} pixels from the centre; "
                f"DeepLabv3 chose {CLASSIC_PIXELS} ({CLASSIC_RATE} at stride {CLASSIC_STRIDE})",
                {
                    "stride": stride,
                    "largest_rate": rates[-1],
                    "pixels": pixels,
                    "classic_pixels": CLASSIC_PIXELS,
                },
                _finer_rates(subject.variant, stride),
                exact=False if subject.variant else None,
            )


def _finer_rates(variant: Variant | None, stride: int) -> dict[str, str]:
    """A variant's rates scaled to *stride*, and down to the classic reach if still beyond it."""
    if variant is None:
        return {}
    to_stride = Fraction(CLASSIC_STRIDE, stride)
    to_reach = Fraction(CLASSIC_PIXELS, stride * max(variant.rates))
    scale = min(to_stride, to_reach)
    return {"rates": ",".join(str(max(1, int(rate * scale))) for rate in variant.rates)}


def _late_classifiers(subject: Subject) -> Iterator[Finding]:
    for conv in late_convs(subject.trace):
        if conv.saved > 0:
            path = subject.trace.modules[conv.module].path
            own_head = path == CLASSIFIER_CONV and subject.variant is not None
            times = "" if conv.calls == 1 else f"{conv.calls} times "
            yield Finding(
                LATE_CLASSIFIER,
                path,
                f"this 1×1 conv runs {times}at {format_shape(conv.after)}, after a bilinear "
                f"upsample from {format_shape(conv.before)}. Moved before the upsample it gives "
                f"the same output for {spoken_count(conv.saved)} fewer FLOPs.",
                {
                    "positions": prod(conv.after),
                    "positions_before": prod(conv.before),
                    "saved": conv.saved,
                },
                {"head": "before-upsample"} if own_head else {},
                exact=True if own_head else None,
            )


def _unused_parameters(subject: Subject) -> Iterator[Finding]:
    trace = subject.trace
    read = {tensor for op in trace.ops for tensor in op.inputs if tensor is not None}
    used = {trace.tensors[tensor].storage for tensor in read.union(trace.outputs)}
    for module in trace.modules:
        unused = [w for w in module.parameters if trace.tensors[w.tensor].storage not in used]
        if unused:
            count = sum(trace.tensors[weight.tensor].numel for weight in unused)
            names = ", ".join(weight.name for weight in unused)
            message = f"no operator reads {plural(count, 'parameter')} ({names})"
            yield Finding(UNUSED_PARAMETERS, module.path, message, {"params": count})


def _biases_before_norm(subject: Subject) -> Iterator[Finding]:
    trace = subject.trace
    makers = made_by(trace)
    uses = Counter(tensor for _, op in trace.kernels() for tensor in op.inputs)
    uses.update(trace.outputs)
    for op in trace.ops:
        conv = makers.get(op.inputs[0] or 0) if op.name == "batch_norm" else None
        if conv is None or conv.name != "convolution" or conv.inputs[2] is None:
            continue
        # With a second use, something beside the norm sees the bias.
        if uses[conv.outputs[0]] == uses[conv.inputs[2]] == 1:
            count = trace.tensors[conv.inputs[2]].numel
            message = f"the batch norm after it cancels its bias of {plural(count, 'parameter')}"
            path = trace.modules[conv.module].path
            yield Finding(BIAS_BEFORE_NORM, path, message, {"params": count})


def _norms_of_one_value(subject: Subject) -> Iterator[Finding]:
    trace = subject.trace
    for op in trace.ops:
        shape = trace.shape(op.inputs[0]) if op.name == "batch_norm" else None
        if shape is not None and len(shape) > 2 and prod(shape[2:]) == 1:
            message = (
                f"normalises {format_shape(shape)}: "
                "one value per channel and image, so training at batch 1 fails"
            )
            path = trace.modules[op.module].path
            yield Finding(NORM_OF_ONE_VALUE, path, message, {"channels": shape[1]})


def _heavy_blocks(subject: Subject) -> Iterator[Finding]:
    whole = totals(subject.trace)
    own = of_metrics(own_figures(subject.trace), ("params", DEFAULT_CONVENTION))
    rows = partition(module_rows(subject.trace, own, max_depth=BLOCK_DEPTH))
    for metric, noun in (("params", "parameters"), (DEFAULT_CONVENTION, "FLOPs")):
        for row in rows if len(rows) > 1 else ():
            count = row.figures.get(metric, 0)
            share = exact_ratio(count, whole[metric])
            if share is not None and share > HEAVY:
                axes = subject.variant.governing_axes(row.path) if subject.variant else ()
                governed = f"; governed by {', '.join(axes)}" if axes else ""
                message = f"{format_percent(share)} of the {noun} ({count:,}){governed}"
                evidence = {metric: count, "total": whole[metric]}
                yield Finding(HEAVY_BLOCK, row.path, message, evidence)


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
    convs = (op for _, op in trace.kernels() if op.name == "convolution")
    return (op for op in convs if not op.attributes["transposed"])


def _common_parent(paths: Iterable[str]) -> str:
    shared: list[str] = []
    for names in zip(*(path.split(".") for path in paths), strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return ".".join(shared)
