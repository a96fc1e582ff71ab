"""The action, the hooks and the recipes of docs/ci.md: checked by their schemas, and run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

import pytest
from pre_commit.clientlib import MANIFEST_HOOK_DICT, load_config, load_manifest
from ruamel.yaml import YAML

from support.repositories import BLOCKS, NET, new_repository

Environment = Mapping[str, str]

ROOT = Path(__file__).parents[1]
ACTION, HOOKS, PAGE = (
    ROOT / name for name in ("action.yml", ".pre-commit-hooks.yaml", "docs/ci.md")
)
BESIDE = "tools/ucseg"
"""The folder with a checkout of ucseg, in the repositories that the page is about."""
RECIPE = re.compile(r"^```yaml\n(?P<text># (?P<path>\S+)\n.*?)^```$", re.DOTALL | re.MULTILINE)
EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")
CONFIGURATION = """\
[tool.ucseg]
default = "v2"

[[tool.ucseg.budgets]]
id = "light"
metric = "params"
max = "{limit}"
"""
LINE_OF_LIMIT = 7


def _load(text: str) -> Any:
    """YAML 1.2, in which the key ``on`` is a word."""
    return YAML(typ="safe").load(StringIO(text))


def _schema_complaints(name: str, path: Path) -> str:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        f"vendor.{name}",
        str(path),
    ]
    answer = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
    return answer.stdout + answer.stderr if answer.returncode else ""


class Job(NamedTuple):
    """A job of GitHub's in a checkout of its own, with the files that its steps write to."""

    checkout: Path
    environment: Environment

    @property
    def summary(self) -> str:
        return Path(self.environment["GITHUB_STEP_SUMMARY"]).read_text("utf-8")

    @property
    def outputs(self) -> dict[str, str]:
        lines = Path(self.environment["GITHUB_OUTPUT"]).read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def configure(self, limit: str, folder: str = ".") -> None:
        (self.checkout / folder).mkdir(exist_ok=True)
        text = CONFIGURATION.format(limit=limit)
        (self.checkout / folder / "pyproject.toml").write_text(text, encoding="utf-8")

    def run(self, *command: str, folder: str = ".", **environment: str) -> CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.checkout / folder,
            env={**self.environment, **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def step(self, name: str, **inputs: str) -> CompletedProcess[str]:
        """Run a step's script as the runner would; inputs that are not given have defaults."""
        step = _step(name)
        known = _action()["inputs"].items()
        values = {f"inputs.{key}": known_input.get("default", "") for key, known_input in known}
        values |= {f"inputs.{key.replace('_', '-')}": value for key, value in inputs.items()}
        values["steps.place.outputs.cache"] = self.environment["UCSEG_CACHE_DIR"]

        def spell(text: str) -> str:
            return EXPRESSION.sub(lambda match: values[match[1]], text)

        script = self.checkout.parent / f"{name}.sh"
        script.write_text(step["run"], encoding="utf-8")
        given = {key: spell(value) for key, value in step.get("env", {}).items()}
        shell = ("bash", "--noprofile", "--norc", "-eo", "pipefail", str(script))
        return self.run(*shell, folder=spell(step.get("working-directory", ".")), **given)


@pytest.fixture
def job(tmp_path: Path, warm_cache: Path) -> Job:
    """A job whose PATH has this project's ucseg first, and whose measurements are known."""
    checkout, temporary = tmp_path / "a checkout", tmp_path / "a temporary folder"
    checkout.mkdir()
    temporary.mkdir()
    files = {name: tmp_path / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    for path in files.values():
        path.touch()
    return Job(
        checkout,
        {
            **os.environ,
            **{name: str(path) for name, path in files.items()},
            "GITHUB_WORKSPACE": str(checkout),
            "GITHUB_ACTION_PATH": str(ROOT),
            "RUNNER_TEMP": str(temporary),
            "UCSEG_CACHE_DIR": str(warm_cache),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        },
    )


@pytest.fixture
def fake_python(job: Job, tmp_path: Path) -> Job:
    """The job with a ``python`` that only prints each of its arguments on a line."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    (folder / "python").chmod(0o755)
    return Job(
        job.checkout,
        {**job.environment, "PATH": os.pathsep.join([str(folder), job.environment["PATH"]])},
    )


def _action() -> dict[str, Any]:
    action: dict[str, Any] = _load(ACTION.read_text("utf-8"))
    return action


def _step(name: str) -> dict[str, Any]:
    steps: list[dict[str, Any]] = _action()["runs"]["steps"]
    return next(step for step in steps if step.get("id") == name)


def _strings(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for inner in value.values():
                yield from _strings(inner)
        case list():
            for inner in value:
                yield from _strings(inner)
        case str():
            yield value
        case _:
            assert isinstance(value, bool | int | float | None)


def test_the_action_fits_its_schema() -> None:
    assert _schema_complaints("github-actions", ACTION) == ""


def test_the_schema_finds_a_mistake(tmp_path: Path) -> None:
    broken = tmp_path / "action.yml"
    broken.write_text(
        ACTION.read_text("utf-8").replace("shell: bash", "shel: bash"), encoding="utf-8"
    )
    assert "shel" in _schema_complaints("github-actions", broken)


def test_every_script_runs_in_bash_and_no_expression_stands_in_one() -> None:
    scripts = [step for step in _action()["runs"]["steps"] if "run" in step]
    assert [step["id"] for step in scripts] == ["install", "place", "ask"]
    assert {step["shell"] for step in scripts} == {"bash"}
    assert [step["id"] for step in scripts if EXPRESSION.search(step["run"])] == []


def test_every_input_is_used_and_nothing_else_is() -> None:
    action = _action()
    used = {
        name
        for text in _strings(action["runs"])
        for name in re.findall(r"\binputs\.([\w-]+)", text)
    }
    assert used == set(action["inputs"])
    assert all(described["description"] for described in action["inputs"].values())


@pytest.mark.parametrize(("page", "number"), [("action.yml", 2), ("docs/ci.md", 5)])
def test_other_actions_are_pinned_to_a_commit_and_its_version_stands_beside_it(
    page: str, number: int
) -> None:
    used = re.findall(r"uses: (?!\./)(.*)", (ROOT / page).read_text("utf-8"))
    pinned = re.compile(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert len(used) == number
    assert all(map(pinned.fullmatch, used))


def test_the_action_and_the_page_pin_the_same_commits() -> None:
    texts = [(ROOT / page).read_text("utf-8") for page in ("action.yml", "docs/ci.md")]
    pins = {pin for text in texts for pin in re.findall(r"(actions/[\w-]+)@(\S+)", text)}
    assert len(pins) == len(dict(pins)) == 4


def test_a_budget_within_its_limit_passes_without_annotations(job: Job) -> None:
    job.configure("650k")
    answer = job.step("ask")
    assert (answer.returncode, answer.stdout) == (0, "0 of 1 limits exceeded.\n")
    assert job.summary.startswith("## check v2\n")
    assert (
        Path(job.outputs["comment"])
        .read_text("utf-8")
        .startswith("<!-- ucseg.check -->\n\n### ✅ check v2\n")
    )


@pytest.mark.parametrize("folder", [".", "inner"])
def test_a_budget_that_is_exceeded_fails_at_its_line_with_summary_and_comment(
    job: Job, folder: str
) -> None:
    job.configure("600k", folder)
    answer = job.step("ask", working_directory=folder)
    path = "inner/pyproject.toml" if folder == "inner" else "pyproject.toml"
    assert answer.returncode == 1
    assert answer.stdout.startswith(
        f"::error file={path},line={LINE_OF_LIMIT},title=light (v2)::v2 has 645,245 parameters"
    )
    assert answer.stderr.startswith("wrote: ")
    assert "✗ fail" in job.summary
    assert "### ❌ check v2" in Path(job.outputs["comment"]).read_text("utf-8")


def test_drift_from_the_lock_fails_if_the_action_is_to_look_for_it(job: Job) -> None:
    job.configure("650k")
    assert job.run("ucseg", "lock").returncode == 0
    assert job.step("ask", locked="true").returncode == 0
    lock = job.checkout / "ucseg.lock.json"
    lock.write_text(lock.read_text("utf-8").replace("645245", "645244"), encoding="utf-8")
    assert job.step("ask").returncode == 0
    answer = job.step("ask", locked="true")
    assert answer.returncode == 1
    assert answer.stdout.startswith("::error file=ucseg.lock.json,line=")


def test_the_comment_says_what_a_branch_changes_and_nothing_where_it_changes_nothing(
    job: Job,
) -> None:
    repository = new_repository(job.checkout)
    budgets = CONFIGURATION.format(limit="650k").replace('"v2"', '"net.py:Net"')
    files = {"net.py": NET, "blocks.py": BLOCKS, "pyproject.toml": budgets}
    repository.commit("base", {**files, ".gitignore": "__pycache__\n"})
    repository.git("checkout", "--quiet", "-b", "branch")
    repository.commit("Widen it", {"net.py": NET.replace("=4", "=8"), "other.py": NET})
    more = '\n[[tool.ucseg.budgets]]\nid = "more"\nmetric = "params"\nmax = "650k"\n'
    repository.commit("Add one", {"pyproject.toml": f'{budgets}{more}variant = "other.py:Net"\n'})
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--message", "merge", "branch")
    answer = job.step("ask", compare="base")
    assert answer.returncode == 0, answer.stderr
    comment = Path(job.outputs["comment"]).read_text("utf-8")
    assert comment.startswith("<!-- ucseg.check -->\n")
    for text in (comment, job.summary):
        plain = text.replace("\\", "")
        assert "more parameters than net.py:Net@HEAD^1" in plain
        assert "other.py:Net is new since HEAD^1." in plain
    # a commit that changes no model needs no comment, unless a limit is exceeded
    repository.commit("Say more", {"README": "more"})
    Path(job.environment["GITHUB_OUTPUT"]).write_text("")
    assert job.step("ask", compare="HEAD^1").returncode == 0
    assert job.outputs == {}
    failed = job.step("ask", compare="HEAD^1", args="check net.py:Net --max params=1")
    assert failed.returncode == 1
    assert "@HEAD^1" not in Path(job.outputs["comment"]).read_text("utf-8")
    assert job.step("ask", compare="nope").returncode == 2


def test_two_uses_in_a_job_have_a_comment_each(job: Job) -> None:
    job.configure("650k")
    job.step("ask")
    first = job.outputs["comment"]
    job.step("ask", args="lint")
    texts = [Path(path).read_text("utf-8") for path in (first, job.outputs["comment"])]
    assert [text.splitlines()[0] for text in texts] == [
        "<!-- ucseg.check -->",
        "<!-- ucseg.lint -->",
    ]


def test_a_mistake_exits_with_2_and_leaves_no_comment(job: Job) -> None:
    answer = job.step("ask", args="check v22 --max params=1M")
    assert answer.returncode == 2
    assert "no variant named 'v22'" in answer.stderr
    assert (job.outputs, job.summary) == ({}, "")


def test_the_summary_can_be_left_out(job: Job) -> None:
    assert job.step("ask", args="check --max params=1M", summary="false").returncode == 0
    assert job.summary == ""


def test_arguments_may_span_several_lines(job: Job) -> None:
    answer = job.step("ask", args="check v1 v2\n  --max params=1M\n\t--max bytes=3MB\n")
    assert answer.stdout == "0 of 4 limits exceeded.\n"


@pytest.mark.parametrize(
    "args", ["check $(touch run)", "check `touch run`", "check; touch run", "check && touch run"]
)
def test_arguments_are_words_and_never_run(job: Job, args: str) -> None:
    job.configure("650k")
    assert job.step("ask", args=args).returncode == 2
    assert [path.name for path in job.checkout.iterdir()] == ["pyproject.toml"]


def test_arguments_are_not_patterns(job: Job) -> None:
    (job.checkout / "v1").touch()
    answer = job.step("ask", args="check v* --max params=1M")
    assert answer.returncode == 2
    assert "'v*'" in answer.stderr


def test_without_a_spec_the_action_installs_itself_as_it_is_tested(fake_python: Job) -> None:
    answer = fake_python.step("install")
    assert answer.stdout.splitlines()[-3:] == [
        "--constraint",
        str(ROOT / "constraints.txt"),
        str(ROOT),
    ]


def test_a_spec_is_one_argument_of_pip_and_never_run(fake_python: Job) -> None:
    spec = "wheels/ucseg.whl; touch run $(touch run)"
    assert fake_python.step("install", spec=spec).stdout.splitlines() == [
        "-P",  # a pip.py of the checkout is not run
        "-m",
        "pip",
        "install",
        "--quiet",
        spec,
    ]
    assert list(fake_python.checkout.iterdir()) == []


def test_traces_are_kept_where_the_job_says_or_in_its_temporary_folder(job: Job) -> None:
    job.step("place")
    assert job.outputs == {"cache": job.environment["UCSEG_CACHE_DIR"]}
    elsewhere = {key: value for key, value in job.environment.items() if key != "UCSEG_CACHE_DIR"}
    bare = Job(job.checkout, {**elsewhere, "UCSEG_CACHE_DIR": ""})
    bare.step("place")
    assert bare.outputs == {"cache": f"{job.environment['RUNNER_TEMP']}/ucseg-cache"}


def test_the_hooks_fit_their_schema_and_have_no_unknown_key() -> None:
    known = {item.key for item in MANIFEST_HOOK_DICT.items if hasattr(item, "key")}
    assert {hook["id"] for hook in load_manifest(HOOKS)} == {"ucseg-check", "ucseg-check-locked"}
    assert [
        key for hook in _load(HOOKS.read_text("utf-8")) for key in hook if key not in known
    ] == []


@pytest.mark.parametrize("hook", _load(HOOKS.read_text("utf-8")), ids=lambda hook: hook["id"])
def test_a_hook_runs_once_without_files_and_fails_if_its_check_fails(
    job: Job, hook: dict[str, Any]
) -> None:
    entry = shlex.split(hook["entry"])
    assert hook["pass_filenames"] is False
    job.configure("650k")
    assert job.run("ucseg", "lock").returncode == 0
    assert job.run(*entry).returncode == 0
    job.configure("600k")
    answer = job.run(*entry)
    assert answer.returncode == 1
    assert "v2 has 645,245 parameters" in answer.stdout


def test_the_locked_hook_fails_without_a_lock_and_the_other_does_not(job: Job) -> None:
    job.configure("650k")
    statuses = {
        hook["id"]: job.run(*shlex.split(hook["entry"])).returncode for hook in load_manifest(HOOKS)
    }
    assert statuses == {"ucseg-check": 0, "ucseg-check-locked": 2}


@pytest.mark.parametrize(
    ("path", "wakes"),
    [
        ("pyproject.toml", True),
        ("models/ucseg.toml", True),
        ("ucseg.lock.json", True),
        ("src/net.py", True),
        ("README.md", False),
        ("uv.lock", False),
        ("my-pyproject.toml", False),
    ],
)
def test_a_hook_runs_for_files_that_can_change_its_answer(path: str, wakes: bool) -> None:  # noqa: FBT001 - a parameter
    assert [bool(re.search(hook["files"], path)) for hook in load_manifest(HOOKS)] == [wakes, wakes]


def _recipes(start: str) -> list[str]:
    recipes = RECIPE.finditer(PAGE.read_text("utf-8"))
    found = [recipe["text"] for recipe in recipes if recipe["path"].startswith(start)]
    assert found, f"{PAGE.name} has no block of yaml that begins with '# {start}…'"
    return found


def _workflow_steps() -> list[dict[str, Any]]:
    workflows = [_load(text) for text in _recipes(".github/workflows/")]
    jobs = [job for workflow in workflows for job in workflow["jobs"].values()]
    return [step for job in jobs for step in job["steps"]]


def _pipeline_lines() -> list[str]:
    pipelines = [_load(text) for text in _recipes(".gitlab-ci.yml")]
    jobs = [job for pipeline in pipelines for job in pipeline.values()]
    return [line for job in jobs for line in job["script"]]


@pytest.mark.parametrize(
    ("start", "schema"),
    [(".github/workflows/", "github-workflows"), (".gitlab-ci.yml", "gitlab-ci")],
)
def test_the_recipes_for_ci_fit_their_schemas(tmp_path: Path, start: str, schema: str) -> None:
    for text in _recipes(start):
        path = tmp_path / "recipe.yml"
        path.write_text(text, encoding="utf-8")
        assert _schema_complaints(schema, path) == ""


def test_the_recipe_for_pre_commit_runs_and_fails_if_a_limit_is_exceeded(job: Job) -> None:
    (recipe,) = _recipes(".pre-commit-config.yaml")
    path = job.checkout / ".pre-commit-config.yaml"
    path.write_text(recipe, encoding="utf-8")
    load_config(path)
    hooks = (sys.executable, "-m", "pre_commit", "run", "--all-files")
    home = {"PRE_COMMIT_HOME": str(job.checkout.parent / "pre-commit")}
    assert job.run("git", "init", "--quiet").returncode == 0

    def status(limit: str) -> tuple[int, str]:
        job.configure(limit)
        assert job.run("git", "add", ".").returncode == 0
        answer = job.run(*hooks, **home)
        return answer.returncode, answer.stdout

    assert status("650k")[0] == 0
    failed, output = status("600k")
    assert failed == 1
    assert "645,245" in output


def test_the_page_names_every_hook_of_this_repository() -> None:
    page = PAGE.read_text("utf-8")
    assert [hook["id"] for hook in load_manifest(HOOKS) if f"`{hook['id']}`" not in page] == []


def test_the_page_names_every_input_of_the_action() -> None:
    page = PAGE.read_text("utf-8")
    assert [name for name in _action()["inputs"] if f"| `{name}` |" not in page] == []


def test_the_workflow_uses_the_action_in_a_checkout_with_inputs_that_it_has(job: Job) -> None:
    steps = [step for step in _workflow_steps() if step.get("uses", "").startswith("./")]
    (job.checkout / "tools").mkdir()
    (job.checkout / BESIDE).symlink_to(ROOT)
    assert len(steps) == 2
    for step in steps:
        assert set(step["with"]) <= set(_action()["inputs"])
        assert (job.checkout / step["uses"] / "action.yml").is_file()


def test_recipes_install_from_the_checkout_that_they_have_fetched() -> None:
    scripts = [step.get("run", "") for step in _workflow_steps()]
    installs = [text for text in (*scripts, *_pipeline_lines()) if " pip install " in text]
    assert installs == [f"python -P -m pip install ./{BESIDE}"] * 2
    checkouts = [step for step in _workflow_steps() if "actions/checkout" in step.get("uses", "")]
    assert [step["with"]["submodules"] for step in checkouts] == [True] * 3


def test_the_scripts_of_recipes_hold_no_expression_and_their_ucseg_runs(job: Job) -> None:
    scripts = [step["run"] for step in _workflow_steps() if "run" in step]
    assert [script for script in scripts if EXPRESSION.search(script)] == []
    lines = [line for text in (*scripts, *_pipeline_lines()) for line in text.splitlines()]
    commands = [line for line in lines if line.startswith("ucseg ")]
    assert len(commands) >= 2
    job.configure("650k")
    assert job.run("ucseg", "lock").returncode == 0
    for command in commands:
        answer = job.run("bash", "-c", command)
        assert (answer.returncode, answer.stdout.count("::error")) == (0, 0), answer.stderr
