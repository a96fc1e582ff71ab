"""Machines as a project writes them: ``[machines.NAME]``, with all that identifies each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ucseg_cli.errors import ConfigurationError, Place
from ucseg_cli.facts.choices import MOST_THREADS
from ucseg_cli.facts.settings import SavedMachine
from ucseg_cli.project.sections.config_section import Section, read_text, spell
from ucseg_cli.project.sections.variant_sections import NAME

MACHINE_KEYS = {
    "cpu": "the name of its processor, in which `*` stands for any letters",
    "cores": "how many cores `ucseg` may use there",
    "threads": "with how many threads models are timed there; else with one",
    "governor": "the frequency governor that has to be set, such as performance",
    "gpu": "the name of its GPU, in which `*` stands for any letters",
}
"""The keys of a machine, and what each means."""


def read_machines(section: Section) -> Mapping[str, SavedMachine]:
    """Every machine; what is wrong goes to the section's mistakes."""
    return {
        name: _read_machine(section.table(name))
        for name in section.names()
        if _can_be_named(section, name)
    }


def _can_be_named(section: Section, name: str) -> bool:
    if not NAME.fullmatch(name):
        fix = "use letters, digits, '_', '-' and '.'"
        section.mistaken(f"'{name}' cannot name a machine", name, help=fix)
        return False
    return True


def _read_machine(table: Section) -> SavedMachine:
    table.only(MACHINE_KEYS)
    if not table.names():
        table.mistaken("nothing identifies this machine", help='as in cpu = "Intel*"')
    return SavedMachine(
        cpu=table.read("cpu", read_text, None),
        cores=table.read("cores", _read_number, None),
        threads=table.read("threads", _read_threads, None),
        governor=table.read("governor", read_text, None),
        gpu=table.read("gpu", read_text, None),
    )


def _read_threads(value: Any, where: Place) -> int:
    number = _read_number(value, where)
    if number > MOST_THREADS:
        what = f"{number} is not a whole number from 1 to {MOST_THREADS:,}"
        raise ConfigurationError(what, where=where, help="as in threads = 8")
    return number


def _read_number(value: Any, where: Place) -> int:
    if type(value) is not int or value < 1:
        what = f"{spell(value)} is not a whole number from 1"
        raise ConfigurationError(what, where=where, help="as in cores = 8")
    return value
