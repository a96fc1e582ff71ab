"""The rule for references in files: code and checkpoints are only taken from beneath the file.

A configuration is found in any parent folder and a lock comes with a checkout, so neither may name
what its writer did not bring along: ``os:system`` would run a command.
"""

from __future__ import annotations

import os
from pathlib import Path

from ucseg_cli.errors import ConfigurationError, Where
from ucseg_cli.references.sources import FromCheckpoint, FromFile, FromModule, Source
from ucseg_cli.system.paths import shown


def source_beneath(source: Source, folder: Path, where: Where) -> Source:
    """The source with its file as it is found from here, a module as its file.

    Raises ConfigurationError where it does not stand beneath *folder*.
    """
    match source:
        case FromModule():
            file = _file_of(source, folder, where)
            return FromFile(file, source.name, source.arguments, source.revision)
        case FromFile():
            # through links, since a link could lead to any file of the machine and run it
            path = folder / source.path
            return source._replace(path=_inside(path, path.resolve(), folder.resolve(), where))
        case FromCheckpoint():
            # reading runs nothing, and tools for data keep checkpoints elsewhere, behind links
            path = Path(os.path.normpath(folder / source.path))
            return source._replace(path=_inside(path, path, folder, where))
        case _:
            return source


def _inside(path: Path, real: Path, folder: Path, where: Where) -> str:
    if not real.is_relative_to(folder):
        raise ConfigurationError(
            f"{path} is not beneath {folder}",
            where=where,
            help="a file of the project names only files of its own folder; type others yourself",
        )
    return shown(path)


def _file_of(source: FromModule, folder: Path, where: Where) -> str:
    """The file itself, since an installed module of the same name would be imported first."""
    stem = folder.joinpath(*source.module.split("."))
    for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
        if path.is_file():
            return _inside(path, path.resolve(), folder.resolve(), where)
    raise ConfigurationError(
        f"{source.module} is not a module beneath {folder}",
        where=where,
        help="a file of the project names only modules of its own folder; type others yourself",
    )
