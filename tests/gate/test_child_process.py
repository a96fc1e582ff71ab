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

from ucseg_cli.errors import ModelError, UnknownNameError, UsageError, decode_error, encode_error
from ucseg_cli.facts.choices import DTYPES
from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.facts.question import Question, decode_question, encode_question
from ucseg_cli.facts.trace import Trace, decode_trace
from ucseg_cli.gate import tracing
from ucseg_cli.gate.child_process import child_processes
from ucseg_cli.references import Argument, FromFile, FromModule

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


def ask(tmp_path: Path, code: str, name: str = "Net") -> Trace:
    (tmp_path / "net.py").write_text(f"{NET}\n{code}")
    question = Question("trace", FromFile(str(tmp_path / "net.py"), name), [AT_8])
    with child_processes([question]) as (child,):
        (found,) = child.wait_for_results()
        return decode_trace(found)


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
def test_any_end_without_an_answer_is_an_error_of_the_model(
    tmp_path: Path, code: str, message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        ask(tmp_path, code)
    assert message in caught.value.what


@pytest.mark.parametrize(
    "code",
    [
        "import threading, time; threading.Thread(target=lambda: time.sleep(600)).start()",
        "import atexit, os; atexit.register(lambda: os._exit(7))",
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "import os; os.close(1)",
    ],
)
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


def test_it_ends_with_us_on_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "import os, signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "open('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    command = [sys.executable, "-m", "ucseg_cli", "params", "net.py:Net"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


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
    question = Question("trace", source, data.draw(st.lists(conditions, max_size=3)))
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
