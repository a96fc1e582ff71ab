"""The machine that ``--on`` names, and whether this is it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from ucseg_cli.analysis.timing.latency_limits import LatencyLimit, parse_latency_limit
from ucseg_cli.errors import ResourceError, UnknownNameError, UsageError
from ucseg_cli.facts.settings import SavedMachine, Settings
from ucseg_cli.system.machine import Machine

EXAMPLE = '[tool.ucseg.machines.bench]\ncpu = "Intel*"\ncores = 8'


def find_machine(name: str | None, settings: Settings) -> SavedMachine | None:
    """The machine of that name; raises UsageError for one that the configuration does not have."""
    if name is None:
        return None
    if name not in settings.machines:
        place = settings.path or "pyproject.toml"
        hint = f"[tool.ucseg.machines.{name}] in {place} names it"
        raise UnknownNameError("machine", name, settings.machines, where=f"--on {name}", hint=hint)
    return settings.machines[name]


def read_limits(texts: Sequence[str], on: str | None) -> list[LatencyLimit]:
    """Each limit once; raises UsageError for one without a machine that it holds on."""
    limits = [*dict.fromkeys(map(parse_latency_limit, texts))]
    if limits and on is None:
        raise UsageError(
            "a limit on time holds on one machine",
            where=f"--max {texts[0]}",
            help="name it with --on, as in --on bench, after [tool.ucseg.machines.bench] has said "
            "what it is; `ucseg explain machine` shows how",
        )
    return limits


def refuse_other_machine(
    name: str, saved: SavedMachine, machine: Machine, governor: str | None, threads: int
) -> None:
    """Raise ResourceError where this machine is not the one that the configuration names."""
    differences = list(_differences(saved, machine, governor, threads))
    if differences:
        raise ResourceError(
            f"this machine is not '{name}': {'; '.join(differences)}",
            where=f"--on {name}",
            help=f"run it there, or write what this machine is under [tool.ucseg.machines.{name}]",
        )


def _differences(
    saved: SavedMachine, machine: Machine, governor: str | None, threads: int
) -> Iterator[str]:
    """Everything that it has otherwise."""
    for key, pattern, found in (
        ("cpu", saved.cpu, machine.cpu),
        ("gpu", saved.gpu, machine.gpu),
        ("governor", saved.governor, governor),
    ):
        if pattern is not None and not fnmatchcase(found or "", pattern):
            yield f"its {key} is {_quoted(found)}, not '{pattern}'"
    if saved.cores is not None and saved.cores != machine.cores:
        yield f"it has {machine.cores} cores for this process, not {saved.cores}"
    if saved.threads is not None and saved.threads != threads:
        yield f"--threads is {threads}, and models are timed there with {saved.threads}"


def _quoted(found: str | None) -> str:
    return "unknown" if found is None else f"'{found}'"
