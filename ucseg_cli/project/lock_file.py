"""The lock's file: read with care, since people merge it by hand, and written whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ucseg_cli.errors import ConfigurationError, OutputError, Place
from ucseg_cli.facts.lock import Leaf, Lock, Locked, Raise, Tree
from ucseg_cli.project.config_file import refuse_foreign
from ucseg_cli.system.atomic_write import replace_file
from ucseg_cli.system.paths import shown
from ucseg_cli.system.plain_file import read_plain_text

NAME = "ucseg.lock.json"
KIND = "ucseg.lock"
FORMAT_VERSION = "1.0"
DEEPEST = 6
"""Levels of a model's block: sizes, a size, a part, a module, a figure, and one to spare."""
MARKS = {"<" * 7, "|" * 7, "=" * 7, ">" * 7}
"""How git marks the sides of a merge conflict."""
RESTORE = "restore it from version control, or delete it and run `ucseg lock`"


def read_lock(path: Path, *, both_sides: bool = False) -> Lock | None:
    """The lock in a file; None if there is none. Raises ConfigurationError for anything else.

    With *both_sides*, a file in a merge conflict has the models of either side and all their
    reasons; a model that differs is as on the first side.
    """
    try:
        text = read_plain_text(path, follow=False)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is a link" if path.is_symlink() else getattr(error, "strerror", None) or error
        raise _refused(path, f"cannot read the lock: {reason}") from error
    refuse_foreign(path)
    if both_sides and _in_conflict(text):
        return Lock(_read_both(path, text), text, in_conflict=True)
    return Lock(_read_models(path, _parse(path, text)), text)


def write_lock(path: Path, models: Mapping[str, Locked]) -> None:
    """Write a lock whole and sorted, a line for each fact, so that merges stay small."""
    entries = {}
    for name, model in sorted(models.items()):
        raises = [one._asdict() for one in model.raises]
        entries[name] = {"since": model.since, "raises": raises, **model.tree}
    document = {"kind": KIND, "format_version": FORMAT_VERSION, "models": entries}
    try:
        # a word of the shell's that is not Unicode is written as JSON escapes it
        replace_file(path, f"{_write(document)}\n".encode("utf-8", "backslashreplace"))
    except OSError as error:
        what = f"cannot write the lock: {error.strerror or error}"
        raise OutputError(what, where=Place(shown(path))) from error


def _refused(
    path: Path, what: str, *, line: int | None = None, fix: str = RESTORE
) -> ConfigurationError:
    return ConfigurationError(what, where=Place(shown(path), line), help=fix)


def _parse(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_refuse_repeated)
    except (ValueError, RecursionError) as error:
        what, fix = f"the lock cannot be read: it is not JSON: {error}", RESTORE
        if _in_conflict(text):
            what = "the lock cannot be read: it has the marks of a merge conflict"
            fix = "`ucseg lock` takes the models of both sides"
        raise _refused(path, what, line=getattr(error, "lineno", 1), fix=fix) from error


def _in_conflict(text: str) -> bool:
    return "<<<<<<< " in text and ">>>>>>> " in text


def _read_both(path: Path, text: str) -> dict[str, Locked]:
    try:
        ours, theirs = (_read_models(path, _parse(path, side)) for side in _sides(text))
    except ConfigurationError as error:
        what = "it has the marks of a merge conflict, and a side of it is not a lock"
        raise _refused(path, what) from error
    merged = {**ours, **theirs, **ours}  # in the order of the file, a model of both as in ours
    for name in ours.keys() & theirs.keys():
        reasons = {*ours[name].raises, *theirs[name].raises}
        merged[name] = merged[name]._replace(raises=tuple(sorted(reasons)))
    return merged


def _sides(text: str) -> Iterator[str]:
    """The text as each of two branches has it."""
    for keep in ("<", "="):
        kept, side = [], ""
        for line in text.split("\n"):
            if line[:7] in MARKS:
                side = "" if line[0] == ">" else line[0]
            elif side in {"", keep}:
                kept.append(line)
        yield "\n".join(kept)


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a bad merge repeats a block."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"'{name}' is there twice")
        found[name] = value
    return found


def _read_models(path: Path, data: Any) -> dict[str, Locked]:
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise _refused(path, "it is not a lock of ucseg")
    version, major = data.get("format_version"), FORMAT_VERSION.partition(".")[0]
    if not isinstance(version, str) or version.partition(".")[0] != major:
        raise ConfigurationError(
            f"the lock has format {version!r}, which this version does not read",
            where=Place(shown(path)),
            notes=(f"known: {FORMAT_VERSION}",),
            help="use the release of ucseg that wrote it, or delete it and run `ucseg lock`",
        )
    models = data.get("models")
    if not isinstance(models, dict):
        raise _refused(path, "the lock has no models")
    return {name: _read_model(path, name, entry) for name, entry in models.items()}


def _read_model(path: Path, name: str, data: Any) -> Locked:
    try:
        entry = dict(data)
        since, raises = str(entry.pop("since", "")), entry.pop("raises", [])
        reasons = tuple(Raise(str(one["date"]), str(one["reason"])) for one in raises)
        return Locked(_read_tree(entry), since, reasons)
    except (AttributeError, TypeError, KeyError, ValueError, RecursionError) as error:
        what = f"the lock has an entry for '{name}' that cannot be: {error}"
        raise _refused(path, what) from error


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
    shown_value = "beyond 64 bits" if type(value) is int else str(value)[:40]
    raise ValueError(f"'{name}' is {shown_value}")


def _is_count(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _write(value: Any, indent: str = "") -> str:
    """JSON with one line for an object of leaves."""
    nested = isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values())
    if not nested:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    deeper = f"{indent}  "
    lines = []
    for key, inner in value.items():
        lines.append(f"{deeper}{json.dumps(key, ensure_ascii=False)}: {_write(inner, deeper)}")
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
