"""Finding the state dict in a checkpoint that may also hold epochs, optimizers and averages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ucseg_cli.engine.checkpoints.rebuilt_values import (
    LONGEST_SHOWN,
    Placeholder,
    kind_of,
    tensor_in,
)
from ucseg_cli.errors import ModelError, UcsegError, UnknownNameError, UsageError, shortened

DEEPEST = 6
"""Levels of mappings that are searched."""
MOST_SHOWN = 8
"""Keys that a message lists."""
DEEPEST_MODULE = 64
"""Levels of modules in one that was saved whole."""
_BESIDE_A_MODEL = re.compile(r"optim|callback|loop|.*sched|.*scaler")
"""Keys that training saves beside a model, whose values may hold tensors too."""

StateDicts = dict[str, Mapping[Any, Any]]
"""Mappings that hold tensors themselves, by dotted path; the empty path is the whole."""


def find_state_dict(value: Any, key: str | None, path: str) -> tuple[str | None, Mapping[Any, Any]]:
    """The one mapping of tensors in *value*, with its key; at or below *key* if that is given.

    Raises ModelError where there is none, UsageError for several, UnknownNameError for another key.
    """
    found = _mappings_of_tensors(value, "", set(), 0)
    if not found:
        raise _no_tensors(value, path)
    chosen = _likely(found) if key is None else _at(found, key)
    if not chosen:
        raise _unknown_key(str(key), found, path)
    if len(chosen) > 1:
        raise _several(chosen, path)
    ((name, mapping),) = chosen.items()
    return name or None, mapping


def _unknown_key(key: str, found: StateDicts, path: str) -> UsageError:
    where = f"{path}+key={key}"
    known = [shortened(name, LONGEST_SHOWN) for name in filter(None, found)]
    if known:
        return UnknownNameError("key", key, known, where=where)
    what = f"{path} is one state dict, without a key '{key}'"
    return UsageError(what, where=where, help=f"write {path}")


def _mappings_of_tensors(value: Any, path: str, seen: set[int], depth: int) -> StateDicts:
    """Each mapping once, even if one contains itself; if two are nested, the larger one."""
    if not isinstance(value, Mapping) or id(value) in seen or depth > DEEPEST:
        return {}
    seen.add(id(value))
    value = _state_of_module(value) or value
    inside: StateDicts = {}
    for name, part in value.items():
        if isinstance(name, str):
            below = f"{path}.{name}" if path else name
            inside |= _mappings_of_tensors(part, below, seen, depth + 1)
    return {path: value} if _tensors(value) > sum(map(_tensors, inside.values())) else inside


def _tensors(mapping: Mapping[Any, Any]) -> int:
    return sum(isinstance(name, str) and _is_tensor(value) for name, value in mapping.items())


def _is_tensor(value: Any) -> bool:
    return tensor_in(value) is not None


def _state_of_module(value: Mapping[Any, Any], path: str = "", depth: int = 0) -> dict[str, Any]:
    """The state dict of a module that was saved whole; empty for anything else."""
    state = value.state if isinstance(value, Placeholder) else None
    if not isinstance(state, Mapping) or "_modules" not in state or depth > DEEPEST_MODULE:
        return {}
    left_out = state.get("_non_persistent_buffers_set") or ()
    found: dict[str, Any] = {}
    for owned in ("_parameters", "_buffers"):
        for name, tensor in dict(state.get(owned) or {}).items():
            if name not in left_out and _is_tensor(tensor):
                found[f"{path}{name}"] = tensor
    for name, module in dict(state["_modules"] or {}).items():
        if isinstance(module, Mapping):
            found |= _state_of_module(module, f"{path}{name}.", depth + 1)
    return found


def _likely(found: StateDicts) -> StateDicts:
    """Those that can be a model's: not an optimizer's, nor only scalars; all if none can."""
    named = {name: mapping for name, mapping in found.items() if not _BESIDE_A_MODEL.match(name)}
    return {name: mapping for name, mapping in named.items() if _has_weights(mapping)} or found


def _has_weights(mapping: Mapping[Any, Any]) -> bool:
    tensors = filter(None, map(tensor_in, mapping.values()))
    return any(tensor.shape for tensor in tensors)


def _at(found: StateDicts, key: str) -> StateDicts:
    if key in found:
        return {key: found[key]}
    return {name: mapping for name, mapping in found.items() if name.startswith(f"{key}.")}


def _several(chosen: StateDicts, path: str) -> UcsegError:
    listed = [
        f"{shortened(name, LONGEST_SHOWN)} ({_tensors(mapping):,} tensors)"
        for name, mapping in list(chosen.items())[:MOST_SHOWN]
    ]
    if len(chosen) > MOST_SHOWN:
        listed.append(f"and {len(chosen) - MOST_SHOWN:,} more")
    return UsageError(
        f"{path} holds {len(chosen):,} state dicts",
        where=path,
        notes=(f"keys: {', '.join(listed)}",),
        help=f"write {path}+key={next(iter(chosen))}",
    )


def _no_tensors(value: Any, path: str) -> UcsegError:
    noun = kind_of(value)
    holds = f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    if isinstance(value, Mapping) and value:
        shown = (shortened(str(key), LONGEST_SHOWN) for key in list(value)[:MOST_SHOWN])
        holds = f"a mapping with the keys {', '.join(shown)}"
    return ModelError(
        f"{path} holds no state dict, a mapping of names to tensors",
        where=path,
        notes=(f"it holds {holds}",),
        help="save one: torch.save(model.state_dict(), 'weights.pt')",
    )
