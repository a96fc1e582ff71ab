"""torchvision's packages, run when first used: one network must not import all of torchvision.

``import torchvision.models.mobilenetv3`` runs four package files (``torchvision``, ``.models``,
``.ops``, ``.transforms``) that import every model, transform and dataset, and torch's compiler for
custom operators: longer than torch itself takes. Inside the context below a package file runs only
once something asks the package for a name it does not have yet. The modules are torchvision's own
either way, loaded once, and stay what they would have been.

It also makes torchvision usable where its compiled operators cannot be loaded (a CUDA build of
torchvision beside a CPU build of torch): few networks need one, and those only when they run.
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
"""Attributes that the import system reads from a new module before it sets them."""

_NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
DESCRIBED_OPERATORS = {"nms": _NMS, "qnms": _NMS}
"""Schemas of operators that torchvision registers rules for, even if it could not load them."""

# Kept in a global, since what it declares lives as long as it does.
_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]


_ALL = re.compile(r"^__all__ = [\[(](.*?)[\])]", re.DOTALL | re.MULTILINE)
"""A module's list of its public names."""


class _PackageOnDemand(ModuleType):
    """A package whose own file has not run yet."""

    def __getattr__(self, name: str) -> object:
        if name in _SET_BY_IMPORT:
            raise AttributeError(name)
        submodule = f"{self.__name__}.{name}"
        if submodule in sys.modules:  # still being imported: Python sets the attribute afterwards
            return sys.modules[submodule]
        if _is_active() and (home := _home(self, name)) is not None:
            module = import_module(home)
            return module if home == submodule else getattr(module, name)
        _run_package(self)
        return getattr(self, name)

    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]
        """Every name: ``models.__dict__[name]`` and ``vars`` ask the package for them all."""
        _run_package(self)
        return vars(self)

    def __dir__(self) -> list[str]:
        return sorted(self.__dict__)


class _OnDemandLoader(Loader):
    """Puts off running a package's file, which *original* would have run."""

    def __init__(self, original: Loader) -> None:
        self.original = original

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _PackageOnDemand(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing yet."""


def _home(package: ModuleType, name: str) -> str | None:
    """The module that a package's file imports *name* from, or that *name* is; None if unclear."""
    submodule = f"{package.__name__}.{name}"
    if package.__file__ is None:
        return None
    if package.__name__ == "torchvision.transforms":
        # It is small, and needs none of the others; a module of it may be what is being imported.
        return submodule if find_spec(submodule) else None
    for statement in ast.parse(Path(package.__file__).read_bytes()).body:
        if not isinstance(statement, ast.ImportFrom) or statement.level != 1:
            continue
        # A private module, the register of all models, is complete only once the package has run.
        if statement.module is None or statement.module.startswith("_"):
            continue
        home = f"{package.__name__}.{statement.module}"
        names = {alias.name for alias in statement.names}
        if name in names or ("*" in names and _exports(home, name)):
            return home
    return submodule if find_spec(submodule) else None


def _exports(module: str, name: str) -> bool:
    """Whether a module that has not been imported lists *name* in its ``__all__``."""
    spec = find_spec(module)
    if spec is None or spec.origin is None or spec.submodule_search_locations is not None:
        return False
    listed = _ALL.search(Path(spec.origin).read_text(encoding="utf-8"))
    return listed is not None and f'"{name}"' in listed[1]


def _is_active() -> bool:
    return any(isinstance(finder, _PackagesOnDemand) for finder in sys.meta_path)


def _run_package(package: ModuleType) -> None:
    """Run a package's file as if just imported; outside the context, its parents' files first."""
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
    # The packages below register networks; below torchvision itself, that would be everything.
    if parent is not None:
        prefix = f"{package.__name__}."
        for below in [sys.modules[name] for name in sys.modules if name.startswith(prefix)]:
            _run_package(below)


class _PackagesOnDemand(MetaPathFinder):
    """Finds torchvision's packages and puts off running their files; its modules run at once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != "torchvision":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        if spec.submodule_search_locations is not None:  # a package
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
    """Whether torchvision's compiled operators (``nms``, ``roi_align``…) load beside this torch."""
    with torchvision_packages_on_demand():
        extension = import_module("torchvision.extension")
    return bool(extension._has_ops())


def declare_missing_operators() -> None:
    """Let torchvision's own packages run where its compiled operators do not load.

    They register rules for some of these operators, which torch refuses for unknown ones. A
    declared operator is known but has no kernel: running it raises torchvision's error.
    """
    if not has_compiled_operators():
        for name, schema in DESCRIBED_OPERATORS.items():
            if not hasattr(torch.ops.torchvision, name):
                _LIBRARY.define(name + schema)  # type: ignore[no-untyped-call]
