"""The lock's file, which is kept with the code: read with care, since people merge it by hand, and written whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ucseg_cli.errors import ConfigurationError, OutputError
from ucseg_cli.facts.lock import Leaf, Lock, Locked, Raise, Tree
from ucseg_cli.system.atomic_write import replace_file
from ucseg_cli.system.paths import shown

NAME = "ucseg.lock.json"
KIND = "ucseg.lock"
FORMAT_VERSION = "1.0"
DEEPEST = 6
"""Levels of a model's block: sizes, a size, what of it, a module, a figure, and one to spare."""
_FIX = "restore it from version control, or delete it and run `ucseg lock`"


def read_lock(path: Path, *, both_sides: bool = False) -> Lock | None:
    """The lock in a file; None where there is none. Raises ConfigurationError for anything else that is there.

    With *both_sides*, a file with the marks of a merge conflict is the models of either side, with all their reasons;
    of a model that differs, the first side's.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"cannot read the lock: {error}", where=shown(path), help=_FIX
        ) from error
    if both_sides and _in_conflict(text):
        return Lock(_read_both(path, text), text, in_conflict=True)
    return Lock(_read_models(path, _parse(path, text)), text)


def write_lock(path: Path, models: Mapping[str, Locked]) -> None:
    """Write a lock whole: sorted, a block for each model, a line for each thing in it, so that merges stay small."""
    entries = {
        name: {
            "since": models[name].since,
            "raises": [each._asdict() for each in models[name].raises],
            **models[name].tree,
        }
        for name in sorted(models)
    }
    document = {"kind": KIND, "format_version": FORMAT_VERSION, "models": entries}
    try:
        # what is no Unicode, as in a word that the shell passed on, is written as JSON escapes it
        replace_file(path, f"{_write(document)}\n".encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise OutputError(
            f"cannot write the lock: {error.strerror or error}", where=shown(path)
        ) from error


def _parse(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        what, fix = f"it is not JSON: {error}", _FIX
        if _in_conflict(text):
            what, fix = (
                "it has the marks of a merge conflict",
                "`ucseg lock` takes the models of both sides",
            )
        raise ConfigurationError(
            f"the lock cannot be read: {what}", where=f"{shown(path)}:{line}", help=fix
        ) from error


def _in_conflict(text: str) -> bool:
    return "<<<<<<< " in text and ">>>>>>> " in text


def _read_both(path: Path, text: str) -> dict[str, Locked]:
    try:
        ours, theirs = (_read_models(path, _parse(path, side)) for side in _sides(text))
    except ConfigurationError as error:
        raise ConfigurationError(
            "it has the marks of a merge conflict, and a side of it is no lock",
            where=shown(path),
            help=_FIX,
        ) from error
    return _merged(ours, theirs)


def _sides(text: str) -> Iterator[str]:
    """The text as each of two branches has it where they differ."""
    for keep in ("<", "="):
        kept, side = [], ""
        for line in text.split("\n"):
            mark = line[0] if line[:7] in {"<" * 7, "|" * 7, "=" * 7, ">" * 7} else ""
            if mark:
                side = "" if mark == ">" else mark
            elif side in {"", keep}:
                kept.append(line)
        yield "\n".join(kept)


def _merged(ours: Mapping[str, Locked], theirs: Mapping[str, Locked]) -> dict[str, Locked]:
    both = {name: ours.get(name) or theirs[name] for name in dict.fromkeys((*ours, *theirs))}
    reasons = {
        name: [each for side in (ours, theirs) if name in side for each in side[name].raises]
        for name in both
    }
    return {
        name: locked._replace(raises=tuple(sorted(dict.fromkeys(reasons[name]))))
        for name, locked in both.items()
    }


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are each there once; a bad merge repeats a block."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"'{next(name for name in names if names.count(name) > 1)}' is there twice"
        )
    return found


def _read_models(path: Path, data: Any) -> dict[str, Locked]:
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise ConfigurationError("it is not a lock of ucseg's", where=shown(path), help=_FIX)
    version = data.get("format_version")
    if (
        not isinstance(version, str)
        or version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]
    ):
        raise ConfigurationError(
            f"the lock has format {version!r}, which this version does not read",
            where=shown(path),
            notes=(f"known: {FORMAT_VERSION}",),
            help="use the release of ucseg that wrote it, or delete it and run `ucseg lock`",
        )
    models = data.get("models")
    if not isinstance(models, dict):
        raise ConfigurationError("the lock has no models", where=shown(path), help=_FIX)
    return {name: _read_model(path, name, entry) for name, entry in models.items()}


def _read_model(path: Path, name: str, data: Any) -> Locked:
    try:
        raises = tuple(
            Raise(str(each["date"]), str(each["reason"])) for each in data.get("raises", [])
        )
        tree = _read_tree(
            {key: value for key, value in data.items() if key not in {"since", "raises"}}
        )
        return Locked(tree, str(data.get("since", "")), raises)
    except (AttributeError, TypeError, KeyError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"the lock says of '{name}' what it cannot: {error}", where=shown(path), help=_FIX
        ) from error


def _read_tree(data: dict[str, Any], depth: int = DEEPEST) -> Tree:
    if not depth:
        raise ValueError("it is nested too deep")
    return {
        name: _read_tree(value, depth - 1) if isinstance(value, dict) else _read_leaf(name, value)
        for name, value in data.items()
    }


def _read_leaf(name: str, value: Any) -> Leaf:
    if isinstance(value, str) or _is_count(value):
        return value  # type: ignore[no-any-return]
    if isinstance(value, list) and all(map(_is_count, value)):
        return tuple(value)
    raise ValueError(
        f"'{name}' is {str(value)[:40] if type(value) is not int else 'beyond 64 bits'}"
    )


def _is_count(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _write(value: Any, indent: str = "") -> str:
    """JSON in which what holds only leaves stands on one line."""
    if not isinstance(value, dict) or not any(isinstance(each, dict) for each in value.values()):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    inner = f"{indent}  "
    lines = (
        f"{inner}{json.dumps(key, ensure_ascii=False)}: {_write(each, inner)}"
        for key, each in value.items()
    )
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
