"""Names of cache entries, which change with everything that an entry depends on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from pathlib import Path

from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.facts.trace import Price
from ucseg_cli.references import FromLibrary
from ucseg_cli.references.libraries import LIBRARIES, package_folder
from ucseg_cli.references.variants import Variant

PACKAGE = Path(__file__).parents[1]

OUR_SOURCES = (
    *("facts/choices.py", "facts/conditions.py", "facts/trace.py", "references/variants"),
    *("nets", "zoo/mobilenet_v3.py", "engine/recording"),
    *("engine/forward_arguments.py", "engine/trace_model.py"),
    *("engine/training", "facts/training.py"),
)
"""Files and folders of this package that every trace depends on."""

LOADING_SOURCES = ("references/sources.py", "references/libraries.py", "engine/user_code", "zoo")
"""Those that the trace of a library's network depends on besides."""

TOTALS_SOURCES = (
    *("analysis/counting", "analysis/memory", "analysis/arithmetic.py"),
    *("analysis/geometry/operator_kinds.py", "facts/element_types.py"),
)
"""Those that totals depend on besides."""

SPACE_SOURCES = ("analysis/space", "analysis/geometry", "engine/parts", "references/space.py")
"""Those that the figures of a space depend on besides."""

THEIR_SOURCES = (
    ("torch", ("version.py",)),
    ("torchvision", ("version.py", "models/_utils.py", "models/mobilenetv3.py", "ops/misc.py")),
)
"""Files of other packages that name their release, or that the family is built from."""


def fingerprint(variant: Variant, conditions: Conditions) -> str:
    """The name of a variant's trace."""
    return _name(variant.key, conditions, _sources(OUR_SOURCES))


def library_fingerprint(source: FromLibrary, conditions: Conditions) -> str:
    """The name of the trace of a library's network.

    It depends on all source of the library and of those that it builds on.
    """
    model = f"{source}{''.join(map(str, source.arguments))}"
    library = LIBRARIES[source.library]
    packages = map(_installed, (library.package, *library.builds_on))
    return _name(model, conditions, _sources(OUR_SOURCES + LOADING_SOURCES) + b"".join(packages))


def own_code_fingerprint(model: str, conditions: Conditions) -> str:
    """The name under which it is kept what a user's model depends on, in this environment."""
    environment = f"{sys.prefix}\n{os.environ.get('PYTHONPATH', '')}"
    return _name(f"{model}\n{environment}", conditions, _sources(OUR_SOURCES + LOADING_SOURCES))


def totals_fingerprint(traces: Iterable[str], prices: Iterable[Price], *, deploy: bool) -> str:
    """The name of the totals of several traces, given theirs and the prices of the project."""
    digest = sha256(_sources(TOTALS_SOURCES))
    for name in (*traces, "deploy" if deploy else "", *map(_priced, prices)):
        digest.update(f"{name}\n".encode())
    return digest.hexdigest()


def space_fingerprint(
    base: Iterable[str], axes: str, measures: str, prices: Iterable[Price]
) -> str:
    """The name of the figures of a space, given the names of its base's traces."""
    digest = sha256(_sources(TOTALS_SOURCES + SPACE_SOURCES))
    for name in (*base, axes, measures, *map(_priced, prices)):
        digest.update(f"{name}\n".encode())
    return digest.hexdigest()


def _priced(price: Price) -> str:
    """All of a price that a figure depends on, wherever it is written."""
    return repr(price[:-1])


def _name(model: str, conditions: Conditions, sources: bytes) -> str:
    asked = f"{model}\n{conditions}\n{sys.version}\n"
    return sha256(asked.encode() + sources).hexdigest()


@lru_cache
def _sources(names: tuple[str, ...]) -> bytes:
    paths = list(chain.from_iterable(_python_files(PACKAGE / name) for name in names))
    for package, files in THEIR_SOURCES:
        paths += [_package_directory(package) / name for name in files]
    digest = sha256()
    for path in paths:
        digest.update(f"{path.name}\n".encode())
        digest.update(path.read_bytes() if path.is_file() else b"absent")
    return digest.digest()


@lru_cache
def _installed(package: str) -> bytes:
    """A digest for all source of a package, of which little is read.

    The record of an installation has the hash of each of its files, and is written last, so it
    vouches for those that are not newer. Others are read, of a package without a record all.
    """
    root = _package_directory(package)
    records = sorted(root.parent.glob(f"{package}-*.dist-info/RECORD"))
    if not root.is_dir():
        return b"absent"
    digest, recorded = sha256(), [record.read_text("utf-8") for record in records]
    digest.update("".join(recorded).encode())
    since = max((record.stat().st_mtime_ns for record in records), default=0)
    for path in _python_files(root):
        name = path.relative_to(root.parent).as_posix()
        digest.update(f"{name}\n".encode())
        is_recorded = any(f"{name},sha256=" in record for record in recorded)
        if not is_recorded or path.stat().st_mtime_ns > since:
            digest.update(path.read_bytes())
    return digest.digest()


def _package_directory(package: str) -> Path:
    return package_folder(package) or Path("absent")


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]
