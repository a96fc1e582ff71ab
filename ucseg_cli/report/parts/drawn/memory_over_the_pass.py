"""The picture of memory over a pass, forward or of a whole training step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ucseg_cli.analysis.memory.over_the_pass import (
    MemoryCourse,
    Run,
    memory_course,
    training_course,
)
from ucseg_cli.facts.trace import Trace
from ucseg_cli.report.parts.module_table import label
from ucseg_cli.report.pictures.course import Band, Course, Highest, Stretch
from ucseg_cli.report.pictures.scatter import Scale
from ucseg_cli.units import format_bytes, plural

MOST_BANDS = 6
UPDATE_SHARE = 8
"""The update takes at most one of so many parts of what the rest of the step takes."""
BYTES = Scale("memory", in_bytes=True)


def memory_over_the_pass(trace: Trace, dtype: str | None = None) -> tuple[Course, ...]:
    """Bytes alive while each operator runs; no picture where nothing runs."""
    if not trace.ops:
        return ()
    course = memory_course(trace, dtype)
    note = (
        "Each band is what a part of the model made and what is still alive; weights are not in it."
    )
    return (_picture(course, "Memory over the pass", note),)


def training_over_the_step(trace: Trace, titles: Mapping[str, str]) -> tuple[Course, ...]:
    """The same of a training step, by use; *titles* are how a user reads these."""
    note = "One training step: forward, loss, backward and update; weights are there throughout."
    course = training_course(trace)
    bands = {titles[use]: values for use, values in course.bands.items() if any(values)}
    thinned, every = _with_short_update(course._replace(bands=bands))
    if every > 1:
        note += f" Of the update only the fullest of every {every} operators is drawn."
    return (_picture(thinned, "Memory over the training step", note),)


def _with_short_update(course: MemoryCourse) -> tuple[MemoryCourse, int]:
    """The course with the update no longer than a share of the rest, and how many make one.

    An optimizer runs a dozen operators for each parameter, which would leave no room for the pass.
    """
    *_, update = course.runs
    every = max((update.end - update.begin) * UPDATE_SHARE // max(update.begin, 1), 1)
    sums = [sum(values) for values in zip(*course.bands.values(), strict=True)]
    starts = range(update.begin, update.end, every)
    fullest = [
        max(range(start, min(start + every, update.end)), key=sums.__getitem__) for start in starts
    ]
    moments = [*range(update.begin), *fullest]
    bands = {
        name: tuple(values[moment] for moment in moments) for name, values in course.bands.items()
    }
    runs = (*course.runs[:-1], update._replace(end=len(moments)))
    # the peak is the fullest of its chunk, and the first where several are as full
    return course._replace(bands=bands, fullest=moments.index(course.fullest), runs=runs), every


def _picture(course: MemoryCourse, title: str, note: str) -> Course:
    bands = dict(_folded(course.bands))
    peak = format_bytes(course.peak)
    where = f"in {label(course.module, own=not course.module)}, {course.op}"
    moments = len(next(iter(bands.values())))
    return Course(
        title=title,
        description=f"{plural(moments, 'operator')} from left to right; most, {peak}, {where}.",
        scale=BYTES,
        bands=tuple(_band(name, values, course.fullest) for name, values in bands.items()),
        highest=Highest(course.fullest, f"peak {peak}", where),
        stretches=tuple(_stretch(run) for run in course.runs),
        note=note,
    )


def _folded(bands: dict[str, tuple[int, ...]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The bands in their order; the smallest as one where there are too many."""
    largest = sorted(bands, key=lambda name: -max(bands[name]))
    kept = set(largest[: MOST_BANDS if len(largest) > MOST_BANDS + 1 else None])
    yield from ((name, values) for name, values in bands.items() if name in kept)
    if others := [values for name, values in bands.items() if name not in kept]:
        yield plural(len(others), "other"), tuple(map(sum, zip(*others, strict=True)))


def _band(name: str, values: tuple[int, ...], fullest: int) -> Band:
    at_peak, most = format_bytes(values[fullest]), format_bytes(max(values))
    return Band(name, values, f"{name}: {at_peak} at the peak, {most} at most")


def _stretch(run: Run) -> Stretch:
    return Stretch(run.name, run.begin, run.end)
