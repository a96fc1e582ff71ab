"""The networks that a library lists, without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from ucseg_cli.errors import UsageError
from ucseg_cli.references.libraries import LIBRARIES, network_modules, network_names, part_names

WILDCARDS = "*?["


class Networks(NamedTuple):
    """*families* of networks by module, *parts* by argument, and a *hint* on these."""

    library: str
    families: Mapping[str, tuple[str, ...]]
    parts: Mapping[str, tuple[str, ...]]
    hint: str


def find_networks(text: str) -> Networks | None:
    """All networks of a library, or those that match, as in ``timm`` and ``timm:*vit*``.

    None if neither is named. Raises ResourceError where the library is not installed, UsageError
    where nothing matches.
    """
    library, colon, pattern = text.strip().partition(":")
    if library not in LIBRARIES or (colon and not any(sign in pattern for sign in WILDCARDS)):
        return None
    names = [name for name in network_names(library) if fnmatchcase(name, pattern or "*")]
    if not names:
        raise UsageError(
            f"no network of {library} matches '{pattern}'",
            where=text,
            help=f"`ucseg list {library}` shows them all",
        )
    modules = network_modules(library)
    families: dict[str, tuple[str, ...]] = {}
    for name in sorted(names, key=lambda name: (modules[name], name)):
        family = _family(modules[name], library)
        families[family] = (*families.get(family, ()), name)
    parts = {argument: part_names(library, argument) for argument in LIBRARIES[library].parts}
    return Networks(library, families, parts, LIBRARIES[library].hint)


def _family(module: str, library: str) -> str:
    """The module by its path below the folder of networks: ``segmentation.deeplabv3``."""
    package = LIBRARIES[library].package
    below = module.removeprefix(f"{package}.").partition(".")[2]
    return below.removesuffix(".model")
