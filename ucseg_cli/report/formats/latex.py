"""A report's tables as LaTeX, with booktabs; a comment names the packages that they need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ucseg_cli.report.document import Kind, Report, Role, Table
from ucseg_cli.report.formats.cells import WORDS, format_rows, one_line, plain_ascii, without_spans

PACKAGES = r"\usepackage[T1]{fontenc} \usepackage{textcomp,booktabs}"
SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\u00d7": r"\texttimes{}",
    "→": r"\(\rightarrow\)",
    "Δ": r"\(\Delta\)",
    "\u2013": "--",
    "\u2212": r"\(-\)",
    "…": r"\dots{}",
    "·": r"\textperiodcentered{}",
    "≤": r"\(\leq\)",
    "≥": r"\(\geq\)",
    "≈": r"\(\approx\)",
    "±": r"\textpm{}",
    "✓": r"\(\surd\)",
    "✗": r"\texttimes{}",
    "\u00a0": "~",
    "\u202f": r"\,",
    "²": r"\texttwosuperior{}",
    "³": r"\textthreesuperior{}",
    "µ": r"\textmu{}",
    "μ": r"\textmu{}",
}
"""Signs of ours and of TeX that a font has only by a command; other letters beyond ASCII are
written out, since an engine stops at one that it does not know."""
_UNIT = re.compile(r"(?<=\d) (?=[kMGTPE]?i?B\b|[mµn]?s\b)")
_LIGATURES = re.compile(r"(?<=[-`'<>,!?])(?=[-`'<>,])")
"""Between two signs that TeX would make one of, as ``--``."""


def render_latex(report: Report, *, exact: bool = False) -> str:
    """Every table that has rows as a float of its own, under what it is and was measured on."""
    return "\n\n".join((f"% needs {PACKAGES}", *_floats(report, exact=exact))) + "\n"


def escape(text: str) -> str:
    """*text* as itself: nothing in a name is a command, a column or a comment."""
    parts = _LIGATURES.split(one_line(text))
    return "{}".join("".join(SIGNS.get(sign) or _spelled(sign) for sign in part) for part in parts)


def _spelled(sign: str) -> str:
    if sign.isascii():
        return sign
    return "".join(SIGNS.get(letter, letter) for letter in plain_ascii(sign))


def _floats(report: Report, *, exact: bool) -> Iterator[str]:
    kind = report.kind.rpartition(".")[2]
    measured = ", ".join(f"{key} {value}" for key, value in report.conditions.items())
    for table in map(without_spans, report.tables):
        if table.rows:
            caption = f"{table.title} of {report.title.partition(' ')[2]} ({measured})."
            yield "\n".join(_float(table, caption, f"{kind}-{table.key}", exact=exact))


def _float(table: Table, caption: str, label: str, *, exact: bool) -> Iterator[str]:
    alignment = "".join("l" if column.kind in WORDS else "r" for column in table.columns)
    yield r"\begin{table}"
    yield r"  \centering"
    yield rf"  \caption{{{_written(caption)}}}"
    yield rf"  \label{{tab:{re.sub('[^A-Za-z0-9-]', '-', label)}}}"
    yield rf"  \begin{{tabular}}{{@{{}}{alignment}@{{}}}}"
    yield r"    \toprule"
    yield f"    {_line([_written(column.title) for column in table.columns])}"
    yield r"    \midrule"
    yield from _rows(table, exact=exact)
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    if footnote := table.footnote(table.columns):
        yield rf"  \par\smallskip{{\footnotesize {_written(footnote)}}}"
    yield r"\end{table}"


def _rows(table: Table, *, exact: bool) -> Iterator[str]:
    for row, texts in zip(table.rows, format_rows(table, exact=exact), strict=True):
        cells = [_written(text) for text in texts]
        if row.depth and table.columns[0].kind is Kind.PATH:
            cells[0] = rf"\hspace*{{{row.depth}em}}{cells[0]}"
        if row.role is Role.TOTAL:
            yield r"    \midrule"
            cells = [rf"\textbf{{{cell}}}" if cell else cell for cell in cells]
        yield f"    {_line(cells)}"


def _line(cells: list[str]) -> str:
    """A row; one that began with a bracket would be taken for the length after the last row."""
    first, *others = cells
    guarded = f"{{}}{first}" if first.startswith(("[", "*")) else first
    return " & ".join((guarded, *others)) + r" \\"


def _written(text: str) -> str:
    """Escaped, with a thin space before units."""
    return r"\,".join(map(escape, _UNIT.split(text)))
