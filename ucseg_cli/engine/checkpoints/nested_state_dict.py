"""Where in a checkpoint the state dict is: beside epochs, optimizers and averages, under whatever key it was put."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from ucseg_cli.errors import ModelError, UcsegError, UnknownNameError, UsageError

DEEPEST = 6
"""Levels of mappings that are looked through."""
_BESIDE_A_MODEL = re.compile(r"optim|callback|loop|.*sched|.*scaler")
"""Keys of what training keeps beside a model, which may hold tensors too."""

StateDicts = dict[str, Mapping[Any, Any]]
"""Mappings that hold tensors themselves, by dotted path; the empty path is the whole."""


def find_state_dict(value: Any, key: str | None, path: str) -> tuple[str | None, Mapping[Any, Any]]:
    """The one mapping of tensors in *value*, with its key; at or below *key* where that is given.

    Raises ModelError where there is none, UsageError where there are several, UnknownNameError for another *key*.
    """
    found = _mappings_of_tensors(value, "", set(), 0)
    if not found:
        raise _no_tensors(value, path)
    chosen = _likely(found) if key is None else _at(found, key)
    if not chosen:
        raise UnknownNameError("key", str(key), found, where=f"{path}+key={key}")
    if len(chosen) > 1:
        raise _several(chosen, path)
    ((name, mapping),) = chosen.items()
    return name or None, mapping


def _mappings_of_tensors(value: Any, path: str, seen: set[int], depth: int) -> StateDicts:
    """Each once, even where a file lets one contain itself. Of a mapping and those in it, whichever has more tensors."""
    if not isinstance(value, Mapping) or id(value) in seen or depth > DEEPEST:
        return {}
    seen.add(id(value))
    inside: StateDicts = {}
    for name, each in value.items():
        if isinstance(name, str):
            inside |= _mappings_of_tensors(
                each, f"{path}.{name}" if path else name, seen, depth + 1
            )
    return {path: value} if _tensors(value) > sum(map(_tensors, inside.values())) else inside


def _tensors(mapping: Mapping[Any, Any]) -> int:
    return sum(
        isinstance(name, str) and isinstance(each, torch.Tensor) for name, each in mapping.items()
    )


def _likely(found: StateDicts) -> StateDicts:
    """Those that can be a model's: no optimizer's, and not only of scalars, as a best score is; all where none can."""
    likely = {
        name: mapping
        for name, mapping in found.items()
        if not _BESIDE_A_MODEL.match(name) and _has_weights(mapping)
    }
    return likely or found


def _has_weights(mapping: Mapping[Any, Any]) -> bool:
    return any(isinstance(each, torch.Tensor) and each.dim() for each in mapping.values())


def _at(found: StateDicts, key: str) -> StateDicts:
    return (
        {key: found[key]}
        if key in found
        else {name: each for name, each in found.items() if name.startswith(f"{key}.")}
    )


def _several(chosen: StateDicts, path: str) -> UcsegError:
    listed = ", ".join(
        f"{name} ({_tensors(mapping):,} tensors)" for name, mapping in chosen.items()
    )
    return UsageError(
        f"{path} holds {len(chosen):,} state dicts",
        where=path,
        notes=(f"keys: {listed}",),
        help=f"write {path}+key={next(iter(chosen))}",
    )


def _no_tensors(value: Any, path: str) -> UcsegError:
    keys = ", ".join(map(str, list(value)[:8])) if isinstance(value, Mapping) else ""
    holds = f"a mapping with the keys {keys}" if keys else f"a {type(value).__name__}"
    return ModelError(
        f"{path} holds no state dict, a mapping of names to tensors",
        where=path,
        notes=(f"it holds {holds}",),
        help="save one: torch.save(model.state_dict(), 'weights.pt')",
    )
