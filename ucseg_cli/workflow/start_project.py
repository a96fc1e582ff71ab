"""Starting out: a folder's first configuration, its lock, and the workflow that checks both."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from ucseg_cli.analysis.counting.metrics import totals
from ucseg_cli.analysis.rules.first_budgets import FirstBudget
from ucseg_cli.errors import ConfigurationError, OutputError, Place, UsageError
from ucseg_cli.facts.conditions import Conditions, Example, Point, parse_inputs
from ucseg_cli.facts.settings import Settings
from ucseg_cli.gate.cache import Cache
from ucseg_cli.project.config_file import (
    ENVIRONMENT,
    OWN_NAME,
    SHARED_NAME,
    SHARED_TABLE,
    find_document,
    parse_document,
    parse_toml,
    refuse_foreign,
    refuse_misspelt,
)
from ucseg_cli.project.configuration import read_settings
from ucseg_cli.project.first_section import extended, section_text
from ucseg_cli.references import FromCheckpoint, FromFile, Model, Reference, parse_reference
from ucseg_cli.system.atomic_write import replace_file
from ucseg_cli.system.folder_lock import alone_in
from ucseg_cli.system.paths import shown
from ucseg_cli.system.plain_file import read_plain_file
from ucseg_cli.workflow.check_lock import lock_path, today
from ucseg_cli.workflow.measure import measure_points
from ucseg_cli.workflow.update_lock import LockUpdate, plan_update

WORKFLOW = Path(".github", "workflows", "ucseg.yml")
ACTION = "tools/ucseg"
"""Where the workflow of the pages has a checkout of ucseg, whose action it uses."""


class NewFile(NamedTuple):
    """A file to write: what is *added*, and the file *before*; None if there is none."""

    path: Path
    added: str
    before: bytes | None = None

    @property
    def data(self) -> bytes:
        """The file as it will be."""
        return extended(self.before or b"", self.added)


class Start(NamedTuple):
    """Everything that starting out writes.

    Args:
        model: the default model. given: the input on which it was measured.
        failure: why the model does not run; None if it does.
        budgets: the metrics that are limited.
        configuration, workflow: the files; the former is None where one is there already, the
            latter if it is not asked for.
        lock: None for a model that does not run.
        root: of the repository.
    """

    model: Reference
    given: Conditions
    failure: str | None
    budgets: Sequence[FirstBudget]
    configuration: NewFile | None
    lock: LockUpdate | None
    workflow: NewFile | None
    root: Path

    @property
    def missing_action(self) -> str | None:
        """The folder that the workflow needs, if it is not there."""
        is_missing = self.workflow and not (self.root / ACTION / "action.yml").exists()
        return shown(self.root / ACTION) if is_missing else None

    @property
    def files(self) -> list[NewFile]:
        """Those written as text, the configuration first."""
        return [file for file in (self.configuration, self.workflow) if file is not None]

    def write(self) -> None:
        """Write every file or none; raises OutputError, and for what has appeared meanwhile."""
        folder = self.configuration.path.parent if self.configuration else self.root
        try:
            with alone_in(folder), ExitStack() as undo:
                if self.workflow:
                    undo.enter_context(_created(self.workflow))
                if self.lock:
                    undo.enter_context(_undone(self.lock.path))
                    self.lock.write_alone()
                if self.configuration:
                    # last, since it alone may be a file that was there before
                    undo.enter_context(_created(self.configuration))
        except OSError as error:
            what = f"nothing is written: {error.strerror or error}"
            raise OutputError(what, where=Place(shown(folder))) from error


def plan_start(
    model: Reference, given: Conditions, settings: Settings, *, workflow: bool, cache: Cache | None
) -> Start:
    """Everything that starting out in the working directory writes, with *model* as the default.

    Raises UsageError for what is configured, locked or there already, and for a model that no file
    of the project may name; ModelError for one that cannot be built.
    """
    path = _place_of_configuration(workflow=workflow)
    root = _repository(path.parent)
    target = NewFile(root / WORKFLOW, "") if workflow else None
    _refuse_existing(path.with_name(lock_path(settings).name), "`ucseg lock` updates it")
    if target:
        _refuse_existing(target.path, "leave --workflow out, or delete it")
    written, given = _as_written(model, path.parent), _input_as_written(given, path.parent)
    point = Point(written, given)
    trace = measure_points([point], settings, cache=cache, run=False)[point].trace
    figures = totals(trace)
    metrics = ["params", settings.convention, "peak-memory"]
    budgets = [FirstBudget(name, figures[name]) for name in metrics if name in figures]
    configuration, configured = _configuration(path, written, given, trace.failure, budgets)
    lock = None
    if trace.failure is None:
        configured = configured._replace(timeout=settings.timeout)
        lock = plan_update(configured, [configured.default], [given], (), None, cache=cache)
    if target:
        target = target._replace(added=_workflow(path.parent.relative_to(root), locked=bool(lock)))
    return Start(written, given, trace.failure, budgets, configuration, lock, target, root)


def plan_workflow() -> Start | None:
    """The workflow alone, where a configuration is there already; None where there is none.

    Raises UsageError if there is a workflow, too.
    """
    document = find_document(Path.cwd())
    if document is None:
        return None
    settings, folder = read_settings(document), document.path.parent
    root = _repository(folder)
    _refuse_existing(root / WORKFLOW, "edit that file, or delete it")
    text = _workflow(folder.relative_to(root), locked=lock_path(settings).exists())
    new = NewFile(root / WORKFLOW, text)
    return Start(settings.default, Conditions(), None, (), None, None, new, root)


def _place_of_configuration(*, workflow: bool) -> Path:
    """The file to write or to extend; raises ConfigurationError if one configures this folder."""
    folder = Path.cwd()
    document = find_document(folder)
    if document is not None:
        fix = "edit that file; `ucseg config` shows what is in force"
        if workflow:
            fix = "`ucseg init --workflow`, without a model, adds the workflow alone"
        elif os.environ.get(ENVIRONMENT):
            fix = f"unset {ENVIRONMENT}, or edit the file that it names"
        what = "this folder is configured already"
        raise ConfigurationError(what, where=document.place(()), help=fix)
    refuse_misspelt(folder)
    shared = folder / SHARED_NAME
    return shared if shared.is_file() else folder / OWN_NAME


def _refuse_existing(path: Path, fix: str) -> None:
    if os.path.lexists(path):
        raise UsageError("it is there already", where=Place(shown(path)), help=fix)


def _as_written(model: Reference, folder: Path) -> Reference:
    """The model as a file of the project names it; raises UsageError if none may."""
    _refuse_absolute(model.model, model.name)
    return parse_reference(model.name, where=model.name, beneath=folder)


def _input_as_written(conditions: Conditions, folder: Path) -> Conditions:
    """The same for the function that gives the input."""
    if not isinstance(conditions.given, Example):
        return conditions
    name = conditions.given.name
    _refuse_absolute(conditions.given.function, name)
    return Conditions(given=parse_inputs(name, where=name, beneath=folder))


def _refuse_absolute(source: Model, name: str) -> None:
    if isinstance(source, FromFile | FromCheckpoint) and Path(source.path).is_absolute():
        what = f"{source.path} is a path of this machine alone"
        raise UsageError(what, where=name, help="name the file as seen from this folder")


def _configuration(
    path: Path,
    model: Reference,
    given: Conditions,
    failure: str | None,
    budgets: Sequence[FirstBudget],
) -> tuple[NewFile, Settings]:
    """The file, and the settings that it makes; it has been read as the next command reads it."""
    is_shared = path.name == SHARED_NAME
    table = ".".join(map(str, SHARED_TABLE)) if is_shared else ""
    input_used = None if failure is not None else given
    text = section_text(model.name, input_used, budgets, today(), table=table)
    new = NewFile(path, text, read_plain_file(path) if is_shared else None)
    if is_shared:
        refuse_foreign(path)
        parse_toml(path, _text(new.before or b""))  # a mistake of before has its own message
    try:
        document = parse_document(path, _text(new.data))
    except UnicodeEncodeError as error:
        what = "no file of the project can name it: it is not Unicode"
        raise UsageError(what, where=ascii(model.name)) from error
    except ConfigurationError as error:
        what, fix = f"[{table}] cannot be added to it: {error.what}", f"write {OWN_NAME} instead"
        raise ConfigurationError(what, where=Place(shown(path)), help=fix) from error
    assert document is not None  # noqa: S101 - it has just got our table
    return new, read_settings(document)


def _text(data: bytes) -> str:
    return data.decode("utf-8").replace("\r\n", "\n")


# The workflow


def _repository(folder: Path) -> Path:
    """The root of the repository, where GitHub looks for workflows; else the folder itself."""
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


def _workflow(folder: Path, *, locked: bool) -> str:
    """The workflow of the pages, for a configuration in *folder* of the repository."""
    text = files("ucseg_cli.project").joinpath("workflow.yml").read_text(encoding="utf-8")
    if folder.parts:
        elsewhere = f"args: check\n          working-directory: {_yaml(folder.as_posix())}\n"
        text = text.replace("args: check\n", elsewhere)
    return text if locked else text.replace('locked: "true"', 'locked: "false"')


def _yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# Writing


@contextmanager
def _created(file: NewFile) -> Iterator[None]:
    """The file written; if something fails later, a new one is taken back."""
    if file.before is not None:
        if read_plain_file(file.path) != file.before:
            what = "another process has changed it meanwhile"
            raise OutputError(what, where=Place(shown(file.path)), help="`ucseg init` once more")
        if not os.access(file.path, os.W_OK):
            what, fix = "it may not be written", "allow it, as with chmod u+w"
            raise OutputError(what, where=Place(shown(file.path)), help=fix)
        replace_file(file.path, file.data)
        yield
        return
    with _undone(file.path):
        file.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file.path, file.data, follow=False)
        yield


@contextmanager
def _undone(path: Path) -> Iterator[None]:
    """Delete a file that is not there yet, and the folders made for it, if something fails."""
    _refuse_existing(path, "another process has just made it")
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise
