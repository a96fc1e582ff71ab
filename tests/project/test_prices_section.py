"""``[[prices]]`` as it is read: what is taken, and every mistake at its line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fixture_types import Run
from support.schema_complaints import schema_complaints
from support.screens import verdict
from ucseg_cli.project.config_file import parse_document
from ucseg_cli.project.configuration import read_settings

Mistakes = Callable[[str], list[tuple[str, str, str]]]


def prices(text: str) -> list[tuple[str, str, str, int | None]]:
    document = parse_document(Path("ucseg.toml"), text)
    assert document is not None
    assert schema_complaints(tomllib.loads(text)) == {}
    found = read_settings(document).prices
    return [(one.op, one.convention, one.formula, one.place.line) for one in found]


def test_a_key_is_the_price_under_its_convention_and_all_is_that_of_the_others() -> None:
    text = '[[prices]]\nop = "mylib::attend"\nall = "out[0].numel"\nfvcore = "3 *\\n in[0].numel"\n'
    assert prices(text) == [
        ("mylib::attend", "fvcore", "3 * in[0].numel", 4),
        ("mylib::attend", "macs", "out[0].numel", 3),
        ("mylib::attend", "torch", "2*(out[0].numel)", 3),
    ]


def test_one_convention_alone_is_enough_and_a_whole_number_is_the_price_of_every_call() -> None:
    text = '[[prices]]\nop = "a::b"\nmacs = 5\n[[prices]]\nop = "a::c"\ntorch = 0\n'
    assert prices(text) == [("a::b", "macs", "5", 3), ("a::c", "torch", "0", 6)]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("aten::hardswish_", "hardswish"),
        ("_softmax", "softmax"),
        (" gelu ", "gelu"),
        ("my_lib::_op_", "my_lib::_op"),
    ],
)
def test_an_operator_is_named_as_it_is_listed_or_as_torch_does(written: str, name: str) -> None:
    assert prices(f'[[prices]]\nop = "{written}"\nmacs = 1\n')[0][0] == name


def test_all_prices_what_a_convention_leaves_out_and_no_more() -> None:
    found = prices('[[prices]]\nop = "layer_norm"\nall = "in[0].numel"\n')
    assert [convention for _, convention, _, _ in found] == ["macs", "torch"]


@pytest.mark.parametrize(
    ("text", "where", "what", "advice"),
    [
        ("macs = 1", "prices[0]", "a price needs 'op'", 'as in op = "mylib::deform_attn"'),
        (
            'op = "a::b"',
            "prices[0]",
            "a price needs a formula: fvcore, macs, torch, all",
            'as in macs = "2*out[0].numel*in[1].shape[1]"',
        ),
        (
            'op = "a::b"\nmacz = 1\nmacs = 1',
            "prices[0].macz",
            "no key named 'macz'",
            "did you mean 'macs'?",
        ),
        (
            'op = "a b"\nmacs = 1',
            "prices[0].op",
            "'a b' cannot be the name of an operator",
            "write it as `ucseg flops` lists it: mylib::deform_attn, hardswish",
        ),
        (
            'op = "a::b"\nmacs = "2*out[0].nume"',
            "prices[0].macs",
            "no property of a tensor named 'nume'",
            "did you mean 'numel'?",
        ),
        (
            'op = "a::b"\nmacs = "2*"',
            "prices[0].macs",
            "'2*': something is missing at its end, at column 2",
            "write one such as 2*out[0].numel*in[1].shape[1]",
        ),
        ('op = "a::b"\nmacs = -1', "prices[0].macs", "-1 is negative", None),
        ('op = "a::b"\nmacs = 1.5', "prices[0].macs", "1.5 is not text", None),
        (
            'op = "cat"\nmacs = 1',
            "prices[0].op",
            "'cat' computes nothing: it moves elements, or makes them",
            "`moved-bytes` has what it moves",
        ),
        (
            'op = "aten::linear"\nfvcore = 1',
            "prices[0].fvcore",
            "fvcore has a price for 'linear'",
            "leave fvcore out: prices of yours only fill gaps",
        ),
        (
            'op = "scaled_dot_product_attention"\ntorch = 1',
            "prices[0].torch",
            "torch has a price for 'scaled_dot_product_attention'",
            "leave torch out: prices of yours only fill gaps",
        ),
        (
            'op = "conv2d"\nall = 1',
            "prices[0].all",
            "every convention has a price for 'conv2d'",
            None,
        ),
        (
            'op = "a::b"\nmacs = 1\n[[prices]]\nop = "a::b"\nall = 2',
            "prices[1].all",
            "'a::b' has another price under macs",
            "keep one of them",
        ),
    ],
)
def test_a_mistake_is_reported_at_its_line(
    mistakes: Mistakes, text: str, where: str, what: str, advice: str | None
) -> None:
    ((at, said, helped),) = mistakes(f"[[prices]]\n{text}\n")
    assert at.partition("  ")[2] == where
    assert (said, helped or None) == (what, advice)


@pytest.mark.parametrize(
    "text", ["prices = 1", "[[prices]]\nop = 1\nmacs = true", '[[prices]]\nop = "a::b"\nmacs = ""']
)
def test_what_is_of_another_type_is_refused_by_the_reader_and_the_schema(
    mistakes: Mistakes, text: str
) -> None:
    assert mistakes(text)
    assert schema_complaints(tomllib.loads(text))


def test_all_mistakes_of_the_prices_come_at_once(mistakes: Mistakes) -> None:
    text = '[[prices]]\nop = "a b"\nmacs = "x"\n[[prices]]\nmacs = "2 +"\n'
    assert [at.partition("  ")[0] for at, _, _ in mistakes(text)] == [
        *("ucseg.toml:2", "ucseg.toml:3", "ucseg.toml:4", "ucseg.toml:5")
    ]


def test_config_shows_each_price_with_its_line(ucseg: Run, tmp_path: Path) -> None:
    text = '[[prices]]\nop = "a::b"\nall = "in[0].numel"\nmacs = 7\n'
    (tmp_path / "ucseg.toml").write_text(text, encoding="utf-8")
    answer = json.loads(ucseg("config", "-f", "json").stdout)
    assert answer["prices"][1] == {
        "op": "a::b",
        "convention": "macs",
        "formula": "7",
        "file": "ucseg.toml",
        "line": 4,
    }
    screen = ucseg("config").stdout
    assert ["a::b", "torch", "2*(in[0].numel)", "ucseg.toml:3"] in map(
        str.split, screen.splitlines()
    )
    assert "configures 0 variants, 3 prices and 0 budgets" in verdict(screen)
