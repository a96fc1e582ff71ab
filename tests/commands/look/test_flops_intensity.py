"""``ucseg flops --intensity``: bytes beside operations, and what they add up to."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

from support.fixture_types import Number, Run, Tables, TraceOf
from support.screens import verdict
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.memory.moved_bytes import moved_bytes
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.references.variants import as_variant
from ucseg_cli.units import format_quotient

MODULES, OPERATORS = "Intensity by module", "Intensity by operator"


def answer(ucseg: Run, *options: str) -> Any:
    return json.loads(ucseg("flops", "v2", "--intensity", "-f", "json", *options).stdout)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_operations_and_bytes_of_every_row_add_up_and_the_ratio_is_theirs(
    ucseg: Run, read_tables: Tables, number: Number, convention: str
) -> None:
    options = ("--exact", "-f", "markdown", "--sort", "count", "--top", "5", "-c", convention)
    tables = read_tables(ucseg("flops", "v2", "--intensity", *options).stdout)
    title = CONVENTIONS[convention].title
    for table in (MODULES, OPERATORS):
        header, *parts, last = tables[table]
        counted, moved, ratio = (header.index(name) for name in (title, "bytes moved", "per byte"))
        for column in (counted, moved):
            known = (part[column] for part in parts if part[column] != "–")
            assert sum(map(number, known)) == number(last[column])
        for row in (*parts, last):
            if row[counted] != "–" and number(row[moved]):
                exact = Fraction(number(row[counted]), number(row[moved]))
                assert row[ratio] == format_quotient(exact)


@pytest.mark.parametrize("depth", ["1", "2", "9"])
def test_modules_and_operators_of_the_json_are_the_totals(
    ucseg: Run, trace_of: TraceOf, depth: str
) -> None:
    found, whole = answer(ucseg, "--depth", depth), totals(trace_of(as_variant("v2"), Conditions()))
    metrics = (*CONVENTIONS, "moved-bytes")
    assert found["total"] == {name: whole[name] for name in metrics}
    top = [
        module
        for module in found["modules"]
        if "." not in module["path"] and not (module["own"] and module["path"])
    ]
    for metric in metrics:
        assert sum(module[metric] for module in top) == whole[metric]
    for metric in ("fvcore", "moved-bytes"):
        assert sum(operator[metric] or 0 for operator in found["traffic"]) == whole[metric]


def test_an_operator_without_a_price_moves_bytes_and_has_no_operations(ucseg: Run) -> None:
    operators = {one["operator"]: one for one in answer(ucseg)["traffic"]}
    assert (operators["relu"]["fvcore"], operators["relu"]["calls"]) == (None, 27)
    assert operators["conv"]["calls"] == 61
    assert all(one["moved-bytes"] > 0 for one in operators.values())
    screen = ucseg("flops", "v2", "--intensity").stdout
    assert "–: no price under fvcore." in screen
    assert "Not counted by fvcore" not in screen


def test_in_half_precision_half_the_bytes_are_moved_for_the_same_operations(
    ucseg: Run, trace_of: TraceOf
) -> None:
    single, half = answer(ucseg), answer(ucseg, "--dtype", "float16")
    trace = trace_of(as_variant("v2"), Conditions())
    assert half["total"]["moved-bytes"] == moved_bytes(trace, "float16")
    assert half["total"]["moved-bytes"] * 2 == single["total"]["moved-bytes"]
    assert half["total"]["fvcore"] == single["total"]["fvcore"]
    assert half["conditions"]["dtype"] == "float16"


def test_the_last_sentence_names_the_module_that_moves_most_beyond_its_operations(
    ucseg: Run,
) -> None:
    said = verdict(ucseg("flops", "v2", "--intensity", "--depth", "1").stdout)
    assert said == (
        "v2 does 1.88 fvcore FLOPs for each byte it moves; features moves 49.6% of the bytes and "
        "takes 34.5% of the operations."
    )


def test_a_dtype_changes_nothing_of_operations_alone(ucseg: Run) -> None:
    refused = ucseg("flops", "v2", "--dtype", "float16")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "error: operations do not depend on a dtype" in refused.stderr
    assert "add --intensity" in refused.stderr


def test_what_other_counters_print_stands_beside_it(ucseg: Run, read_tables: Tables) -> None:
    options = ("--intensity", "--reconcile", "-f", "markdown")
    tables = read_tables(ucseg("flops", "v2", *options).stdout)
    assert [*tables][:3] == [MODULES, OPERATORS, "Figures of other tools"]
