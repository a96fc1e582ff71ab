from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.project.markers import LONGEST_SPAN, Marked, Mistake, find_markers

MARKER = "<!-- ucseg: v2 params -->645,245<!-- /ucseg -->"
PIECES = (
    *(
        "`",
        "``",
        "```",
        "~~~",
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        "> ",
        "- ",
        "1. ",
        "    ",
        "\\",
        "x",
        "1",
    ),
    *(
        "<!--",
        "-->",
        "<!-- ucseg: v2 params -->",
        "<!-- /ucseg -->",
        "<!-- ucseg",
        "\ufeff",
        "/ucseg",
    ),
)


def figures(text: str) -> list[str]:
    """The marked texts; there is no mistake."""
    found = list(find_markers(text))
    assert [one for one in found if isinstance(one, Mistake)] == []
    return [text[one.start : one.end] for one in found if isinstance(one, Marked)]


def mistakes(text: str) -> list[tuple[str, int]]:
    """Each mistake, and the line that it is in."""
    found = [one for one in find_markers(text) if isinstance(one, Mistake)]
    return [(one.what, text.count("\n", 0, one.at) + 1) for one in found]


@pytest.mark.parametrize(
    "marker",
    [
        MARKER,
        "<!--ucseg:v2 params-->645,245<!--/ucseg-->",
        "<!--  ucseg:\n  v2\n  params\n-->645,245<!--\n/ucseg -->",
        "<!-- ucseg: v2 \t params -->645,245<!-- /ucseg -->",
    ],
)
def test_space_within_a_marker_is_free(marker: str) -> None:
    (found,) = find_markers(f"v2 has {marker} parameters")
    assert isinstance(found, Marked)
    assert (found.said, found.at) == ("v2 params", 7)
    assert figures(marker) == ["645,245"]


@pytest.mark.parametrize(
    "example",
    [
        "```\n{}\n```\n",
        "```md\n{}\n```\n",
        "~~~\n{}\n~~~\n",
        "~~~ `\n{}\n~~~\n",
        "````\n```\n{}\n```\n````\n",
        "```\n~~~\n{}\n```\n",
        "```\n``` not closed by this\n{}\n```\n",
        "   ```\n   {}\n   ```\n",
        "- step\n\n  ```\n  {}\n  ```\n",
        "1. ```\n   {}\n   ```\n",
        "10. step\n\n    ```\n    {}\n    ```\n",
        "> ```\n> {}\n> ```\n",
        "```\r\n{}\r\n```\r\n",
        "```\r{}\r```\r",
        "`{}`",
        "`` ` {} ` ``",
        "a `code\nspan {}`",
        "\\\\`{}`",
    ],
)
def test_code_holds_examples_and_what_follows_it_is_read(example: str) -> None:
    assert figures(example.format(MARKER)) == []
    assert figures(f"{example.format(MARKER)} and {MARKER}") == ["645,245"]
    assert figures(f"{MARKER}\n\n{example.format(MARKER)}") == ["645,245"]


@pytest.mark.parametrize(
    "text",
    [
        "`` two ` one {}",
        "a ` here\n\n{} and ` there",
        "a ` here\n```\nx\n```\n{} and ` there",
        "\\` {} `",
        "``` inline ``` {}",
        "a ``` b\n{}",
        "<!-- `other -->{}<!-- other` -->",
        "<!-- ucseg.check -->\n{}",
        "<!-- ucsegment -->{}",
        "| `v2` | {} |",
        "`" + "x" * (LONGEST_SPAN + 5) + " {} `",
    ],
)
def test_what_only_looks_like_code_hides_nothing(text: str) -> None:
    assert figures(text.format(MARKER)) == ["645,245"]


def test_a_byte_order_mark_is_not_in_the_way_of_a_block() -> None:
    assert figures(f"\ufeff```\n{MARKER}\n```\n{MARKER}") == ["645,245"]


def test_a_block_that_is_not_closed_goes_to_the_end() -> None:
    assert figures(f"{MARKER}\n```\n{MARKER}") == ["645,245"]


def test_an_escaped_comment_is_text() -> None:
    assert figures(f"\\<!-- ucseg: v2 params --> {MARKER}") == ["645,245"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n<!-- ucseg: v2 params -->1", [("the marker is not closed", 2)]),
        ("<!-- ucseg: v2 params", [("the marker is not closed", 1)]),
        (f"<!-- ucseg: v2 params -->1\n{MARKER}", [("the marker is not closed", 1)]),
        ("1<!-- /ucseg -->", [("this marker closes none", 1)]),
        (f"{MARKER}<!-- /ucseg -->", [("this marker closes none", 1)]),
        ("<!-- /ucseg: -->", [("'<!-- /ucseg: -->' is not a marker", 1)]),
        (
            "<!-- ucseg v2 params -->1<!-- /ucseg -->",
            [("'<!-- ucseg v2 params -->' is not a marker", 1)],
        ),
        (
            "<!-- UCSEG: v2 params -->1<!-- /ucseg -->",
            [("'<!-- UCSEG: v2 params -->' is not a marker", 1)],
        ),
        (
            "<!-- ucseg: v2 params -->1\n<!-- ucseg -->",
            [("the marker is not closed", 1), ("'<!-- ucseg -->' is not a marker", 2)],
        ),
    ],
)
def test_a_mistake_is_found_once_at_its_line(text: str, expected: list[tuple[str, int]]) -> None:
    assert mistakes(text)[: len(expected)] == expected
    assert len(mistakes(text)) <= len(expected) + 1


def test_a_marker_that_is_not_closed_does_not_take_the_next_one_s_figure() -> None:
    found = list(find_markers(f"<!-- ucseg: v1 params -->1 {MARKER}"))
    assert [one.said for one in found if isinstance(one, Marked)] == ["v2 params"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_text_has_markers_in_order_that_do_not_overlap(text: str) -> None:
    position = 0
    for found in find_markers(text):
        if isinstance(found, Marked):
            assert position <= found.at < found.start <= found.end <= len(text)
            position = found.end


@pytest.mark.parametrize(
    "piece", ["` `` ", "<!--", "<!-- ucseg: ", "```x`\n", "> ", "\\`", "`\n\n"]
)
def test_a_long_text_takes_no_more_than_its_length(piece: str) -> None:
    list(find_markers(piece * 40_000))
