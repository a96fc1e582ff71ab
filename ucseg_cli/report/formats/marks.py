"""The mark by which an answer in a file is known again, so that an export replaces nothing else."""

from __future__ import annotations

import re

PREFIXES = {
    "markdown": "<!-- {} -->\n\n",
    "latex": "% {}\n",
    "folded": "# {}\n",
    "mermaid": "%% {}\n",
    "dot": "// {}\n",
    "github": "::debug::{}\n",
}
"""Files of these formats begin so, unseen by their readers; the others name ucseg anyway."""
ANSWER = re.compile(
    rb"""\s*(
    \{\s*"kind":\s*"ucseg\.[\w-]+",\s*"format_version":\s*"[^"]*",\s*"tool"  # JSON, unlike a lock
    | \{\s*"\$schema".{1,200}?"driver":\s*\{\s*"name":\s*"ucseg"             # SARIF
    | <!doctype\ html>.{1,400}?<meta\ name="generator"\ content="ucseg\      # a page
    | <svg\ xmlns="[^"]{1,80}"\ class="ucseg"                                # pictures
    | (<\?xml[^>]*>\s*)?<testsuites>\s*<testsuite\ name="ucseg\.             # JUnit
    | (<\?xml[^>]*>\s*)?<testsuites\s*/>                                     # with nothing in it
    | <!--\ ucseg\.                                                          # Markdown, a comment
    | \{\s*"\$schema":\s*"[^"]*speedscope[^"]*",\s*"exporter":\s*"ucseg\ # a profile
    | \#\ ucseg\.                                                            # folded stacks
    | (%%|//)\ ucseg\.                                                      # diagrams
    | %\ ucseg\.                                                             # LaTeX, a comment
    | ::debug::ucseg\.                                                       # GitHub's commands
    )""",
    re.VERBOSE | re.DOTALL,
)
COLUMNS = re.compile(rb"[\w ]+(,[\w ]+)*")
"""A line that may be the first of a CSV of ours: the keys of columns."""


def marked(text: str, format_name: str, kind: str) -> str:
    """An answer as it stands in a file."""
    return f"{PREFIXES.get(format_name, '').format(kind)}{text}"


def is_answer(beginning: bytes) -> bool:
    """Whether a file that begins like this holds an answer of ucseg, in any format but CSV."""
    return ANSWER.match(beginning) is not None


def may_have_columns_of(beginning: bytes, answer: bytes | None) -> bool:
    """Whether it begins with the columns of an *answer* in CSV, or of any while none is there.

    CSV has no room for a mark that spreadsheets would not take for data.
    """
    line = beginning.split(b"\n")[0].rstrip(b"\r")
    return (
        COLUMNS.fullmatch(line) is not None if answer is None else answer.startswith(line + b"\n")
    )
