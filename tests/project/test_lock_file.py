from __future__ import annotations

import errno
import json
import os
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ucseg_cli.errors import ConfigurationError, OutputError
from ucseg_cli.facts.lock import Lock, Locked, Raise, Tree, leaves
from ucseg_cli.project.lock_file import FORMAT_VERSION, KIND, NAME, read_lock, write_lock
from ucseg_cli.system.paths import shown

Models = dict[str, Locked]
COUNTS = st.integers(-(2**63) + 1, 2**63 - 1)
LEAVES = st.one_of(COUNTS, st.text(), st.lists(COUNTS, max_size=4).map(tuple))
NAMES = st.text("abv123+=,._-", min_size=1, max_size=9)


def trees() -> SearchStrategy[Tree]:
    """Any tree of up to four levels; its names are not those that a block has beside it."""
    inner = st.recursive(
        LEAVES, lambda below: st.dictionaries(st.text(), below, max_size=4), max_leaves=20
    )
    return st.dictionaries(
        st.text().filter(lambda name: name not in {"since", "raises"}), inner, max_size=5
    )


def locks() -> SearchStrategy[Models]:
    raises = st.lists(st.builds(Raise, st.text(), st.text()), max_size=3).map(tuple)
    return st.dictionaries(NAMES, st.builds(Locked, trees(), st.text(), raises), max_size=4)


def model(params: int, since: str = "2026-01-02") -> Locked:
    return Locked({"total": {"params": params}, "sizes": {"32": {"total": {"fvcore": 7}}}}, since)


def document(**changed: object) -> str:
    return json.dumps({"kind": KIND, "format_version": FORMAT_VERSION, "models": {}, **changed})


def read(path: Path) -> Lock:
    lock = read_lock(path)
    assert lock is not None
    return lock


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lock") / NAME


@given(models=locks())
def test_what_is_written_is_what_is_read(path: Path, models: Models) -> None:
    write_lock(path, models)
    assert read(path) == Lock(models, path.read_text("utf-8"))


@given(models=locks())
def test_the_order_in_which_models_come_leaves_no_trace_in_the_file(
    path: Path, models: Models
) -> None:
    write_lock(path, models)
    before = path.read_bytes()
    write_lock(path, dict(reversed(models.items())))
    assert path.read_bytes() == before
    assert list(json.loads(before)["models"]) == sorted(models)


@given(models=locks())
def test_a_lock_that_is_read_and_written_is_the_same_bytes(path: Path, models: Models) -> None:
    write_lock(path, models)
    before = path.read_bytes()
    write_lock(path, read(path).models)
    assert path.read_bytes() == before


def test_the_file_is_one_line_for_each_thing_and_ends_in_a_newline(tmp_path: Path) -> None:
    path = tmp_path / NAME
    tree: Tree = {
        "axes": {"rates": "6", "conv": "×"},
        "convs": {"b": {"stride": (2, 2)}, "a": {"groups": 1}},
    }
    write_lock(path, {"v2": Locked(tree, "2026-01-02", (Raise("2026-01-01", "why"),))})
    assert path.read_text("utf-8") == (
        "{\n"
        '  "kind": "ucseg.lock",\n'
        '  "format_version": "1.0",\n'
        '  "models": {\n'
        '    "v2": {\n'
        '      "since": "2026-01-02",\n'
        '      "raises": [{"date": "2026-01-01", "reason": "why"}],\n'
        '      "axes": {"conv": "×", "rates": "6"},\n'
        '      "convs": {\n'
        '        "b": {"stride": [2, 2]},\n'
        '        "a": {"groups": 1}\n'
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n"
    )


@given(names=st.sets(NAMES, min_size=1, max_size=4))
def test_the_line_of_a_model_is_where_its_block_opens(path: Path, names: set[str]) -> None:
    write_lock(path, {name: model(len(name)) for name in names})
    lock = read(path)
    lines = lock.text.split("\n")
    assert [lines[lock.line(name) - 1] for name in names] == [f'    "{name}": {{' for name in names]


def test_a_model_without_a_line_of_its_own_is_at_the_first() -> None:
    assert Lock({"v2": model(1)}, document(models={"v2": {}})).line("v2") == 1
    assert Lock({}).line("v2") == 1


def test_the_leaves_of_a_tree_come_with_every_name_that_leads_there() -> None:
    tree: Tree = {"a": {"b": 1, "c": {"d": (2, 3)}, "empty": {}}, "e": "four"}
    assert list(leaves(tree)) == [(("a", "b"), 1), (("a", "c", "d"), (2, 3)), (("e",), "four")]


@given(tree=trees())
def test_no_two_leaves_of_a_tree_have_one_address(tree: Tree) -> None:
    addresses = [address for address, _ in leaves(tree)]
    assert len(set(addresses)) == len(addresses)


def test_where_there_is_no_file_there_is_no_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path / NAME) is None


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "it is not JSON: Expecting value"),
        ("{\n\n  nothing\n", 3, "it is not JSON: Expecting property name"),
        (document()[:-1], 1, "it is not JSON: "),
        ("\ufeff" + document(), 1, "it is not JSON: Unexpected UTF-8 BOM"),
        ("[" * 100_000, 1, "it is not JSON: maximum recursion depth exceeded"),
        (document(n=0).replace(": 0", f": {'9' * 5000}"), 1, "it is not JSON: Exceeds the limit"),
        (
            "<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n",
            1,
            "it has the marks of a merge conflict",
        ),
        (
            '{\n<<<<<<< ours\n"a": 1\n=======\n"a": 2\n>>>>>>> theirs\n}\n',
            2,
            "it has the marks of a merge conflict",
        ),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    path = tmp_path / NAME
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_lock(path)
    assert caught.value.what.startswith(f"the lock cannot be read: {what}")
    assert caught.value.where == f"{shown(path)}:{line}"
    alone = "restore it from version control, or delete it and run `ucseg lock`"
    assert caught.value.help == (
        "`ucseg lock` takes the models of both sides" if "conflict" in what else alone
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[]", "it is not a lock of ucseg"),
        ("7", "it is not a lock of ucseg"),
        ("{}", "it is not a lock of ucseg"),
        (document(kind="package-lock"), "it is not a lock of ucseg"),
        (document(kind=None), "it is not a lock of ucseg"),
        (document(models=None), "the lock has no models"),
        (document(models=["v2"]), "the lock has no models"),
        (document(models={"v2": 7}), "the lock has an entry for 'v2' that cannot be: "),
        (document(models={"v2": ["a"]}), "the lock has an entry for 'v2' that cannot be: "),
        (
            document(models={"v2": {"total": None}}),
            "the lock has an entry for 'v2' that cannot be: 'total' is None",
        ),
        (
            document(models={"v2": {"total": {"params": 1.0}}}),
            "the lock has an entry for 'v2' that cannot be: 'params' is 1.0",
        ),
        (
            document(models={"v2": {"total": {"params": True}}}),
            "the lock has an entry for 'v2' that cannot be: 'params' is True",
        ),
        (
            document(models={"v2": {"shape": [1, "2"]}}),
            "the lock has an entry for 'v2' that cannot be: 'shape' is [1, '2']",
        ),
        (
            document(models={"v2": {"shape": [1, False]}}),
            "the lock has an entry for 'v2' that cannot be: 'shape' is [1, False]",
        ),
        (
            document(models={"v2": {"raises": None}}),
            "the lock has an entry for 'v2' that cannot be: ",
        ),
        (
            document(models={"v2": {"raises": [{"date": "2026-01-02"}]}}),
            "the lock has an entry for 'v2' that cannot be: ",
        ),
        (
            document(models={"v2": {"raises": ["because"]}}),
            "the lock has an entry for 'v2' that cannot be: ",
        ),
    ],
)
def test_json_that_is_not_a_lock_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, what: str
) -> None:
    path = tmp_path / NAME
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_lock(path)
    assert caught.value.what.startswith(what)
    assert caught.value.where == shown(path)
    alone = "restore it from version control, or delete it and run `ucseg lock`"
    assert caught.value.help == (
        "`ucseg lock` takes the models of both sides" if "conflict" in what else alone
    )


@pytest.mark.parametrize("version", ["2.0", "10.0", "0.9", "", "one", 1, 1.0, None])
def test_a_format_that_is_not_ours_is_not_guessed_at(tmp_path: Path, version: object) -> None:
    path = tmp_path / NAME
    path.write_text(document(format_version=version), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_lock(path)
    assert caught.value.what == f"the lock has format {version!r}, which this version does not read"
    assert caught.value.notes == ("known: 1.0",)
    assert (
        caught.value.help
        == "use the release of ucseg that wrote it, or delete it and run `ucseg lock`"
    )


def test_a_later_format_of_the_same_kind_is_read(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text(
        document(format_version="1.9", models={"v2": {"total": {"params": 3}}}), encoding="utf-8"
    )
    assert read(path).models == {"v2": Locked({"total": {"params": 3}}, "")}


def test_a_directory_in_the_lock_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(ConfigurationError, match="cannot read the lock: ") as caught:
        read_lock(tmp_path / NAME)
    assert caught.value.where == shown(tmp_path / NAME)


def test_a_lock_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b'{"kind": "\xff"}')
    with pytest.raises(ConfigurationError, match="cannot read the lock: 'utf-8' codec"):
        read_lock(tmp_path / NAME)


def test_a_failed_write_leaves_the_old_lock_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "project" / NAME
    path.parent.mkdir()
    write_lock(path, {"v2": model(1)})
    before = path.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError) as caught:
        write_lock(path, {"v2": model(2)})
    assert (caught.value.what, caught.value.where) == (
        "cannot write the lock: No space left on device",
        shown(path),
    )
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [NAME]


def test_a_lock_cannot_be_written_where_there_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write the lock: No such file or directory"):
        write_lock(tmp_path / "nowhere" / NAME, {})


@pytest.mark.skipif(os.name != "posix", reason="modes and links are POSIX's")
def test_a_lock_keeps_its_mode_and_a_link_to_it_stays_one(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept.json", tmp_path / NAME
    write_lock(kept, {})
    kept.chmod(0o640)
    link.symlink_to(kept)
    write_lock(link, {"v2": model(1)})
    assert link.is_symlink()
    assert kept.stat().st_mode & 0o777 == 0o640
    assert read(kept).models == {"v2": model(1)}


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    """The lock of v2 and v3, as git merges two branches that locked one of them each."""
    base, ours, theirs = (
        {"v2": model(1), "v3": model(2)},
        {"v2": model(10, "2026-03-04"), "v3": model(2)},
        {"v2": model(1), "v3": model(20, "2026-05-06")},
    )
    return _merge(tmp_path, base, ours, theirs)


def test_two_branches_that_lock_different_models_merge_without_a_conflict(merged: Path) -> None:
    assert read(merged).models == {"v2": model(10, "2026-03-04"), "v3": model(20, "2026-05-06")}


def test_two_branches_that_add_models_in_different_places_merge_without_a_conflict(
    tmp_path: Path,
) -> None:
    base = {"v2": model(2)}
    path = _merge(tmp_path, base, {**base, "v1": model(1)}, {**base, "v3": model(3)})
    assert read(path).models == {"v1": model(1), "v2": model(2), "v3": model(3)}


def test_the_same_model_locked_otherwise_on_two_branches_is_a_conflict(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="conflict"):
        _merge(tmp_path, {"v2": model(1)}, {"v2": model(2)}, {"v2": model(3)})


def _merge(directory: Path, base: Models, ours: Models, theirs: Models) -> Path:
    """Both branches' edits of the base in one text; AssertionError if they touch each other."""
    path = directory / NAME
    before, *branches = (_lines(path, models) for models in (base, ours, theirs))
    edits = sorted(
        (start, end, new[first:last])
        for new in branches
        for tag, start, end, first, last in SequenceMatcher(
            a=before, b=new, autojunk=False
        ).get_opcodes()
        if tag != "equal"
    )
    for (_, end, _), (start, _, _) in pairwise(edits):
        assert end < start, "conflict"
    for start, end, new in reversed(edits):
        before[start:end] = new
    path.write_text("".join(before), encoding="utf-8")
    return path


def _lines(path: Path, models: Models) -> list[str]:
    write_lock(path, models)
    return path.read_text("utf-8").splitlines(keepends=True)


CONFLICT = """{"kind": "ucseg.lock", "format_version": "1.0", "models": {
<<<<<<< ours
    "a": {"since": "2026-01-01", "raises": [{"date": "2026-01-01", "reason": "x"}],
          "total": {"params": 1}},
    "both": {"since": "2026-01-01", "raises": [{"date": "2026-01-02", "reason": "ours"}],
             "total": {"params": 2}}
||||||| base
    "both": {"since": "2025-01-01", "raises": [], "total": {"params": 1}}
=======
    "both": {"since": "2026-01-03", "raises": [{"date": "2026-01-01", "reason": "theirs"}],
             "total": {"params": 3}},
    "b": {"since": "2026-01-03", "raises": [], "total": {"params": 4}}
>>>>>>> theirs
}}
"""


@pytest.mark.parametrize(
    "text",
    [CONFLICT, CONFLICT.replace(CONFLICT[CONFLICT.index("|||") : CONFLICT.index("====")], "")],
)
def test_a_lock_in_conflict_gives_the_models_and_reasons_of_both_sides(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / NAME
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="marks of a merge conflict"):
        read_lock(path)
    lock = read_lock(path, both_sides=True)
    assert lock is not None
    assert lock.in_conflict
    assert list(lock.models) == ["a", "both", "b"]
    assert lock.models["both"].tree == {"total": {"params": 2}}
    assert [one.reason for one in lock.models["both"].raises] == ["theirs", "ours"]


def test_a_merge_conflict_with_a_side_that_is_not_a_lock_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text("<<<<<<< ours\n{}\n=======\nnothing\n>>>>>>> theirs\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="a side of it is not a lock"):
        read_lock(path, both_sides=True)
