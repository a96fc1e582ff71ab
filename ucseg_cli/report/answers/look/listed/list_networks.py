"""``ucseg list LIBRARY``: the networks of a library, a line for each family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ucseg_cli.report.document import Kind, Report
from ucseg_cli.report.fields import Field, Fields, Output, make_entries, make_records, make_table
from ucseg_cli.units import plural


class _Family(NamedTuple):
    name: str
    networks: tuple[str, ...]


class _Network(NamedTuple):
    name: str
    family: str


FAMILIES: Fields[_Family] = (
    Field("family", "family", lambda family: family.name),
    Field("networks", "networks", lambda family: ", ".join(family.networks), Kind.PROSE),
)

NETWORKS: Fields[_Network] = (
    Field("name", "", lambda network: network.name, output=Output.FILES),
    Field("family", "", lambda network: network.family, output=Output.FILES),
)


def networks_report(
    source: str,
    library: str,
    families: Mapping[str, tuple[str, ...]],
    parts: Mapping[str, tuple[str, ...]],
    hint: str = "",
) -> Report:
    """The networks that *library* lists, or those of them that *source* matches.

    *parts* are the names that an argument takes, as that of an encoder, and *hint* says more.
    """
    rows = [_Family(*family) for family in families.items()]
    networks = [_Network(name, family.name) for family in rows for name in family.networks]
    verb = "has" if source == library else "lists"
    takes = (f"{argument} takes: {', '.join(names)}" for argument, names in parts.items())
    example = f"{library}:{networks[0].name}"
    return Report(
        kind="ucseg.list",
        title=f"list {source}",
        conditions={},
        tables=(make_table("networks", "Networks", FAMILIES, rows),),
        summary=f"{source} {verb} {plural(len(networks), 'network')}; "
        f"`ucseg list {example}` shows the axes of one.",
        notes=(*takes, *filter(None, (hint,))),
        payload={
            "source": source,
            "networks": make_entries(NETWORKS, networks),
            "parts": {argument: list(names) for argument, names in parts.items()},
        },
        records=make_records("networks", NETWORKS, networks),
    )
