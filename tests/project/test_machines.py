"""Machines of the configuration, on which limits on time hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ucseg_cli.facts.settings import SavedMachine, Settings


def test_a_machine_has_what_identifies_it(configured: Callable[[str], Settings]) -> None:
    text = """
[machines.bench]
cpu = "Intel*"
cores = 8
threads = 4
governor = "performance"

[machines."gpu-1"]
gpu = "NVIDIA H100*"
"""
    assert configured(text).machines == {
        "bench": SavedMachine("Intel*", 8, 4, "performance"),
        "gpu-1": SavedMachine(gpu="NVIDIA H100*"),
    }


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ("[machines.a]", "nothing identifies this machine"),
        ("[machines.a]\ncpus = 3", "no key named 'cpus'"),
        ("[machines.a]\ncores = 0", "0 is not a whole number from 1"),
        ("[machines.a]\ncores = true", "true is not a whole number from 1"),
        ("[machines.a]\nthreads = 1.5", "1.5 is not a whole number from 1"),
        ("[machines.a]\nthreads = 1025", "1025 is not a whole number from 1 to 1,024"),
        ("[machines.a]\ncpu = 3", "3 is not text"),
        ("[machines.'a b']\ncores = 1", "'a b' cannot name a machine"),
        ("machines = 3", "3 is not a table"),
    ],
)
def test_a_mistaken_machine_is_refused_at_its_line(
    mistakes: Callable[[str], list[tuple[str, str, str]]], lines: str, what: str
) -> None:
    ((where, found, _),) = mistakes(lines)
    assert found == what
    assert where.startswith("ucseg.toml:")
