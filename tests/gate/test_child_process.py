"""A user's code cannot reach the answer, another model, the cache or the exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from support.forked_python import ForkedPython
from ucseg_cli.cli.main import main
from ucseg_cli.errors import (
    ModelError,
    UcsegError,
    UnknownNameError,
    UsageError,
    decode_error,
    encode_error,
)
from ucseg_cli.facts.choices import DTYPES
from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.facts.question import Question, decode_question, encode_question
from ucseg_cli.facts.trace import Trace
from ucseg_cli.gate import tracing
from ucseg_cli.gate.child_process import ChildProcess, child_processes, ended_early
from ucseg_cli.references import Argument, FromFile, FromModule
from ucseg_cli.system import process_control

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.stem(x)
"""
AT_8 = Conditions(Size(8, 8))
in_a_fork = pytest.mark.usefixtures("forked_children")
"""Where it matters how the child ends, not how it begins."""


def traces_of(child: ChildProcess) -> list[Trace]:
    traces = []
    for found in child.wait_for_traces():
        if isinstance(found, UcsegError):
            raise found
        traces.append(found)
    return traces


def ask(tmp_path: Path, code: str, name: str = "Net", limit: float = 60) -> Trace:
    (tmp_path / "net.py").write_text(f"{NET}\n{code}")
    question = Question("trace", [FromFile(str(tmp_path / "net.py"), name)], [AT_8])
    with child_processes([question], limit) as (child,):
        (found,) = traces_of(child)
        return found


def test_its_trace_is_the_one_recorded_here(tmp_path: Path) -> None:
    from ucseg_cli.engine.trace_model import trace_source

    trace = ask(tmp_path, "")
    assert trace == trace_source(FromFile(str(tmp_path / "net.py"), "Net"), AT_8)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os._exit(0)", "Net ended itself with status 0, before there was an answer"),
        ("import os; os.abort()", "Net was ended by SIGABRT, before there was an answer"),
        ("raise GeneratorExit", "Net cannot be inspected: GeneratorExit"),
        ("class Mine(BaseException): pass\nraise Mine('own')", "Mine: own"),
        (
            "class Bad(Exception):\n    def __str__(self): raise ValueError\nraise Bad",
            "cannot be imported: Bad",
        ),
        ("Net.__init__ = lambda self: None", "has no attribute"),
        (
            "def initialise(self): raise MemoryError\nNet.__init__ = initialise",
            "Net cannot be built: MemoryError",
        ),
    ],
)
@in_a_fork
def test_any_end_without_an_answer_is_an_error_of_the_model(
    tmp_path: Path, code: str, message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        ask(tmp_path, code)
    assert message in caught.value.what


@pytest.mark.parametrize(
    ("status", "way_out"),
    [(-9, "a smaller --size or --batch"), (-11, "python -X faulthandler"), (3, "an exception")],
)
def test_a_child_that_ended_early_has_a_way_out(status: int, way_out: str) -> None:
    assert way_out in (ended_early("Net", status, "net.py:Net").help or "")


@pytest.mark.parametrize(
    "code",
    [
        "import threading, time; threading.Thread(target=lambda: time.sleep(600)).start()",
        "import atexit, os; atexit.register(lambda: os._exit(7))",
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "import os; os.close(1)",
    ],
)
@in_a_fork
def test_threads_and_hooks_that_it_leaves_do_not_delay_the_answer(
    tmp_path: Path, code: str
) -> None:
    assert ask(tmp_path, code).failure is None


def test_nothing_that_it_prints_is_in_the_answer_and_what_it_changes_changes_no_other_model(
    tmp_path: Path,
) -> None:
    code = """
        import os, subprocess, sys
        os.write(1, b'from the file descriptor')
        subprocess.run(['echo', 'from a process'])
        sys.__stdout__.write('from the stream')
        torch.use_deterministic_algorithms(True)
        nn.modules.module.register_module_forward_hook(lambda module, args, out: out + 0)
        nn.Conv2d.forward = lambda self, x: self._conv_forward(x, self.weight, self.bias) * 2
    """
    (tmp_path / "net.py").write_text(NET + "\n".join(line.strip() for line in code.split("\n")))
    environment = {**os.environ, "UCSEG_CACHE_DIR": str(tmp_path / "cache")}
    for arguments in (["compare", "net.py:Net", "v2", "-f", "json"], ["show", "v2", "-f", "json"]):
        done = subprocess.run(
            [sys.executable, "-m", "ucseg_cli", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        total = answer["total"] if "total" in answer else answer["models"][1]["total"]
        assert (total["params"], total["fvcore"], total["peak-memory"]) == (
            645_245,
            141_328_192,
            18_232_704,
        )


STUBBORN = """
import os, signal, subprocess, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
helper = subprocess.Popen(["sleep", "600"])
pids = [os.getpid(), helper.pid]
"""
KEEP = """
open("pids.part", "w").write(" ".join(map(str, pids)))
os.rename("pids.part", "pids")
"""
STUBBORN += KEEP + "time.sleep(600)\n"
"""A model that ignores signals, and starts a process of its own."""

DAEMONS = f"""
import os, subprocess, sys, time
pids = []
pids.append(subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
twice = "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); "
twice += "print(os.getpid(), flush=True); os.close(1); time.sleep(600)"
pids.append(int(subprocess.run([sys.executable, "-c", twice], stdout=-1).stdout))
parent = "import subprocess, time; s = subprocess.Popen(['sleep', '600'], start_new_session=True); "
parent += "print(s.pid, flush=True); time.sleep(600)"
started = subprocess.Popen([sys.executable, "-c", parent], stdout=-1, start_new_session=True)
pids += [started.pid, int(started.stdout.readline())]
{KEEP}
"""
"""A model that leaves processes in sessions of their own, of which one has started another."""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to us")

ENDING = [
    *("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGTERM", "SIGXCPU"),
    *("SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT", "SIGRTMIN", "SIGRTMAX"),
]
"""Signals that end a process by default and can be caught; some systems lack some."""


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 130),
        *((number, -number) for name in ENDING if (number := getattr(signal, name, 0))),
    ],
)
@in_a_fork
def test_it_ends_with_us_and_all_that_it_started(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    (tmp_path / "net.py").write_text(STUBBORN)
    folder = tmp_path / "temporary"
    folder.mkdir()
    process = start_in(tmp_path, "show", "net.py:Net", TMPDIR=str(folder))
    pids = wait_for_pids(tmp_path / "pids", process)
    assert list(folder.iterdir())
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == status
    assert b"Traceback" not in stderr
    assert list(folder.iterdir()) == []
    assert [pid for pid in pids if not has_ended(pid)] == []


@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
@in_a_fork
def test_what_it_left_in_other_sessions_ends_with_us(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "net.py").write_text(f"{DAEMONS}\ntime.sleep(600)")
    process = start_in(tmp_path, "show", "net.py:Net")
    pids = wait_for_pids(tmp_path / "pids", process)
    assert len(pids) == 4
    process.send_signal(number)
    process.communicate(timeout=30)
    assert [pid for pid in pids if not has_ended(pid)] == []


@on_linux
@pytest.mark.parametrize(
    ("after", "failure"),
    [
        ("", None),
        ("time.sleep(600)", "was not built within 4 s"),
        ("os._exit(3)", "ended itself with status 3"),
        ("raise RuntimeError('its own')", "its own"),
    ],
)
@in_a_fork
def test_what_it_left_in_other_sessions_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str, failure: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    of_others = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        if failure is None:
            assert ask(tmp_path, f"{DAEMONS}\n{after}").failure is None
        else:
            with pytest.raises(ModelError, match=failure):
                ask(tmp_path, f"{DAEMONS}\n{after}", limit=4)
        pids = [int(pid) for pid in Path("pids").read_text().split()]
        assert [pid for pid in pids if not has_ended(pid)] == []
        assert of_others.poll() is None
    finally:
        of_others.kill()
        of_others.wait()


@on_linux
@in_a_fork
def test_a_model_that_starts_nothing_costs_no_look_at_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_control, "_parent", lambda _: pytest.fail("it was looked"))
    assert ask(tmp_path, "").failure is None


@on_linux
def test_orphans_are_ours_only_meanwhile() -> None:
    with process_control.orphans_ended():
        first = int(subprocess.run(ORPHAN, stdout=-1, check=True).stdout)
        assert process_control._parent(str(first)) == os.getpid()
    assert has_ended(first)
    second = int(subprocess.run(ORPHAN, stdout=-1, check=True).stdout)
    assert process_control._parent(str(second)) != os.getpid()
    os.kill(second, signal.SIGKILL)


LEAVE = "import os, time\nif n := os.fork(): print(n)\nelse: os.close(1); time.sleep(600)"
ORPHAN = [sys.executable, "-c", LEAVE]
"""A process that ends, and leaves one that it started."""


def test_a_signal_that_is_ignored_or_has_a_handler_keeps_it(tmp_path: Path) -> None:
    mine = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGTERM, print)
    try:
        source = FromFile(str(tmp_path / "net.py"), "Net")
        with child_processes([Question("trace", [source], [AT_8])], 60):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # as under nohup
            assert signal.getsignal(signal.SIGTERM) is print
    finally:
        signal.signal(signal.SIGHUP, mine[0])
        signal.signal(signal.SIGTERM, mine[1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children of a killed process")
def test_it_ends_even_if_we_are_killed(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(STUBBORN)
    process = start_in(tmp_path, "show", "net.py:Net")
    child, helper = wait_for_pids(tmp_path / "pids", process)
    process.kill()
    process.wait(timeout=30)
    assert process.stderr is not None
    process.stderr.close()
    assert has_ended(child)
    os.kill(helper, signal.SIGKILL)


def start_in(folder: Path, *arguments: str, **environment: str) -> ForkedPython:
    return ForkedPython(
        [sys.executable, "-m", "ucseg_cli", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait_for_pids(path: Path, process: ForkedPython) -> list[int]:
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.05)
    return [int(pid) for pid in path.read_text().split()]


def has_ended(pid: int) -> bool:
    """Whether a process is gone within a few seconds; one that nothing waits for is a zombie."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import time; time.sleep(600)", "Net was not built within 1 s"),
        (
            "def initialise(self):\n    while True: pass\nNet.__init__ = initialise",
            "Net was not built within 1 s",
        ),
    ],
)
@in_a_fork
def test_a_model_that_is_never_built_is_an_error_after_the_limit(
    tmp_path: Path, code: str, what: str
) -> None:
    with pytest.raises(ModelError) as caught:
        ask(tmp_path, code, limit=1)
    assert (caught.value.what, caught.value.help) == (what, "--timeout N gives it more")


NEVER_ENDS = """
def forward(self, x):
    while x.shape[-1] > 8:
        pass
    return self.stem(x)
Net.forward = forward
"""


@in_a_fork
def test_of_a_pass_that_never_ends_the_modules_and_earlier_inputs_are_known(
    tmp_path: Path,
) -> None:
    (tmp_path / "net.py").write_text(f"{NET}\n{NEVER_ENDS}")
    source = FromFile(str(tmp_path / "net.py"), "Net")
    inputs = [AT_8, Conditions(Size(16, 16)), Conditions(Size(4, 4))]
    with child_processes([Question("trace", [source], inputs)], 2) as (child,):
        ended, endless, never_tried = traces_of(child)
    assert (ended.failure, bool(ended.ops)) == (None, True)
    for trace in (endless, never_tried):
        assert trace.failure == (
            "its forward pass did not end within 2 s; --timeout N gives it more"
        )
        assert [module.path for module in trace.modules] == ["", "stem"]


@in_a_fork
def test_where_modules_are_enough_a_pass_has_only_so_much_patience(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(f"{NET}\n{NEVER_ENDS}")
    source = FromFile(str(tmp_path / "net.py"), "Net")
    inputs = [AT_8, Conditions(Size(16, 16))]
    with child_processes([Question("trace", [source], inputs)], 60, 0.5) as (child,):
        ended, endless = traces_of(child)
    assert (ended.failure, bool(ended.ops)) == (None, True)
    assert (endless.failure, endless.ops) == (None, ())
    assert [module.path for module in endless.modules] == ["", "stem"]


@in_a_fork
def test_params_of_a_pass_that_never_ends_are_counted_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(f"{NET}\n{NEVER_ENDS}")
    assert main(["params", "net.py:Net", "--timeout", "60"]) == 0
    assert "has 112 parameters" in " ".join(capsys.readouterr().out.split())
    assert main(["show", "net.py:Net", "--timeout", "2"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "has 112 parameters, and does not run" in printed


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"garbage",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"results": 3}',
        b'{"results": []}',
        b'{"results": [1]}',
        b'{"results": [{"format": 3}]}',
        b'{"error": 3}',
        b'{"error": {"kind": 7}}',
        b"\xff\xfe",
    ],
)
@in_a_fork
def test_garbage_in_the_place_of_an_answer_is_an_error_of_the_model(
    tmp_path: Path, written: bytes
) -> None:
    code = f"import os, sys; open(sys.orig_argv[4], 'wb').write({written!r}); os._exit(0)"
    with pytest.raises(ModelError, match="Net wrote over its answer, which cannot be read"):
        ask(tmp_path, code)


@in_a_fork
def test_a_pipe_in_the_place_of_an_answer_does_not_keep_us_waiting(tmp_path: Path) -> None:
    code = "import os, sys; os.mkfifo(sys.orig_argv[4]); os._exit(0)"
    with pytest.raises(ModelError, match="Net wrote over its answer"):
        ask(tmp_path, code)


@given(st.data())
def test_a_question_is_read_as_it_was_asked(
    small_conditions: SearchStrategy[Conditions], data: DataObject
) -> None:
    text = st.text(max_size=5)
    arguments = st.lists(st.builds(Argument, text, text), max_size=2).map(tuple)
    tensors = st.builds(
        Input,
        st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
        st.sampled_from(DTYPES),
    )
    others = st.builds(Tensors, st.lists(tensors, min_size=1, max_size=3).map(tuple))
    conditions = small_conditions | st.builds(Conditions, given=others)
    source = data.draw(
        st.builds(FromFile, text, text, arguments) | st.builds(FromModule, text, text, arguments)
    )
    question = Question("trace", [source], data.draw(st.lists(conditions, max_size=3)))
    assert decode_question(encode_question(question)) == question


@pytest.mark.parametrize(
    "error",
    [
        ModelError("it does not run", where="net.py:3", help="fix it"),
        UsageError("no such thing"),
        UnknownNameError("axis", "backbon", ["backbone"]),
    ],
)
def test_an_error_from_there_is_the_same_here(error: UsageError) -> None:
    again = decode_error(json.loads(json.dumps(encode_error(error))))
    for field in ("kind", "what", "where", "notes", "help", "exit_status"):
        assert getattr(again, field) == getattr(error, field)


def test_a_user_s_code_is_not_run_in_the_process_that_keeps_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.py").write_text(f"{NET}\nimport os\nopen('pid', 'w').write(str(os.getpid()))")
    monkeypatch.chdir(tmp_path)
    request = tracing.Request(FromFile("net.py", "Net"), AT_8)
    tracing.trace_all([request], None, lambda _: None)
    assert int(Path("pid").read_text()) != os.getpid()


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class E(Exception):\n    def __str__(self): raise KeyboardInterrupt\nraise E()", "E"),
        ("import os; os._exit(130)", "ended itself with status 130"),
        ("import os; os.kill(os.getpid(), 40)", "was ended by signal 40"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", "KeyboardInterrupt"),
        (
            "import os, shutil, sys; shutil.rmtree(os.path.dirname(sys.orig_argv[4]))",
            "ended itself with status 74",
        ),
    ],
)
@in_a_fork
def test_an_interruption_of_the_user_s_code_is_not_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], code: str, what: str
) -> None:
    with pytest.raises(ModelError, match=what):
        ask(tmp_path, code)
    assert "Traceback" not in capfd.readouterr().err
