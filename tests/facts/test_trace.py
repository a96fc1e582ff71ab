from __future__ import annotations

from support.small_trace import TRACE
from ucseg_cli.facts.trace import Op, Tensor


def test_the_number_of_elements_is_the_product_of_the_sides() -> None:
    assert [tensor.numel for tensor in TRACE.tensors] == [1 * 3 * 4 * 4, 2 * 3, 1, 2 * 4 * 4, 32]
    assert Tensor((3, 0, 5), "float32", 0).numel == 0


def test_a_state_dict_has_a_shared_module_twice_and_what_is_saved_beside_the_tensors() -> None:
    assert TRACE.state_entries() == {
        "conv.weight": (2, 3, 1, 1),
        "same.weight": (2, 3, 1, 1),
        "same.seen": (),
        "_extra_state": None,
        "packed": (2, 3),
    }
    assert TRACE.buffer_names() == {"conv.seen", "same.seen"}


def test_modules_are_found_by_path_and_the_root_by_the_empty_one() -> None:
    assert {path: module.type for path, module in TRACE.by_path.items()} == {
        "": "Net",
        "conv": "Conv2d",
        "same": "Conv2d",
    }


def test_only_what_computes_is_a_kernel_and_keeps_its_index() -> None:
    assert [(index, op.name) for index, op in TRACE.kernels()] == [
        (1, "convolution"),
        (2, "view"),
        (3, "relu_"),
    ]


def test_the_shape_of_an_argument_left_out_is_missing() -> None:
    assert TRACE.shape(0) == (1, 3, 4, 4)
    assert TRACE.shape(None) is None


def test_a_view_shares_the_storage_and_a_write_in_place_is_not_one() -> None:
    assert [TRACE.is_view(op) for op in TRACE.ops] == [False, False, True, False]
    assert not TRACE.is_view(Op("nothing", 0, (0,), (), {}))
