from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.errors import UsageError
from ucseg_cli.facts.conditions import (
    MAX_BATCH,
    MAX_PIXELS,
    MAX_SIDE,
    Conditions,
    Size,
    make_conditions,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", Size(512, 512)),
        ("384x640", Size(384, 640)),
        ("384×640", Size(384, 640)),
        ("384X640", Size(384, 640)),
        (" 384 x 640 ", Size(384, 640)),
        ("1", Size(1, 1)),
        ("1048576", Size(MAX_SIDE, MAX_SIDE)),
    ],
)
def test_a_size_is_one_number_or_height_by_width(text: str, size: Size) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "x", "512x", "x512", "3x4x5", "-1", "1.5", "512px", "384*640", "384,640"]
)
def test_what_is_not_a_size_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="is not an input size") as caught:
        parse_size(text)
    assert caught.value.where == f"--size {text}"
    assert caught.value.help == "write one number for a square (512) or HEIGHTxWIDTH (384x640)"


@pytest.mark.parametrize("text", ["0", "0x5", "5x0", "1048577", "1x1048577"])
def test_a_side_of_no_pixels_or_too_many_is_out_of_range(text: str) -> None:
    with pytest.raises(UsageError, match="is out of range"):
        parse_size(text)


def test_a_number_of_a_million_digits_is_refused_without_being_read_or_repeated() -> None:
    with pytest.raises(UsageError, match="is absurdly large") as caught:
        parse_size("9" * 1_000_000)
    assert len(caught.value.what) < 60


def test_the_place_of_a_mistake_is_where_the_caller_read_it() -> None:
    with pytest.raises(UsageError) as caught:
        parse_size("big", where="ucseg.toml:3")
    assert caught.value.where == "ucseg.toml:3"


@given(st.integers(1, MAX_SIDE), st.integers(1, MAX_SIDE))
def test_a_size_is_read_back_as_it_is_written(height: int, width: int) -> None:
    assert parse_size(str(Size(height, width))) == Size(height, width)


def test_conditions_say_their_shape_and_themselves() -> None:
    conditions = Conditions(Size(384, 640), 2)
    assert conditions.inputs[0].shape == (2, 3, 384, 640)
    assert str(conditions) == "2×3×384×640 float32, eval mode"


def test_the_default_is_one_image_of_224_by_224() -> None:
    assert Conditions().inputs[0].shape == (1, 3, 224, 224)


@pytest.mark.parametrize("batch", [0, -1, MAX_BATCH + 1])
def test_a_batch_of_nothing_or_too_much_is_out_of_range(batch: int) -> None:
    with pytest.raises(UsageError, match=r"batch .* is out of range"):
        make_conditions(Size(1, 1), batch)


def test_what_cannot_be_addressed_is_refused_at_the_last_pixel() -> None:
    side, batch = MAX_SIDE, MAX_PIXELS // MAX_SIDE**2
    assert make_conditions(Size(side, side), batch).inputs[0].shape == (batch, 3, side, side)
    with pytest.raises(UsageError, match="more than can be addressed"):
        make_conditions(Size(side, side), batch + 1)
