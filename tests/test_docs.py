"""The pages are run: each screen is what ucseg prints, and each name and link on them exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.main import get_command

from support.fake_timing import FakeMachine
from support.fixture_types import Run, WriteWeights
from support.repositories import make_history
from test_house import ROOMS
from ucseg_cli.analysis.counting.metrics import EVERY_METRIC, SYNONYMS
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.cli.app import make_app
from ucseg_cli.cli.command_groups import COMMANDS
from ucseg_cli.errors import ExitStatus
from ucseg_cli.facts.budget import BUDGET_KEYS
from ucseg_cli.facts.choices import PRICE_KEYS
from ucseg_cli.project.configuration import KEYS, LINT_KEYS
from ucseg_cli.project.sections.machine_sections import MACHINE_KEYS
from ucseg_cli.references.variants import AXES, CATALOGUE, as_variant
from ucseg_cli.report.formats.render import FORMATS, JUDGED_FORMATS

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
REFERENCE = ROOT / "docs" / "reference.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")), CONTRIBUTING)

WIDTH = 100
README_LINES = 180
SILENT = {"completion"}
"""Commands without a screen: a completion script is not one to read."""

CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$\n?", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(?!# \S+\.py\n)(.*?)^```$", re.DOTALL | re.MULTILINE)
"""An example, unlike a block that is a file."""

FILE = re.compile(
    r"^```(?:toml|python|yaml|markdown)\n(?P<text># (?P<path>\S+\.\w+)\n.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
"""A block that begins with the name of a file is that file."""

EXAMPLE = re.compile(r"^\$ (?P<command>(?:.*\\\n)*.*)\n(?P<shown>(?:(?!\$ ).*\n)*)", re.MULTILINE)
LINK = re.compile(r"\]\((?!http)(?P<path>[^)#]*)(?:#(?P<anchor>[^)]+))?\)")
PLACEHOLDER = re.compile(r"\bOWNER\b|\byour-?(name|org|user)\b|<[a-z]+>/|pip install ucseg")
PATH = re.compile(r"`([\w./-]+/|[\w./-]*\w\.(?:py|md|toml|yml|yaml|txt|json|xz|jinja))`")
OMITTED = "…"
PRUNED = '"pruned.safetensors"'
"""A file that an example writes, and screens read."""


# Every screen is what ucseg prints


@pytest.fixture
def screen_of(
    ucseg: Run, stored_machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """The screen of a command on a hundred columns: stdout, then stderr; times are stored ones."""
    assert stored_machine.questions == []
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("UCSEG_CACHE_DIR", ".cache/ucseg")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795478400")  # 2026-11-24

    def run(command: str) -> str:
        program, *arguments = shlex.split(command.replace("\\\n", " "))
        assert program == "ucseg", f"a screen runs {program}: ```sh is for what is not ucseg"
        answer = ucseg(*arguments)
        return answer.stdout + answer.stderr

    return run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_screen_is_what_ucseg_prints(
    page: Path,
    screen_of: Callable[[str], str],
    tmp_path: Path,
    write_weights: WriteWeights,
    updating: bool,  # noqa: FBT001 - a fixture
) -> None:
    def rerun(example: re.Match[str]) -> str:
        screen = screen_of(example["command"])
        assert "internal error" not in screen
        return f"$ {example['command']}\n{excerpt(example['shown'], screen)}"

    text = page.read_text("utf-8")
    _write_files(tmp_path, text)
    if page.name == "revisions.md":
        make_history(tmp_path)
    write_weights(tmp_path / "weights.safetensors", as_variant("v2+classes=19"))
    for code in PYTHON.findall(text):
        if PRUNED in code:
            exec(compile(code, page.name, "exec"), {"__name__": "example"})
    rewritten = CONSOLE.sub(lambda block: EXAMPLE.sub(rerun, block[0]), text)
    if updating:
        page.write_text(rewritten, encoding="utf-8")
    else:
        assert rewritten == text, "a screen differs: if this is intended, pytest --update-golden"


def _write_files(project: Path, page: str) -> None:
    """A page is about one project, which has the files that the page shows."""
    (project / "pyproject.toml").touch()
    for shown in FILE.finditer(page):
        path = project / shown["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shown["text"], encoding="utf-8")


def excerpt(shown: str, screen: str) -> str:
    """The parts of *screen* that a page shows; ``…`` on a page stands for parts that it leaves out.

    Parts stand between blank lines and are found by their first line. The last is found by its
    place, since it is a sentence.
    """
    *titles, last = _titles(shown)
    if OMITTED not in (*titles, last):
        return screen
    known = _titles(screen)
    gone = [title for title in titles if title not in (OMITTED, *known)]
    assert gone == [], f"the screen has no part {gone} any more; it has {known}"
    final = [] if last == OMITTED else known[-1:]
    kept: list[str] = []
    for part, title in zip(_parts(screen), known, strict=True):
        if title in (*titles, *final):
            kept.append(part)
        elif kept[-1:] != [OMITTED]:
            kept.append(OMITTED)
    return "\n\n".join(kept) + "\n"


def _parts(screen: str) -> list[str]:
    return screen.strip("\n").split("\n\n")


def _titles(screen: str) -> list[str]:
    return [part.partition("\n")[0] for part in _parts(screen)]


def test_an_excerpt_keeps_the_parts_that_a_page_shows_and_the_last() -> None:
    screen = "show v2\ninput\n\nTotals\n1\n\nAxes\n2\n\nTaps\n3\n\nv2 has 4.\n"
    shown = "show v2\nold\n\n…\n\nAxes\nold\n\n…\n\nv2 had 3.\n"
    assert excerpt(shown, screen) == "show v2\ninput\n\n…\n\nAxes\n2\n\n…\n\nv2 has 4.\n"
    assert excerpt("show v2\n\n…\n", screen) == "show v2\ninput\n\n…\n"
    assert excerpt("…\n\nTotals\n\nAxes\n\nTaps\n\n…\n\nv2\n", screen) == (
        "…\n\nTotals\n1\n\nAxes\n2\n\nTaps\n3\n\nv2 has 4.\n"
    )
    assert excerpt("anything\n", screen) == screen


def test_an_excerpt_of_a_part_that_is_gone_fails() -> None:
    with pytest.raises(AssertionError, match=r"no part \['Lint'\] any more"):
        excerpt("Lint\n\n…\n", "Totals\n1\n\nthe end\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_screen_begins_with_its_command_and_fits_the_page(page: Path) -> None:
    blocks = CONSOLE.findall(page.read_text("utf-8"))
    assert [block for block in blocks if not block.startswith("$ ucseg ")] == []
    lines = [line for block in blocks for line in block.splitlines()]
    assert [line for line in lines if len(line) > WIDTH] == []


@pytest.mark.torch
def test_every_example_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = [code for page in PAGES for code in PYTHON.findall(page.read_text("utf-8"))]
    assert examples
    for code in examples:
        exec(compile(code, "a page", "exec"), {"__name__": "example"})


# Everything has its place on a page


class Pages(NamedTuple):
    """All pages together."""

    text: str

    def lack(self, names: Iterable[str], spelling: str) -> list[str]:
        """The names that stand nowhere as *spelling* writes them; ``{}`` in it is the name."""
        patterns = {name: spelling.format(re.escape(name)) for name in names}
        return [name for name, pattern in patterns.items() if not re.search(pattern, self.text)]


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages("\n".join(page.read_text("utf-8") for page in PAGES))


def _commands_by_option() -> dict[str, set[str]]:
    """The commands that have each long option."""
    app = get_command(make_app([], in_full=True))
    found: dict[str, set[str]] = {}
    for name, command in getattr(app, "commands", {}).items():
        for parameter in command.params:
            for option in parameter.opts:
                found.setdefault(option, set()).add(name)
    return {option: names for option, names in found.items() if option.startswith("--")}


def test_every_command_is_on_a_page_and_has_a_screen(pages: Pages) -> None:
    assert pages.lack(COMMANDS, r"`ucseg {}\b") == []
    assert pages.lack(set(COMMANDS) - SILENT, r"(?m)^\$ ucseg {}\b") == []


def test_every_option_is_on_a_page(pages: Pages) -> None:
    assert pages.lack([*_commands_by_option(), "--version", "--help"], r"{}(?![\w-])") == []


def test_the_table_of_options_names_the_commands_that_have_each() -> None:
    text = REFERENCE.read_text("utf-8").partition("## Options\n")[2].partition("\n## ")[0]
    known = _commands_by_option()
    measuring = re.findall(r"\w+", text.partition(" measure")[0].replace(" and ", " "))
    groups = {"measuring": set(measuring), "all": set(COMMANDS) - SILENT}
    assert groups["measuring"] == known["--batch"]
    shown: dict[str, set[str]] = {}
    for options, names, _ in re.findall(r"(?m)^\| (`-.*?) \| (.*?) \| (.*) \|$", text):
        commands = set[str]().union(*(groups.get(name, {name}) for name in names.split(", ")))
        shown |= dict.fromkeys(re.findall(r"`(--[\w-]+)`", options), commands)
    assert {name: shown[name] for name in known} == known


def test_every_exit_status_is_on_a_page(pages: Pages) -> None:
    assert pages.lack([str(int(status)) for status in ExitStatus], r"(?m)^\| {} \|") == []


def test_every_axis_variant_metric_rule_and_format_is_on_a_page(pages: Pages) -> None:
    axes = [axis.name for axis in AXES]
    assert pages.lack([*FORMATS, *JUDGED_FORMATS], r"`{}`") == []
    assert pages.lack([*axes, *CATALOGUE, *EVERY_METRIC, *RULES], r"`{}`") == []


def test_every_synonym_of_a_metric_is_in_its_row(pages: Pages) -> None:
    rows = [rf"\| `{metric}` \| .*`{synonym}`" for synonym, metric in SYNONYMS.items()]
    assert [row for row in rows if not re.search(row, pages.text)] == []


def test_every_key_of_the_configuration_is_on_a_page(pages: Pages) -> None:
    assert pages.lack([*KEYS, *(f"lint.{key}" for key in LINT_KEYS)], r"`{}`") == []
    assert pages.lack(["from", *BUDGET_KEYS, *PRICE_KEYS, *MACHINE_KEYS], r"`{}`") == []


def test_every_environment_variable_is_on_a_page(pages: Pages) -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "ucseg_cli").rglob("*.py"))
    named = set(re.findall(r'"(UCSEG_[A-Z_]+|SOURCE_DATE_EPOCH|GITHUB_STEP_SUMMARY)"', sources))
    assert named
    assert pages.lack(named, r"`{}(?:=1)?`") == []


# Links and names lead somewhere


def _headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them from its headings."""
    prose = FENCED.sub("", page.read_text("utf-8"))
    titles = re.findall(r"(?m)^#+ (.+)$", prose)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _broken_links(page: Path) -> Iterator[str]:
    for link in LINK.finditer(FENCED.sub("", page.read_text("utf-8"))):
        target = page.parent / link["path"] if link["path"] else page
        if not target.exists() or (link["anchor"] and link["anchor"] not in _headings(target)):
            yield link[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(_broken_links(page)) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](#one-two) [b](#three) [c](none.md) [d](page.md#one-two)\n")
    assert list(_broken_links(page)) == ["](#three)", "](none.md)"]


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {link["path"] for link in LINK.finditer(README.read_text("utf-8"))}
    assert {page.relative_to(ROOT).as_posix() for page in PAGES} - {README.name} - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_a_placeholder_that_a_user_would_copy(page: Path) -> None:
    assert [match[0] for match in PLACEHOLDER.finditer(page.read_text("utf-8"))] == []


@pytest.mark.parametrize("text", ["OWNER/ucseg@v1", "pip install ucseg_cli", "clone yourname/a"])
def test_a_placeholder_is_found(text: str) -> None:
    assert PLACEHOLDER.search(text)


def test_every_make_target_on_a_page_is_in_the_makefile(pages: Pages) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", pages.text, re.MULTILINE)) - targets == set()


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= README_LINES


def test_every_path_in_contributing_exists() -> None:
    paths = PATH.findall(CONTRIBUTING.read_text("utf-8"))
    assert paths
    below = (ROOT, ROOT / "ucseg_cli")
    missing = [path for path in paths if not any((folder / path).exists() for folder in below)]
    assert missing == []


def test_the_picture_of_the_rooms_is_the_order_that_the_house_test_checks() -> None:
    picture = CONTRIBUTING.read_text("utf-8").partition("```text\n")[2].partition("```")[0]
    rooms = re.findall(r"(?m)^    ?(\w+)(?:/|\.py) ", picture)
    assert [room for room in ROOMS if not room.startswith("__")] == rooms
