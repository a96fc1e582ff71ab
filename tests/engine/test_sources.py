"""Models out of a user's own files: found, built, run, and nothing of them stays."""

from __future__ import annotations

import os
import random
import sys
import textwrap
from collections.abc import Callable
from itertools import starmap
from pathlib import Path

import pytest
import torch

from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.engine.trace_model import runnable_model, trace_source
from ucseg_cli.engine.user_code.refuse_downloads import DownloadError, downloads_refused
from ucseg_cli.errors import ModelError, UcsegError, UnknownNameError, UsageError
from ucseg_cli.facts.conditions import Conditions, Input, Size, Tensors
from ucseg_cli.facts.trace import Trace
from ucseg_cli.references import Argument, FromFile, FromLibrary, FromModule

AT_8 = Conditions(Size(8, 8))

HEADER = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4, *, bias=True):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=bias)

    def forward(self, x):
        return self.stem(x)
"""

Write = Callable[..., FromFile]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """``write("class …", "Name", argument=…)``: a model in a file of another folder."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (tmp_path / "nets").mkdir()

    def write(code: str, name: str = "Net", /, file: str = "net.py", **arguments: str) -> FromFile:
        path = tmp_path / "nets" / file
        path.write_text(f"{HEADER}\n{textwrap.dedent(code)}")
        return FromFile(str(path), name, tuple(starmap(Argument, arguments.items())))

    return write


def params(trace: Trace) -> int:
    return totals(trace)["params"]


def test_a_class_is_built_with_the_arguments_given(write: Write) -> None:
    assert params(trace_source(write(""), AT_8)) == 4 * 27 + 4
    assert params(trace_source(write("", width="5", bias="false"), AT_8)) == 5 * 27


def test_a_factory_function_a_nested_name_and_a_model_object_serve_as_well(write: Write) -> None:
    code = """
        def small(width: int = 2):
            return Net(width)

        class Zoo:
            Net = Net

        ready = Net(3)
    """
    assert params(trace_source(write(code, "small"), AT_8)) == 2 * 27 + 2
    assert params(trace_source(write(code, "Zoo.Net"), AT_8)) == 4 * 27 + 4
    assert params(trace_source(write(code, "ready"), AT_8)) == 3 * 27 + 3


def test_it_is_built_and_run_without_data(write: Write) -> None:
    code = """
        class Asking(Net):
            def forward(self, x):
                assert x.is_meta and self.stem.weight.is_meta
                return super().forward(x)
    """
    trace = trace_source(write(code, "Asking"), Conditions(Size(100_000, 100_000)))
    assert (trace.device, trace.failure) == ("meta", None)


def test_a_model_that_needs_data_to_be_built_still_runs_without(write: Write) -> None:
    code = """
        class Stochastic(Net):
            def __init__(self):
                rates = [rate.item() for rate in torch.linspace(0, 1, 3)]
                super().__init__(width=int(4 * rates[-1]))
                self.tied = self.stem

            def forward(self, x):
                assert x.is_meta and self.stem.weight.is_meta
                return self.tied(x)
    """
    trace = trace_source(write(code, "Stochastic"), AT_8)
    assert (trace.device, trace.failure, params(trace)) == ("meta", None, 4 * 27 + 4)
    assert trace.by_path["tied"].alias_of == "stem"


def test_a_model_that_needs_data_to_run_gets_real_tensors_and_says_so(write: Write) -> None:
    code = """
        class Choosing(Net):
            def forward(self, x):
                y = super().forward(x)
                return {"all": y, "positive": y[y > 0]} if y.sum().item() < 1e9 else y
    """
    first, second = (trace_source(write(code, "Choosing"), AT_8) for _ in range(2))
    assert (first.device, first.failure) == ("cpu", None)
    assert first == second, "the values are the same every time"


def test_the_same_network_has_the_same_figures_on_meta_and_where_it_needs_data(
    write: Write,
) -> None:
    code = """
        class Looking(Net):
            def forward(self, x):
                assert x.sum().item() >= 0
                return super().forward(x)
    """
    without, needed = trace_source(write(""), AT_8), trace_source(write(code, "Looking"), AT_8)
    assert (without.device, needed.device) == ("meta", "cpu")
    assert totals(without)["macs"] == totals(needed)["macs"] == 64 * 4 * 27


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (
            "return self.stem(x[:, :2])",
            "expected input[1, 2, 8, 8] to have 3 channels, but got 2 channels instead",
        ),
        ("raise ValueError('no such luck')", "ValueError: no such luck (NET:"),
        ("assert False", "AssertionError (NET:"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("return self.forward(x)", "RecursionError: maximum recursion depth exceeded"),
        ("return x @ torch.zeros(5, 5)", "shapes cannot be multiplied"),
    ],
)
def test_a_model_that_does_not_run_still_has_its_parameters_and_the_reason(
    write: Write, forward: str, reason: str
) -> None:
    source = write(
        f"\nclass Broken(Net):\n    def forward(self, x):\n        {forward}\n", "Broken"
    )
    trace = trace_source(source, AT_8)
    assert reason.replace("NET", source.path) in (trace.failure or "")
    assert (trace.ops, totals(trace)["params"]) == ((), 4 * 27 + 4)
    assert "macs" not in totals(trace)


def test_a_forward_pass_that_takes_other_inputs_is_refused_with_its_signature_and_runs_on_those(
    write: Write,
) -> None:
    code = """
        class Two(Net):
            def __init__(self):
                super().__init__()
                self.words = nn.Embedding(10, 4)

            def forward(self, x, tokens, *, scale=1):
                return self.stem(x) + self.words(tokens).sum() * scale
    """
    source = write(code, "Two")
    alone = trace_source(source, AT_8)
    both = trace_source(
        source, Conditions(given=Tensors((Input((1, 3, 8, 8)), Input((2, 7), "int64"))))
    )
    assert alone.failure == (
        "forward(x, tokens, *, scale=1) does not take 1 input tensor: it needs tokens, too; "
        "add tokens=SHAPE to the input"
    )
    assert both.failure is None
    assert [both.tensors[tensor].dtype for tensor in both.inputs] == ["float32", "int64"]


def test_its_own_folder_and_the_working_directory_are_importable_while_it_loads_and_not_afterwards(
    write: Write,
) -> None:
    source = write(
        "from parts import WIDTH; from here import DEPTH\n"
        "def make(): import late; return Net(WIDTH * DEPTH)",
        "make",
    )
    Path(source.path).with_name("parts.py").write_text("WIDTH = 2")
    Path(source.path).with_name("late.py").write_text("")
    Path("here.py").write_text("DEPTH = 3")
    before = list(sys.path), set(sys.modules)
    assert params(trace_source(source, AT_8)) == 6 * 27 + 6
    assert (list(sys.path), {"net", "parts", "late", "here"} & set(sys.modules)) == (
        before[0],
        set(),
    )


def test_two_files_may_each_have_a_module_of_one_name_beside_them(tmp_path: Path) -> None:
    sources = []
    for width in (2, 3):
        folder = tmp_path / str(width)
        folder.mkdir()
        (folder / "parts.py").write_text(f"WIDTH = {width}")
        (folder / "net.py").write_text(
            f"{HEADER}\nfrom parts import WIDTH\ndef make(): return Net(WIDTH)"
        )
        sources.append(FromFile(str(folder / "net.py"), "make"))
    assert [params(trace_source(source, AT_8)) for source in sources] == [2 * 28, 3 * 28]


def test_a_module_is_imported_from_where_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "nets.py").write_text(HEADER)
    monkeypatch.chdir(tmp_path)
    assert params(trace_source(FromModule("zoo.nets", "Net"), AT_8)) == 4 * 28
    assert not {"zoo", "zoo.nets"} & set(sys.modules)


def test_a_file_named_like_a_loaded_module_is_itself_and_leaves_that_module_alone(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
        import json

        class Net(Net):
            def forward(self, x):
                return super().forward(x) if json.dumps({}) == "{}" else None
    """
    loaded = sys.modules["json"]
    monkeypatch.setitem(sys.modules, "json", loaded)  # put back, even if this test fails
    trace = trace_source(write(code, file="json.py"), AT_8)
    assert (params(trace), trace.failure) == (4 * 28, None)
    assert sys.modules["json"] is loaded
    assert "json_of_the_user" not in sys.modules


NEEDS_DATA = """
    class Looking(Net):
        def forward(self, x):
            assert x.sum().item() >= 0
            return super().forward(x)
"""


@pytest.mark.parametrize(("missing", "device"), [(0, "cpu"), (1, "meta")])
def test_real_tensors_are_tried_only_where_the_weights_and_64_inputs_fit_in_memory(
    write: Write, monkeypatch: pytest.MonkeyPatch, missing: int, device: str
) -> None:
    weights, inputs = 4 * (4 * 27 + 4), 4 * (3 * 8 * 8)
    free = weights + 64 * inputs - missing
    monkeypatch.setattr("ucseg_cli.engine.trace_model.free_memory", lambda: free)
    trace = trace_source(write(NEEDS_DATA, "Looking"), AT_8)
    assert trace.device == device
    assert (trace.failure is None) is not missing
    if missing:
        assert "about 49.6 kB of memory" in str(trace.failure)


def test_a_machine_with_unknown_memory_tries_real_tensors(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ucseg_cli.engine.trace_model.free_memory", lambda: None)
    assert trace_source(write(NEEDS_DATA, "Looking"), AT_8).failure is None


def test_nothing_of_a_file_stays(write: Write) -> None:
    code = """
        import os, random, sys
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.manual_seed(3); random.seed(3)
        torch.set_grad_enabled(False)
        sys.argv.append("more"); sys.path.append("/nowhere")
        os.chdir("/")
    """
    state, dice, argv, path = (
        torch.get_rng_state(),
        random.getstate(),
        list(sys.argv),
        list(sys.path),
    )
    before = Path.cwd()
    trace_source(write(code), AT_8)
    assert (torch.get_default_dtype(), torch.get_default_device().type) == (torch.float32, "cpu")
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert (random.getstate(), sys.argv, sys.path, Path.cwd()) == (dice, argv, path, before)


def test_a_file_prints_to_stderr_and_sees_a_command_line_of_its_own(
    write: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    trace_source(
        write("import sys; print('loading', len(sys.argv), sys.argv[0] == __file__, __name__)"),
        AT_8,
    )
    out, err = capfd.readouterr()
    assert (out, err) == ("", "loading 1 True net\n")


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("urllib.Request", ("HOST", None, {}, "GET")),
        ("http.client.connect", (None, "HOST", 80)),
        ("socket.getaddrinfo", ("HOST", 80, 0, 0, 0)),
        ("socket.connect", (None, "HOST")),
    ],
)
def test_every_request_to_the_network_is_refused_while_a_model_may_not_download_and_no_longer(
    event: str, arguments: tuple[object, ...]
) -> None:
    with downloads_refused(), pytest.raises(DownloadError, match="it tries to download HOST"):
        sys.audit(event, *arguments)
    sys.audit(event, *arguments)


def test_a_refused_download_comes_with_every_argument_that_is_about_weights(write: Write) -> None:
    code = """
        def make(width=4, pretrained=True, Weights="DEFAULT", checkpoint=None, download=False):
            torch.hub.load_state_dict_from_url("https://weights.example/net.pth")
    """
    with pytest.raises(ModelError) as caught:
        trace_source(write(code, "make"), AT_8)
    offline = "+pretrained=false+Weights=none+checkpoint=none+download=false"
    assert (caught.value.help or "").endswith(f"net.py:make{offline}")


def test_a_model_that_downloads_is_refused_with_the_argument_that_stops_it(write: Write) -> None:
    code = """
        class Downloading(Net):
            def __init__(self, pretrained=True):
                super().__init__()
                if pretrained:
                    url = "https://weights.example/net-12345678.pth"
                    torch.hub.load_state_dict_from_url(url, progress=False)
    """
    with pytest.raises(
        ModelError, match=r"it tries to download https://weights\.example/net-12345678\.pth"
    ) as caught:
        trace_source(write(code, "Downloading"), AT_8)
    assert (caught.value.help or "").endswith("net.py:Downloading+pretrained=false")
    assert params(trace_source(write(code, "Downloading", pretrained="false"), AT_8)) == 4 * 28


@pytest.mark.parametrize(
    ("code", "name", "what"),
    [
        ("x = (", "Net", "cannot be imported: SyntaxError"),
        (
            "import nowhere_to_be_found",
            "Net",
            "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
        ("1 / 0", "Net", "cannot be imported: ZeroDivisionError: division by zero"),
        (
            "import argparse; argparse.ArgumentParser().parse_args(['--x'])",
            "Net",
            "cannot be imported: SystemExit",
        ),
        ("raise KeyboardInterrupt", None, ""),
        ("x = 3", "x", "x is not a class, function or model but int"),
        ("def make(): return 3", "make", "make gives int, not a torch.nn.Module"),
        ("def make(): raise OSError('disk')", "make", "make cannot be built: OSError: disk"),
        ("def make(): return Net().nothing()", "make", "make cannot be built"),
        ("def make(size): return Net()", "make", "make needs size"),
    ],
)
def test_an_error_of_a_file_is_reported_in_its_own_words(
    write: Write, code: str, name: str | None, what: str
) -> None:
    if name is None:
        with pytest.raises(KeyboardInterrupt):
            trace_source(write(code), AT_8)
        return
    with pytest.raises(UcsegError) as caught:
        trace_source(write(code, name), AT_8)
    assert what in caught.value.what
    assert caught.value.where


def test_an_error_in_a_file_is_reported_with_its_line(write: Write) -> None:
    source = write("def make():\n    raise ValueError('no')\n", "make")
    with pytest.raises(ModelError) as caught:
        trace_source(source, AT_8)
    line = Path(source.path).read_text().splitlines().index("    raise ValueError('no')") + 1
    assert caught.value.where == f"{source.path}:{line}"


def test_unknown_names_come_with_the_nearest(write: Write) -> None:
    source = write("")
    for wrong, near in (
        (source._replace(name="Ney"), "did you mean 'Net'?"),
        (source._replace(arguments=(Argument("widht", "3"),)), "did you mean 'width'?"),
        (FromLibrary("torchvision", "resnet_50"), "did you mean 'resnet50'?"),
    ):
        with pytest.raises(UnknownNameError) as caught:
            trace_source(wrong, AT_8)
        assert near in (caught.value.help or "")
    with pytest.raises(UsageError, match="there is no file") as missing:
        trace_source(source._replace(path=source.path.replace("net.py", "nett.py")), AT_8)
    assert "net.py" in (missing.value.help or "")


def test_a_model_is_loaded_for_real_for_others_to_count(write: Write) -> None:
    with runnable_model(write(""), AT_8) as (model, arguments):
        assert not model.training
        assert model(*arguments.positional).shape == (1, 4, 8, 8)


def test_a_user_s_file_may_import_all_of_torchvision(write: Write) -> None:
    code = """
        import torchvision
        from torchvision.models import resnet18
        from torchvision.ops import SqueezeExcitation

        def make():
            return torchvision.models.mobilenet_v3_small(weights=None)
    """
    trace = trace_source(write(code, "make"), Conditions(Size(32, 32)))
    assert (trace.failure, params(trace)) == (None, 2_542_856)


def test_a_pipe_is_not_a_python_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.py")
    with pytest.raises(UsageError, match="there is no file"):
        trace_source(FromFile(str(tmp_path / "net.py"), "Net"), AT_8)
