"""Switching off kernels that stand for a whole layer: no counter knows them, and meta has none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.backends import cuda, mha


@contextmanager
def without_attention_kernels() -> Iterator[None]:
    """While it lasts, attention and encoder layers run as the operators they are made of."""
    with ExitStack() as stack:
        flash: Any = cuda  # its functions have no types
        stack.callback(mha.set_fastpath_enabled, mha.get_fastpath_enabled())
        stack.callback(flash.enable_flash_sdp, flash.flash_sdp_enabled())
        mha.set_fastpath_enabled(False)
        flash.enable_flash_sdp(enabled=False)
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
