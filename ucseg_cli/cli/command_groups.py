"""The sub-commands, in the groups of the help."""

from __future__ import annotations

GROUPS = {
    "look": (
        *("list", "show", "overview", "layers", "draw", "params", "flops"),
        *("memory", "latency", "probe", "reach"),
    ),
    "choose": ("compare", "sweep", "shrink", "lint", "history"),
    "keep": ("init", "check", "lock", "config"),
    "learn": ("identify",),
    "trust": ("verify", "explain", "cache", "completion"),
}
"""Sub-commands in the order of the help, each group a folder of ``commands``."""

COMMANDS = {name: group for group, names in GROUPS.items() for name in names}
"""Each sub-command with its group; it is the function of that name in its file."""
