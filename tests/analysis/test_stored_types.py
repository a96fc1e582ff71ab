"""Formats that pack values are named by their evidence, and by nothing less."""

from __future__ import annotations

import pytest

from ucseg_cli.analysis.counting.stored_types import StoredAs, stored_types
from ucseg_cli.facts.state_dict import Entry, StateDict, Zeros

Entries = dict[str, tuple[tuple[int, ...], str]]

NF4: Entries = {
    "fc.weight": ((4096, 1), "uint8"),
    "fc.weight.absmax": ((128,), "uint8"),
    "fc.weight.quant_map": ((16,), "float32"),
    "fc.weight.nested_absmax": ((1,), "float32"),
    "fc.weight.nested_quant_map": ((256,), "float32"),
    "fc.weight.quant_state.bitsandbytes__nf4": ((168,), "uint8"),
}
GPTQ: Entries = {
    "fc.qweight": ((16, 64), "int32"),
    "fc.qzeros": ((4, 8), "int32"),
    "fc.scales": ((4, 64), "float16"),
    "fc.g_idx": ((128,), "int32"),
}
THREE_BITS: Entries = {
    "fc.qweight": ((12, 64), "int32"),
    "fc.qzeros": ((4, 6), "int32"),
    "fc.scales": ((4, 64), "float16"),
    "fc.g_idx": ((128,), "int32"),
}
AWQ: Entries = {
    "fc.qweight": ((128, 8), "int32"),
    "fc.qzeros": ((4, 8), "int32"),
    "fc.scales": ((4, 64), "float16"),
}
MXFP4: Entries = {
    "up_blocks": ((2, 64, 4, 16), "uint8"),
    "up_scales": ((2, 64, 4), "uint8"),
}
COMPRESSED: Entries = {
    "fc.weight_packed": ((64, 16), "int32"),
    "fc.weight_scale": ((64, 4), "float16"),
    "fc.weight_shape": ((2,), "int64"),
}


def stored(entries: Entries, layout: str = "strided") -> dict[str, StoredAs]:
    rows = (Entry(name, *entry, layout=layout) for name, entry in entries.items())
    zeros = {name: Zeros(0, numbers=(64.0, 128.0)) for name in entries if name.endswith("_shape")}
    return stored_types(StateDict(tuple(rows), "safetensors"), zeros)


def packed(entries: Entries) -> dict[str, StoredAs]:
    return {name: how for name, how in stored(entries).items() if how.packing is not None}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (NF4, {"fc.weight": StoredAs("packed 4-bit (bitsandbytes nf4)", 8192, "2 in each uint8")}),
        (
            GPTQ,
            {
                "fc.qweight": StoredAs("packed 4-bit (GPTQ)", 8192, "8 in each int32"),
                "fc.qzeros": StoredAs("packed 4-bit (GPTQ)", 256, "8 in each int32"),
            },
        ),
        (
            THREE_BITS,
            {
                "fc.qweight": StoredAs("packed 3-bit (GPTQ)", 8192, "32 in 3 of int32"),
                "fc.qzeros": StoredAs("packed 3-bit (GPTQ)", 256, "32 in 3 of int32"),
            },
        ),
        (
            AWQ,
            {
                "fc.qweight": StoredAs("packed 4-bit (AWQ)", 8192, "8 in each int32"),
                "fc.qzeros": StoredAs("packed 4-bit (AWQ)", 256, "8 in each int32"),
            },
        ),
        (MXFP4, {"up_blocks": StoredAs("packed 4-bit (MXFP4)", 16384, "2 in each uint8")}),
        (
            COMPRESSED,
            {
                "fc.weight_packed": StoredAs(
                    "packed 4-bit (compressed-tensors)", 8192, "8 in each int32"
                )
            },
        ),
    ],
    ids=["nf4", "gptq", "gptq of 3 bits", "awq", "mxfp4", "compressed-tensors"],
)
def test_a_format_is_named_by_what_stands_beside(
    entries: Entries, expected: dict[str, StoredAs]
) -> None:
    assert packed(entries) == expected
    inside = {f"model.{name}": entry for name, entry in entries.items()}
    assert packed(inside) == {f"model.{name}": how for name, how in expected.items()}


@pytest.mark.parametrize("entries", [NF4, GPTQ, AWQ, MXFP4, COMPRESSED])
def test_without_any_of_its_evidence_a_format_is_not_named(entries: Entries) -> None:
    optional = {"fc.weight.nested_absmax", "fc.weight.nested_quant_map"}
    for left_out in entries.keys() - optional:
        rest = {name: entry for name, entry in entries.items() if name != left_out}
        if (left_out, rest) != ("fc.g_idx", rest):
            assert packed(rest) == {}, left_out


@pytest.mark.parametrize(
    ("entries", "name", "shape", "dtype"),
    [
        (NF4, "fc.weight.quant_map", (256,), "float32"),
        (GPTQ, "fc.qweight", (16, 64), "int64"),
        (GPTQ, "fc.qweight", (15, 64), "int32"),
        (GPTQ, "fc.qweight", (20, 64), "int32"),
        (GPTQ, "fc.qzeros", (4, 9), "int32"),
        (GPTQ, "fc.scales", (4, 65), "float16"),
        (GPTQ, "fc.scales", (5, 64), "float16"),
        (GPTQ, "fc.g_idx", (0,), "int32"),
        (AWQ, "fc.qzeros", (5, 8), "int32"),
        (AWQ, "fc.scales", (4, 65), "float16"),
        (AWQ, "fc.qweight", (130, 8), "int32"),
        (MXFP4, "up_scales", (2, 64, 5), "uint8"),
        (MXFP4, "up_scales", (2, 64, 4), "float16"),
        (COMPRESSED, "fc.weight_packed", (64, 17), "int32"),
        (COMPRESSED, "fc.weight_packed", (63, 16), "int32"),
    ],
)
def test_a_shape_or_type_that_disagrees_is_no_evidence(
    entries: Entries, name: str, shape: tuple[int, ...], dtype: str
) -> None:
    assert packed({**entries, name: (shape, dtype)}) == {}
    assert stored({**entries, name: (shape, dtype)})[name].name == dtype


def test_a_layout_is_part_of_the_name() -> None:
    entries: Entries = {"a": ((2, 3), "float32")}
    assert stored(entries)["a"] == StoredAs("float32", 6)
    assert stored(entries, "sparse_csr")["a"].name == "float32 (sparse_csr)"
    assert stored(entries, "torchao.Int8Tensor")["a"].name == "torchao.Int8Tensor"
    assert stored({"a": ((2, 3), "qint8")}, "quantized")["a"].name == "qint8"
