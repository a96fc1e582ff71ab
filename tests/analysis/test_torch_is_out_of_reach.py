"""The tests of this room run on stored traces."""

from __future__ import annotations

import pytest


def test_in_this_room_torch_cannot_be_imported() -> None:
    with pytest.raises(ImportError, match="this test must do without it"):
        import torch  # noqa: F401
