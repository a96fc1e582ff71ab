"""Reading a machine out of the files in which Linux says what it is and does."""

from __future__ import annotations

import os
import platform
from fractions import Fraction
from pathlib import Path

import pytest

from ucseg_cli.system import machine_state
from ucseg_cli.system.machine_state import read_counters, read_machine

STAT = "cpu  100 20 30 800 10 5 6 29 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n"


@pytest.fixture
def linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders /proc and /sys/devices/system/cpu, empty."""
    monkeypatch.setattr(machine_state, "PROC", tmp_path / "proc")
    monkeypatch.setattr(machine_state, "CPUS", tmp_path / "cpu")
    monkeypatch.setattr(platform, "processor", lambda: "")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("processor\t: 0\nmodel name\t: Intel(R)  Xeon(R)\nflags : a", "Intel(R) Xeon(R)"),
        ("processor : 0\nHardware : BCM2835\n", "BCM2835"),
        ("model name :\ncpu model : MIPS 24K\n", "MIPS 24K"),
        ("nothing of the kind\n", None),
    ],
)
def test_a_processor_has_the_name_that_linux_gives_it(
    linux: Path, lines: str, name: str | None
) -> None:
    write(linux / "proc" / "cpuinfo", lines)
    assert read_machine().cpu == name


def test_a_system_without_these_files_says_nothing(linux: Path) -> None:
    assert linux.is_dir()
    readings = read_counters()
    assert (readings.governor, readings.ticks, readings.throttled) == (None, None, None)
    assert read_machine().cpu is None


def test_all_ticks_are_counted_once_and_guests_are_within_users(linux: Path) -> None:
    write(linux / "proc" / "stat", STAT)
    assert read_counters().ticks == (1000, 29)


@pytest.mark.parametrize("text", ["cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "", "cpu a b c d e f g h"])
def test_a_kernel_without_stolen_ticks_has_none(linux: Path, text: str) -> None:
    write(linux / "proc" / "stat", text)
    assert read_counters().ticks is None


def test_the_governor_is_the_first_core_s_and_heat_is_summed_over_all(linux: Path) -> None:
    write(linux / "cpu" / "cpu0" / "cpufreq" / "scaling_governor", "powersave\n")
    for core, count in (("cpu0", 2), ("cpu1", 5), ("cpuidle", 100)):
        write(linux / "cpu" / core / "thermal_throttle" / "core_throttle_count", f"{count}\n")
    readings = read_counters()
    assert (readings.governor, readings.throttled) == ("powersave", 7)


def test_the_load_is_that_of_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (1.25, 9.0, 9.0))
    assert read_counters().load == Fraction(5, 4)
