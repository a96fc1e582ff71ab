"""The README is run: what it shows is what ucseg says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from typer.main import get_command

from ucseg_cli.cli.app import COMMANDS, make_app
from ucseg_cli.errors import ExitStatus
from ucseg_cli.references.variants import AXES, CATALOGUE, Variant, as_variant

Run = Callable[..., CompletedProcess[str]]
WriteWeights = Callable[[Path, Variant], None]

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
CONFIGURATION = re.compile(r"^```toml\n(# pyproject\.toml\n.*?)^```$", re.DOTALL | re.MULTILINE)
OWN_FILE = re.compile(r"^```python\n(# net\.py\n.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLE = re.compile(r"^\$ (?P<command>(?:.*\\\n)*.*)\n(?P<shown>(?:(?!\$ ).*\n)*)", re.MULTILINE)


@pytest.fixture
def readme() -> str:
    return README.read_text("utf-8")


@pytest.fixture
def say(ucseg: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What a terminal would show after a command: stdout, then stderr."""
    monkeypatch.setenv("UCSEG_CACHE_DIR", ".cache/ucseg")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795478400")  # 2026-11-24

    def run(command: str) -> str:
        program, *arguments = shlex.split(command.replace("\\\n", " "))
        assert program == "ucseg", f"an example runs {program}: ```sh is for what is not ucseg"
        answer = ucseg(*arguments)
        return answer.stdout + answer.stderr

    return run


def test_every_example_shows_what_ucseg_says(
    readme: str,
    say: Callable[[str], str],
    tmp_path: Path,
    write_weights: WriteWeights,
    updating: bool,  # noqa: FBT001 - a fixture
) -> None:
    write_weights(tmp_path / "weights.safetensors", as_variant("v2")._replace(classes=19))

    def rerun(example: re.Match[str]) -> str:
        return f"$ {example['command']}\n{say(example['command'])}"

    def section(text: str) -> str:
        """A section that shows a pyproject.toml or a net.py is about a project that has it."""
        if own := OWN_FILE.search(text):
            (tmp_path / "net.py").write_text(own[1], encoding="utf-8")
        project = tmp_path / "pyproject.toml"
        project.write_text(
            shown[1] if (shown := CONFIGURATION.search(text)) else "", encoding="utf-8"
        )
        return BLOCK.sub(lambda block: EXAMPLE.sub(rerun, block[0]), text)

    rewritten = "\n## ".join(map(section, readme.split("\n## ")))
    if updating:
        README.write_text(rewritten, encoding="utf-8")
    else:
        assert rewritten == readme, "an example differs: if that is meant, pytest --update-golden"


def test_there_are_examples_and_nothing_stands_before_their_command(readme: str) -> None:
    blocks = BLOCK.findall(readme)
    assert len(blocks) >= len(
        {"compare", "list", "show", "params", "flops", "memory", "probe", "check", "verify"}
    )
    assert all(block.startswith("$ ucseg ") for block in blocks)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(readme: str, command: str) -> None:
    assert f"ucseg {command}" in readme


@pytest.mark.parametrize(
    "command",
    [
        "list",
        "show",
        "params",
        "flops",
        "memory",
        "probe",
        "compare",
        "check",
        "lint",
        "verify",
        "identify",
        "explain",
    ],
)
def test_every_command_that_answers_has_an_example(readme: str, command: str) -> None:
    assert any(block.startswith(f"$ ucseg {command}") for block in BLOCK.findall(readme))


def _long_options() -> list[str]:
    app = get_command(make_app([]))
    commands = [app, *getattr(app, "commands", {}).values()]
    options = (
        option for command in commands for parameter in command.params for option in parameter.opts
    )
    return sorted({option for option in options if option.startswith("--")} | {"--help"})


@pytest.mark.parametrize("option", _long_options())
def test_every_option_is_in_the_readme(readme: str, option: str) -> None:
    assert re.search(rf"{option}(?![\w-])", readme)


@pytest.mark.parametrize("status", ExitStatus)
def test_every_exit_status_is_in_the_readme(readme: str, status: ExitStatus) -> None:
    assert f"| {int(status)} |" in readme


def test_every_axis_and_variant_is_in_the_readme(readme: str) -> None:
    assert [axis.name for axis in AXES if f"`{axis.name}`" not in readme] == []
    assert [name for name in CATALOGUE if f"`{name}`" not in readme] == []


def test_every_file_that_the_readme_links_to_is_there(readme: str) -> None:
    links = re.findall(r"\]\((?!http|#)([^)]+)\)", readme)
    assert [link for link in links if not (README.parent / link).exists()] == []
