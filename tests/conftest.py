"""What tests of several rooms need: how hypothesis runs, random members of the family, and ``ucseg`` to call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from math import prod
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.family.fit_checkpoint import expected_shapes
from ucseg_cli.cli.main import main
from ucseg_cli.errors import decode_error
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.count import Count
from ucseg_cli.facts.question import Question
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate import child_process, tracing
from ucseg_cli.gate.cache import ENVIRONMENT, Cache
from ucseg_cli.gate.fingerprints import fingerprint, lattice_fingerprint
from ucseg_cli.references.variants import CATALOGUE, Variant, as_variant
from ucseg_cli.references.variants.lattice import lattice

os.environ.setdefault("OMP_NUM_THREADS", "1")  # each worker of pytest-xdist has a core to itself

Grid = list[list[str]]
TraceOf = Callable[[Variant, Conditions], Trace]
Run = Callable[..., CompletedProcess[str]]
WriteWeights = Callable[[Path, Variant], None]

GOLDEN = Path(__file__).parent / "golden"
SOURCE = Path(__file__).parents[1]
HEEDED = (
    *(
        "COLUMNS",
        "LINES",
        "NO_COLOR",
        "FORCE_COLOR",
        "UCSEG_DEBUG",
        "_UCSEG_COMPLETE",
        "PYTHONIOENCODING",
    ),
    *("UCSEG_CONFIG", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "SOURCE_DATE_EPOCH"),
)
"""What ucseg reads from the environment; a test sets what it means."""

settings.register_profile(
    "default", deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def variants() -> SearchStrategy[Variant]:
    """Any variant, its widths small."""
    return st.builds(
        Variant,
        backbone=st.integers(4, 13),
        output_stride=st.sampled_from([32, 16]),
        rates=st.lists(st.integers(1, 20), min_size=1, max_size=4).map(tuple),
        conv=st.sampled_from(["regular", "separable"]),
        decoder_blocks=st.integers(1, 3),
        aspp_channels=st.integers(1, 12),
        mid_channels=st.integers(1, 12),
        decoder_channels=st.integers(1, 12),
        low_skip=st.integers(0, 8),
        head=st.sampled_from(["after-upsample", "before-upsample"]),
        dropout=st.integers(0, 99).map(lambda percent: percent / 100),
        classes=st.integers(2, 9),
    )


@pytest.fixture(scope="session")
def small_conditions() -> SearchStrategy[Conditions]:
    """Inputs odd and even, rarely square, down to one pixel, of one to three images."""
    side = st.one_of(st.integers(1, 9), st.integers(10, 100))
    return st.builds(Conditions, st.builds(Size, side, side), st.integers(1, 3), st.none())


@pytest.fixture(scope="session")
def trace_of() -> TraceOf:
    """The trace of a variant, each recorded once per session."""
    from ucseg_cli.engine.trace_model import trace_variant

    known: dict[tuple[Variant, Conditions], Trace] = {}

    def trace(variant: Variant, conditions: Conditions) -> Trace:
        if (variant, conditions) not in known:
            known[variant, conditions] = trace_variant(variant, conditions)
        return known[variant, conditions]

    return trace


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite tests/golden and the README's examples",
    )


@pytest.fixture
def updating(request: pytest.FixtureRequest) -> bool:
    """Whether expected texts are to be rewritten rather than held against."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def golden(updating: bool) -> Callable[[str, str], None]:  # noqa: FBT001 - a fixture
    """Hold a text against the file of that name in tests/golden."""

    def hold(name: str, text: str) -> None:
        path = GOLDEN / name
        if updating:
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no golden file {name}: pytest --update-golden writes it"
        assert text == path.read_text("utf-8"), (
            f"{name} differs: if that is meant, pytest --update-golden"
        )

    return hold


@pytest.fixture(autouse=True)
def cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own, never the person's, a place without a configuration, and a silent environment."""
    directory = tmp_path / "cache"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ENVIRONMENT, str(directory))
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in HEEDED:
        monkeypatch.delenv(name, raising=False)
    return directory


@pytest.fixture
def fake_engine(trace_of: TraceOf, monkeypatch: pytest.MonkeyPatch) -> list[tracing.Request]:
    """An engine that records each variant once per session; gives the requests that got past the cache."""
    asked: list[tracing.Request] = []
    really = tracing._record_all

    def record_all(requests: Iterable[tracing.Request]) -> dict[tracing.Request, Trace]:
        requests = list(requests)
        asked.extend(requests)
        known = {
            request: trace_of(request.model, request.conditions)
            for request in requests
            if isinstance(request.model, Variant)
        }
        others = [request for request in requests if request not in known]
        return {**known, **(really(others) if others else {})}

    @contextmanager
    def asked_here(questions: Sequence[Question]) -> Iterator[list[AskedHere]]:
        asked.extend(
            tracing.Request(each.source, conditions)
            for each in questions
            for conditions in each.conditions
        )
        yield [AskedHere(each) for each in questions]

    monkeypatch.setattr(tracing, "_record_all", record_all)
    monkeypatch.setattr(child_process, "asked_apart", asked_here)
    return asked


class AskedHere(NamedTuple):
    """A person's code in this process instead of one of its own, which takes torch's import for each."""

    question: Question

    def result(self) -> Any:
        from ucseg_cli.engine.user_code.answer_question import answer

        found = json.loads(json.dumps(answer(self.question)))
        if "error" in found:
            raise decode_error(found["error"])
        return found["results"]


@pytest.fixture
def ucseg(fake_engine: list[tracing.Request], capsys: pytest.CaptureFixture[str]) -> Run:
    """``ucseg(*arguments)`` in this process, on the fake engine."""
    assert fake_engine == []

    def run(*arguments: str) -> CompletedProcess[str]:
        capsys.readouterr()
        status = main(arguments)
        captured = capsys.readouterr()
        return CompletedProcess(["ucseg", *arguments], status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def warm_cache(trace_of: TraceOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that knows v2 at 512 pixels, and at 224 the named variants, what fixes v2, and what lies between v1 and v2."""
    directory = tmp_path_factory.mktemp("warm")
    cache = Cache(directory, warn=pytest.fail)
    v1, v2, small = CATALOGUE["v1"], CATALOGUE["v2"], Conditions()
    fixed = map(as_variant, ("v2+head=before-upsample", "v2+rates=3,6,9", "v2+rates=6"))
    for variant, conditions in [
        (v2, Conditions(Size(512, 512))),
        *((v, small) for v in (*CATALOGUE.values(), *fixed)),
    ]:
        cache.put(fingerprint(variant, conditions), trace_of(variant, conditions))
    between = {
        ",".join(sorted(taken)): totals(trace_of(each, small))
        for taken, each in lattice(v1, v2).items()
    }
    cache.put_totals(lattice_fingerprint(v1, v2, small), between)
    return directory


@pytest.fixture
def python(warm_cache: Path) -> Run:
    """``python(*arguments)``: a Python of its own, with our sources, the warm cache, and no other word from the environment."""

    def run(
        *arguments: str, environment: Mapping[str, str] | None = None, stdin: str = ""
    ) -> CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env={
                **os.environ,
                "PYTHONPATH": str(SOURCE),
                ENVIRONMENT: str(warm_cache),
                **(environment or {}),
            },
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def ucseg_process(python: Run) -> Run:
    """``ucseg(*arguments, environment=...)`` as a person starts it: a process of its own."""

    def run(*arguments: str, environment: Mapping[str, str] | None = None) -> CompletedProcess[str]:
        return python("-m", "ucseg_cli", *arguments, environment=environment)

    return run


@pytest.fixture(scope="session")
def other_counts() -> tuple[Count, ...]:
    """What the other counters say of v2 on an input of 16 by 16, run for real once."""
    return tracing.count_with_others(tracing.Request(CATALOGUE["v2"], Conditions(Size(16, 16))))


@pytest.fixture(scope="session")
def write_weights(trace_of: TraceOf) -> WriteWeights:
    """Write a state dict of a variant as safetensors, all zeros: names and shapes are what is read of it."""

    def write(path: Path, variant: Variant) -> None:
        shapes = expected_shapes(trace_of(variant, Conditions()))
        ends = list(accumulate((4 * prod(shape) for shape in shapes.values()), initial=0))
        spans = zip(shapes.items(), pairwise(ends), strict=True)
        header = json.dumps(
            {
                name: {"dtype": "F32", "shape": shape, "data_offsets": span}
                for (name, shape), span in spans
            }
        )
        path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(ends[-1]))

    return write


@pytest.fixture(scope="session")
def read_tables() -> Callable[[str], dict[str, Grid]]:
    """The tables of a Markdown answer by title, each with its header first and every cell as plain text."""
    return _read_tables


@pytest.fixture(scope="session")
def number() -> Callable[[str], int]:
    """A figure of an answer given with ``--exact``; what is missing counts nothing."""
    return _number


def _read_tables(markdown: str) -> dict[str, Grid]:
    tables: dict[str, Grid] = {}
    title = ""
    for line in markdown.splitlines():
        if line.startswith("### "):
            title = line.removeprefix("### ")
        if line.startswith("|"):
            tables.setdefault(title, []).append(
                [_plain(cell) for cell in line.strip("|").split(" | ")]
            )
    return {title: [row for row in rows if set(row[0]) != {"-"}] for title, rows in tables.items()}


def _plain(cell: str) -> str:
    return cell.strip().strip("*").replace("\\", "")


def _number(cell: str) -> int:
    return 0 if cell == "–" else int(cell.removesuffix(" B").replace(",", ""))
