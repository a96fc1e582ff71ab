"""The largest batch with which a training step fits into so much memory."""

from __future__ import annotations

from collections.abc import Iterable

from ucseg_cli.analysis.memory.batches import Batches, next_batches
from ucseg_cli.analysis.memory.training_memory import TrainingPeak, training_peak
from ucseg_cli.errors import ModelError, UcsegError, UsageError
from ucseg_cli.facts.conditions import MAX_BATCH, MAX_PIXELS, Conditions, Point
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.references import Reference
from ucseg_cli.workflow.measure import measure_points, refuse_failure

FIRST = (1, 2)
"""Tried before any other: batch norm may refuse one image."""


def find_largest_batch(
    model: Reference, conditions: Conditions, limit: int, settings: Settings, cache: Cache | None
) -> Batches:
    """The largest batch of images whose step needs at most *limit* bytes, found by recording.

    It fits, and one image more does not. Raises UsageError for an input that has no batch, and the
    model's own error where no batch of it runs.
    """
    if conditions.given is not None:
        what = "an input that is not made of images has no batch to vary"
        raise UsageError(what, where=f"--input {conditions.written}", help="leave --fits out")
    most = min(MAX_BATCH, MAX_PIXELS // (conditions.size.height * conditions.size.width))
    peaks = _peaks(model, conditions, FIRST, settings, cache)
    tried = dict.fromkeys(FIRST, limit + 1) | _bytes(peaks)
    while batches := next_batches(limit, tried, most):
        found = _peaks(model, conditions, batches, settings, cache)
        peaks |= found
        tried |= dict.fromkeys(batches, limit + 1) | _bytes(found)
    largest = max((batch for batch, peak in _bytes(peaks).items() if peak <= limit), default=None)
    if largest is not None and largest // 2 not in peaks and largest > 1:
        peaks |= _peaks(model, conditions, [largest // 2], settings, cache)
    return Batches(limit, peaks, largest, most)


def _bytes(peaks: dict[int, TrainingPeak]) -> dict[int, int]:
    return {batch: peak.bytes for batch, peak in peaks.items()}


def _peaks(
    model: Reference,
    conditions: Conditions,
    batches: Iterable[int],
    settings: Settings,
    cache: Cache | None,
) -> dict[int, TrainingPeak]:
    """The peak of each batch that runs; raises the error of the last if none does."""
    points = {batch: Point(model, conditions._replace(batch=batch)) for batch in batches}
    failures: dict[Point, UcsegError] = {}
    subjects = measure_points(points.values(), settings, cache=cache, run=False, failures=failures)
    found = {}
    for batch, point in points.items():
        if point in subjects and subjects[point].trace.failure is None:
            if subjects[point].trace.device != "meta":
                what = f"{model} needs data to run, so that larger batches need their memory here"
                raise ModelError(what, help="leave --fits out, and give --batch")
            found[batch] = training_peak(subjects[point].trace)
    if not found:
        last = list(points.values())[-1]
        if last in failures:
            raise failures[last]
        refuse_failure(subjects[last], last.conditions)
    return found
