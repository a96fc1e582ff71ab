"""The libraries whose networks have names, and these names, read in source that is not imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from ucseg_cli.errors import ResourceError


class Named(NamedTuple):
    """Names that certain files of a package define: their paths, and what matches a definition.

    The first group of the pattern that takes part in a match is the name.
    """

    files: str
    definition: re.Pattern[str]


class Library(NamedTuple):
    """A library whose networks have names, as in ``timm:resnet18``.

    Args:
        package: the name by which it is imported.
        distribution: the name by which it is installed.
        networks: what defines them.
        hidden: networks whose names begin like this cannot be counted.
        builds_on: other packages whose source decides what its networks are.
        parts: what defines the values of an argument, such as an encoder's name.
        hint: a sentence about these.
    """

    package: str
    distribution: str
    networks: Named
    hidden: str | None = None
    builds_on: tuple[str, ...] = ()
    parts: Mapping[str, Named] = MappingProxyType({})
    hint: str = ""


_TORCHVISION = r'^@register_model\((?:name="(\w+)")?\)\n(?:.*\n)*?def (\w+)\('
_TIMM = r"^@register_model\n(?:@.*\n)*def (\w+)\("
_SMP = r"^class (\w+)\(SegmentationModel\)"
_SMP_ENCODER = r'^    "([\w-]+)": \{$'

LIBRARIES: Mapping[str, Library] = {
    "torchvision": Library(
        "torchvision",
        "torchvision",
        Named("models/**/*.py", re.compile(_TORCHVISION, re.MULTILINE)),
        hidden="quantized_",
    ),
    "timm": Library(
        "timm",
        "timm",
        Named("models/*.py", re.compile(_TIMM, re.MULTILINE)),
        builds_on=("torchvision",),
    ),
    "smp": Library(
        "segmentation_models_pytorch",
        "segmentation-models-pytorch",
        Named("decoders/*/model.py", re.compile(_SMP, re.MULTILINE)),
        builds_on=("timm", "torchvision"),
        parts={"encoder_name": Named("encoders/*.py", re.compile(_SMP_ENCODER, re.MULTILINE))},
        hint="encoder_name also takes tu-NAME, a network of timm's",
    ),
}
"""By the word before the colon. How each builds a network is in ``zoo/providers.py``."""


def package_folder(package: str) -> Path | None:
    """The folder of an installed package, which is not imported; None if there is none."""
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def network_names(library: str) -> tuple[str, ...]:
    """Every network that a library lists, sorted, except those that cannot be counted.

    Raises ResourceError where the library is not installed.
    """
    hidden = LIBRARIES[library].hidden
    return tuple(
        sorted(
            name
            for name in network_modules(library)
            if hidden is None or not name.startswith(hidden)
        )
    )


@cache
def network_modules(library: str) -> Mapping[str, str]:
    """The module that defines each network, by its name; raises ResourceError as above."""
    return _definitions(LIBRARIES[library], LIBRARIES[library].networks)


def part_names(library: str, argument: str) -> tuple[str, ...]:
    """The names that an argument of a library's networks takes, in the order of their files."""
    return tuple(_definitions(LIBRARIES[library], LIBRARIES[library].parts[argument]))


def _definitions(library: Library, named: Named) -> Mapping[str, str]:
    root = package_folder(library.package)
    if root is None:
        raise ResourceError(
            f"{library.package} cannot be imported: it is not installed",
            help=f"pip install {library.distribution}",
        )
    return {
        next(filter(None, match.groups())): _module_name(path, root)
        for path in sorted(root.glob(named.files))
        for match in named.definition.finditer(path.read_text("utf-8"))
    }


def _module_name(path: Path, root: Path) -> str:
    return ".".join((root.name, *path.relative_to(root).with_suffix("").parts))
