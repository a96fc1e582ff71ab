"""A model is timed in a process of its own, which answers when it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.repositories import new_repository
from ucseg_cli.errors import ModelError, ResourceError, UcsegError
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.facts.timing.timing_question import TimingQuestion
from ucseg_cli.facts.timing.timing_setup import TimingSetup
from ucseg_cli.gate.timing_processes import timing_processes
from ucseg_cli.references import Argument, FromFile
from ucseg_cli.references.variants import CATALOGUE

pytestmark = pytest.mark.usefixtures("forked_children")
AT_8 = Conditions(Size(8, 8))
NET = """
import os, sys, time
from torch import nn

class Net(nn.Module):
    def __init__(self, pause=0.0):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.pause = pause

    def forward(self, x):
        time.sleep(self.pause)
        return self.stem(x)

class Prints(Net):
    def forward(self, x):
        print("a print")
        os.write(1, b"a line of its own\\n")
        assert sys.stdin.read() == ""
        return super().forward(x)

class Ends(Net):
    def forward(self, x):
        os._exit(7)

class Fails(Net):
    def forward(self, x):
        raise RuntimeError("no such shape")

class OnGpu(Net):
    def forward(self, x):
        return super().forward(x.cuda())
"""


@pytest.fixture(autouse=True)
def _net(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")


def question(name: str = "Net", *arguments: Argument) -> TimingQuestion:
    return TimingQuestion(FromFile("net.py", name, arguments), AT_8, TimingSetup())


def test_models_take_turns_and_each_call_has_a_time() -> None:
    slow = question("Net", Argument("pause", "0.02"))
    variant = TimingQuestion(CATALOGUE["v2"], Conditions(Size(32, 32)), TimingSetup())
    with timing_processes([question(), slow, variant], 60) as processes:
        assert [process.wait_until_built() for process in processes] == [None] * 3
        firsts = [process.run_first() for process in processes]
        assert [difference for _, difference in firsts] == [None] * 3
        blocks = [process.run_block(4) for process in processes]
    assert [len(block.calls) for block in blocks] == [4, 4, 4]
    assert min(blocks[1].calls) >= 20_000_000
    for block in blocks:
        assert block.received is not None
        assert block.received > 0
    assert blocks[1].received < 20_000_000  # type: ignore[operator] # it sleeps


def test_what_a_user_s_code_prints_and_reads_is_not_what_passes_between_us(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with timing_processes([question("Prints")], 60) as (process,):
        process.wait_until_built()
        assert len(process.run_first()[0].calls) == 1
        assert len(process.run_block(3).calls) == 3
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "a line of its own" in captured.err


def error_of(name: str, *arguments: Argument, limit: float = 60) -> UcsegError:
    with pytest.raises(UcsegError) as raised:
        run_once(question(name, *arguments), limit)
    return raised.value


def run_once(asked: TimingQuestion, limit: float) -> None:
    with timing_processes([asked], limit) as (process,):
        process.wait_until_built()
        process.run_first()


def test_a_process_that_ends_itself_says_with_which_status() -> None:
    assert error_of("Ends").what == "Ends ended itself with status 7, before there was an answer"


def test_a_model_that_fails_says_why() -> None:
    error = error_of("Fails")
    assert isinstance(error, ModelError)
    assert error.what == "Fails cannot be timed on cpu: no such shape"
    assert error.where == "net.py:Fails"


def test_a_model_that_asks_for_a_gpu_runs_as_it_is_and_so_needs_one() -> None:
    error = error_of("OnGpu")
    assert "CUDA" in error.what or "NVIDIA" in error.what
    assert error.help == "it runs as it is here: a device that it asks for has to be there"


def test_an_unknown_argument_is_refused_with_the_nearest() -> None:
    assert "did you mean" in (error_of("Net", Argument("pauze", "1")).help or "")


def test_an_answer_that_does_not_come_in_time_is_an_error() -> None:
    error = error_of("Net", Argument("pause", "30"), limit=0.3)
    assert error.what == "Net gave no answer within 0.3 s"


def test_a_gpu_that_is_not_there_is_a_resource_that_lacks() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    asked = question()._replace(setup=TimingSetup("cuda"))
    with timing_processes([asked], 60) as (process,), pytest.raises(ResourceError) as raised:
        process.wait_until_built()
    assert raised.value.what == "torch finds no CUDA device"


def test_no_process_is_left_afterwards() -> None:
    with timing_processes([question()], 60) as (process,):
        process.wait_until_built()
        assert process.process.poll() is None
    assert process.process.poll() is not None


def test_a_model_at_a_revision_runs_the_code_of_that_commit(tmp_path: Path) -> None:
    new_repository(tmp_path).commit("Add a network", {"net.py": NET})
    (tmp_path / "net.py").write_text(NET.replace("pause=0.0", "pause=0.05"), encoding="utf-8")
    now = FromFile("net.py", "Net")
    questions = [
        TimingQuestion(model, AT_8, TimingSetup()) for model in (now, now._replace(revision="HEAD"))
    ]
    with timing_processes(questions, 60) as processes:
        for process in processes:
            process.wait_until_built()
        today, before = (min(process.run_block(2).calls) for process in processes)
    assert before < 50_000_000 <= today
