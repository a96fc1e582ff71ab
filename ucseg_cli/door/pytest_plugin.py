"""The fixture ``assert_budget``, for a ``conftest.py`` that names this among its plugins.

No entry point names it, since pytest would then rewrite every module of this package.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture(name="assert_budget", scope="session")
def _assert_budget() -> Callable[..., None]:
    """``ucseg_cli.assert_budget``, imported only by a test that asks for it."""
    from ucseg_cli.door.budgets import assert_budget

    return assert_budget
