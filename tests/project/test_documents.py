from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fixture_types import Run
from ucseg_cli.errors import ConfigurationError
from ucseg_cli.facts.settings import Settings
from ucseg_cli.project.config_file import ENVIRONMENT, Document, find_document
from ucseg_cli.references.grammar import no_names
from ucseg_cli.system.plain_file import is_ours
from ucseg_cli.workflow.load_project import load_project

SHARED = '[project]\nname = "x"\n\n[tool.ucseg]\ndefault = "v3"\n'


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory two levels below the test's own, and where we are."""
    directory = tmp_path / "src" / "package"
    directory.mkdir(parents=True)
    monkeypatch.chdir(directory)
    return directory


def found(directory: Path) -> Document:
    document = find_document(directory)
    assert document is not None
    return document


def test_without_a_configuration_every_value_is_the_built_in_one(tmp_path: Path) -> None:
    assert find_document(tmp_path) is None
    assert load_project()._replace(variants_at=no_names) == Settings()


def test_a_shared_file_counts_from_our_table_in_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(SHARED)
    document = found(tmp_path)
    assert (document.data, document.path) == ({"default": "v3"}, tmp_path / "pyproject.toml")
    assert str(document.place(("default",))) == "pyproject.toml:5  default"
    assert document.place(()).line == 4  # [tool.ucseg]


def test_our_own_file_is_the_table(tmp_path: Path) -> None:
    (tmp_path / "ucseg.toml").write_text('\ndefault = "v3"\n[tool.ucseg]\ndefault = "v1"\n')
    document = found(tmp_path)
    assert document.data["default"] == "v3"
    assert str(document.place(("default",))) == "ucseg.toml:2  default"


def test_an_empty_table_of_ours_configures_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ucseg]\n")
    assert load_project()._replace(variants_at=no_names) == Settings(
        path=tmp_path / "pyproject.toml"
    )


def test_two_files_that_configure_one_directory_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(SHARED)
    (tmp_path / "ucseg.toml").write_text('default = "v1"\n')
    with pytest.raises(
        ConfigurationError, match=r"both ucseg\.toml and pyproject\.toml configure this folder"
    ):
        load_project()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'ucseg'\n")
    assert load_project().default.name == "v1"


@pytest.mark.parametrize("name", ["ucesg", "useg", "uc-seg"])
def test_a_table_whose_name_is_misspelt_is_no_reason_to_pass(
    ucseg: Run, tmp_path: Path, name: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.black]\n[tool.{name}]\ndefault = 'v1'\n")
    for command in (("check",), ("check", "--locked"), ("lock",), ("config",)):
        answer = ucseg(*command)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr.startswith(
            f"error: [tool.{name}] configures nothing here\n  --> pyproject.toml:2\n"
        )
    assert ucseg("params").returncode == 0


def test_the_nearest_directory_goes_before_our_own_file_further_up(
    tmp_path: Path, below: Path
) -> None:
    (tmp_path / "ucseg.toml").write_text('default = "v1"\n')
    assert load_project().default.name == "v1"
    (below.parent / "pyproject.toml").write_text(SHARED)
    assert load_project().default.name == "v3"


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "x"\n',
        '[project]\nname = "ucseg"\n',
        '[tool]\nother = "ucseg"\n',
        "[tool.ucseg-other]\n",
        'tool = "ucseg"\n',
        "[[tool]]\nucseg = {}\n",
        "",
    ],
)
def test_a_shared_file_without_our_table_is_passed_over(
    tmp_path: Path, below: Path, text: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(SHARED)
    (below / "pyproject.toml").write_text(text)
    assert load_project().path == tmp_path / "pyproject.toml"


def test_a_folder_with_the_shared_name_is_about_other_tools(tmp_path: Path, below: Path) -> None:
    (tmp_path / "ucseg.toml").write_text('default = "v1"\n')
    (below / "pyproject.toml").mkdir()
    assert load_project().default.name == "v1"


def make_folder(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_link_to_nowhere(path: Path) -> None:
    path.symlink_to("gone.toml")


def make_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def make_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_sparse_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20 << 30)


UNREADABLE: dict[Callable[[Path], None], str] = {
    make_folder: "Is a directory",
    make_pipe: "it is not a plain file",
    make_link_to_nowhere: "it is a link to gone.toml, which is missing",
    make_link_to_itself: "Too many levels of symbolic links",
    make_link_to_a_device: "it is not a plain file",
    make_sparse_file: "it is larger than 268,435,456 bytes",
}


@pytest.mark.parametrize("make", UNREADABLE, ids=lambda make: make.__name__)
def test_a_configuration_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, below: Path, make: Callable[[Path], None]
) -> None:
    (tmp_path / "ucseg.toml").write_text('default = "v1"\n')
    make(below / "ucseg.toml")
    with pytest.raises(ConfigurationError) as caught:
        load_project()
    assert caught.value.what == f"cannot read it: {UNREADABLE[make]}"
    assert caught.value.where == "ucseg.toml"


def status_of(owner: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | 0o644, 0, 0, 1, owner, 0, 0, 0, 0, 0))


@pytest.mark.parametrize("name", ["ucseg.toml", "pyproject.toml"])
def test_a_configuration_of_another_user_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_text(SHARED if name == "pyproject.toml" else 'default = "v1"\n')
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(ConfigurationError) as caught:
        load_project()
    assert f"another user owns it (number {owner})" in caught.value.what
    assert caught.value.help == "take it over with chown, or name the configuration in UCSEG_CONFIG"
    monkeypatch.setenv(ENVIRONMENT, str(path))
    assert load_project().path == path


def test_another_users_file_that_is_about_other_tools_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'ucseg'\n")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert load_project()._replace(variants_at=no_names) == Settings()


def test_a_link_of_another_user_to_a_file_of_ours_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text('default = "v1"\n')
    (tmp_path / "ucseg.toml").symlink_to("mine.toml")
    monkeypatch.setattr(Path, "lstat", lambda _: status_of(12345))
    with pytest.raises(ConfigurationError, match=r"another user owns it \(number 12345\)"):
        load_project()


@pytest.mark.parametrize(
    ("user", "caller", "owner", "ours"),
    [
        (1000, "", 1000, True),
        (1000, "", 0, False),
        (0, "1000", 1000, True),
        (0, "1000", 1001, False),
        (0, "root", 1000, False),
        (1001, "1000", 1000, False),
    ],
)
def test_a_file_is_ours_as_git_has_it(
    user: int, caller: str, owner: int, *, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setenv("SUDO_UID", caller)
    assert is_ours(status_of(owner)) is ours


def test_the_file_that_the_environment_names_goes_before_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ucseg.toml").write_text('default = "v1"\n')
    (tmp_path / "ci.toml").write_text('default = "v3"\n')
    monkeypatch.setenv(ENVIRONMENT, "ci.toml")
    assert (load_project().default.name, load_project().path) == ("v3", tmp_path / "ci.toml")
    monkeypatch.setenv(ENVIRONMENT, "")
    assert load_project().default.name == "v1"


def test_the_environment_may_name_a_shared_file(
    tmp_path: Path, below: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(SHARED)
    (below / "ucseg.toml").write_text('default = "v1"\n')
    monkeypatch.setenv(ENVIRONMENT, "../../pyproject.toml")
    assert load_project().default.name == "v3"


def test_an_empty_file_switches_a_configuration_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ucseg.toml").write_text('default = "v1"\n')
    monkeypatch.setenv(ENVIRONMENT, "/dev/null")
    assert load_project()._replace(variants_at=no_names) == Settings(path=Path("/dev/null"))


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("missing.toml", None, "cannot read it: No such file or directory"),
        (".", None, "cannot read it: Is a directory"),
        ("pyproject.toml", "[project]\n", "pyproject.toml has no [tool.ucseg]"),
        ("pyproject.toml", "[tool.other]\nname = 'ucseg'\n", "pyproject.toml has no [tool.ucseg]"),
    ],
)
def test_a_file_that_the_environment_names_must_configure_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str | None, what: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    monkeypatch.setenv(ENVIRONMENT, name)
    with pytest.raises(ConfigurationError) as caught:
        find_document(tmp_path)
    assert caught.value.what == what.format(tmp_path / name)


def test_a_file_is_shown_as_the_user_would_write_it(tmp_path: Path, below: Path) -> None:
    (tmp_path / "ucseg.toml").write_text("size = 64\n")
    assert str(found(tmp_path).place(("size",))) == f"{tmp_path}/ucseg.toml:1  size"
    (below / "ucseg.toml").write_text("size = 64\n")
    assert str(found(below).place(("size",))) == "ucseg.toml:1  size"


@pytest.mark.parametrize(
    ("key", "where"),
    [
        (("budgets", 1, "max"), "ucseg.toml:5  budgets[1].max"),
        (("budgets", 1, "warn"), "ucseg.toml:4  budgets[1].warn"),
        (("budgets", 2), "ucseg.toml:2  budgets[2]"),
        (("lint", "select"), "ucseg.toml:1  lint.select"),
        ((), "ucseg.toml:1"),
    ],
)
def test_an_absent_key_has_the_line_of_its_table(
    tmp_path: Path, key: tuple[str | int, ...], where: str
) -> None:
    (tmp_path / "ucseg.toml").write_text("\n[[budgets]]\nmax = 1\n[[budgets]]\nmax = 2\n")
    assert str(found(tmp_path).place(key)) == where


BROKEN = [
    ("[project\n", "it is not TOML"),
    ("a = 1\na = 2\n", "it is not TOML"),
    ("a = " + "[" * 10_000 + "]" * 10_000, "it is not TOML"),
    ("a = " + "{a=" * 10_000 + "1" + "}" * 10_000, "it is not TOML"),
    ("a = " + "9" * 5_000, "it is not TOML"),
    ("a = '\x00'", "it is not TOML"),
]


@pytest.mark.parametrize(("text", "what"), BROKEN, ids=lambda text: text[:12])
def test_our_own_file_that_is_not_toml_ends_every_command(
    ucseg: Run, tmp_path: Path, text: str, what: str
) -> None:
    (tmp_path / "ucseg.toml").write_text(text)
    answer = ucseg("params", "v1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"error: {what}")
    assert "ucseg.toml" in answer.stderr


@pytest.mark.parametrize(("text", "what"), BROKEN, ids=lambda text: text[:12])
def test_a_broken_shared_file_matters_only_if_it_mentions_us(
    ucseg: Run, tmp_path: Path, text: str, what: str
) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    answer = ucseg("params", "v1", "--size", "32")
    assert (answer.returncode, answer.stderr) == (0, "")
    path.write_text(f"# ucseg\n{text}")
    answer = ucseg("params", "v1", "--size", "32")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"error: {what}")
    assert f"--> {path}" in answer.stderr or "--> pyproject.toml" in answer.stderr


def test_a_broken_file_says_the_line(tmp_path: Path) -> None:
    (tmp_path / "ucseg.toml").write_text("default = 'v2'\nsize = = 3\n")
    with pytest.raises(ConfigurationError) as caught:
        load_project()
    assert "line 2" in caught.value.what


@pytest.mark.parametrize("name", ["ucseg.toml", "pyproject.toml"])
def test_a_file_that_is_not_utf_8_is_refused(ucseg: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"# ucseg \xff\n")
    answer = ucseg("params", "v1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"error: it is not UTF-8\n  --> {name}")


def test_a_file_that_may_not_be_read_is_refused_with_the_reason(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ucseg.toml").write_text("size = 32\n")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    answer = ucseg("params", "v1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: cannot read it: Permission denied\n  --> ucseg.toml")


@pytest.mark.parametrize("text", ["[tool]\nucseg = 3\n", "[[tool.ucseg]]\n", "tool.ucseg = 'v2'\n"])
def test_our_table_must_be_a_table(ucseg: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    answer = ucseg("params", "v1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: [tool.ucseg] is not a table")


def test_a_key_nested_as_deep_as_its_dots_go_is_refused_by_name(ucseg: Run, tmp_path: Path) -> None:
    (tmp_path / "ucseg.toml").write_text(f"\ndeep{'.a' * 2_000} = 1\n")
    answer = ucseg("params", "v1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: it is nested too deep\n  --> ucseg.toml:2  deep\n")


@pytest.mark.parametrize(
    "number", ["0x" + "f" * 5_000, "9223372036854775808", "-9223372036854775809"]
)
@pytest.mark.parametrize("key", ["size", "default", "variants.t.classes"])
def test_a_number_beyond_64_bits_is_refused_and_not_printed(
    ucseg: Run, tmp_path: Path, key: str, number: str
) -> None:
    (tmp_path / "ucseg.toml").write_text(f"\n{key} = {number}\n")
    answer = ucseg("params", "v1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == f"error: the number is beyond 64 bits\n  --> ucseg.toml:2  {key}\n"


@pytest.mark.parametrize("depth", [100, 492, 494])
def test_tables_of_others_may_be_nested_deeply(ucseg: Run, tmp_path: Path, depth: int) -> None:
    text = f"[tool.other]\nx = {'[' * depth}1{']' * depth}\n[tool.ucseg]\nsize = true\n"
    (tmp_path / "pyproject.toml").write_text(text)
    answer = ucseg("params", "v1")
    assert answer.returncode == 2
    assert "error: true is not an input size" in answer.stderr or "it is not TOML" in answer.stderr


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a directory in use cannot be deleted")
def test_a_working_directory_that_is_gone_is_refused(
    ucseg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    answer = ucseg("params", "v1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: the working directory is gone")
