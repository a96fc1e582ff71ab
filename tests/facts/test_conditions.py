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
    Example,
    Input,
    Size,
    Tensors,
    make_conditions,
    parse_conditions,
    parse_inputs,
    parse_size,
)
from ucseg_cli.facts.question import Question, decode_question, encode_question
from ucseg_cli.references import Argument, FromFile, FromModule


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


IMAGE, MASK = Input((1, 3, 8, 8)), Input((1, 8, 8), "int64", "mask")
GIVEN: dict[str, Tensors | Example] = {
    "1x3x8x8": Tensors((IMAGE,)),
    "1x3x8x8, mask=1x8x8:int64": Tensors((IMAGE, MASK)),
    "mask=1x8x8:int64,image=1x3x8x8": Tensors((MASK, IMAGE._replace(name="image"))),
    "net.py:example": Example("net.py:example", FromFile("net.py", "example")),
    "a/b.py:example": Example("a/b.py:example", FromFile("a/b.py", "example")),
    "package.module:Net.example": Example(
        "package.module:Net.example", FromModule("package.module", "Net.example")
    ),
    "net.py:example+sizes=3,4+n=2": Example(
        "net.py:example+sizes=3,4+n=2",
        FromFile("net.py", "example", (Argument("sizes", "3,4"), Argument("n", "2"))),
    ),
}


@pytest.mark.parametrize(("text", "given"), GIVEN.items())
def test_an_input_is_tensors_with_or_without_keywords_or_a_function(
    text: str, given: Tensors | Example
) -> None:
    assert parse_inputs(text) == given


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("mask=", "'mask=' is not an input shape"),
        ("=1x8", "'' cannot be a keyword"),
        ("1st=1x8", "'1st' cannot be a keyword"),
        ("a=b=1x8", "'a=b' cannot be a keyword"),
        ("mask=1x8,1x3", "a tensor without a keyword follows one with a keyword"),
        ("mask=1x8,mask=1x8", "the keyword 'mask' stands twice"),
        ("mask=1x8:in64", "no dtype named 'in64'"),
        ("mask=0x8", "'mask=0x8' has a length of 0"),
        ("example", "'example' is not an input shape"),
        ("net.py", "'net.py' is not an input shape"),
        ("torchvision:resnet18", "'torchvision:resnet18' is not a function of yours"),
        ("net.ipynb:example", "net.ipynb is a notebook"),
        ("net.py:3", "'net.py:3' does not say what it names"),
    ],
)
def test_an_input_that_cannot_be_is_refused(text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_inputs(text)
    assert caught.value.what == what


def test_what_is_not_a_shape_is_refused_with_every_way_to_write_one() -> None:
    with pytest.raises(UsageError) as caught:
        parse_inputs("image")
    for way in ("1x3x16x112x112", "1x16:int64", "mask=1x16", "net.py:example"):
        assert way in (caught.value.help or "")


inputs = st.builds(
    Input,
    st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
    st.sampled_from(["float32", "int64", "bool"]),
    st.just(""),
)


@given(st.lists(inputs, max_size=3), st.dictionaries(st.sampled_from("abc_é"), inputs, max_size=3))
def test_tensors_are_read_back_from_a_lock_as_they_are_written(
    positional: list[Input], named: dict[str, Input]
) -> None:
    keywords = [tensor._replace(name=name) for name, tensor in named.items()]
    if positional or keywords:
        conditions = Conditions(given=Tensors((*positional, *keywords)))
        assert parse_conditions(conditions.written) == conditions


@pytest.mark.parametrize(
    "conditions",
    [Conditions(), *(Conditions(given=given) for given in GIVEN.values())],
)
def test_conditions_reach_the_process_of_a_user_s_code_as_they_are(conditions: Conditions) -> None:
    question = Question("trace", [FromFile("net.py", "Net")], [conditions, Conditions(Size(8, 8))])
    assert decode_question(encode_question(question)) == question
    assert parse_conditions(conditions.written) == conditions


def test_a_header_names_keywords_functions_and_other_types_than_float32() -> None:
    tensors = Conditions(given=Tensors((IMAGE, MASK)))
    assert tensors.shown == "1×3×8×8, mask 1×8×8 int64"
    assert str(tensors) == "1×3×8×8 float32, mask 1×8×8 int64, eval mode"
    example = Example("net.py:example", FromFile("net.py", "example"))
    assert Conditions(given=example).shown == "net.py:example"
    known = Conditions(given=example._replace(inputs=(IMAGE, MASK)))
    assert known.shown == "net.py:example (1×3×8×8, mask 1×8×8 int64)"
    assert known.written == str(known.at) == "net.py:example"
    assert Conditions(Size(8, 8)).shown == "1×3×8×8"


def test_an_input_without_tensors_has_no_extent() -> None:
    nothing = Conditions(given=Example("net.py:nothing", FromFile("net.py", "nothing"), ()))
    assert (nothing.inputs, nothing.first_shape, nothing.extent) == ((), (), None)


def test_a_recognised_model_s_tensors_reach_the_variant_by_their_place() -> None:
    named = Conditions(given=Tensors((IMAGE._replace(name="image"),)))
    assert named.by_place == Conditions(given=Tensors((IMAGE,)))
    assert Conditions(Size(8, 8)).by_place == Conditions(Size(8, 8))
