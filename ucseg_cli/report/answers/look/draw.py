"""``ucseg draw``: the blocks of a network and the tensors between them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ucseg_cli.analysis.comparing.comparison import Comparison
from ucseg_cli.analysis.counting.module_tree import ancestry, path_depth
from ucseg_cli.analysis.diagram.diagram_blocks import INPUT, OUTPUT, Block, Blocks, Edge, blocks_of
from ucseg_cli.analysis.subject import Subject
from ucseg_cli.facts.conditions import Conditions
from ucseg_cli.report.document import Kind, Report
from ucseg_cli.report.fields import Field, Fields, make_entries, make_records, make_table
from ucseg_cli.report.fields import Output as On
from ucseg_cli.report.parts.conditions_header import raw_conditions, shown_conditions
from ucseg_cli.report.pictures.diagram import CHANGED, NEW, SAME, Arrow, Box, Diagram
from ucseg_cli.units import format_shape, plural

Numbered = tuple[int, Block]


def draw_report(
    subject: Subject, conditions: Conditions, depth: int | None, against: Comparison | None
) -> Report:
    """The diagram of a model, *depth* levels down; with what changed *against* another."""
    blocks = blocks_of(subject.trace, depth)
    diagram = _diagram(subject, blocks, against)
    fields = _fields(blocks, diagram, compared=against is not None)
    numbered = list(enumerate(blocks.blocks))
    gone = _gone(against, subject, blocks) if against else []
    names = f"{against.baseline.name} → {subject.name}" if against else subject.name
    return Report(
        kind="ucseg.draw",
        title=f"draw {names}",
        conditions=shown_conditions([conditions]),
        tables=(make_table("blocks", "Blocks in the order of running", fields, numbered),),
        summary=_summary(subject, blocks, diagram, against),
        payload={
            "conditions": raw_conditions([conditions]),
            "model": subject.name,
            "baseline": against.baseline.name if against else None,
            "depth": blocks.depth,
            "gone": gone,
            "blocks": make_entries(fields, numbered),
            "edges": [
                {"source": edge.source, "target": edge.target, "shape": list(edge.shape)}
                for edge in blocks.edges
            ],
        },
        records=make_records("blocks", fields, numbered),
        pictures=lambda: (diagram,),
        notes=_gone_note(against, gone),
    )


def _fields(blocks: Blocks, diagram: Diagram, *, compared: bool) -> Fields[Numbered]:
    def status_of(item: Numbered) -> str:
        return diagram.boxes[item[0]].status

    def sources(item: Numbered) -> str:
        """The blocks that it reads, unless that is the block above it."""
        read = [edge.source for edge in blocks.edges if edge.target == item[0]]
        if read == [item[0] - 1]:
            return ""
        return ", ".join(_name(blocks.blocks[source]) for source in dict.fromkeys(read))

    def shape_of(item: Numbered) -> tuple[int, ...] | None:
        made = [edge.shape for edge in blocks.edges if edge.source == item[0]]
        return made[0] if made else None

    return (
        Field("block", "block", lambda item: _name(item[1]), Kind.PATH),
        Field("type", "type", lambda item: item[1].type if _is_module(item[1]) else "", tier=1),
        Field("from", "reads", sources, tier=1, output=On.SCREEN),
        Field("out", "out", shape_of, Kind.SHAPE, output=On.SCREEN),
        Field("taps", "tap", lambda item: ", ".join(item[1].taps), output=On.SCREEN),
        *([Field("status", "change", status_of, tier=1)] if compared else ()),
        Field("path", "", lambda item: item[1].path, output=On.JSON),
        Field("last", "", lambda item: item[1].last, output=On.JSON),
        Field("times", "", lambda item: item[1].times, output=On.FILES),
        Field("taps", "", lambda item: [*item[1].taps], output=On.JSON),
    )


def _name(block: Block) -> str:
    """The path, and of several equal ones the last name and how many there are."""
    if not block.ops:
        return block.type
    if not _is_module(block):
        return f"{block.path} ({block.type})".lstrip()
    if block.times == 1:
        return block.path
    return f"{block.path} to {block.last.rpartition('.')[2]} ×{block.times}"


def _diagram(subject: Subject, blocks: Blocks, against: Comparison | None) -> Diagram:
    boxes = tuple(_box(block, _status(block, subject, against)) for block in blocks.blocks)
    arrows = tuple(map(_arrow, blocks.edges))
    levels = plural(blocks.depth, "level")
    return Diagram(
        title=f"{subject.name}, {levels} of modules",
        description=f"{plural(len(boxes) - 2, 'block')} and {plural(len(arrows), 'tensor')}.",
        boxes=boxes,
        arrows=arrows,
        note="Equal blocks in a row are one; a block with a tap has a thick edge.",
    )


def _arrow(edge: Edge) -> Arrow:
    return Arrow(edge.source, edge.target, format_shape(_without_batch(edge.shape)))


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    """C×H×W of an image; any other shape as it is."""
    return shape[1:] if len(shape) == len("NCHW") else shape


def _box(block: Block, status: str) -> Box:
    if not block.ops:
        return Box(block.type, "")
    is_module = _is_module(block)
    name = _name(block) if is_module else block.type
    kind = block.type if is_module else f"in {block.path or 'the model itself'}"
    words = f"{_name(block)}: {block.type}, {plural(len(block.ops), 'operator')}"
    return Box(name, kind, block.taps, status, words)


def _is_module(block: Block) -> bool:
    return bool(block.ops) and not block.beside


def _status(block: Block, subject: Subject, against: Comparison | None) -> str:
    """SAME if nothing in any module that the block stands for differs; NEW if all are new."""
    if against is None or not _is_module(block):
        return SAME
    statuses = {module.path: module.status for module in against.modules}
    known = _roles(against.baseline)
    found = {_status_of(role, statuses, known) for role in _roles_of(block, subject)}
    return found.pop() if len(found) == 1 else CHANGED


def _status_of(role: str, statuses: Mapping[str, str], known: Collection[str]) -> str:
    """NEW if the other model, which has the modules *known*, does not have it."""
    inside = {status for path, status in statuses.items() if _is_in(path, role)}
    if inside == {"new"} and role not in known:
        return NEW
    return CHANGED if inside - {"unchanged"} else SAME


def _roles(subject: Subject) -> set[str]:
    """The modules by the names under which they are compared."""
    return {subject.role(module.path) for module in subject.trace.modules}


def _roles_of(block: Block, subject: Subject) -> set[str]:
    """The same of the modules that a block stands for, of which it names the first and the last."""
    trace, levels = subject.trace, path_depth(block.path)
    running = (trace.modules[trace.ops[index].module].path for index in block.ops)
    return {subject.role(".".join(path.split(".")[:levels])) for path in running}


def _is_in(role: str, above: str) -> bool:
    """Whether it is that module or inside of it; a bracket begins the role of a branch."""
    return role == above or role.startswith((f"{above}.", f"{above}["))


def _gone(against: Comparison, subject: Subject, blocks: Blocks) -> list[str]:
    """Modules of the other model that no block shows; one inside of a block makes it changed."""
    drawn = [role for block in blocks.blocks for role in _drawn(block, subject)]
    gone = dict.fromkeys(_outermost_gone(against, subject))
    return [role for role in gone if not any(_is_in(role, block) for block in drawn)]


def _gone_note(against: Comparison | None, gone: Sequence[str]) -> tuple[str, ...]:
    return (f"Gone from {against.baseline.name}: {', '.join(gone)}.",) if against and gone else ()


def _drawn(block: Block, subject: Subject) -> set[str]:
    return _roles_of(block, subject) if _is_module(block) else set()


def _outermost_gone(against: Comparison, subject: Subject) -> Iterator[str]:
    """For each module that is gone, the outermost around it that is gone as a whole."""
    kept = _roles(subject)
    for module in against.modules:
        if module.status == "gone":
            around = (role for role in ancestry(module.path) if role not in kept)
            yield min(around, key=len, default=module.path)


def _summary(subject: Subject, blocks: Blocks, diagram: Diagram, against: Comparison | None) -> str:
    inner = [block for block in blocks.blocks if block.type not in {INPUT, OUTPUT}]
    has = f"{subject.name} is drawn as {plural(len(inner), 'block')}"
    joins = sum(_reads(blocks, number) > 1 for number in range(len(blocks.blocks)))
    where = f", of which {plural(joins, 'joins', 'join')} several tensors" if joins else ""
    if against is None:
        return f"{has}{where}."
    changed = _count(diagram.boxes, CHANGED)
    new = _count(diagram.boxes, NEW)
    return f"{has}{where}; against {against.baseline.name} {changed} changed and {new} are new."


def _reads(blocks: Blocks, number: int) -> int:
    return len({edge.source for edge in blocks.edges if edge.target == number})


def _count(boxes: Sequence[Box], status: str) -> int:
    return sum(box.status == status for box in boxes)
