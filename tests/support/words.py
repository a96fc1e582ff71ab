"""The words of CONTRIBUTING.md, checked: ``python tests/support/words.py PATH...``."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

BETTER = {
    r"(?<!n-)\bpersons?('s)?\b": "user",
    r"\b(tell|tells|told|telling|untold)\b": "show, report, say, know",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\b(hold|holds|held|holding) (\w+ ){0,5}against\b": "check, compare",
    r"(?<![Tt]here )\b(is|are|was|were) no (?!longer\b|more\b|less\b)": "is not a",
    r"\bnobody\b": "no one, unknown",
    r"\bwants\b": "needs",
    r"\balso where\b": "even if",
    r"\bmost by\b": "mostly from",
    r"\bof \w+ own making\b": "own",
    r"\b(dead|live|outer|centre|kernel) taps?\b": "kernel position",
    r"\btaps? (of the kernel|reads?|meets?|falls?)\b": "kernel position",
    r"[\d}][ \u00a0]%(?![\w(}])": "35.8% without a space",
    r"(?:^|[.!?:] |\"\"\"|# )(What|Of|That which) (?!is\b[^.]*\?)": "subject first",
    r"\bas (?:it|they) (?:is|are) told\b": "say it plainly",
    r"\binputs? (?:that )?nobody\b": "unknown",
    r"\bin whichever\b": "in any",
    r"\b(hold|holds|held) (\w+ ){0,4}to (its|their|a|the|our) (budget|limit|lock|rule)": (
        "check against"
    ),
    r"\bif (that|this) is meant\b": "if this is intended",
    r"\b(say|says|said) of\b": "say about",
    r"\bwith your rights\b": "permissions",
    r"\bamiss\b": "wrong",
    r"\bafresh\b": "again",
    r"\bheed(s|ed)?\b": "follow",
}
"""Patterns of words that are not written, each with what is written instead."""

NAMES = re.compile(
    r"(^|_)(mend|mends|mended|told|tell|tells|amiss|sunk|person|persons|surroundings|as_before|apart"
    r"|hold_to)(_|$)"
)
"""Parts of names that say neither the thing nor the act."""

FILE_NAMES = re.compile(r"(^|_)(utils?|helpers?|manager|misc|common|once|recorded)(_|$)")
"""Parts of file names that do not say what is inside."""

TEXTS = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", -1)}
"""Tokens with words in them; Python 3.12 takes an f-string apart."""

LISTS = ("words.py", "test_words.py")
"""Files that have these words in order to look for them."""


def offences(path: Path) -> list[str]:
    """Every line of a file with a word or a name that is not written."""
    text = path.read_text("utf-8")
    found = _in_python(text) if path.suffix == ".py" else _in_prose(text)
    is_named_badly = NAMES.search(path.stem) or FILE_NAMES.search(path.stem)
    named = [f"{path}: a file's name says the thing"] if is_named_badly else []
    return [*named, *(f"{path}:{line}: {what}" for line, what in found)]


def _in_prose(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((number, word) for word in _words_in(line))


def _in_python(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in TEXTS:
            for offset, line in enumerate(token.string.splitlines()):
                yield from ((token.start[0] + offset, word) for word in _words_in(line))
    for node in ast.walk(ast.parse(text)):
        yield from ((number, f"{name}: a name says the thing") for number, name in _names_in(node))


def _words_in(line: str) -> Iterator[str]:
    for pattern, better in BETTER.items():
        if match := re.search(pattern, line):
            yield f"'{match[0].strip()}': {better}"


def _names_in(node: ast.AST) -> Iterator[tuple[int, str]]:
    match node:
        case ast.FunctionDef(name=name, lineno=line) | ast.ClassDef(name=name, lineno=line):
            if NAMES.search(name):
                yield line, name
        case ast.For(target=target) | ast.comprehension(target=target):
            for part in ast.walk(target):
                if isinstance(part, ast.Name) and part.id == "each":
                    yield part.lineno, "each"
        case ast.arg(arg="each", lineno=line):
            yield line, "each"
        case _:
            return


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files at *paths*, and those below them with words in them."""
    for path in paths:
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in below if path.is_file() or _has_words(file))


def _has_words(file: Path) -> bool:
    if "__pycache__" in file.parts or file.name in LISTS:
        return False
    return file.suffix in {".py", ".md", ".jinja", ".yml", ".toml"}


if __name__ == "__main__":
    everything = [line for path in files(map(Path, sys.argv[1:])) for line in offences(path)]
    print(*everything, f"{len(everything)} offences", sep="\n")  # noqa: T201
    sys.exit(bool(everything))
