from __future__ import annotations

from collections.abc import Iterator

import pytest

from ucseg_cli.report.document import Report
from ucseg_cli.report.formats.json import render_json
from ucseg_cli.report.streamed import Streamed


def test_items_are_made_anew_each_time_and_only_when_they_are_read() -> None:
    made: list[int] = []

    def squares() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            yield number**2

    streamed = Streamed(4, squares)
    assert (len(streamed), made) == (4, [])
    assert list(streamed) == list(streamed) == [0, 1, 4, 9]
    assert made == [0, 1, 2, 3] * 2
    assert (streamed[2], streamed[-1], streamed[1:3]) == (4, 9, (1, 4))
    with pytest.raises(IndexError):
        streamed[4]


def test_json_writes_them_as_a_list_and_refuses_all_that_is_no_sequence() -> None:
    payload = {"numbers": Streamed(2, lambda: iter([1, 2]))}
    assert '"numbers": [\n    1,\n    2\n  ]' in render_json(Report("k", "t", {}, (), "s", payload))
    with pytest.raises(TypeError, match="set is not JSON"):
        render_json(Report("k", "t", {}, (), "s", {"numbers": {1}}))
