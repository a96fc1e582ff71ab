from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from support.fixture_types import Run
from support.lattices import key_between
from support.small_trace import TRACE
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate import cache as caching
from ucseg_cli.gate import fingerprints
from ucseg_cli.gate.cache import TAG, Cache, default_directory
from ucseg_cli.gate.fingerprints import (
    LOADING_SOURCES,
    OUR_SOURCES,
    THEIR_SOURCES,
    TOTALS_SOURCES,
    fingerprint,
    library_fingerprint,
)
from ucseg_cli.references import FromLibrary
from ucseg_cli.references.variants import CATALOGUE, Variant
from ucseg_cli.references.variants.axes import AXES

PACKAGE = Path(caching.__file__).parents[1]


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def cache(cache_directory: Path, warnings: list[str]) -> Cache:
    return Cache(cache_directory, warn=warnings.append)


def test_a_kept_trace_is_found_again_and_no_other(cache: Cache, warnings: list[str]) -> None:
    assert cache.get("a") is None
    cache.put("a", TRACE)
    assert cache.get("a") == TRACE
    assert cache.get("b") is None
    assert warnings == []


def test_a_real_trace_is_found_as_it_was_recorded(
    cache: Cache, trace_of: Callable[[Variant, Conditions], Trace]
) -> None:
    trace = trace_of(CATALOGUE["v2"], Conditions())
    cache.put("v2", trace)
    assert cache.get("v2") == trace
    assert [size for _, size in cache.entries()] < [200_000]


TOTALS = {"conv": {"params": 1, "fvcore": 2**60}, "conv,rates": {"params": 0}}


def test_traces_and_totals_under_one_key_are_separate(cache: Cache, warnings: list[str]) -> None:
    cache.put("a", TRACE)
    assert cache.get_totals("a") is None
    cache.put_totals("a", TOTALS)
    assert (cache.get("a"), cache.get_totals("a")) == (TRACE, TOTALS)
    assert {path.name for path, _ in cache.entries()} == {"a.trace", "a.totals"}
    assert cache.clear() == 2
    assert (cache.get("a"), cache.get_totals("a"), warnings) == (None, None, [])


def test_both_kinds_count_towards_the_bound(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "MAX_ENTRIES", 3)
    for key in "abcd":
        cache.put(key, TRACE)
        cache.put_totals(key, TOTALS)
        assert len(cache.entries()) <= 3


@pytest.mark.parametrize(
    "body",
    [
        b"null", b"[]", b"1", b"{", b"\xff", b"[" * 200_000,
        b'{"conv": 1}', b'{"conv": null}', b'{"conv": ["params"]}', b'{"conv": {"params": "1"}}',
        b'{"conv": {"params": null}}', b'{"conv": {"params": 1.5}}', b'{"conv": {"params": true}}',
    ],
)  # fmt: skip
def test_totals_that_are_not_integers_by_name_cost_one_warning_and_are_replaced(
    cache: Cache, warnings: list[str], body: bytes
) -> None:
    cache.put_totals("a", TOTALS)
    ((path, _),) = cache.entries()
    path.write_bytes(_signed(body))
    assert cache.get_totals("a") is None
    assert cache.get_totals("a") is None
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    cache.put_totals("a", TOTALS)
    assert cache.get_totals("a") == TOTALS


def test_looking_makes_no_directory(cache: Cache) -> None:
    assert cache.get("a") is None
    assert cache.entries() == []
    assert cache.clear() == 0
    assert not cache.directory.exists()


def test_the_directory_is_marked_so_that_backups_leave_it_out(cache: Cache) -> None:
    cache.put("a", TRACE)
    assert (
        (cache.directory / TAG)
        .read_text("utf-8")
        .startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    )


def _flip_a_byte(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _signed(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode() + b"\n" + body


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda data: data[:-7], id="cut short"),
        pytest.param(lambda data: data[:64], id="checksum only"),
        pytest.param(_flip_a_byte, id="one bit"),
        pytest.param(lambda _: os.urandom(999), id="noise"),
        pytest.param(lambda _: b"[" * 100_000, id="brackets"),
        pytest.param(lambda _: _signed(b"[" * 200_000), id="signed brackets"),
        pytest.param(lambda _: b'{"format": 1}', id="unsigned JSON"),
        pytest.param(lambda _: _signed(b'{"format": 99}'), id="another format"),
        pytest.param(lambda _: _signed(b'{"format": 1}'), id="half a trace"),
        pytest.param(lambda _: _signed(b"[1, 2]"), id="foreign JSON"),
        pytest.param(lambda _: _signed(b"null"), id="null"),
        pytest.param(lambda _: _signed(b"\xff\xfe"), id="not text"),
    ],
)
def test_a_damaged_entry_costs_one_warning_and_is_replaced(
    cache: Cache, warnings: list[str], damage: Callable[[bytes], bytes]
) -> None:
    cache.put("a", TRACE)
    (path,) = (path for path, _ in cache.entries())
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get("a") is None
    assert cache.get("a") is None
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    cache.put("a", TRACE)
    assert cache.get("a") == TRACE


def test_a_directory_in_an_entry_s_place_costs_one_warning(
    cache: Cache, warnings: list[str]
) -> None:
    cache.put("b", TRACE)
    (cache.directory / "traces" / "a.trace").mkdir()
    assert cache.get("a") is None
    cache.put("a", TRACE)
    assert cache.get("a") is None
    assert cache.get("b") == TRACE
    (warning,) = warnings
    assert warning == f"cannot read {cache.directory / 'traces' / 'a.trace'}: Is a directory"
    assert [path.stem for path, _ in cache.entries()] == ["b"]
    assert cache.clear() == 1


def test_clearing_goes_on_after_what_cannot_be_deleted_and_raises_that(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in "abcd":
        cache.put(key, TRACE)
    delete = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path.stem in "ac":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        delete(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    first, *_ = (path for path, _ in cache.entries() if path.stem in "ac")
    with pytest.raises(PermissionError) as caught:
        cache.clear()
    assert caught.value.filename == str(first)
    assert {path.stem for path, _ in cache.entries()} == {"a", "c"}


def test_a_path_that_is_too_long_costs_one_warning(tmp_path: Path, warnings: list[str]) -> None:
    cache = Cache(tmp_path / ("n" * 300), warn=warnings.append)
    assert cache.get("a") is None
    cache.put("a", TRACE)
    assert (cache.get("a"), cache.entries(), cache.clear()) == (None, [], 0)
    assert len(warnings) == 1
    assert "File name too long" in warnings[0]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may search anywhere")
def test_a_directory_that_may_not_be_searched_costs_one_warning(
    cache: Cache, warnings: list[str]
) -> None:
    cache.put("a", TRACE)
    cache.directory.chmod(stat.S_IRUSR | stat.S_IWUSR)
    found = cache.get("a")
    cache.put("b", TRACE)
    entries = cache.entries()
    cache.directory.chmod(stat.S_IRWXU)
    assert (found, entries) == (None, [])
    assert len(warnings) == 1


def test_a_file_without_a_status_costs_one_warning(
    cache: Cache, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put("a", TRACE)

    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    assert (cache.get("a"), cache.get("b"), cache.entries()) == (None, None, [])
    assert len(warnings) == 1


def test_a_file_in_the_directory_s_place_costs_one_warning(
    cache: Cache, warnings: list[str]
) -> None:
    cache.directory.write_text("mine", encoding="utf-8")
    assert cache.get("a") is None
    cache.put("a", TRACE)
    cache.put("b", TRACE)
    assert len(warnings) == 1
    assert cache.directory.read_text("utf-8") == "mine"
    assert cache.entries() == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_takes_no_more_costs_one_warning(
    cache: Cache, warnings: list[str], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(caching, "replace_file", refuse)
    cache.put("a", TRACE)
    cache.put("b", TRACE)
    assert warnings == [f"cannot keep answers in {cache.directory}: {os.strerror(code)}"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written_costs_one_warning(
    cache: Cache, warnings: list[str]
) -> None:
    cache.directory.mkdir()
    cache.directory.chmod(stat.S_IRUSR | stat.S_IXUSR)
    cache.put("a", TRACE)
    cache.directory.chmod(stat.S_IRWXU)
    assert len(warnings) == 1


def test_a_directory_of_another_program_is_left_alone(cache: Cache, warnings: list[str]) -> None:
    cache.directory.mkdir()
    (cache.directory / "thesis.tex").write_text("mine", encoding="utf-8")
    cache.put("a", TRACE)
    assert cache.get("a") is None
    assert cache.clear() == 0
    assert [path.name for path in cache.directory.iterdir()] == ["thesis.tex"]
    assert len(warnings) == 1
    assert "UCSEG_CACHE_DIR" in warnings[0]


@pytest.mark.parametrize(
    "mark", [None, "Signature: 8a477f597d28d172789f06886806bc55\n# of another tool\n"]
)
def test_traces_of_another_program_are_neither_counted_nor_deleted(
    cache: Cache, warnings: list[str], mark: str | None
) -> None:
    theirs = cache.directory / "traces" / "theirs.trace"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine", encoding="utf-8")
    if mark:
        (cache.directory / TAG).write_text(mark, encoding="utf-8")
    cache.put("a", TRACE)
    assert (cache.entries(), cache.clear()) == ([], 0)
    assert [path.name for path in theirs.parent.iterdir()] == ["theirs.trace"]
    assert len(warnings) == 1


def test_an_entry_in_the_place_of_another_is_not_taken_for_it(
    cache: Cache, warnings: list[str]
) -> None:
    cache.put("a", TRACE)
    (cache.directory / "traces" / "a.trace").rename(cache.directory / "traces" / "b.trace")
    assert cache.get("b") is None
    assert "checksum" in warnings[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_an_entry_s_place_costs_one_warning_and_is_replaced(
    cache: Cache, warnings: list[str]
) -> None:
    cache.put("b", TRACE)
    os.mkfifo(cache.directory / "traces" / "a.trace")
    assert cache.get("a") is None
    cache.put("a", TRACE)
    assert cache.get("a") == TRACE
    assert len(warnings) == 1


def test_an_empty_directory_is_taken(cache: Cache, warnings: list[str]) -> None:
    cache.directory.mkdir()
    cache.put("a", TRACE)
    assert (cache.get("a"), warnings) == (TRACE, [])


def test_a_directory_whose_traces_were_deleted_by_hand_is_used_again(
    cache: Cache, warnings: list[str]
) -> None:
    cache.put("a", TRACE)
    shutil.rmtree(cache.directory / "traces")
    cache.put("a", TRACE)
    assert (cache.get("a"), warnings) == (TRACE, [])


def test_no_half_written_file_is_left_behind(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put("a", TRACE)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    cache.put("b", TRACE)
    assert [path.name for path in (cache.directory / "traces").iterdir()] == ["a.trace"]


def test_the_entry_used_longest_ago_goes_first(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "MAX_ENTRIES", 3)
    for age, key in enumerate("cba"):
        cache.put(key, TRACE)
        os.utime(cache.directory / "traces" / f"{key}.trace", (1000 + age, 1000 + age))
    assert cache.get("c") == TRACE  # now the youngest
    cache.put("d", TRACE)
    assert {path.stem for path, _ in cache.entries()} == {"a", "c", "d"}


def test_there_are_never_more_than_the_bound(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "MAX_ENTRIES", 5)
    for key in range(20):
        cache.put(str(key), TRACE)
        assert len(cache.entries()) <= 5


def test_the_bound_is_512_entries(cache: Cache) -> None:
    cache.put("a", TRACE)
    for number in range(512):
        (cache.directory / "traces" / f"{number}.totals").touch()
    (cache.directory / "traces" / "notes.txt").touch()
    os.utime(cache.directory / "traces" / "notes.txt", (1000, 1000))  # the oldest by far
    cache.put("b", TRACE)
    assert len(cache.entries()) == 512
    assert (cache.directory / "traces" / "notes.txt").exists(), "it is not an entry"


def test_any_number_may_fill_one_cache_at_once(cache_directory: Path) -> None:
    def fill(worker: int) -> bool:
        own = Cache(cache_directory, warn=pytest.fail)
        for key in range(12):
            own.put(str(key % 4), TRACE)
            own.put(f"{worker}-{key}", TRACE)
        return all(own.get(str(key)) == TRACE for key in range(4))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(fill, range(4)))
    entries = Cache(cache_directory, warn=pytest.fail).entries()
    assert len(entries) == 4 + 4 * 12
    assert len(list((cache_directory / "traces").iterdir())) == len(entries)


FILL = """
import sys
from pathlib import Path
from ucseg_cli.gate.cache import Cache
from ucseg_cli.facts.trace import Module, Trace
trace = Trace((Module("", "Net"),), (), (), (), (), (), ())
cache = Cache(Path(sys.argv[1]), warn=lambda message: sys.exit(message))
for round in range(40):
    cache.put("shared", trace)
    assert cache.get("shared") == trace
"""


def test_two_processes_may_fill_one_cache_at_once(python: Run, cache_directory: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: python("-c", FILL, str(cache_directory)), range(2)))
    assert [(answer.returncode, answer.stderr) for answer in answers] == [(0, "")] * 2
    assert len(list((cache_directory / "traces").iterdir())) == 1


def test_the_environment_says_where_else_the_platform_does(
    cache_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_directory() == cache_directory
    monkeypatch.delenv("UCSEG_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_directory().name == "ucseg"
    monkeypatch.setenv("UCSEG_CACHE_DIR", "")
    assert default_directory().name == "ucseg"


OTHER: dict[str, Any] = {
    "backbone": 12,
    "output_stride": 16,
    "rates": (6, 12),
    "conv": "regular",
    "decoder_blocks": 3,
    "aspp_channels": 65,
    "mid_channels": 25,
    "decoder_channels": 65,
    "low_skip": 1,
    "head": "before-upsample",
    "dropout": 0.31,
    "classes": 22,
}


def test_the_fingerprint_changes_with_every_axis_the_size_and_the_batch() -> None:
    assert OTHER.keys() == {axis.name for axis in AXES}
    v2 = CATALOGUE["v2"]
    variants = [v2, *(v2._replace(**{name: value}) for name, value in OTHER.items())]
    prints = [
        *(fingerprint(variant, Conditions()) for variant in variants),
        *(
            fingerprint(v2, Conditions(size))
            for size in (Size(224, 225), Size(225, 224), Size(2, 24))
        ),
        fingerprint(v2, Conditions(batch=2)),
    ]
    assert len(set(prints)) == len(prints)


def test_equal_networks_have_one_fingerprint_whatever_they_were_called() -> None:
    assert fingerprint(CATALOGUE["v1"]._replace(), Conditions()) == fingerprint(
        CATALOGUE["v1"], Conditions()
    )


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's sources that the fingerprint is taken of."""
    package = tmp_path / "ucseg_cli"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprints, "PACKAGE", package)
    return package


@pytest.fixture
def print_now() -> Iterator[Callable[[], tuple[str, str, str]]]:
    """The fingerprints of v2, of a torchvision network, and of totals, as the files are now."""
    v1, v2 = CATALOGUE["v1"], CATALOGUE["v2"]

    def now() -> tuple[str, str, str]:
        fingerprints._sources.cache_clear()
        return (
            fingerprint(v2, Conditions()),
            library_fingerprint(FromLibrary("torchvision", "resnet18"), Conditions()),
            key_between(v1, v2, Conditions()),
        )

    yield now
    fingerprints._sources.cache_clear()


def test_totals_have_a_fingerprint_of_both_ends_and_of_the_input() -> None:
    v1, v2 = CATALOGUE["v1"], CATALOGUE["v2"]
    prints = {
        key_between(v1, v2, Conditions()),
        key_between(v2, v1, Conditions()),
        key_between(v1, v2, Conditions(batch=2)),
    }
    assert len(prints) == 3


CHANGES = {
    "facts/trace.py": (True, True, True),
    "engine/trace_model.py": (True, True, True),
    "engine/recording/record.py": (True, True, True),
    "nets/blocks.py": (True, True, True),
    "references/variants/axes.py": (True, True, True),
    "zoo/mobilenet_v3.py": (True, True, True),
    "zoo/torchvision_models.py": (False, True, False),
    "zoo/providers.py": (False, True, False),
    "references/libraries.py": (False, True, False),
    "engine/user_code/isolation.py": (False, True, False),
    "analysis/counting/conventions.py": (False, False, True),
    "analysis/memory/peak_memory.py": (False, False, True),
    "report/answers/look/params.py": (False, False, False),
    "commands/look/params.py": (False, False, False),
}
"""Whether a file of ours changes the fingerprint of a variant, a torchvision network, totals."""


@pytest.mark.parametrize("name", CHANGES)
def test_a_fingerprint_changes_with_every_file_that_its_entry_depends_on(
    copy: Path, print_now: Callable[[], tuple[str, str, str]], name: str
) -> None:
    before = print_now()
    path = copy / name
    path.write_text(path.read_text("utf-8") + "\n", encoding="utf-8")
    changed = print_now()
    path.unlink()
    gone = print_now()
    assert tuple(one != other for one, other in zip(before, changed, strict=True)) == CHANGES[name]
    assert tuple(one != other for one, other in zip(changed, gone, strict=True)) == CHANGES[name]


def test_every_fingerprinted_file_of_other_packages_is_there() -> None:
    from importlib.util import find_spec

    for package, names in THEIR_SOURCES:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        assert [name for name in names if not (Path(spec.origin).parent / name).is_file()] == []


IRRELEVANT = {
    "errors.py": "only words of failures, and a failure is not kept",
    "system/free_memory.py": "whether a run is tried, and what did not run is not kept",
    "system/paths.py": "only words",
    "analysis/geometry/operator_kinds.py": "which operators are listed, and no totals are of these",
    "references/beneath_folder.py": "which files may be named, and only a variant has an entry",
    "references/grammar.py": "how a model is named; the fingerprint has the model itself",
    "references/designs.py": "which models are compared; the fingerprint has the model itself",
    "references/libraries.py": "which networks have names; a variant has its own",
    "references/sources.py": "where a model is from; a variant is from nowhere else",
    "facts/design.py": "which designs there are; the arguments of one are in its trace",
    "facts/encoding/encoded_trace.py": "how a trace is written, which has a version of its own",
    "facts/encoding/operator_forms.py": "which written traces are refused",
    "units.py": "only words",
    "facts/element_types.py": "sizes of elements, which a trace takes from torch",
    "analysis/memo.py": "computes nothing, only once",
}
"""Files that are imported although no entry depends on them, each with its reason."""


@pytest.mark.parametrize(
    ("modules", "sources"),
    [
        ("ucseg_cli.engine.trace_model", OUR_SOURCES + LOADING_SOURCES),
        (
            "ucseg_cli.analysis.counting.metrics, ucseg_cli.analysis.counting.fold_batch_norms",
            OUR_SOURCES + TOTALS_SOURCES,
        ),
    ],
)
def test_every_file_that_an_entry_is_made_by_is_fingerprinted_or_known_not_to_matter(
    python: Run, modules: str, sources: tuple[str, ...]
) -> None:
    code = (
        f"import sys, {modules}\n"
        "names = [name for name in sys.modules if name.partition('.')[0] == 'ucseg_cli']\n"
        "ours = [sys.modules[name].__file__ for name in names]\n"
        "print(*filter(None, ours), sep='\\n')"
    )
    lines = python("-c", code).stdout.splitlines()
    imported = {Path(line).relative_to(PACKAGE).as_posix() for line in lines}
    assert len(imported) > 10
    missed = {name for name in imported if not name.startswith(sources)} - IRRELEVANT.keys()
    assert {name for name in missed if not name.endswith("__init__.py")} == set()
