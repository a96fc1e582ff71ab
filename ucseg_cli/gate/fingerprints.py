"""Names of cache entries, which change with everything that an entry depends on."""

from __future__ import annotations

import sys
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.references import FromTorchvision
from ucseg_cli.references.variants import Variant

PACKAGE = Path(__file__).parents[1]

OUR_SOURCES = (
    *("facts/conditions.py", "facts/trace.py", "references/variants"),
    *("nets", "engine/recording", "engine/trace_model.py"),
)
"""Files and folders of this package that a trace depends on."""

LOADING_SOURCES = ("references/sources.py", "engine/user_code", "zoo")
"""What the trace of a network of torchvision's depends on besides."""

TOTALS_SOURCES = ("analysis/counting", "analysis/memory", "facts/element_types.py")
"""What totals depend on besides."""

THEIR_SOURCES = (
    ("torch", ("version.py",)),
    ("torchvision", ("version.py", "models/_utils.py", "models/mobilenetv3.py", "ops/misc.py")),
)
"""Files of others that tell which release they are, or that the network is built from."""


def fingerprint(variant: Variant, conditions: Conditions) -> str:
    """A name for a variant's trace that changes with anything that could change the trace."""
    asked = f"{variant.key}\n{conditions}\n{sys.version}\n"
    return sha256(asked.encode() + _sources(OUR_SOURCES)).hexdigest()


def torchvision_fingerprint(source: FromTorchvision, conditions: Conditions) -> str:
    """A name for the trace of a network of torchvision's: all of torchvision's own source is in it, as its content."""
    asked = f"{source}{''.join(map(str, source.arguments))}\n{conditions}\n{sys.version}\n"
    return sha256(
        asked.encode() + _sources(OUR_SOURCES + LOADING_SOURCES) + _whole_package("torchvision")
    ).hexdigest()


def lattice_fingerprint(before: Variant, after: Variant, conditions: Conditions) -> str:
    """A name for the totals of the variants between two, that changes with anything that could change these."""
    asked = f"{before.key}\n{after.key}\n{conditions}\n{sys.version}\n"
    return sha256(asked.encode() + _sources(OUR_SOURCES + TOTALS_SOURCES)).hexdigest()


@lru_cache
def _sources(names: tuple[str, ...]) -> bytes:
    ours = [path for name in names for path in _python_files(PACKAGE / name)]
    theirs = [
        _package_directory(package) / name for package, files in THEIR_SOURCES for name in files
    ]
    digest = sha256()
    for path in (*ours, *theirs):
        digest.update(f"{path.name}\n".encode())
        digest.update(path.read_bytes() if path.is_file() else b"absent")
    return digest.digest()


@lru_cache
def _whole_package(package: str) -> bytes:
    root = _package_directory(package)
    digest = sha256()
    for path in _python_files(root):
        digest.update(f"{path.relative_to(root)}\n".encode())
        digest.update(path.read_bytes())
    return digest.digest()


def _package_directory(package: str) -> Path:
    """Where a package lies, without importing it."""
    spec = find_spec(package)
    return (
        Path(spec.origin).parent if spec is not None and spec.origin is not None else Path("absent")
    )


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]
