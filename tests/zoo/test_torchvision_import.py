"""torchvision is imported without running its packages, and is the same. Each case is a process.

Most are forks of one that has imported torch, and nothing else that is asked about.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

import ucseg_cli

SOURCE = Path(ucseg_cli.__file__).parent.parent


ENVIRONMENT = {"PYTHONPATH": str(SOURCE), "PATH": ""}
FORKING = """
import json, os, sys, traceback, torch
for line in sys.stdin:
    code, *written = json.loads(line)
    process = os.fork()
    if not process:
        for number, path in enumerate(written, 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        status = 1
        try:
            exec(code, {"__name__": "__main__"})
            status = 0
        except SystemExit as ended:
            status = ended.code or 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(status)  # taking torch apart takes a while
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
"""A fork for each line, which is a code, and the files for its stdout and stderr."""

Outcome = subprocess.CompletedProcess[str]
InFork = Callable[..., Outcome]


def run(*parts: str) -> Outcome:
    """Run Python text in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", joined(parts)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=ENVIRONMENT,
    )


def joined(parts: Iterable[str]) -> str:
    return "\n".join(map(dedent, parts))


@pytest.fixture(scope="module")
def in_fork(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InFork]:
    """Run Python text in a fork of a process that has imported torch."""
    folder = tmp_path_factory.mktemp("written")
    written = [folder / "stdout", folder / "stderr"]
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def ask(*parts: str) -> Outcome:
            print(json.dumps([joined(parts), *map(str, written)]), file=asked, flush=True)
            status = int(answers.readline())
            return subprocess.CompletedProcess(parts, status, *map(Path.read_text, written))

        yield ask
        asked.close()


def assert_holds(done: Outcome) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


OURS = """
    import sys
    from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand
    before = list(sys.meta_path)
    with torchvision_packages_on_demand():
        import torchvision.models.mobilenetv3 as mobilenetv3
    import torchvision
"""


def test_building_and_tracing_import_neither_torch_s_compiler_nor_sympy() -> None:
    assert_holds(
        run(
            """
        import sys
        from ucseg_cli.facts.conditions import Conditions
        from ucseg_cli.engine.trace_model import trace_variant
        from ucseg_cli.references.variants import CATALOGUE
        for variant in CATALOGUE.values():
            assert trace_variant(variant, Conditions()).ops
        heavy = {"torch._dynamo", "sympy", "torch._inductor", "torchvision.datasets"}
        assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
        """
        )
    )


def test_that_check_can_fail() -> None:
    done = run("import sys, sympy\nassert not {'torch._dynamo', 'sympy'} & sys.modules.keys()")
    assert done.returncode == 1
    assert "AssertionError" in done.stderr


def test_the_finder_is_gone_afterwards_even_after_an_error(in_fork: InFork) -> None:
    assert_holds(
        in_fork(
            OURS,
            """
        assert sys.meta_path == before
        try:
            with torchvision_packages_on_demand():
                raise KeyError
        except KeyError:
            pass
        assert sys.meta_path == before
        """,
        )
    )


def test_packages_have_not_run_and_modules_are_loaded_once(in_fork: InFork) -> None:
    assert_holds(
        in_fork(
            OURS,
            """
        from importlib import import_module
        own_names = type(sys).__dict__["__dict__"].__get__  # vars would run the package
        assert "extension" not in own_names(torchvision)
        assert not hasattr(type(torchvision), "__version__")
        assert "__version__" not in own_names(torchvision)
        name = "torchvision.models.mobilenetv3"
        assert mobilenetv3 is sys.modules[name] is import_module(name)
        assert torchvision.models.mobilenetv3 is mobilenetv3
        assert torchvision.__file__.endswith("__init__.py")
        assert torchvision.__spec__.name == "torchvision"
        first = mobilenetv3.mobilenet_v3_small
        with torchvision_packages_on_demand():
            from torchvision.models.mobilenetv3 import mobilenet_v3_small
        assert mobilenet_v3_small is first
        """,
        )
    )


def outcome(done: Outcome) -> str:
    """The last words of a process: its exception's type and text, or its output."""
    return done.stdout if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def test_who_asks_torchvision_afterwards_gets_what_they_would_have_got_without_us(
    in_fork: InFork,
) -> None:
    ask = (
        "import torchvision\nprint(torchvision.__version__, torchvision.models.resnet18.__module__)"
    )
    assert outcome(in_fork(OURS, ask)) == outcome(in_fork(ask))


def test_parts_without_compiled_operators_are_there_afterwards_as_well(in_fork: InFork) -> None:
    """Also on a machine where torchvision's own import fails."""
    printed = assert_holds(
        in_fork(OURS, "from torchvision import transforms\nprint(transforms.Resize(3).size)")
    )
    assert printed == "3\n"


def test_who_imported_torchvision_before_us_keeps_it(in_fork: InFork) -> None:
    assert_holds(
        in_fork(
            """
        import sys
        try:
            import torchvision
        except Exception:
            sys.exit(0)  # it cannot be imported on this machine
        import torchvision.models.mobilenetv3 as theirs
        """,
            OURS,
            "assert mobilenetv3 is theirs and type(torchvision).__name__ == 'module'",
        )
    )


def test_a_package_runs_when_first_asked_and_then_is_an_ordinary_module(
    in_fork: InFork, tmp_path: Path
) -> None:
    """With a made-up torchvision, so that it holds wherever the real one cannot be imported."""
    package = tmp_path / "torchvision"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "print('run torchvision')\nfrom torchvision import models\nversion = 1\n"
    )
    (package / "models" / "__init__.py").write_text(
        "print('run models')\nfrom .mobilenetv3 import net\nmore = 2\n"
    )
    (package / "models" / "mobilenetv3.py").write_text("net = object()\n")
    printed = assert_holds(
        in_fork(
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})",
            OURS,
            """
        print("imported")
        assert torchvision.version == 1
        assert torchvision.models.more == 2
        assert torchvision.models.net is mobilenetv3.net
        assert type(torchvision).__name__ == type(torchvision.models).__name__ == "module"
        assert type(torchvision.__loader__).__name__ == "SourceFileLoader"
        assert type(torchvision.__spec__.loader).__name__ == "SourceFileLoader"
        """,
        )
    )
    assert printed.splitlines() == ["imported", "run torchvision", "run models"]


@pytest.mark.parametrize(
    "names",
    [
        "torchvision.models.__dict__",
        "vars(torchvision.models)",
        "dir(torchvision.models)",
        "dict(__import__('inspect').getmembers(torchvision.models))",
    ],
)
def test_a_package_that_is_asked_for_all_its_names_runs_first(
    in_fork: InFork, tmp_path: Path, names: str
) -> None:
    """Made up, too; ``models.__dict__[name]()`` is how many programs build a network."""
    package = tmp_path / "torchvision" / "models"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("from .resnet import net\n")
    (package / "resnet.py").write_text("net = object()\n")
    (package / "mobilenetv3.py").write_text("")
    assert_holds(
        in_fork(
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})",
            OURS,
            f"""
        assert type(torchvision.models).__name__ == "_PackageOnDemand"
        assert "net" in {names}
        assert type(torchvision.models).__name__ == "module"
        """,
        )
    )


def test_a_name_is_taken_from_its_module_and_the_register_from_all(
    in_fork: InFork,
    tmp_path: Path,
) -> None:
    """Again made up. A name says where a network is; only the whole package knows them all."""
    models = tmp_path / "torchvision" / "models"
    (models / "video").mkdir(parents=True)
    (models.parent / "__init__.py").write_text("print('run torchvision')\n")
    (models / "__init__.py").write_text(
        "from .resnet import *\nfrom . import video\nfrom ._api import listed\n"
    )
    (models / "_api.py").write_text("listed = []\n")
    (models / "resnet.py").write_text(
        'from ._api import listed\n__all__ = ["net"]\nnet = 1\nlisted.append("net")\n'
    )
    (models / "video" / "__init__.py").write_text("from .r3d import r3d\n")
    (models / "video" / "r3d.py").write_text(
        "from .._api import listed\nr3d = 2\nlisted.append('r3d')\n"
    )
    (models / "mobilenetv3.py").write_text("")
    printed = assert_holds(
        in_fork(
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})",
            OURS,
            """
        with torchvision_packages_on_demand():
            from torchvision.models import net
            print(net, sys.modules["torchvision.models._api"].listed)
            import torchvision.models.video
            print(torchvision.models.listed)
        """,
        )
    )
    assert printed.splitlines() == ["1 ['net']", "['net', 'r3d']"]


def test_without_torchvision_there_is_an_error_that_says_what_to_install(
    in_fork: InFork, tmp_path: Path
) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    done = in_fork(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})",
        """
        from ucseg_cli.errors import ResourceError
        from ucseg_cli.zoo.torchvision_import import torchvision_packages_on_demand
        try:
            with torchvision_packages_on_demand():
                import torchvision.models.mobilenetv3
        except ResourceError as error:
            print(error.what, "|", error.help)
        """,
    )
    assert (
        done.stdout == "torchvision cannot be imported: No module named 'torchvision.models'"
        " | pip install torchvision\n"
    )
