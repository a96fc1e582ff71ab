"""Where the text of a picture stands, so that tests see what overlaps or is cut.

Boxes are as wide as the text is at most in any usual font, which is what the drawing reckons with:
what does not overlap here does not overlap on a screen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple
from xml.etree import ElementTree as ET

from ucseg_cli.report.pictures.svg.elements import BOLD, SIZE, SIZE_ON_PHONE, text_width

SVG = "{http://www.w3.org/2000/svg}"
ANCHORS = {"start": 0.0, "middle": 0.5, "end": 1.0}
ABOVE, BELOW = 0.78, 0.2
"""How far letters reach from their line, as shares of the text's size."""

LOWER_ON_PHONE = re.compile(r"\.name \{ transform: translateY\(([\d.]+)px\)")
"""The rule by which names stand lower on a phone."""


class Box(NamedTuple):
    """A text and its edges, in units of the picture."""

    words: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two cover a common spot."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 0.5 and down > 0.5


def boxes(picture: str, *, on_phone: bool = False) -> list[Box]:
    """Every text of a picture, on a phone in its larger size and without what is hidden there."""
    root = ET.fromstring(picture)
    lower = LOWER_ON_PHONE.search(picture) if on_phone else None
    shift = float(lower[1]) if lower else 0.0
    return [box for text in _texts(root) for box in _box(text, shift, on_phone=on_phone)]


def _texts(root: ET.Element) -> Iterator[ET.Element]:
    return root.iter(f"{SVG}text")


def _box(text: ET.Element, shift: float, *, on_phone: bool) -> Iterator[Box]:
    classes = text.get("class", "").split()
    if (on_phone and "few" in classes) or (not on_phone and "phone" in classes):
        return
    words, size = "".join(text.itertext()), SIZE_ON_PHONE if on_phone else SIZE
    width = text_width(words, size) * (BOLD if "strong" in classes else 1)
    left = float(text.attrib["x"]) - width * ANCHORS[text.get("text-anchor", "start")]
    down = re.fullmatch(r"(-?[\d.]+)em", text.get("dy", "0em"))
    assert down is not None
    y = float(text.attrib["y"]) + size * float(down[1])
    y += shift if "name" in classes else 0
    yield Box(words, left, y - ABOVE * size, left + width, y + BELOW * size)


def faults(picture: str) -> list[str]:
    """The texts that overlap another one or leave the picture, on a screen and on a phone."""
    return [fault for on_phone in (False, True) for fault in faults_in(picture, on_phone=on_phone)]


def faults_in(picture: str, *, on_phone: bool) -> list[str]:
    """The same for one of the two."""
    frame = [float(number) for number in ET.fromstring(picture).attrib["viewBox"].split()]
    every = boxes(picture, on_phone=on_phone)
    where = " on a phone" if on_phone else ""
    found = []
    for one in every:
        inside = one.left >= -0.5 and one.right <= frame[2] + 0.5
        if not (inside and one.top >= -0.5 and one.bottom <= frame[3] + 0.5):
            found.append(f"{one.words!r} is cut{where}")
    return found + [
        f"{one.words!r} overlaps {other.words!r}{where}"
        for one, other in combinations(every, 2)
        if one.overlaps(other)
    ]
