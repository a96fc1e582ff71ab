"""Icicles for viewers of profiles: every value once, and all of them the total."""

from __future__ import annotations

import json
import re

import pytest

from support.fixture_types import Run
from ucseg_cli.report.document import Report
from ucseg_cli.report.formats.marks import is_answer, marked
from ucseg_cli.report.formats.viewers.stacks import render_folded, render_speedscope
from ucseg_cli.report.pictures.icicle import Cell, Icicle

LINE = re.compile(r"(.+) (\d+)")
TOTALS = {"params": 645_245, "flops": 141_328_192}


@pytest.mark.parametrize(("command", "total"), TOTALS.items())
def test_the_values_add_up_to_the_total(ucseg: Run, command: str, total: int) -> None:
    lines = ucseg(command, "v2", "-f", "folded").stdout.splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    assert sum(int(match[2]) for match in found if match) == total
    data = json.loads(ucseg(command, "v2", "-f", "speedscope").stdout)
    (profile,) = data["profiles"]
    assert sum(profile["weights"]) == profile["endValue"] == total
    assert len(profile["samples"]) == len(profile["weights"]) == len(lines)


def test_both_forms_have_the_same_stacks(ucseg: Run) -> None:
    lines = ucseg("params", "v2", "-f", "folded").stdout.splitlines()
    data = json.loads(ucseg("params", "v2", "-f", "speedscope").stdout)
    frames = [frame["name"] for frame in data["shared"]["frames"]]
    (profile,) = data["profiles"]
    stacks = [
        ";".join(frames[number] for number in sample) + f" {weight}"
        for sample, weight in zip(profile["samples"], profile["weights"], strict=True)
    ]
    assert stacks == lines


def test_no_name_parts_a_stack_or_a_line() -> None:
    leaf = Cell("a;b\n7 ", 3, ("3",), "", 0)
    root = Cell("", 3, ("3",), "", None, (leaf,))
    icicle = Icicle("t", "d", root, ("conv",))
    report = Report("ucseg.params", "params x", {}, (), "", {}, pictures=lambda: (icicle,))
    assert render_folded(report) == "(unnamed);a,b 7 3\n"
    assert json.loads(render_speedscope(report))["profiles"][0]["weights"] == [3]


def test_a_file_of_either_is_known_again(ucseg: Run) -> None:
    for form in ("folded", "speedscope"):
        text = marked(ucseg("params", "v2", "-f", form).stdout, form, "ucseg.params")
        assert is_answer(text.encode()[:4096])


def test_they_are_refused_where_no_icicle_is(ucseg: Run) -> None:
    answer = ucseg("memory", "v2", "-f", "folded")
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: no format named 'folded'")
