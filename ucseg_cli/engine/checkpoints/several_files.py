"""Checkpoints in several files: shards with an index, and torch.distributed's folders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ucseg_cli.engine.checkpoints.other_formats import FETCH_AGAIN
from ucseg_cli.engine.checkpoints.pickled_values import Pickle
from ucseg_cli.engine.checkpoints.rebuilt_values import LONGEST_SHOWN, Placeholder
from ucseg_cli.errors import ModelError, nearest_name, shortened
from ucseg_cli.facts.state_dict import Entry, StateDict
from ucseg_cli.system.plain_file import read_plain_file

METADATA = ".metadata"
"""The file of a torch.distributed checkpoint that says what lies in the others."""
INDEX = ".index.json"
NAME = re.compile(r"[^/\\\0]{1,255}", re.DOTALL)
"""A file beside another, with no more letters than file systems allow."""
SHARD = re.compile(r"-\d{5}-of-(\d{5})\.")
"""How one file of several is named."""


def find_index(folder: Path) -> Path | None:
    """The index of shards in a folder, if there is just one."""
    found = sorted(path for path in folder.glob(f"*{INDEX}") if path.is_file())
    return found[0] if len(found) == 1 else None


def read_shards(path: Path, read: Callable[[str], StateDict]) -> StateDict:
    """Every tensor that the index names, from the shard that it names.

    Its ``total_size`` is not believed. Raises ModelError for a shard or a tensor that is missing.
    """
    places = _places(path)
    entries: list[Entry] = []
    for place in dict.fromkeys(places.values()):
        shard = path.parent / place
        if not shard.is_file():
            near = nearest_name(place, [beside.name for beside in path.parent.iterdir()])
            what, notes = f"the shard {place} is missing", (f"{path} names it",)
            help_ = f"did you mean '{near}'?" if near else FETCH_AGAIN
            raise ModelError(what, where=str(shard), notes=notes, help=help_)
        known = {entry.name: entry for entry in read(str(shard)).entries}
        wanted = [name for name, other in places.items() if other == place]
        if missing := [name for name in wanted if name not in known]:
            named = shortened(missing[0], LONGEST_SHOWN)
            what = f"the shard {place} has no tensor named '{named}'"
            raise ModelError(what, where=str(shard), help=FETCH_AGAIN)
        entries += (known[name]._replace(memory=None) for name in wanted)
    files = len(set(places.values()))
    return StateDict(tuple(entries), f"{files} shards")


def _places(path: Path) -> dict[str, str]:
    """The file of each tensor by name; only files beside the index."""
    try:
        index = json.loads(read_plain_file(path))
        places = dict(index["weight_map"])
    except (ValueError, TypeError, KeyError, RecursionError, OSError) as error:
        what = f"{path} is JSON, but not an index of shards"
        raise ModelError(what, where=str(path), help="name a file with weights") from error
    for name, place in places.items():
        is_file = isinstance(place, str) and NAME.fullmatch(place)
        if not is_file or place in {".", ".."} or place.endswith(".json"):
            named, where = (shortened(text, LONGEST_SHOWN) for text in (name, repr(place)))
            what = f"the index puts '{named}' into {where}, which is not a file beside it"
            raise ModelError(what, where=str(path))
    if not places:
        raise ModelError(f"{path} names no tensors", where=str(path))
    return places


def remark_on_shard(path: str, state: StateDict) -> StateDict:
    """The same with a remark if the file's name says that it is one of several."""
    shard = SHARD.search(Path(path).name)
    if shard is None or int(shard[1]) < 2:
        return state
    remark = f"This is one of {int(shard[1]):,} shards; name their index to count them all."
    return state._replace(remarks=(*state.remarks, remark))


def read_distributed(folder: Path) -> StateDict:
    """The tensors of a torch.distributed checkpoint, by its metadata; their data is not needed."""
    path = folder / METADATA
    try:
        with path.open("rb") as file:
            metadata = Pickle(file, path.stat().st_size).read()
        entries = list(_distributed_entries(metadata.state["state_dict_metadata"]))
    except Exception as error:  # damage raises anything
        what = f"{path} is damaged, or not of torch.distributed.checkpoint"
        raise ModelError(what, where=str(path), help=FETCH_AGAIN) from error
    if not entries:
        raise ModelError(f"{folder} holds no tensors", where=str(folder))
    return StateDict(tuple(entries), "distributed")


def _distributed_entries(metadata: Any) -> Iterable[Entry]:
    for name, stored in metadata.items():
        if isinstance(stored, Placeholder) and "size" in (stored.state or {}):
            properties = stored.state["properties"].state
            dtype = properties[0] if isinstance(properties, tuple) else properties["dtype"]
            shape = tuple(int(side) for side in stored.state["size"])
            yield Entry(str(name), shape, dtype.name.rpartition(".")[2])
