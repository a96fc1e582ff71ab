from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from support.small_pictures import MS, STRIPS
from ucseg_cli.report.pictures.ruler import make_ruler
from ucseg_cli.report.pictures.scatter import Scale
from ucseg_cli.report.pictures.svg.strips_svg import LEFT, RIGHT, draw_strips


def test_each_model_has_its_calls_and_a_box_around_the_middle_half() -> None:
    picture = ET.fromstring(draw_strips(STRIPS, "latency").element)
    circles = [one for one in picture.iter() if one.get("class") == "call"]
    boxes = [one for one in picture.iter() if one.get("class") == "box"]
    assert (len(circles), len(boxes)) == (4, 2)
    titles = ["".join(box.itertext()) for box in boxes]
    assert titles[0] == "v2: half of all calls took 79.0 ms to 82.0 ms"


def test_faster_calls_stand_further_to_the_left_and_all_within_the_frame() -> None:
    text = draw_strips(STRIPS, "latency").element
    places = [float(x) for x in re.findall(r'cx="([0-9.]+)"', text)]
    assert places[0] < places[1] < places[2]
    assert places[3] < places[0]
    assert all(LEFT <= place <= RIGHT for place in places)
    quartiles = re.findall(r'class="box" d="M([0-9.]+) \d+H([0-9.]+)V', text)
    assert float(quartiles[0][0]) < places[1] < float(quartiles[0][1])


def test_a_name_is_escaped_and_has_no_control_characters() -> None:
    text = draw_strips(STRIPS, "latency").element
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;" in text
    assert "\u202e" not in text


def test_ticks_of_time_are_round_and_have_their_unit() -> None:
    ruler = make_ruler(Scale("time", in_time=True), [24 * MS, 96 * MS])
    texts = [text for _, text in ruler.ticks(6)]
    assert texts == ["40 ms", "60 ms", "80 ms"]
