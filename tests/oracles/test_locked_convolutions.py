"""Each convolution in a lock, against the network that torch builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from support.fixture_types import TraceOf
from support.locked_trees import TreeOf, trees_from
from ucseg_cli.facts.lock import Tree
from ucseg_cli.references.variants import Variant


@pytest.fixture(scope="session")
def tree_of(trace_of: TraceOf) -> TreeOf:
    """The figures that a lock records of a model at square sizes."""
    return trees_from(trace_of)


def table(tree: Tree, *names: str) -> Mapping[str, Any]:
    """The part of a tree under these names."""
    found: Any = tree
    for name in names:
        found = found[name]
    assert isinstance(found, Mapping)
    return found


@settings(max_examples=8)
@given(st.data())
def test_every_convolution_is_kept_as_torch_has_it(
    variants: SearchStrategy[Variant], tree_of: TreeOf, data: st.DataObject
) -> None:
    from torch import nn

    from ucseg_cli.engine.recording.build_on_meta import building_on_meta
    from ucseg_cli.nets import SegmentationNetwork, build_backbone

    variant = data.draw(variants)
    with building_on_meta():
        model = SegmentationNetwork(variant, build_backbone(variant))
    convs = {
        path: named_module
        for path, named_module in model.named_modules()
        if isinstance(named_module, nn.Conv2d)
    }
    kept = table(tree_of(variant), "convs")
    assert list(kept) == sorted(convs)
    for path, conv in convs.items():
        assert kept[path] == {
            "kernel": conv.kernel_size,
            "stride": conv.stride,
            "padding": conv.padding,
            "dilation": conv.dilation,
            "groups": conv.groups,
            "transposed": 0,
            "output_padding": (0, 0),
        }
