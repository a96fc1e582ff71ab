"""A diagram as text that other programs draw: Mermaid, as code hosts render it, and Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from ucseg_cli.report.formats.cells import one_line
from ucseg_cli.report.pictures.diagram import CHANGED, NEW, SAME, Box, Diagram

PLAIN = frozenset(" .,:-+/×·")
CLASSES = {
    CHANGED: "fill:#f9e4d9,stroke:#c2410c,color:#16191d",
    NEW: "fill:#e6dcf8,stroke:#6d28d9,color:#16191d",
    "tap": "stroke:#0b7285,stroke-width:3px",
}


def mermaid(diagram: Diagram) -> str:
    """A flowchart; every sign but letters, digits and a few others is an entity."""
    lines = ["flowchart TD", f"  %% {_inert(diagram.title)}"]
    lines += [f'  n{number}["{_mermaid_label(box)}"]' for number, box in enumerate(diagram.boxes)]
    lines += [
        f'  n{arrow.source} -->|"{_entities(arrow.shape)}"| n{arrow.target}'
        for arrow in diagram.arrows
    ]
    used = dict.fromkeys(_classes(diagram))
    lines += [f"  classDef {name} {CLASSES[name]}" for name, _ in used]
    for name in dict.fromkeys(name for name, _ in used):
        numbers = ",".join(f"n{number}" for other, number in used if other == name)
        lines.append(f"  class {numbers} {name}")
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _classes(diagram: Diagram) -> Iterator[tuple[str, int]]:
    for number, box in enumerate(diagram.boxes):
        if box.status != SAME:
            yield box.status, number
        if box.taps:
            yield "tap", number


def _mermaid_label(box: Box) -> str:
    return "<br/>".join(map(_entities, _lines(box)))


def _lines(box: Box) -> Iterator[str]:
    """The name, what it is, its taps, and the word of a comparison about it."""
    yield f"{box.status} {box.name}".strip()
    if box.kind:
        yield box.kind
    if box.taps:
        yield f"tap {', '.join(box.taps)}"


def _entities(words: str) -> str:
    return "".join(
        sign if sign.isalnum() or sign in PLAIN else f"#{ord(sign)};" for sign in one_line(words)
    )


def _inert(words: str) -> str:
    """Words of a comment, in which braces would begin a directive."""
    return one_line(words).replace("{", "(").replace("}", ")")


def dot(diagram: Diagram) -> str:
    """A digraph for Graphviz, whose layout is its own."""
    lines = [
        "digraph {",
        "  node [shape=box, style=rounded, fontname=Helvetica, fontsize=11]",
        "  edge [fontname=Helvetica, fontsize=9]",
        f"  label={_quoted(diagram.title)}",
    ]
    for number, box in enumerate(diagram.boxes):
        colour = {CHANGED: "#c2410c", NEW: "#6d28d9"}.get(box.status)
        style = f', color="{colour}"' if colour else ""
        width = ", penwidth=2" if box.taps else ""
        label = "\\n".join(map(_escaped, _lines(box)))
        lines.append(f'  n{number} [label="{label}"{style}{width}]')
    lines += [
        f"  n{arrow.source} -> n{arrow.target} [label={_quoted(arrow.shape)}]"
        for arrow in diagram.arrows
    ]
    return "\n".join((*lines, "}")) + "\n"


def _quoted(words: str) -> str:
    return f'"{_escaped(words)}"'


def _escaped(words: str) -> str:
    return one_line(words).replace("\\", "\\\\").replace('"', '\\"')
