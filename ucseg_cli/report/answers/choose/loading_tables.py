"""Whether a network loads a checkpoint: a sentence, a table of entries, and both for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

from ucseg_cli.analysis.comparing.comparison import Comparison
from ucseg_cli.analysis.comparing.loading import COUNTER, Difference, Loading
from ucseg_cli.report.document import Kind, Role, Row, Table
from ucseg_cli.report.fields import Field, Fields, Output, make_entries, make_table
from ucseg_cli.report.parts.checkpoint_notes import checkpoint_notes
from ucseg_cli.units import plural

KINDS = {
    "missing": ("missing", "is missing", "are missing"),
    "unexpected": ("unexpected", "is unexpected", "are unexpected"),
    "shape": ("other shape", "has another shape", "have another shape"),
    "layout": ("not dense", "is not a dense tensor", "are not dense tensors"),
    "meta": ("no values", "has no values", "have no values"),
}
"""A kind of difference in a table, and in a sentence of one entry and of several."""

DIFFERENCES: Fields[Difference] = (
    Field("kind", "kind", attrgetter("kind"), output=Output.FILES),
    Field("name", "entry", attrgetter("name"), Kind.PATH),
    Field("kind", "status", lambda entry: KINDS[entry.kind][0], output=Output.SCREEN),
    Field("expected", "expected", attrgetter("expected"), Kind.SHAPE),
    Field("found", "in the file", attrgetter("found"), Kind.SHAPE),
    Field("module", "", attrgetter("module"), output=Output.JSON),
)


def loading_tables(comparison: Comparison, most: int | None) -> Iterator[Table]:
    """The first *most* entries at which strict loading stops; nothing if there are none."""
    loading = comparison.loading
    if loading is None or loading.is_strict:
        return
    checkpoint, network = names_in_loading(comparison)
    shown = loading.differences[:most]
    rows: list[Difference | Row] = [*shown]
    if rest := len(loading.differences) - len(shown):
        rows.append(Row((plural(rest, "other"), None, None, None), role=Role.FOLDED))
    note = "JSON names every entry." if rest else None
    title = f"Entries of {checkpoint} that {network} does not load"
    yield make_table("loading", title, DIFFERENCES, rows, note)


def loading_sentence(checkpoint: str, network: str, loading: Loading) -> str:
    """Whether the network loads the checkpoint strictly, and what is in the way."""
    prefix = f"once '{loading.state.prefix}' is stripped" if loading.state.prefix else ""
    if loading.is_strict:
        stripped = f", {prefix}" if prefix else ""
        entries = f"{loading.matched:,} of {plural(loading.expected, 'entry', 'entries')}"
        counters = plural(loading.added, f"counter {COUNTER}", f"counters {COUNTER}")
        added = f"; torch adds {counters}" if loading.added else ""
        return f"{checkpoint} loads into {network} strictly{stripped}: {entries}{added}."
    stripped = f", even {prefix}" if prefix else ""
    wrong = ", ".join(_spoken(loading.differences))
    return f"{checkpoint} does not load into {network} strictly{stripped}: {wrong}."


def _spoken(differences: Iterable[Difference]) -> Iterator[str]:
    counts = Counter(difference.kind for difference in differences)
    noun = " entry", " entries"  # only beside the first count
    for kind, (_, one, several) in KINDS.items():
        if count := counts[kind]:
            yield f"{count:,}{noun[count > 1]} {several if count > 1 else one}"
            noun = "", ""


def loading_notes(comparison: Comparison) -> tuple[str, ...]:
    """Sentences on whatever is unusual about a checkpoint that a network may load."""
    return checkpoint_notes(comparison.loading.state) if comparison.loading else ()


def loading_payload(comparison: Comparison, loading: Loading) -> dict[str, Any]:
    """For scripts; *strict* is the verdict, *expected* counts the network's entries."""
    checkpoint, network = names_in_loading(comparison)
    return {
        "checkpoint": checkpoint,
        "network": network,
        "strict": loading.is_strict,
        "prefix": loading.state.prefix,
        "expected": loading.expected,
        "matched": loading.matched,
        "added": loading.added,
        "differences": make_entries(DIFFERENCES, loading.differences),
    }


def names_in_loading(comparison: Comparison) -> tuple[str, str]:
    """The names of the checkpoint and the network, of which either may come first."""
    baseline, model = comparison.baseline, comparison.model
    pair = (baseline, model) if baseline.state is not None else (model, baseline)
    return pair[0].name, pair[1].name
