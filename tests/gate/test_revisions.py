"""Models at revisions, in processes of their own, and what is kept of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.forked_python import ForkedPython
from support.repositories import BLOCKS, NET, Repository, new_repository, params, small_repository
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.errors import ModelError, UcsegError, UsageError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.question import Question
from ucseg_cli.gate import child_process
from ucseg_cli.gate.cache import Cache, default_directory
from ucseg_cli.gate.tracing import Failures, Request, trace_all
from ucseg_cli.references import parse_reference
from ucseg_cli.system.checkout import Dependencies

SOURCE = Path(__file__).parents[2]
AT_8 = Conditions(Size(8, 8))
in_forks = pytest.mark.usefixtures("forked_children")
"""Where it matters which files a child sees, not how it begins."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = small_repository(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that got past the cache, process by process."""
    names: list[str] = []
    really = child_process.child_processes

    @contextmanager
    def noting(questions: Sequence[Question], *limits: Any) -> Iterator[Any]:
        names.extend(" ".join(map(str, question.sources)) for question in questions)
        with really(questions, *limits) as children:
            yield children

    monkeypatch.setattr(child_process, "child_processes", noting)
    return names


def measured(*names: str) -> list[int]:
    """The parameters of each model, by way of the cache."""
    requests = [Request(parse_reference(name).model, AT_8) for name in names]
    traces = trace_all(requests, Cache(default_directory(), pytest.fail), lambda _: None)
    return [totals(traces[request])["params"] for request in requests]


def error_of(name: str) -> UcsegError:
    with pytest.raises(UcsegError) as caught:
        measured(name)
    return caught.value


@in_forks
def test_two_revisions_and_today_run_in_forks_of_one_process_and_then_come_from_the_cache(
    repository: Repository, ran: list[str]
) -> None:
    names = ("net.py:Net@v1.0", "net.py:Net@HEAD~1+width=5", "net.py:Net")
    assert measured(*names) == [params(4), params(5), params(8)]
    assert ran == ["net.py:Net@v1.0 net.py:Net@HEAD~1 net.py:Net"]
    # the second commit changed nothing that matters, and today is as HEAD has it
    more = ("net.py:Net@HEAD~1", "net.py:Net@main", "net.py:Net")
    assert measured(*names, *more) == [*map(params, (4, 5, 8, 4, 8, 8))]
    assert len(ran) == 1
    # a change that is not committed is seen, and not kept
    (repository.folder / "blocks.py").write_text(BLOCKS.replace("3, padding=1", "1"))
    for _ in range(2):
        assert measured("net.py:Net") == [8 * 28 + 2 * (8 * 8 + 8)]
    assert ran[1:] == ["net.py:Net", "net.py:Net"]
    assert measured("net.py:Net@main") == [params(8)]
    # nor is a file that an import would find first
    repository.git("checkout", "--quiet", ".")
    (repository.folder / "blocks").mkdir()
    (repository.folder / "blocks" / "__init__.py").write_text(BLOCKS.replace("3, padding=1", "1"))
    assert measured("net.py:Net") == [8 * 28 + 2 * (8 * 8 + 8)]
    assert len(ran) == 4
    repository.commit("Make blocks a package", {})
    assert measured("net.py:Net@HEAD") == [8 * 28 + 2 * (8 * 8 + 8)]
    assert len(ran) == 5


READING = """
import json
import os
from pathlib import Path

from torch import nn

HERE = Path(__file__).parent


def sized(count):
    return nn.Conv2d(3, count, 1)


def read():
    return sized(json.loads((HERE / "config.json").read_text())["width"])

def asking():
    return sized(2 if (HERE / "wide").exists() else 1)

def listing():
    return sized(len(list((HERE / "layers").iterdir())))

def elsewhere():
    return sized(len(Path(os.environ["ELSEWHERE"]).read_text()))

def starting():
    import subprocess
    return sized(len(subprocess.run(["echo", "12"], stdout=-1).stdout))

def linked():
    return sized(len((HERE / "way" / "there.txt").read_text()))
"""


@in_forks
def test_data_that_is_read_asked_for_or_listed_matters_and_what_cannot_be_checked_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: list[str]
) -> None:
    repository = new_repository(tmp_path / "project")
    monkeypatch.chdir(repository.folder)
    outside = tmp_path / "outside.txt"
    outside.write_text("123")
    monkeypatch.setenv("ELSEWHERE", str(outside))
    (repository.folder / "to").mkdir()
    (repository.folder / "way").symlink_to("to")
    first = {
        "net.py": READING,
        "config.json": '{"width": 3}',
        "layers/a": "",
        "to/there.txt": "12345",
        ".gitignore": "__pycache__\n",
    }
    repository.commit("one", first)
    kinds = ("read", "asking", "listing", "elsewhere", "starting", "linked")
    names = [f"net.py:{kind}@main" for kind in kinds]
    begun = [12, 4, 4, 12, 12, 20]
    assert [params for name in names for params in measured(name)] == begun
    del ran[:]
    assert [params for name in names for params in measured(name)] == begun
    # a file elsewhere and a program may give anything tomorrow
    assert ran == ["net.py:elsewhere@main", "net.py:starting@main"]
    for path, text, kind, after in (
        ("config.json", '{"width": 7}', "read", 28),
        ("wide", "", "asking", 8),
        ("layers/b", "", "listing", 8),
        ("to/there.txt", "12", "linked", 8),
    ):
        repository.commit(path, {path: text})
        del ran[:]
        assert measured(f"net.py:{kind}@main") == [after]
        assert ran == [f"net.py:{kind}@main"]
    # a link on the way is not followed by git, so it counts by itself
    (repository.folder / "way").unlink()
    (repository.folder / "way").symlink_to("other")
    repository.commit("link", {"other/there.txt": "1234567"})
    assert measured("net.py:linked@main") == [28]


@in_forks
def test_files_are_as_the_commit_has_them_and_no_filter_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = new_repository(tmp_path / "project")
    monkeypatch.chdir(repository.folder)
    attributes = "*.txt filter=run\nblocks.py export-ignore\nnet.py export-subst\n"
    marked = NET + "\nFORMAT = '$Format:%H$'\nassert FORMAT.startswith('$F')\n"
    repository.commit("one", {"net.py": marked, "blocks.py": BLOCKS, "a.txt": "1"})
    repository.commit("two", {".gitattributes": attributes})
    repository.git("config", "filter.run.smudge", f"touch {tmp_path / 'PWN'}; cat")
    repository.git("config", "core.fsmonitor", f"touch {tmp_path / 'PWN'}")
    repository.git("config", "core.hooksPath", str(tmp_path))
    assert measured("net.py:Net@main") == [params(4)]
    assert not (tmp_path / "PWN").exists()


@in_forks
def test_what_stands_for_files_elsewhere_is_refused_by_name_where_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_repository(tmp_path / "other")
    other.commit("one", {"layers.py": BLOCKS})
    (tmp_path / "secret.txt").write_text("12345")
    repository = new_repository(tmp_path / "project")
    monkeypatch.chdir(repository.folder)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12345\n"
    code = """
from pathlib import Path
from torch import nn

HERE = Path(__file__).parent

def free():
    return nn.Linear(1, 1)

def pointer():
    try:
        (HERE / "assets/w.bin").read_bytes()
    except Exception:
        pass
    return free()

def submodule():
    from libs.blocks import layers
    return layers.block(1)

def link():
    return nn.Linear(len((HERE / "out.txt").read_text()), 1)
"""
    (repository.folder / "out.txt").symlink_to("../secret.txt")
    (repository.folder / "hop").symlink_to("assets")
    (repository.folder / "round.txt").symlink_to("hop/../../secret.txt")
    repository.git("submodule", "--quiet", "add", str(other.folder), "libs/blocks")
    repository.commit("one", {"net.py": code, "assets/w.bin": pointer})
    assert measured("net.py:free@main") == [2]
    found = {
        kind: error_of(f"net.py:{kind}@main").what for kind in ("pointer", "submodule", "link")
    }
    assert found == {
        "pointer": "assets/w.bin is a pointer of Git LFS, whose file is not in the commit",
        "submodule": "libs/blocks is a submodule, whose files are in another repository",
        "link": "out.txt is a link that leads out of the repository",
    }


@in_forks
def test_folders_of_sys_path_are_those_of_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = new_repository(tmp_path / "project")
    repository.commit("one", {"src/seg/net.py": NET, "src/blocks.py": BLOCKS, "below/a": ""})
    repository.git("tag", "old")
    repository.commit("two", {"src/seg/net.py": NET.replace("=4", "=8"), "src/blocks.py": BLOCKS})
    monkeypatch.setenv("PYTHONPATH", f"{repository.folder / 'src'}{os.pathsep}{SOURCE}")
    monkeypatch.chdir(repository.folder / "below")
    assert measured("seg.net:Net@old", "seg.net:Net", "../src/seg/net.py:Net@old") == [
        *map(params, (4, 8, 4))
    ]
    whole = repository.folder / "src/seg/net.py"
    monkeypatch.chdir(tmp_path)
    assert measured(f"{whole}:Net@old", f"{whole}:Net") == [*map(params, (4, 8))]


@in_forks
def test_a_module_of_the_working_tree_or_an_installed_one_is_not_taken_for_the_revision_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = new_repository(tmp_path / "project")
    loading = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("blocks", {str(tmp_path / "project" / "blocks.py")!r})
sys.modules["blocks"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""
    repository.commit("one", {"net.py": loading + NET, "blocks.py": BLOCKS})
    monkeypatch.chdir(repository.folder)
    error = error_of("net.py:Net@main")
    assert error.what == "blocks comes from the working tree, not from main"
    assert error.where == "blocks.py"
    assert "does not come from the files of main" in error_of("torch.nn:Identity@main").what


@in_forks
def test_what_fails_at_a_revision_names_it_and_the_file_as_the_user_knows_it(
    repository: Repository,
) -> None:
    old = NET.replace("nn.Conv2d(3", "nn.NoSuchLayer(3")
    repository.commit("broken", {"net.py": old})
    repository.commit("fixed", {"net.py": NET})
    error = error_of("net.py:Net@HEAD~1")
    assert isinstance(error, ModelError)
    assert error.where == "net.py:10 at HEAD~1"
    assert "NoSuchLayer" in error.what
    assert "today's environment runs the code of HEAD~1" in error.notes
    assert "ucseg-" not in " ".join((error.what, error.where, *error.notes))
    repository.commit("naming", {"net.py": f"{NET}\n\nraise ValueError(__file__)\n"})
    naming = error_of("net.py:Net@HEAD")
    assert naming.what == "net.py cannot be imported: ValueError: net.py"
    repository.commit("fixed again", {"net.py": NET})
    missing = error_of("net.py:Nett@HEAD")
    assert (missing.where, missing.help) == ("net.py:Nett@HEAD", "did you mean 'Net'?")


def test_what_has_no_such_revision_says_what_to_type(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("Add another", {"other.py": NET})
    unknown = error_of("net.py:Net@mian")
    assert unknown.what == "no revision named 'mian'"
    assert unknown.help == "did you mean 'main'?"
    assert "v1.0" in unknown.notes[0]
    new = error_of("other.py:Net@v1.0")
    head = repository.git("rev-parse", "HEAD")[:10]
    assert new.what == "other.py is new since v1.0"
    assert new.notes == (f"it came with {head} of 2026-09-24: Add another",)
    assert new.help == f"the oldest is other.py:Net@{head}"
    assert error_of("gone.py:Net@v1.0").what == "there is no file gone.py, so it is not in v1.0"
    for option in ("--help", "-n", ""):
        assert isinstance(error_of(f"net.py:Net@{option}"), UsageError)
    shallow = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(shallow))
    monkeypatch.chdir(shallow)
    assert "fetch-depth: 0" in (error_of("net.py:Net@v1.0").help or "")
    bare = tmp_path / "bare"
    repository.git("clone", "--quiet", "--bare", str(repository.folder), str(bare))
    monkeypatch.chdir(bare)
    assert "a bare repository has no files" in error_of("net.py:Net@v1.0").what
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    assert error_of("net.py:Net@v1.0").what == (
        "net.py is in no git repository, so it has no revision 'v1.0'"
    )


@pytest.mark.usefixtures("repository")
@in_forks
def test_the_environment_does_not_lead_git_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    assert measured("net.py:Net@v1.0") == [params(4)]


SLOW = "import sys, time\nprint('begun', file=sys.stderr, flush=True)\ntime.sleep(60)\n"


@pytest.mark.parametrize("how", ["INT", "KILL", "TERM"])
@in_forks
def test_nothing_in_the_repository_changes_even_if_it_is_ended(
    repository: Repository, how: str
) -> None:
    repository.commit("Sleep", {"net.py": SLOW + NET})
    (repository.folder / "README").write_text("changed, and staged\n")
    repository.git("add", "README")
    (repository.folder / "untracked").touch()
    before = repository.state()
    command = [sys.executable, "-m", "ucseg_cli", "compare", "net.py:Net", "--since", "v1.0"]
    with ForkedPython(
        [*command, "--no-cache"],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"},
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"begun\n"
        process.send_signal(getattr(signal, f"SIG{how}"))
    assert repository.state() == before


def test_nothing_in_the_repository_changes_in_the_end(repository: Repository) -> None:
    (repository.folder / "README").write_text("changed\n")
    before = repository.state()
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "ucseg_cli", "compare", "net.py:Net", "--since", "v1.0"]
    done = subprocess.run(
        [*command, "--format", "json"], env=environment, capture_output=True, check=True
    )
    found = json.loads(done.stdout)
    deltas = {delta["metric"]: delta["delta"] for delta in found["deltas"]}
    assert deltas["params"] == params(8) - params(4)
    assert repository.state() == before


@in_forks
def test_a_fork_that_dies_or_takes_too_long_leaves_the_others_their_answers(
    repository: Repository,
) -> None:
    for name, code in (
        ("exit", "import os\nos._exit(3)\n"),
        ("kill", "import os\nos.kill(os.getpid(), 11)\n"),
        ("sleep", "import time\ntime.sleep(60)\n"),
    ):
        repository.commit(name, {"net.py": code})
        repository.git("tag", name)
    models = [parse_reference(f"net.py:Net@{at}").model for at in ("v1.0", "exit", "kill", "sleep")]
    requests = [Request(model, AT_8) for model in models]
    failures: Failures = {}
    traces = trace_all(requests, None, lambda _: None, timeout=2, failures=failures)
    assert [totals(trace)["params"] for trace in traces.values()] == [params(4)]
    assert [failures[request].what for request in requests[1:]] == [
        "Net ended itself with status 3, before there was an answer",
        "Net was ended by SIGSEGV, before there was an answer",
        "Net was not built within 2 s",
    ]


@in_forks
def test_an_answer_from_the_cache_imports_neither_torch_nor_what_lists_releases(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))  # with which other files are found, so it counts
    measured("net.py:Net@v1.0", "net.py:Net")
    code = """
import sys
from ucseg_cli.cli.main import main
assert main(["compare", "net.py:Net", "--since", "v1.0", "--size", "8"]) == 0
assert not {"torch", "importlib.metadata", "ucseg_cli.gate.child_process"} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "241.2% more parameters" in done.stdout
    assert repository.folder.exists()


def test_another_release_of_what_a_model_imports_is_another_answer(
    repository: Repository, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured("net.py:Net@v1.0")
    (kept,) = (default_directory() / "traces").glob("*.depends")
    (found,) = Cache(default_directory(), pytest.fail).get_dependencies(kept.stem)
    assert {"net.py", "blocks.py"} <= set(found.files)
    assert any(Path(folder).name.startswith("torch-") for folder in found.releases)
    assert found.are_installed
    assert not found._replace(
        releases=(str(repository.folder / "torch-1.dist-info"),)
    ).are_installed
    monkeypatch.setattr(Dependencies, "are_installed", property(lambda _: False))
    assert measured("net.py:Net@v1.0") == [params(4)]
    assert len(ran) == 2


def test_a_repository_that_git_refuses_or_has_in_part_says_how_to_go_on(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.git("config", "uploadpack.allowFilter", "true")
    source = f"file://{repository.folder}"
    partial = tmp_path / "partial"
    repository.git("clone", "--quiet", "--filter=blob:none", source, str(partial))
    monkeypatch.chdir(partial)
    error = error_of("net.py:Net@v1.0")
    assert error.what.startswith("git cannot read it: ")
    assert error.help == "`git fetch --refetch --no-filter` gets all objects"
    if os.geteuid() == 0:  # only then may a folder be given away
        monkeypatch.setenv("SUDO_UID", "54321")
        for path in (repository.folder, repository.folder / ".git"):
            os.chown(path, 12345, -1)
        monkeypatch.chdir(repository.folder)
        error = error_of("net.py:Net@v1.0")
        assert error.help == f"git config --global --add safe.directory {repository.folder}"


@in_forks
def test_other_kinds_of_repositories_are_read_as_well(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: list[str]
) -> None:
    other = Repository(tmp_path / "sha256")
    other.folder.mkdir()
    other.git("init", "--quiet", "--object-format=sha256", "--initial-branch=main")
    other.commit("one", {"net.py": NET, "blocks.py": BLOCKS, ".gitignore": "__pycache__\n"})
    linked = tmp_path / "linked"
    repository.git("worktree", "add", "--quiet", "--detach", str(linked), "v1.0")
    # contents have names of two kinds, so the same network is recorded twice
    for folder in (other.folder, linked):
        monkeypatch.chdir(folder)
        assert measured("net.py:Net") == measured("net.py:Net@HEAD") == [params(4)]
    assert len(ran) == 2
