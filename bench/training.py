"""A training step recorded on meta beside the forward pass of the same network, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from ucseg_cli.engine.trace_model import Tracer
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.training import Training
from ucseg_cli.references.variants import CATALOGUE

SMALL, LARGE = Conditions(Size(224, 224), 2), Conditions(Size(8192, 8192), 2)
MOST_TIME, MOST_AT_ANY_SIZE = 2.5, 1.2
ROUNDS = 9


def main() -> int:
    """Measure both ratios; 1 if one is larger than is promised."""
    tracer, v2 = Tracer(), CATALOGUE["v2"]
    step = SMALL._replace(training=Training())
    large = LARGE._replace(training=Training())
    runs = {
        "forward": lambda: tracer.trace(v2, SMALL),
        "step": lambda: tracer.trace(v2, step),
        "large": lambda: tracer.trace(v2, large),
    }
    for run in runs.values():
        run()
    rounds = [{name: seconds(run) for name, run in runs.items()} for _ in range(ROUNDS)]
    kept = [
        report("forward, backward and update / forward", rounds, ("step", "forward"), MOST_TIME),
        report("the same at 8192 / at 224", rounds, ("large", "step"), MOST_AT_ANY_SIZE),
    ]
    return 0 if all(kept) else 1


def seconds(run: Callable[[], object]) -> float:
    """The processor time of one run."""
    began = time.process_time()
    run()
    return time.process_time() - began


def report(title: str, rounds: list[dict[str, float]], pair: tuple[str, str], most: float) -> bool:
    """Print a ratio; whether it is as promised."""
    ours, theirs = pair
    ratios = sorted(one[ours] / one[theirs] for one in rounds)
    kept = median(ratios) <= most
    print(
        f"{title}: {median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}), "
        f"promised {most:.1f}: {'kept' if kept else 'BROKEN'}"
    )
    return kept


if __name__ == "__main__":
    raise SystemExit(main())
