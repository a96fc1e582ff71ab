"""Switching off kernels that stand for a whole layer: no counter knows them, and meta has none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.backends import cuda, mha

_FLAGS: Any = cuda  # its functions have no types


@contextmanager
def without_fast_path() -> Iterator[None]:
    """While it lasts, torch's attention and encoder layers call attention as anyone does.

    The model may choose how that runs; this puts it back.
    """
    with ExitStack() as stack:
        stack.callback(mha.set_fastpath_enabled, mha.get_fastpath_enabled())
        stack.callback(_FLAGS.enable_flash_sdp, _FLAGS.flash_sdp_enabled())
        stack.callback(_FLAGS.enable_math_sdp, _FLAGS.math_sdp_enabled())
        mha.set_fastpath_enabled(False)
        yield


@contextmanager
def without_attention_kernels() -> Iterator[None]:
    """While it lasts, attention and encoder layers run as the operators they are made of."""
    with without_fast_path():
        _FLAGS.enable_flash_sdp(enabled=False)
        _FLAGS.enable_math_sdp(enabled=True)
        yield


@contextmanager
def without_lstm_kernel() -> Iterator[None]:
    """While it lasts, an LSTM layer on the CPU runs as the operators it is made of."""
    enabled = torch._C._get_mkldnn_enabled()  # torch.backends sets more than this, and warns
    torch._C._set_mkldnn_enabled(False)  # noqa: FBT003 - its only argument
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)


@contextmanager
def without_kernel_of(name: str) -> Iterator[None]:
    """While it lasts, the composite operator *name* runs as the operators it is made of."""
    switch_off = {
        "lstm": without_lstm_kernel,
        "scaled_dot_product_attention": without_attention_kernels,
    }.get(name)
    if switch_off is None:
        yield
        return
    with switch_off():
        yield
