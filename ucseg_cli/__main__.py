"""``python -m ucseg_cli`` and the console script."""

from __future__ import annotations

import gc
import sys

from ucseg_cli.cli.main import main


def start() -> int:
    """Run ``ucseg``. A process that lives a tenth of a second has no garbage worth looking for."""
    gc.set_threshold(100_000, 50, 100)
    return main()


if __name__ == "__main__":
    sys.exit(start())
