"""Refusing downloads while a user's code runs: no figure depends on the values of weights."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter

from ucseg_cli.errors import ModelError

NETWORK_EVENTS = {
    "urllib.Request": 0,
    "http.client.connect": 1,
    "socket.getaddrinfo": 0,
    "socket.connect": 1,
}
"""Audit events (docs.python.org/3/library/audit_events.html) before a request to another machine,
each with the position of the argument that names it."""

ABOUT_WEIGHTS = re.compile(r"pretrain|weight|checkpoint|download", re.IGNORECASE)
"""Names of parameters that keep a model from loading weights."""


class DownloadError(RuntimeError):
    """A model asked the network for something, such as weights."""


class DownloadRefusedError(ModelError):
    """The model asked the network for something while it was imported or built."""

    kind = "download"


class _Hook:
    """Raises DownloadError while *active*. Python cannot remove an audit hook, so there is one."""

    installed = active = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.active and event in NETWORK_EVENTS:
            raise DownloadError(f"it tries to download {arguments[NETWORK_EVENTS[event]]}")


_hook = _Hook()


@contextmanager
def downloads_refused() -> Iterator[None]:
    """While it lasts, whoever asks the network gets a DownloadError."""
    if not _hook.installed:
        sys.addaudithook(_hook)
        _hook.installed = True
    _hook.active = True
    try:
        yield
    finally:
        _hook.active = False


def without_weights(parameters: Mapping[str, Parameter]) -> str:
    """Arguments that may keep a model from loading weights, as typed: ``+pretrained=false``."""
    typed = ""
    for name in filter(ABOUT_WEIGHTS.search, parameters):
        is_flag = isinstance(parameters[name].default, bool)
        typed += f"+{name}={'false' if is_flag else 'none'}"
    return typed
