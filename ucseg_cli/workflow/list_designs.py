"""The designs that a source defines, with their axes, and the networks that a library lists."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from ucseg_cli.errors import UsageError
from ucseg_cli.facts.design import Design
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.trace import ConstructorAxis
from ucseg_cli.gate import tracing
from ucseg_cli.references import Model, Unbuildable, parse_source
from ucseg_cli.references.libraries import LIBRARIES, network_modules, network_names, part_names
from ucseg_cli.references.variants import Variant

WILDCARDS = "*?["


def find_source(text: str, settings: Settings) -> Model:
    """The model that *text* names, or a file or module as a whole; raises UsageError."""
    return parse_source(text) or settings.find(text).model


def list_designs(source: Model, settings: Settings) -> list[Design]:
    """All that a file or module defines, or the one design that is named."""
    if isinstance(source, Variant):
        axes = (
            ConstructorAxis(axis.name, value, value, axis.accepts) for axis, value in source.values
        )
        return [Design("", "variant", tuple(axes))]
    if isinstance(source, Unbuildable):
        return []
    return tracing.list_designs(source, settings.timeout)


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
