"""Bits of one element by the names of element types in torch and safetensors."""

from __future__ import annotations

from ucseg_cli.errors import ModelError

TYPES = {
    2: "quint2x4",
    4: "float4_e2m1fn quint4x2",
    6: "float6_e2m3fn float6_e3m2fn",
    8: "bool uint8 int8 quint8 qint8 bits8 bits1x8 bits2x4 bits4x2 float8_e4m3fn float8_e5m2 "
    "float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu",
    16: "int16 uint16 float16 bfloat16 bits16",
    32: "int32 uint32 float32 qint32 complex32 bcomplex32",
    64: "int64 uint64 float64 complex64",
    128: "complex128",
}
BITS = {name: bits for bits, names in TYPES.items() for name in names.split()}
# torch gives the integers of less than 8 bits a byte each, and counts a pair as one element here.
BITS |= {f"{sign}int{bits}": 8 for sign in ("", "u") for bits in range(1, 8)}
BITS["float4_e2m1fn_x2"] = 8


def size_in_bytes(elements: int, dtype: str) -> int:
    """Bytes of so many elements, the last byte whole; raises ModelError for an unknown type."""
    if dtype not in BITS:
        raise ModelError(
            f"the element type '{dtype}' is not known here, so its tensors have no size",
            help="convert these tensors to another type and save again",
        )
    return -(-elements * BITS[dtype] // 8)
