from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.analysis.narrowing.channel_layouts import Layout, Layouts


def lengths(layouts: Layouts, layout: Layout) -> list[tuple[int, int]]:
    """The length of each variable of a layout, and how many times it stands there."""
    return [(layouts.lengths[term.variable], term.times) for term in layouts.resolve(layout)]


def test_two_axes_that_are_equated_are_one() -> None:
    layouts = Layouts()
    one, other = layouts.new(8), layouts.new(8)
    layouts.equate(one, other, "why")
    assert layouts.resolve(one) == layouts.resolve(other)


def test_an_axis_equated_with_a_concatenation_is_cut_where_that_is() -> None:
    layouts = Layouts()
    first, second, whole = layouts.new(8), layouts.new(4), layouts.new(12)
    layouts.equate(whole, (*first, *second), "why")
    assert layouts.resolve(whole) == (*layouts.resolve(first), *layouts.resolve(second))
    assert lengths(layouts, whole) == [(8, 1), (4, 1)]


def test_concatenations_with_other_cuts_are_cut_at_all_of_them() -> None:
    layouts = Layouts()
    one = (*layouts.new(8), *layouts.new(4))
    other = (*layouts.new(3), *layouts.new(9))
    layouts.equate(one, other, "why")
    assert lengths(layouts, one) == lengths(layouts, other) == [(3, 1), (5, 1), (4, 1)]


def test_parts_of_another_number_share_what_divides_both() -> None:
    layouts = Layouts()
    one, other = layouts.new(6), layouts.new(4)
    layouts.equate(layouts.multiply(one, 2), layouts.multiply(other, 3), "why")
    assert lengths(layouts, one) == [(2, 3)]
    assert lengths(layouts, other) == [(2, 2)]


def test_what_cannot_be_cut_is_fixed_on_both_sides_with_the_reason() -> None:
    layouts = Layouts()
    flat, other = layouts.new(4), (*layouts.new(3), *layouts.new(9))
    layouts.equate(layouts.multiply(flat, 3), other, "the reason")
    left = [layouts.reason(term.variable) for term in layouts.resolve(flat)]
    right = [layouts.reason(term.variable) for term in layouts.resolve(other)]
    assert {*left, *right} == {"the reason"}
    one, another = layouts.new(3), layouts.new(4)
    layouts.equate(one, another, "of other lengths")
    assert layouts.reason(one[0].variable) == layouts.reason(another[0].variable)


def test_what_is_fixed_stays_fixed_with_its_first_reason_however_it_is_cut() -> None:
    layouts = Layouts()
    given_length, own = layouts.new(12, "the input"), layouts.new(12)
    layouts.fix(given_length, "later")
    layouts.equate(own, given_length, "why")
    parts = layouts.cut(own, (5, 7))
    assert parts is not None
    for part in parts:
        assert [layouts.reason(term.variable) for term in part] == ["the input"]


def test_equal_parts_change_together() -> None:
    layouts = Layouts()
    whole = layouts.new(12)
    part = layouts.part(whole, 4, "why")
    assert part is not None
    assert layouts.resolve(whole) == layouts.multiply(part, 4)
    assert layouts.part(layouts.new(7), 2, "why") is None
    halves = (*layouts.new(6), *layouts.new(6))
    half = layouts.part(halves, 2, "why")
    assert half is not None
    assert layouts.resolve(halves) == layouts.multiply(half, 2)


def test_a_cut_inside_what_repeats_is_made_between_repetitions_only() -> None:
    layouts = Layouts()
    repeated = layouts.multiply(layouts.new(4), 3)
    assert layouts.cut(repeated, (8, 4)) is not None
    assert layouts.cut(repeated, (6, 6)) is None
    assert layouts.cut(layouts.new(4), (3, 2)) is None


# The order of elements


def places(layouts: Layouts, layout: Layout) -> list[int] | None:
    """The place in its variable of what stands at each place of an axis."""
    found = layouts.elements(layout)
    return None if found is None else [place for _, place in found]


def test_a_flattened_axis_has_each_element_in_a_row_and_a_repeated_one_all_in_turn() -> None:
    layouts = Layouts()
    own = layouts.new(3)
    assert places(layouts, layouts.multiply(own, 2, 2)) == [0, 0, 1, 1, 2, 2]
    assert places(layouts, layouts.multiply(own, 2)) == [0, 1, 2, 0, 1, 2]
    in_groups = layouts.multiply(layouts.multiply(own, 2), 2, 2)
    assert places(layouts, in_groups) == [0, 0, 1, 1, 2, 2] * 2
    assert layouts.length(in_groups) == len(places(layouts, in_groups) or ())


def test_axes_one_after_the_other_keep_their_order_if_each_element_is_repeated() -> None:
    layouts = Layouts()
    both = (*layouts.new(2), *layouts.new(1))
    assert places(layouts, layouts.multiply(both, 2, 2)) == [0, 0, 1, 1, 0, 0]
    assert places(layouts, layouts.multiply(both, 2)) is None
    assert layouts.length(layouts.multiply(both, 2)) == 6


def test_a_part_has_neighbours_or_every_so_many_th_element() -> None:
    layouts = Layouts()
    whole, other = layouts.new(6), layouts.new(6)
    in_pieces, in_turn = layouts.part(whole, 3, "why"), layouts.part(other, 3, "why", 3)
    assert in_pieces is not None
    assert in_turn is not None
    assert places(layouts, whole) == [0, 1, 0, 1, 0, 1]
    assert places(layouts, other) == [0, 0, 0, 1, 1, 1]
    assert places(layouts, in_pieces) == places(layouts, in_turn) == [0, 1]


def test_a_part_of_a_part_has_the_order_that_is_left() -> None:
    layouts = Layouts()
    own = layouts.new(2)
    rows = layouts.multiply(own, 6, 6)
    in_turn = layouts.part(rows, 3, "why", 3)
    assert in_turn is not None
    assert places(layouts, in_turn) == [0, 0, 1, 1]
    across = layouts.part(rows, 2, "why")  # one half of the elements, which are not distinguished
    assert across is not None
    assert places(layouts, across) is None
    assert layouts.length(across) == 6


def test_elements_in_two_orders_at_once_are_not_distinguished() -> None:
    layouts = Layouts()
    one, other = layouts.new(3), layouts.new(3)
    layouts.equate(layouts.multiply(one, 2), layouts.multiply(other, 2, 2), "why")
    assert layouts.elements(one) is layouts.elements(other) is None
    assert layouts.reason(layouts.resolve(one)[0].variable) is None
    own = layouts.new(3)
    layouts.equate(layouts.multiply(own, 2), layouts.multiply(own, 2, 2), "why")
    assert layouts.elements(own) is None


def test_axes_that_share_what_divides_both_share_elements() -> None:
    layouts = Layouts()
    one, other = layouts.new(6), layouts.new(4)
    layouts.equate(layouts.multiply(one, 2, 2), layouts.multiply(other, 3, 3), "why")
    assert places(layouts, one) == [0, 0, 0, 1, 1, 1]
    assert places(layouts, other) == [0, 0, 1, 1]
    grouped, flat = layouts.new(6), layouts.new(4)
    layouts.equate(layouts.multiply(grouped, 2), layouts.multiply(flat, 3, 3), "why")
    assert layouts.elements(grouped) is None


def test_a_cut_between_repetitions_keeps_the_order() -> None:
    layouts = Layouts()
    rows = layouts.multiply(layouts.new(4), 3)
    parts = layouts.cut(rows, (8, 4))
    assert parts is not None
    assert [places(layouts, part) for part in parts] == [[0, 1, 2, 3] * 2, [0, 1, 2, 3]]
    in_turn = layouts.cut(layouts.multiply(layouts.new(4), 3, 3), (8, 4))
    assert in_turn is not None
    assert [places(layouts, part) for part in in_turn] == [None, None]


cuts = st.lists(st.integers(1, 5), min_size=1, max_size=6)


@given(st.lists(st.tuples(cuts, cuts), min_size=1, max_size=4))
def test_equated_axes_have_the_same_variables_and_keep_their_lengths(
    pairs: list[tuple[list[int], list[int]]],
) -> None:
    layouts = Layouts()
    equated = []
    for one, other in pairs:
        missing = sum(one) - sum(other)
        (other if missing > 0 else one).append(abs(missing) or 1)
        if not missing:
            other.append(1)
        left = tuple(term for length in one for term in layouts.new(length))
        right = tuple(term for length in other for term in layouts.new(length))
        layouts.equate(left, right, "why")
        equated.append((left, right, sum(one)))
    for left, right, length in equated:
        assert layouts.resolve(left) == layouts.resolve(right)
        assert layouts.length(layouts.resolve(left)) == layouts.length(left) == length
