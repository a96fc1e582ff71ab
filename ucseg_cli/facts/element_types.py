"""The element types of tensors that torch and safetensors know, by name, with the bits that one element takes."""

from __future__ import annotations

from ucseg_cli.errors import ModelError

BITS = {
    **dict.fromkeys(("quint2x4",), 2),
    **dict.fromkeys(("float4_e2m1fn", "quint4x2"), 4),
    **dict.fromkeys(("float6_e2m3fn", "float6_e3m2fn"), 6),
    **dict.fromkeys(
        ("bool", "uint8", "int8", "quint8", "qint8", "bits8", "bits1x8", "bits2x4", "bits4x2"), 8
    ),
    **dict.fromkeys((f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8)), 8),
    **dict.fromkeys(
        ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"), 8
    ),
    "float4_e2m1fn_x2": 8,  # torch counts a pair of them as one element
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16", "bits16"), 16),
    **dict.fromkeys(("int32", "uint32", "float32", "qint32", "complex32"), 32),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 64),
    "complex128": 128,
}
"""Bits of one element by type; the integers of less than 8 bits take a byte each in torch."""


def size_in_bytes(elements: int, dtype: str) -> int:
    """What so many elements take, the last byte whole; raises ModelError for a type that nobody has told us of."""
    if dtype not in BITS:
        raise ModelError(
            f"the element type '{dtype}' is not known here, so its tensors have no size",
            help="convert these tensors to another type and save again",
        )
    return -(-elements * BITS[dtype] // 8)
