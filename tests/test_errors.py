from __future__ import annotations

import re

import pytest

from ucseg_cli import errors
from ucseg_cli.errors import ExitStatus, UcsegError, UnknownNameError, nearest_name


def _subclasses(of: type[UcsegError]) -> list[type[UcsegError]]:
    return [of, *(below for direct in of.__subclasses__() for below in _subclasses(direct))]


def test_the_tree_drawn_at_the_top_is_the_tree_of_the_classes() -> None:
    drawn = re.findall(r"(\w+Error) +(\d+)", errors.__doc__ or "")
    actual = [
        (cls.__name__, str(cls.exit_status.value))
        for cls in _subclasses(UcsegError)
        if cls.__module__ == errors.__name__
    ]
    assert drawn == actual


def test_every_kind_of_error_has_its_own_name_for_scripts() -> None:
    kinds = [cls.kind for cls in _subclasses(UcsegError)]
    assert len(set(kinds)) == len(kinds)


def test_a_failed_gate_is_not_an_error() -> None:
    assert ExitStatus.GATE_FAILED not in {cls.exit_status for cls in _subclasses(UcsegError)}


def test_an_error_carries_what_where_and_how_to_fix_it() -> None:
    error = UcsegError("it broke", where="here", notes=["a", "b"], help="fix it")
    assert (str(error), error.where, error.notes, error.help) == (
        "it broke",
        "here",
        ("a", "b"),
        "fix it",
    )


def test_an_unknown_name_lists_the_known_ones_and_suggests_the_nearest() -> None:
    error = UnknownNameError("variant", "v22", ["v1", "v2"], hint="`ucseg list` shows them all")
    assert str(error) == "no variant named 'v22'"
    assert error.notes == ("known: v1, v2",)
    assert error.help is not None
    assert error.help.startswith("did you mean 'v2'?")
    assert error.help.endswith("`ucseg list` shows them all")


def test_an_unknown_name_like_no_other_gets_no_suggestion() -> None:
    assert UnknownNameError("variant", "qqqq", ["v1", "v2"]).help is None


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("backbon", "backbone"),
        ("BACKBONE", "backbone"),
        ("Fvcore", "fvcore"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_found_whatever_its_case(name: str, nearest: str | None) -> None:
    assert nearest_name(name, ["backbone", "fvcore", "rates"]) == nearest


def test_the_nearest_name_is_given_back_in_its_own_case() -> None:
    assert nearest_name("params", ["PARAMS"]) == "PARAMS"


def test_names_may_come_from_an_iterator() -> None:
    assert (
        UnknownNameError("metric", "param", iter(["params", "bytes"])).help
        == "did you mean 'params'?"
    )


def test_of_no_known_name_it_is_said_that_there_is_none() -> None:
    assert UnknownNameError("locked model", "v9", []).notes == ("there is none",)
