"""Hostile input by the thousand: ``python tests/fuzzing/fuzz.py --inputs 2000``.

Every input runs in a forked child of its own and has to end, within a time limit, with an answer, a
verdict or an error in our words. The same seed gives the same inputs; a failure is repeated alone
with ``--only``.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from typing import NamedTuple, NoReturn

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from fuzzing.project_files import good_lock  # noqa: E402 - after the path to it
from fuzzing.small import AT_SMALL, FORMATS, LOOKING  # noqa: E402
from fuzzing.sorts import SORTS  # noqa: E402
from ucseg_cli.cli.command_groups import COMMANDS  # noqa: E402
from ucseg_cli.cli.main import main as ucseg  # noqa: E402

LONGEST = 20
"""Seconds that any input may take."""
MOST_MEMORY = 8 << 30
"""Bytes of address space; enough for torch, and an endless list fails before the machine does."""
ENVIRONMENT = {"UCSEG_CACHE_DIR": "cache", "HOME": ".", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
FORBIDDEN = ("Traceback (most recent call last)", "internal error")


class Failure(NamedTuple):
    """An input that was not survived: its seed, what it was, and what came of it."""

    seed: str
    words: Sequence[str]
    why: str


class Outcome(NamedTuple):
    """How a command line ended: its exit status, or minus the signal, and all that it wrote."""

    status: int
    text: str

    @property
    def failure(self) -> str | None:
        """Why this is not survival."""
        if self.status == -signal.SIGALRM:
            return f"it did not end within {LONGEST} s"
        if self.status not in {0, 1, 2}:
            return f"its status was {self.status}"
        return next((f"it wrote '{word}'" for word in FORBIDDEN if word in self.text), None)


def try_one(sort: str, seed: str) -> tuple[Sequence[str], Outcome]:
    """One input in a forked child, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ucseg-fuzz-"))
    try:
        child = os.fork()
        if not child:
            _be_the_child(sort, seed, folder)
        _, waited = os.waitpid(child, 0)
        words = (
            (folder / "words").read_text("utf-8").split("\n") if (folder / "words").exists() else []
        )
        text = (folder / "output").read_bytes().decode("utf-8", "replace")
        return words, Outcome(os.waitstatus_to_exitcode(waited), text)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _be_the_child(sort: str, seed: str, folder: Path) -> NoReturn:
    status = 70
    try:
        output = os.open(folder / "output", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _limit_memory()
        project = folder / "project"
        project.mkdir()
        os.chdir(project)
        words = list(SORTS[sort](Random(seed), project))
        # inputs are made with any time and are read within the limit
        (folder / "words").write_text("\n".join(map(ascii, words)), "utf-8")
        signal.alarm(LONGEST)
        status = ucseg(words)
    except BaseException:  # noqa: BLE001 - it is reported as what was not survived
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _limit_memory() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, hard))


def survey(sort: str, seeds: Sequence[str]) -> list[Failure]:
    """All inputs of these seeds; prints each that was not survived, at once."""
    failures, statuses = [], Counter[int]()
    slowest, began = 0.0, time.monotonic()
    for seed in seeds:
        start = time.monotonic()
        words, outcome = try_one(sort, seed)
        slowest = max(slowest, time.monotonic() - start)
        statuses[outcome.status] += 1
        if outcome.failure:
            failures.append(Failure(seed, words, outcome.failure))
            print(f"{sort} {seed}: {outcome.failure}: ucseg {' '.join(words)}", flush=True)
            print("  " + "\n  ".join(outcome.text.strip().splitlines()[-4:]), flush=True)
    ends = ", ".join(f"{count:,} with {status}" for status, count in sorted(statuses.items()))
    took = time.monotonic() - began
    print(f"{sort}: {len(seeds):,} inputs, {len(failures)} not survived; exit {ends}; "
          f"{took:.0f} s, the slowest {slowest:.1f} s", flush=True)  # fmt: skip
    return failures


def warm_up() -> None:
    """Import and make everything once, before any fork."""
    good_lock()
    with (
        tempfile.TemporaryDirectory(prefix="ucseg-fuzz-") as folder,
        chdir(folder),
        redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")),
        redirect_stderr(io.StringIO()),
    ):
        for command in COMMANDS:
            ucseg([command, "--help"])
        looked = [
            *((command, "table") for command in LOOKING),
            *(("show", form) for form in FORMATS),
        ]
        for command, form in looked:
            ucseg([command, "v2", *AT_SMALL, "--format", form])


def main() -> int:
    """Exit status 1 if any input was not survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sorts", nargs="*", metavar="SORT", help="else every sort")
    parser.add_argument("--inputs", type=int, default=100, help="how many of each sort")
    parser.add_argument("--seed", default="1", help="another seed, other inputs")
    parser.add_argument("--only", help="the seed of one failure, as it was printed")
    asked = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    warm_up()
    failures = []
    for sort in asked.sorts or SORTS:
        seeds = [asked.only] if asked.only else [f"{asked.seed}:{n}" for n in range(asked.inputs)]
        failures += survey(sort, seeds)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
