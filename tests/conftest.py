"""Fixtures of several rooms: how hypothesis runs, traces without torch, and ``ucseg``."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise, product
from math import prod
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from support.fake_timing import fake_machine, stored_machine
from support.fixture_types import (
    Golden,
    Grid,
    ModelTraceOf,
    Number,
    Run,
    Tables,
    TraceOf,
    WriteWeights,
)
from support.forked_python import fork_children, forked_children, ucseg_fork
from support.lattices import family_lattice, key_between
from support.schema_complaints import schema_complaints
from support.stored_counts import COUNTED, read_counts, write_counts
from support.stored_traces import Pass, StoredTraces, write_traces
from support.strategies import STORED_CONDITIONS, STORED_VARIANTS, any_small_conditions, any_variant
from support.without_torch import is_torch_free, refuse_torch
from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.family.axes_from_shapes import expected_shapes
from ucseg_cli.analysis.narrowing.axis_steps import family_steps
from ucseg_cli.cli.main import main
from ucseg_cli.errors import UcsegError, decode_error
from ucseg_cli.facts.choices import TIMEOUT
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.count import Count
from ucseg_cli.facts.design import Design, decode_design
from ucseg_cli.facts.encoding.encoded_trace import decode_trace
from ucseg_cli.facts.parts import PartBook
from ucseg_cli.facts.question import Question
from ucseg_cli.facts.settings import Settings
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate import child_process, sweeping, tracing
from ucseg_cli.gate.cache import ENVIRONMENT, Cache
from ucseg_cli.gate.fingerprints import fingerprint
from ucseg_cli.project import config_file, configuration
from ucseg_cli.project.configuration import read_settings
from ucseg_cli.references import FromLibrary, Model, Reference
from ucseg_cli.references.variants import CATALOGUE, Variant, as_variant

__all__ = ["fake_machine", "forked_children", "stored_machine", "ucseg_fork"]

os.environ.setdefault("OMP_NUM_THREADS", "1")  # each worker of pytest-xdist has a core to itself

EMPTY_BOOK = PartBook([], [])
GOLDEN = Path(__file__).parent / "golden"
SOURCE = Path(__file__).parents[1]
HEEDED = (
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING", "_UCSEG_COMPLETE"),
    *("UCSEG_DEBUG", "UCSEG_CONFIG"),
    *("GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "SOURCE_DATE_EPOCH"),
)
"""Variables that ucseg reads from the environment; a test sets what it needs."""

settings.register_profile(
    "default", deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow]
)

pytest_plugins = ["ucseg_cli.door.pytest_plugin"]
settings.register_profile("ci", settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=500)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
THOROUGH = PROFILE == "thorough"
settings.load_profile(PROFILE)


# Random networks, and traces


@pytest.fixture(scope="session")
def variants() -> SearchStrategy[Variant]:
    """Any variant, its widths small. Their traces are recorded with torch."""
    return any_variant()


@pytest.fixture(scope="session")
def small_conditions() -> SearchStrategy[Conditions]:
    """Inputs odd and even, rarely square, down to one pixel, of one to three images."""
    return any_small_conditions()


@pytest.fixture(scope="session")
def stored_variants() -> SearchStrategy[Variant]:
    """A few that differ in everything and have stored traces; any, with torch, if thorough."""
    return any_variant() if THOROUGH else st.sampled_from(STORED_VARIANTS)


@pytest.fixture(scope="session")
def stored_conditions() -> SearchStrategy[Conditions]:
    """Small inputs of which every stored variant has a trace."""
    return any_small_conditions() if THOROUGH else st.sampled_from(STORED_CONDITIONS)


@pytest.fixture(scope="session")
def model_trace_of(pytestconfig: pytest.Config) -> Iterator[ModelTraceOf]:
    """The trace of a network by its name, out of tests/data; what is not there is recorded."""
    updating = bool(pytestconfig.getoption("--update-traces"))
    stored = StoredTraces()
    recorded: dict[Pass, Trace] = {}

    def trace(model: Variant | FromLibrary, conditions: Conditions) -> Trace:
        wanted = Pass(model, conditions)
        if not updating and (found := stored.get(wanted)) is not None:
            return found
        if wanted not in recorded:
            recorded[wanted] = _record(wanted)
        return recorded[wanted]

    yield trace
    if updating:
        # hypothesis may draw another pair tomorrow
        for variant, conditions in product(STORED_VARIANTS, {asked for _, asked in recorded}):
            if any(Pass(other, conditions) in recorded for other in STORED_VARIANTS):
                trace(variant, conditions)
        write_traces(recorded)


@pytest.fixture(scope="session")
def trace_of(model_trace_of: ModelTraceOf) -> TraceOf:
    """The trace of a variant."""
    return model_trace_of


def _record(wanted: Pass) -> Trace:
    try:
        from ucseg_cli.engine.trace_model import Tracer
    except ImportError as error:
        missing = f"no trace of {wanted.model} on {wanted.conditions} is stored"
        raise LookupError(f"{missing}: `make update-traces` adds it") from error
    return Tracer().trace(wanted.model, wanted.conditions)


@pytest.fixture(autouse=True)
def _out_of_reach(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No torch in the rooms that have to do without it, but for tests with the mark ``torch``."""
    marked = request.node.get_closest_marker("torch") is not None
    recording = THOROUGH or request.config.getoption("--update-traces")
    if is_torch_free(request.path) and not marked and not recording:
        refuse_torch(monkeypatch)


# Expected texts


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite tests/golden and the screens of the documentation",
    )
    parser.addoption(
        "--update-traces",
        action="store_true",
        help="rewrite tests/data with every trace that these tests ask for, in one process",
    )


def pytest_collection_finish() -> None:
    """Look for garbage rarely, and never among modules and collected tests: a quarter of the time.

    ``ucseg`` itself does the first.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-traces") and hasattr(config, "workerinput"):
        raise pytest.UsageError("--update-traces collects traces in one process: leave -n out")


@pytest.fixture
def updating(request: pytest.FixtureRequest) -> bool:
    """Whether expected texts are to be rewritten rather than compared."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def golden(updating: bool) -> Golden:  # noqa: FBT001 - a fixture
    """Compare a text with the file of that name in tests/golden."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if updating:
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"no golden file {name}: pytest --update-golden writes it"
        assert text == path.read_text("utf-8"), (
            f"{name} differs: if this is intended, pytest --update-golden"
        )

    return compare


@pytest.fixture(autouse=True)
def cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own, no configuration, and nothing set in the environment."""
    directory = tmp_path / "cache"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ENVIRONMENT, str(directory))
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in HEEDED:
        monkeypatch.delenv(name, raising=False)
    return directory


@pytest.fixture(autouse=True)
def _what_is_read_fits_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every configuration of every test that the reader takes is one that editors take."""

    def read(document: config_file.Document) -> Settings:
        found = read_settings(document)
        assert schema_complaints(document.data) == {}
        return found

    monkeypatch.setattr(configuration, "read_settings", read)


@pytest.fixture
def fake_engine(
    model_trace_of: ModelTraceOf, other_counts: tuple[Count, ...], monkeypatch: pytest.MonkeyPatch
) -> list[tracing.Request]:
    """An engine that has stored traces and counts; gives the requests that got past the cache."""
    asked: list[tracing.Request] = []
    really_count = tracing.count_with_others
    really_ask = child_process.child_processes

    def record_all(
        requests: Iterable[tracing.Request], failures: tracing.Failures | None = None
    ) -> dict[tracing.Request, Trace]:
        found: dict[tracing.Request, Trace] = {}
        for request in requests:
            asked.append(request)
            assert isinstance(request.model, Variant | FromLibrary)
            with tracing._noting_failures([request], failures):
                found[request] = model_trace_of(request.model, request.conditions)
        return found

    def record_here(
        models: Sequence[Model], conditions: Sequence[Conditions], **_: bool
    ) -> Iterator[sweeping.Recorded]:
        for model in models:
            failures: tracing.Failures = {}
            requests = [tracing.Request(model, at) for at in conditions]
            found = record_all(requests, failures)
            outcomes = [found.get(one) or failures[one] for one in requests]
            yield sweeping.Recorded(outcomes, EMPTY_BOOK)

    def count(request: tracing.Request, timeout: float = TIMEOUT) -> tuple[Count, ...]:
        return other_counts if request == COUNTED else really_count(request, timeout)

    @contextmanager
    def asked_here(
        questions: Sequence[Question], limit: float, patience: float | None = None
    ) -> Iterator[list[Any]]:
        asked.extend(
            tracing.Request(source, conditions)
            for question in questions
            for source, conditions in question.points
        )
        if any(source.revision for question in questions for source in question.sources):
            fork_children(monkeypatch)
            with really_ask(questions, limit, patience) as children:
                yield children
        else:
            yield [AskedHere(question) for question in questions]

    monkeypatch.setattr(tracing, "_record_all", record_all)
    monkeypatch.setattr(sweeping, "_record_here", record_here)
    monkeypatch.setattr(tracing, "count_with_others", count)
    monkeypatch.setattr(child_process, "child_processes", asked_here)
    return asked


class AskedHere(NamedTuple):
    """A user's code in this process: one of its own would import torch each time."""

    question: Question

    def wait_for_results(self) -> Any:
        from ucseg_cli.engine.user_code.answer_question import answer

        found = json.loads(json.dumps(answer(self.question)))
        if "error" in found:
            raise decode_error(found["error"])
        return [
            decode_error(result["error"]) if "error" in result else result
            for result in found["results"]
        ]

    def wait_for_traces(self) -> list[Trace | UcsegError]:
        return [
            result if isinstance(result, UcsegError) else decode_trace(result)
            for result in self.wait_for_results()
        ]

    def follow_lines(self) -> Iterator[Any]:
        from ucseg_cli.engine.parts.stream_space import stream_space

        return map(json.loads, stream_space(self.question, lambda source: source))

    def wait_for_designs(self) -> list[Design]:
        (found,) = self.wait_for_results()
        if isinstance(found, UcsegError):
            raise found
        return list(map(decode_design, found))

    def dependencies(self) -> list[None]:
        return [None] * len(self.question.points)


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
    """A cache with v2 at 512, and at 224 the named variants, v2's fixes and steps, v1 to v2."""
    directory = tmp_path_factory.mktemp("warm")
    cache = Cache(directory, warn=pytest.fail)
    v1, v2, small = CATALOGUE["v1"], CATALOGUE["v2"], Conditions()
    fixed = map(as_variant, ("v2+head=before-upsample", "v2+rates=3,6,9", "v2+rates=6"))
    lower = (step.reference.model for step in family_steps(Reference("v2", v2), v2)[0])
    steps = [variant for variant in lower if isinstance(variant, Variant)]
    known = [(variant, small) for variant in (*CATALOGUE.values(), *fixed, *steps)]
    for variant, conditions in [(v2, Conditions(Size(512, 512))), *known]:
        cache.put(fingerprint(variant, conditions), trace_of(variant, conditions))
    between = {
        ",".join(sorted(taken)): totals(trace_of(variant, small))
        for taken, variant in family_lattice(v1, v2).items()
    }
    cache.put_totals(key_between(v1, v2, small), between)
    return directory


@pytest.fixture
def python(warm_cache: Path) -> Run:
    """``python(*arguments)``: a Python of its own, with our sources and the warm cache."""

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
    """``ucseg(*arguments, environment=...)`` as a user starts it: a process of its own."""

    def run(*arguments: str, environment: Mapping[str, str] | None = None) -> CompletedProcess[str]:
        return python("-m", "ucseg_cli", *arguments, environment=environment)

    return run


@pytest.fixture(scope="session")
def other_counts(pytestconfig: pytest.Config) -> tuple[Count, ...]:
    """The figures of the other counters for v2 on an input of 16 by 16, out of tests/data."""
    if pytestconfig.getoption("--update-traces"):
        write_counts(tracing.count_with_others(COUNTED))
    return read_counts()


@pytest.fixture(scope="session")
def write_weights(trace_of: TraceOf) -> WriteWeights:
    """Write a state dict of a variant as safetensors, all zeros: only names and shapes are read."""

    def write(path: Path, variant: Variant) -> None:
        shapes = expected_shapes(trace_of(variant, Conditions()))
        counter = {name: name.endswith("num_batches_tracked") for name in shapes}
        sizes = ((8 if counter[name] else 4) * prod(shape) for name, shape in shapes.items())
        ends = list(accumulate(sizes, initial=0))
        entries = {}
        for (name, shape), span in zip(shapes.items(), pairwise(ends), strict=True):
            dtype = "I64" if counter[name] else "F32"
            entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": span}
        header = json.dumps(entries)
        path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(ends[-1]))

    return write


@pytest.fixture(scope="session")
def read_tables() -> Tables:
    """The tables of a Markdown answer by title, header first, every cell as plain text."""
    return _read_tables


@pytest.fixture(scope="session")
def number() -> Number:
    """A figure of an answer given with ``--exact``; what is missing counts as 0."""
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
