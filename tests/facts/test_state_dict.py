from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucseg_cli.analysis.counting.module_tree import module_rows, roll_up
from ucseg_cli.analysis.counting.parameters import known_metrics, own_params, total_params
from ucseg_cli.facts.state_dict import Entry, StateDict, inner_network, state_dict_trace, unwrapped


def state_of(*names: str, **more: object) -> StateDict:
    entries = tuple(Entry(name, (2, 3), "float32", memory) for memory, name in enumerate(names))
    return StateDict(entries, "torch")._replace(**more)  # type: ignore[arg-type]


def test_modules_are_the_prefixes_of_names_and_children_stand_behind_their_parent() -> None:
    trace = state_dict_trace(state_of("b.conv.weight", "a.weight", "b.norm.weight", "scale"))
    assert [module.path for module in trace.modules] == ["", "b", "b.conv", "b.norm", "a"]
    assert [weight.name for weight in trace.modules[0].parameters] == ["scale"]


def test_the_root_is_a_state_dict_and_no_other_module_has_a_type() -> None:
    trace = state_dict_trace(state_of("a.b.weight"))
    assert [module.type for module in trace.modules] == ["state dict", "", ""]
    assert trace.failure == "a state dict has no forward pass"
    assert trace.ops == ()


def test_buffers_are_known_by_their_names() -> None:
    names = (
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
        "my_running_mean",
    )
    (_, norm) = state_dict_trace(state_of(*(f"norm.{name}" for name in names))).modules
    assert [weight.name for weight in norm.parameters] == ["weight", "bias", "my_running_mean"]
    assert [weight.name for weight in norm.buffers] == [
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]


def test_weights_that_share_memory_count_once_for_the_first() -> None:
    tied = (Entry("a.weight", (4, 5), "float32", 7), Entry("b.weight", (4, 5), "float32", 7))
    trace = state_dict_trace(StateDict(tied, "torch"))
    assert total_params(trace)["params"] == 20
    assert {path: own["params"] for path, own in own_params(trace).items()} == {
        "": 0,
        "a": 20,
        "b": 0,
    }


def test_weights_of_unknown_memory_count_each_time() -> None:
    unknown = (Entry("a.weight", (4, 5), "float32"), Entry("b.weight", (4, 5), "float32"))
    assert total_params(state_dict_trace(StateDict(unknown, "torch")))["params"] == 40


def test_the_trainable_count_is_missing_rather_than_zero() -> None:
    trace = state_dict_trace(state_of("a.weight"))
    assert known_metrics(trace) == ("params", "buffers", "bytes")
    assert total_params(trace) == {"params": 6, "buffers": 0, "bytes": 24}


@pytest.mark.parametrize(
    ("prefix", "beside"),
    [
        ("module.", ()),
        ("_orig_mod.", ()),
        ("_orig_mod.module.", ()),
        ("module._orig_mod.", ()),
        ("module.", ("n_averaged",)),
    ],
)
def test_a_wrapper_s_prefix_is_stripped_and_kept(prefix: str, beside: tuple[str, ...]) -> None:
    state = unwrapped(state_of(*beside, f"{prefix}a.weight", f"{prefix}b.weight"))
    assert [entry.name for entry in state.entries] == ["a.weight", "b.weight"]
    assert state.prefix == prefix
    assert state.left_out == beside


@pytest.mark.parametrize(
    "names", [("module.a", "b"), ("modules.a", "modules.b"), ("n_averaged",), ()]
)
def test_a_prefix_that_not_every_name_has_stays(names: tuple[str, ...]) -> None:
    state = state_of(*names)
    assert unwrapped(state) == state


OWN = {"a.weight", "b.weight", "c.weight"}


@pytest.mark.parametrize(
    ("names", "prefix", "inside"),
    [
        (("net.a.weight", "net.b.weight", "loss.x"), "net.", ("a.weight", "b.weight", "loss.x")),
        (("x.a.weight", "y.a.weight", "y.b.weight"), "y.", ("x.a.weight", "a.weight", "b.weight")),
        (("a.weight", "b.weight", "net.c.weight"), "", ("a.weight", "b.weight", "net.c.weight")),
        (("one.a.weight", "two.a.weight"), "one.", ("a.weight", "two.a.weight")),
        (("b.weight", "net.a.weight"), "", ("b.weight", "net.a.weight")),
        (
            ("net.a.weight", "a.weight", "net.b.weight"),
            "net.",
            ("net.a.weight", "a.weight", "b.weight"),
        ),
        (("module.x", "module.y"), "module.", ("x", "y")),
        (("net.x", "net.y"), "", ("net.x", "net.y")),
        (("net.module.a.weight", "net.n_averaged"), "net.module.", ("a.weight",)),
        (("n_averaged", "net.a.weight"), "net.", ("n_averaged", "a.weight")),
    ],
)
def test_the_network_is_found_below_the_module_that_has_most_of_its_names(
    names: tuple[str, ...], prefix: str, inside: tuple[str, ...]
) -> None:
    found = inner_network(state_of(*names), OWN.__contains__)
    assert found.prefix == prefix
    assert tuple(entry.name for entry in found.entries) == inside


PARTS = st.lists(
    st.sampled_from(["a", "b", "0", "10", "weight", "running_mean", ""]), min_size=1, max_size=5
)


@given(
    names=st.lists(PARTS.map(".".join), unique=True, max_size=12),
    shape=st.lists(st.integers(0, 3), max_size=3),
)
def test_whatever_the_names_every_module_has_its_parent_before_it_and_all_adds_up(
    names: list[str], shape: list[int]
) -> None:
    trace = state_dict_trace(
        StateDict(tuple(Entry(name, tuple(shape), "int8") for name in names), "torch")
    )
    paths = [module.path for module in trace.modules]
    assert len(paths) == len(set(paths))
    assert all(path.rpartition(".")[0] in paths[:at] for at, path in enumerate(paths) if path)
    total = total_params(trace)
    assert total["bytes"] == sum(tensor.numel for tensor in trace.tensors)
    assert roll_up(trace, own_params(trace))[""] == total
    assert module_rows(trace, own_params(trace), max_depth=9) is not None


@pytest.mark.parametrize(
    ("names", "buffers"),
    [
        (("c.weight", "c.scale", "c.zero_point"), {"c.scale", "c.zero_point"}),
        (("c.weight", "c.scale"), set()),  # a learned scale
        (("a.weight_orig", "a.weight_mask"), {"a.weight_mask"}),
        (("a.weight", "a.weight_mask"), set()),
        (
            ("c.weight", "c.activation_post_process.histogram"),
            {"c.activation_post_process.histogram"},
        ),
    ],
)
def test_what_quantization_and_pruning_keep_are_buffers(
    names: tuple[str, ...], buffers: set[str]
) -> None:
    trace = state_dict_trace(state_of(*names))
    found = {
        f"{module.path}.{weight.name}" for module in trace.modules for weight in module.buffers
    }
    assert found == buffers
