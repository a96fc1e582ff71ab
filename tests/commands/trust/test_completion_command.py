from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.fixture_types import Run
from ucseg_cli.cli.command_groups import COMMANDS

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script_and_no_file_is_edited(
    ucseg: Run, shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    answer = ucseg("completion", shell)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "_UCSEG_COMPLETE" in answer.stdout
    assert not list(home.iterdir())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_its_shell_can_read(ucseg: Run, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = ucseg("completion", shell).stdout
    assert (
        subprocess.run([program, "-n"], input=script, text=True, check=False, timeout=30).returncode
        == 0
    )


def _complete(ucseg: Run, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """The words that bash would offer in place of the last."""
    monkeypatch.setenv("_UCSEG_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(("ucseg", *words)))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    answer = ucseg()
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("",), list(COMMANDS)),
        (("co",), ["compare", "config", "completion"]),
        (("params", "v"), ["v1", "v2", "v3"]),
        (("compare", "v1", "v"), ["v1", "v2", "v3"]),
        (("params", "--variant", "v"), ["v1", "v2", "v3"]),
        (
            ("params", "v2+dec"),
            [f"v2+decoder_{end}" for end in ("blocks=1", "blocks=2", "channels=64", "channels=96")],
        ),
        (("params", "v2+backbone=10+conv=s"), ["v2+backbone=10+conv=separable"]),
        (
            ("params", "--format", ""),
            [
                *("table", "json", "csv", "markdown", "latex", "html", "comment"),
                *("svg", "folded", "speedscope"),
            ],
        ),
        (("draw", "--format", "m"), ["markdown", "mermaid"]),
        (("check", "--format", "j"), ["json", "junit"]),
        (("check", "--export", "s"), ["sarif="]),
        (("flops", "--convention", "f"), ["fvcore"]),
        (("flops", "--sort", ""), ["tree", "count", "path"]),
        (("compare", "--sort", ""), ["change", "path"]),
        (("sweep", "v2", "--vary", "dec"), ["decoder_blocks=", "decoder_channels="]),
        (("sweep", "--vary", "conv="), ["conv=*", "conv=regular", "conv=separable"]),
        (("sweep", "v2", "--vary", "aspp_channels=1"), ["aspp_channels=128"]),
        (("sweep", "net.py:Net", "--vary", ""), []),
        (("sweep", "--minimize", "p"), ["params", "peak-memory"]),
        (("sweep", "--min", "rec"), ["receptive-field="]),
        (("explain", "exit"), ["exit-status"]),
        (("completion", "p"), ["powershell", "pwsh"]),
        (("probe", "--ba"), ["--batch"]),
    ],
)  # fmt: skip
def test_commands_variants_axes_and_words_are_completed(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], offered: list[str]
) -> None:
    assert _complete(ucseg, monkeypatch, *words) == offered


def test_every_value_that_is_offered_is_one_that_is_accepted(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ucseg_cli.references import parse_reference
    from ucseg_cli.references.variants import AXES

    offered = _complete(ucseg, monkeypatch, "params", "v2+")
    assert len(offered) == sum(len(axis.examples) for axis in AXES)
    assert [parse_reference(text).name for text in offered] == offered


def test_a_sweep_is_offered_the_spaces_of_the_configuration(
    ucseg: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ucseg.toml").write_text('[spaces.vast]\nfrom = "v2"\nbackbone = "9..11"\n')
    assert _complete(ucseg, monkeypatch, "sweep", "v") == ["v1", "v2", "v3", "vast"]
    assert _complete(ucseg, monkeypatch, "params", "v") == ["v1", "v2", "v3"]
    (tmp_path / "ucseg.toml").write_text("wrong")
    assert _complete(ucseg, monkeypatch, "sweep", "v") == ["v1", "v2", "v3"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_shell_s_protocol_is_answered_by_the_installed_program(
    ucseg_process: Run, shell: str
) -> None:
    answer = ucseg_process(
        environment={
            "_UCSEG_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": "ucseg fl",
            "COMP_CWORD": "1",
            "_TYPER_COMPLETE_ARGS": "ucseg fl",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "_TYPER_COMPLETE_WORD_TO_COMPLETE": "fl",
        }
    )
    assert answer.returncode == 0
    assert "flops" in answer.stdout
    assert answer.stderr == ""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("params", "ne"), ["net.py:", "nets/"]),
        (("params", "nets/"), ["nets/best.pt", "nets/other.py:"]),
        (("params", "v"), ["v1", "v2", "v3", "v.safetensors"]),
        (("params", "net.py:"), ["net.py:Net", "net.py:make"]),
        (("params", "net.py", ":"), ["Net", "make"]),
        (("params", "net.py", ":", "N"), ["Net"]),
        (("compare", "net.py", ":", "Net", "v"), ["v1", "v2", "v3", "v.safetensors"]),
        (("params", "bad.py:"), []),
        (("params", "nowhere/"), []),
    ],
)
def test_files_and_the_classes_in_them_are_completed_without_running_them(
    ucseg: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: tuple[str, ...],
    offered: list[str],
) -> None:
    (tmp_path / "nets").mkdir()
    for name in ("v.safetensors", "notes.txt", "nets/best.pt"):
        (tmp_path / name).write_text("")
    for name in ("net.py", "nets/other.py"):
        (tmp_path / name).write_text(
            "raise SystemExit\nclass Net: pass\nNUMBER = 3\ndef make(): pass\n"
        )
    (tmp_path / "bad.py").write_text("class (")
    monkeypatch.chdir(tmp_path)
    assert _complete(ucseg, monkeypatch, *words) == offered
