from __future__ import annotations

import pytest
import torch

from ucseg_cli.engine.checkpoints.safetensors_file import DTYPES
from ucseg_cli.errors import ModelError
from ucseg_cli.facts.element_types import BITS, size_in_bytes

OF_TORCH = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in vars(torch).values()
    if isinstance(dtype, torch.dtype)
}
PACKED = {"quint4x2", "quint2x4"}
"""Types whose size torch gives as that of the byte that holds several elements."""


@pytest.mark.parametrize("name", OF_TORCH)
def test_every_type_of_torch_has_the_size_that_torch_gives_it(name: str) -> None:
    assert name in BITS
    if name not in PACKED:
        assert size_in_bytes(5, name) == 5 * OF_TORCH[name].itemsize


@pytest.mark.parametrize(("elements", "size"), [(0, 0), (1, 1), (2, 1), (3, 2), (8, 4)])
def test_the_last_byte_of_half_byte_elements_is_whole(elements: int, size: int) -> None:
    assert size_in_bytes(elements, "float4_e2m1fn") == size


@pytest.mark.parametrize("name", DTYPES.values())
def test_every_type_of_safetensors_has_a_size(name: str) -> None:
    assert size_in_bytes(8, name) > 0


def test_an_unknown_type_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="'float3' is not known"):
        size_in_bytes(1, "float3")
