"""The sorts of hostile input: each writes its files and gives the command line that reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from fuzzing.checkpoints import make_checkpoint
from fuzzing.command_lines import make_command_line
from fuzzing.kills import make_kill
from fuzzing.project_files import make_configuration, make_lock
from fuzzing.traces import make_answer, make_cache_entry

Make = Callable[[Random, Path], Sequence[str]]

SORTS: dict[str, Make] = {
    "command-lines": make_command_line,
    "configurations": make_configuration,
    "locks": make_lock,
    "cache-entries": make_cache_entry,
    "checkpoints": make_checkpoint,
    "answers": make_answer,
    "kills": make_kill,
}
