"""torchvision's packages, run when first used, so that one network does not cost the import of all of it.

``import torchvision.models.mobilenetv3`` runs four package files (``torchvision``, ``.models``, ``.ops``,
``.transforms``) that import every model, transform and dataset, and torch's compiler for custom operators: longer
than torch itself takes. Inside the context below these files run only once something asks the package for a name
it does not have yet. The modules are torchvision's own either way, loaded once, and stay what they would have been.

It also makes torchvision usable where its compiled operators cannot be loaded (a CUDA build of torchvision beside
a CPU build of torch), since few networks ask for one, and those only when they run.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch

from ucseg_cli.errors import ResourceError

_SET_BY_IMPORT = {"__path__", "__file__", "__cached__", "__package__", "__loader__", "__spec__"}
"""What the import system asks a new module for before it sets it."""

DESCRIBED_OPERATORS = dict.fromkeys(
    ("nms", "qnms"), "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
)
"""Schemas of the operators that torchvision describes to torch also where it could not load them."""

_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # lives as its contents do


class _PackageOnDemand(ModuleType):
    """A package whose own file has not run yet."""

    def __getattr__(self, name: str) -> object:
        if name in _SET_BY_IMPORT:
            raise AttributeError(name)
        if (
            f"{self.__name__}.{name}" in sys.modules
        ):  # being imported: its parent gets it as an attribute afterwards
            return sys.modules[f"{self.__name__}.{name}"]
        if _is_active() and (home := _home(self, name)) is not None:
            module = import_module(home)
            return module if home == f"{self.__name__}.{name}" else getattr(module, name)
        _run_package(self)
        return getattr(self, name)


class _OnDemandLoader(Loader):
    """Puts off running a package's file; *original* is who would have run it."""

    def __init__(self, original: Loader) -> None:
        self.original = original

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _PackageOnDemand(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing yet."""


def _home(package: ModuleType, name: str) -> str | None:
    """The module that a package's file would have *name* from, or that *name* is; None where that is not plain to see."""
    if (
        package.__file__ is None or package.__name__ == "torchvision.transforms"
    ):  # small, and sufficient to itself
        return None
    for statement in ast.parse(Path(package.__file__).read_bytes()).body:
        if (
            isinstance(statement, ast.ImportFrom)
            and statement.level == 1
            and _is_public(statement.module)
        ):
            home = f"{package.__name__}.{statement.module}"
            if any(
                alias.name == name or (alias.name == "*" and _exports(home, name))
                for alias in statement.names
            ):
                return home
    return f"{package.__name__}.{name}" if find_spec(f"{package.__name__}.{name}") else None


def _is_public(module: str | None) -> bool:
    """What is not public, the register of all models, is right only once the whole package has run."""
    return module is not None and not module.startswith("_")


def _exports(module: str, name: str) -> bool:
    """Whether a module that has not been imported lists *name* in its ``__all__``."""
    spec = find_spec(module)
    if spec is None or spec.origin is None or spec.submodule_search_locations is not None:
        return False
    listed = re.search(
        r"^__all__ = [\[(](.*?)[\])]",
        Path(spec.origin).read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    return listed is not None and f'"{name}"' in listed[1]


def _is_active() -> bool:
    return any(isinstance(finder, _PackagesOnDemand) for finder in sys.meta_path)


def _run_package(package: ModuleType) -> None:
    """Run a package's file as if it had just been imported; once we are done, its parents' before, as Python does."""
    spec = package.__spec__
    if spec is None or not isinstance(spec.loader, _OnDemandLoader):
        return
    parent = sys.modules.get(package.__name__.rpartition(".")[0])
    if parent is not None and not _is_active():
        _run_package(parent)
    if parent is None and _is_active():
        declare_missing_operators()
    pending, original = spec.loader, spec.loader.original
    spec.loader = package.__loader__ = original
    package.__class__ = ModuleType
    try:
        original.exec_module(package)
    except BaseException:  # as with a failed import, the next try fails the same way
        spec.loader = package.__loader__ = pending
        package.__class__ = _PackageOnDemand
        raise
    if (
        parent is not None
    ):  # torchvision itself would bring everything; in the others, those below register networks
        for below in [
            module
            for name, module in sys.modules.items()
            if name.startswith(f"{package.__name__}.")
        ]:
            _run_package(below)


class _PackagesOnDemand(MetaPathFinder):
    """Finds torchvision's packages and puts their files off; leaves its modules alone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != "torchvision":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if (
            spec is not None
            and spec.submodule_search_locations is not None
            and spec.loader is not None
        ):
            spec.loader = _OnDemandLoader(spec.loader)
        return spec


@contextmanager
def torchvision_packages_on_demand() -> Iterator[None]:
    """While it lasts, torchvision's packages are imported without running their files.

    Raises ResourceError where torchvision cannot be imported at all.
    """
    finder = _PackagesOnDemand()
    sys.meta_path.insert(0, finder)
    try:
        yield
    except ImportError as error:
        raise ResourceError(
            f"torchvision cannot be imported: {error}", help="pip install torchvision"
        ) from error
    finally:
        sys.meta_path.remove(finder)


def has_compiled_operators() -> bool:
    """Whether torchvision's compiled operators (``nms``, ``roi_align`` and others) load beside this torch."""
    with torchvision_packages_on_demand():
        extension = import_module("torchvision.extension")
    return bool(extension._has_ops())


def declare_missing_operators() -> None:
    """Let torchvision's own packages run where its compiled operators do not load.

    They describe some of these operators to torch, which refuses as long as it does not know them. Declared, they
    are known and still not there: whoever runs one gets torchvision's error.
    """
    if not has_compiled_operators():
        for name, schema in DESCRIBED_OPERATORS.items():
            if not hasattr(torch.ops.torchvision, name):
                _LIBRARY.define(name + schema)  # type: ignore[no-untyped-call]
