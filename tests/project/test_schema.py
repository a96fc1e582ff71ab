"""The schema is checked against the reader: both take and refuse the same, key by key."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from support.fixture_types import Run
from support.schema_complaints import schema_complaints
from support.wrong_configuration import EXPECTED, WRONG
from test_docs import FILE, PAGES, ROOT
from ucseg_cli.analysis.counting.metrics import METRICS, SYNONYMS
from ucseg_cli.analysis.rules.lint_catalogue import RULES
from ucseg_cli.facts.budget import BUDGET_KEYS
from ucseg_cli.facts.choices import CONVENTION_NAMES, DTYPES, FAIL_ON, PRICE_KEYS
from ucseg_cli.facts.conditions import INPUT_DTYPES
from ucseg_cli.project import schema
from ucseg_cli.project.configuration import KEYS, LINT_KEYS
from ucseg_cli.project.sections.config_section import Section
from ucseg_cli.project.sections.space_sections import SPACE_KEYS
from ucseg_cli.project.sections.variant_sections import VARIANT_KEYS
from ucseg_cli.references.variants import AXES, CATALOGUE

Mistake = tuple[str, str, str]
Mistakes = Callable[[str], list[Mistake]]

BEYOND_A_SCHEMA = re.compile(
    r"no variant named|no axis named|does not say|neither a Python file"
    r"|is not a value of the axis '\w+'$|circle|two budgets have|is not a whole number$"
    r"|has an empty value$|has no list of choices|cannot be the name"
    r"|warn beyond|out of range|leaves nothing|absurdly large|has a length of 0"
    r"|, at column \d+$|no tensor named|has a price for|has another price"
)
"""Mistakes between two places or in arithmetic, such as a number in a text out of range."""


def beyond(what: str) -> bool:
    return BEYOND_A_SCHEMA.search(what) is not None


# The tables of the reader and the schema have the same keys


def test_every_key_of_the_reader_is_in_the_schema_with_what_it_means() -> None:
    root = schema.section_schema()["properties"]
    variant = root["variants"]["additionalProperties"]["then"]["properties"]
    space = root["spaces"]["additionalProperties"]["then"]["properties"]
    tables = {
        "root": (KEYS, root),
        "variant": (VARIANT_KEYS, variant),
        "space": (SPACE_KEYS, space),
        "budget": (BUDGET_KEYS, root["budgets"]["items"]["properties"]),
        "prices": (PRICE_KEYS, root["prices"]["items"]["properties"]),
        "lint": (LINT_KEYS, root["lint"]["properties"]),
    }
    for known, properties in tables.values():
        meanings = {key: value["description"] for key, value in properties.items()}
        assert meanings == known


def test_the_reader_goes_by_the_same_keys(
    mistakes: Mistakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[tuple[str, ...]] = set()

    def only(_: Section, known: Any) -> None:
        read.add(tuple(known))

    monkeypatch.setattr(Section, "only", only)
    mistakes("[variants.a]\n[spaces.b]\n[[budgets]]\n[[prices]]\n")
    tables = (KEYS, VARIANT_KEYS, SPACE_KEYS, BUDGET_KEYS, PRICE_KEYS, LINT_KEYS)
    assert read == {tuple(keys) for keys in tables}


@pytest.mark.parametrize(
    "table", ["KEYS", "VARIANT_KEYS", "SPACE_KEYS", "BUDGET_KEYS", "LINT_KEYS"]
)
def test_a_key_without_values_is_noticed(monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    monkeypatch.setattr(schema, table, {**getattr(schema, table), "new-key": "something new"})
    with pytest.raises(KeyError, match="new-key"):
        schema.section_schema()


# The schema takes all that the reader takes


def documents() -> dict[str, Any]:
    """Every configuration on a page and of this repository, by where it stands."""
    found = {"pyproject.toml": (ROOT / "pyproject.toml").read_text("utf-8")}
    for page in PAGES:
        for block in FILE.finditer(page.read_text("utf-8")):
            if block["path"].endswith(".toml"):
                found[f"{page.name}: {block['path']}"] = block["text"]
    return {where: tomllib.loads(text) for where, text in found.items()}


def test_every_configuration_on_a_page_fits_the_schema() -> None:
    for where, data in documents().items():
        section = data if where.endswith("ucseg.toml") else data["tool"]["ucseg"]
        assert schema_complaints(section) == {}, where
    assert len(documents()) > 1


def words(*names: str) -> list[str]:
    return [json.dumps(name) for name in names]


VALUES: dict[str, list[str]] = {
    "default": words("v1", "v2+backbone=10", "torchvision:resnet50", " v3 "),
    "size": ["512", '"384x640"', '" 3 × 4 "', '[64, "32X64"]'],
    "convention": words(*CONVENTION_NAMES),
    "timeout": ["1", "0.5", "86_400"],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in VALUES.items() for value in values]
)
def test_any_way_of_writing_a_value_is_taken(mistakes: Mistakes, key: str, value: str) -> None:
    text = f"{key} = {value}"
    assert mistakes(text) == []
    assert schema_complaints(tomllib.loads(text)) == {}


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.name)
def test_any_way_of_writing_an_axis_is_taken(mistakes: Mistakes, axis: Any) -> None:
    values = [*words(*axis.examples), *words(*(f" {example} " for example in axis.examples))]
    for value in values if axis.name not in {"conv", "head", "output_stride"} else values[:2]:
        text = f"[variants.a]\n{axis.name} = {value}\n"
        assert mistakes(text) == []
        assert schema_complaints(tomllib.loads(text)) == {}


@pytest.mark.parametrize("name", [*METRICS, *SYNONYMS])
@pytest.mark.parametrize("spell", [str, str.upper, str.title, lambda name: name.replace("-", "_")])
def test_a_metric_may_be_written_in_any_way(
    mistakes: Mistakes, name: str, spell: Callable[[str], str]
) -> None:
    text = f'[[budgets]]\nid = "a"\nmetric = "{spell(name)}"\nmax = "1M"\n'
    assert mistakes(text) == []
    assert schema_complaints(tomllib.loads(text)) == {}


@pytest.mark.parametrize(
    "key_and_value",
    [
        *(f'max = "{text}"' for text in ("650,000", "2.5MB", "512 KiB", "1.5 kB", "3Ki", "5B")),
        *(f'vs-baseline = "{text}"' for text in ("+2%", "- 1.5%", "0%", "+50kB", "0", "+ 2k")),
        *(f"vs-baseline = {number}" for number in (0, -50)),
        *(f'max = 1\nmodule = "a.**"\ndtype = "{dtype}"' for dtype in DTYPES),
        *(f'max = 1\ninput = "1x16:{dtype}"' for dtype in INPUT_DTYPES),
        'warn = 1\ninput = "1x3x16x112x112, 1×16:int64 "',
    ],
)
def test_any_limit_on_bytes_is_taken(mistakes: Mistakes, key_and_value: str) -> None:
    text = f'[[budgets]]\nid = "a"\nmetric = "bytes"\n{key_and_value}\n'
    assert mistakes(text) == []
    assert schema_complaints(tomllib.loads(text)) == {}


@pytest.mark.parametrize("key", ["select", "ignore"])
@pytest.mark.parametrize("code", [*RULES, "U", "UC", "UC1", "UC10"])
def test_a_rule_may_be_named_by_how_it_begins(mistakes: Mistakes, key: str, code: str) -> None:
    for value in (f'"{code}"', f'["{code}"]'):
        text = f"[lint]\n{key} = {value}\n"
        assert mistakes(text) == []
        assert schema_complaints(tomllib.loads(text)) == {}


# It refuses all that the reader refuses, unless that is beyond a schema


def test_every_kind_of_mistake_that_a_schema_can_express_is_refused_in_its_place() -> None:
    places = schema_complaints(tomllib.loads(WRONG))
    expected = {place for _, place, _ in EXPECTED}
    between_two_places = {"default", "budgets[8].warn", "budgets[9].warn"}
    between_two_places |= {"budgets[10].variant", "budgets[10].id", "budgets[12].variant"}
    between_two_places |= {f"variants.{name}.from" for name in ("orphan", "self", "round", "about")}
    between_two_places |= {"spaces.mine.a b"}
    in_arithmetic = {"budgets[10].max", "spaces.strange.backbone", "spaces.strange.classes"}
    unnoticed = {place for place in expected if not any_at(place, places)}
    assert unnoticed == between_two_places | in_arithmetic
    assert [place for place in places if not any_at(place, expected)] == []


def any_at(place: str, others: Any) -> bool:
    """Whether one of *others* is this place, the table of its key, or a key in its table."""
    return any(
        other == place or other.startswith((f"{place}.", f"{place}[")) or above(place) == other
        for other in others
    )


def above(place: str) -> str:
    return re.sub(r"(\.[^.\[]+|\[\d+\])$", "", place)


@pytest.mark.parametrize(
    "text",
    [
        'id = "lock"\nmax = 1',
        'id = "a"\nmax = 1\nsize = 5\ninput = "1x3"',
        'id = "a"\nmax = "3kB"',
        'id = "a"\nvs-baseline = "+3kB"',
        'id = "a"\nvs-baseline = "3"',
        'id = "a"\nvs-baseline = 3',
        'id = "a"\nvs-baseline = "+2%"\nwarn = 3',
        'id = "a"\nmax = 3\nwarn = "+2%"',
        'id = "a"\nmax = 3\ninput = "1x1x1x1x1x1x1x1x1"',
        'id = "a"\nmax = 3\ninput = "1x16:int46"',
        'id = "a"\nmax = 3\ndtype = "float16"',
    ],
)
def test_a_contradiction_within_a_budget_is_refused(mistakes: Mistakes, text: str) -> None:
    written = f'[[budgets]]\nmetric = "params"\n{text}\n'
    assert mistakes(written) != []
    assert schema_complaints(tomllib.loads(written)) != {}


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_built_in_name_is_refused_as_the_name_of_another_variant(name: str) -> None:
    assert list(schema_complaints({"variants": {name: {}}})) == [f"variants.{name}"]


TEXTS = (
    *("1", "0", "-3", "1.5", "true", "1979-05-27", "[]", "[1]", "[[1]]", "{}", "{ a = 1 }"),
    *words("", " ", "v2", "params", "bytes", "650k", "2.5MB", "+2%", "-5k", "UC1", "UC9", "33x"),
    *words("float16", "regular", "16", ":10", "6,12", "6,", ".5", "1x16:int64", "1x16:", "lock"),
    *words(*FAIL_ON[:2], *CONVENTION_NAMES[:2]),
)
ASSIGNED = st.dictionaries(
    st.sampled_from((*KEYS, *BUDGET_KEYS, *LINT_KEYS)), st.sampled_from(TEXTS), max_size=5
)
AXES_ASSIGNED = st.dictionaries(
    st.sampled_from((*VARIANT_KEYS, "max")), st.sampled_from(TEXTS), max_size=6
)


TABLES = {"variants", "spaces", "budgets", "prices", "lint"}


def assigned(values: dict[str, str], header: str = "") -> str:
    return "\n".join([header, *(f"{key} = {value}" for key, value in values.items())])


SPACE_ASSIGNED = st.dictionaries(
    st.sampled_from((*SPACE_KEYS, "max")),
    st.sampled_from((*TEXTS, *words("9..11", "32..96/16", "6,12|18", "*", "timm:vit"))),
    max_size=4,
)


PRICES_ASSIGNED = st.dictionaries(
    st.sampled_from((*PRICE_KEYS, "max")),
    st.sampled_from((*TEXTS, *words("a::b", "_gelu", "linear", "out[0].numel", "2*in[0]"))),
    max_size=4,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    *(ASSIGNED, AXES_ASSIGNED, SPACE_ASSIGNED, st.lists(ASSIGNED, max_size=2)),
    *(PRICES_ASSIGNED, ASSIGNED),
)
def test_any_configuration_is_refused_by_both_or_by_neither(
    mistakes: Mistakes,
    root: dict[str, str],
    variant: dict[str, str],
    space: dict[str, str],
    budgets: list[dict[str, str]],
    price: dict[str, str],
    lint: dict[str, str],
) -> None:
    tables = [assigned({key: value for key, value in root.items() if key not in TABLES})]
    tables += [assigned(variant, "[variants.a]"), assigned(lint, "[lint]")]
    tables += [assigned(space, "[spaces.b]"), assigned(price, "[[prices]]")]
    tables += [
        assigned({"id": f'"{n}"', "metric": '"macs"', **one}, "[[budgets]]")
        for n, one in enumerate(budgets)
    ]
    text = "\n".join(tables)
    found, places = mistakes(text), schema_complaints(tomllib.loads(text))
    at = {where.partition("  ")[2] for where, _, _ in found}
    assert [place for place in places if not any_at(place, at)] == []
    expressible = [where.partition("  ")[2] for where, what, _ in found if not beyond(what)]
    assert [place for place in expressible if not any_at(place, places)] == []


# The schema of a whole pyproject.toml


def test_in_a_shared_file_only_our_table_is_checked() -> None:
    whole = schema.shared_schema()
    Draft7Validator.check_schema(whole)
    anything = Resource.from_contents({"$schema": schema.DRAFT})
    known = Registry().with_resource(schema.OTHER_TOOLS, anything)
    validator = Draft7Validator(whole, registry=known)
    shared = tomllib.loads(Path(ROOT / "pyproject.toml").read_text("utf-8"))
    assert list(validator.iter_errors(shared)) == []
    shared["tool"]["ucseg"]["defautl"] = "v1"
    assert ["defautl" in error.message for error in validator.iter_errors(shared)] == [True]


def test_both_schemas_say_what_they_are() -> None:
    section, whole = schema.section_schema(), schema.shared_schema()
    assert section["$schema"] == whole["$schema"] == Draft7Validator.META_SCHEMA["$id"]
    assert section["$id"] != whole["$id"]
    assert section["title"] != whole["title"]


def test_no_table_hides_its_keys_from_editors() -> None:
    """Taplo completes no key of a table with ``allOf``, nor what is in another definition."""
    text = json.dumps(schema.section_schema())
    assert "allOf" not in text
    assert "$ref" not in text


def test_the_schema_is_printed_as_it_is(ucseg: Run) -> None:
    answers = [ucseg("config", "--schema"), ucseg("config", "--schema", "-f", "json")]
    for answer in answers:
        assert (answer.returncode, answer.stderr) == (0, "")
        assert json.loads(answer.stdout) == schema.section_schema()
    assert json.loads(ucseg("config", "--schema", "--pyproject").stdout) == schema.shared_schema()


def test_the_schema_is_printed_although_the_configuration_is_wrong(
    ucseg: Run, tmp_path: Path
) -> None:
    (tmp_path / "ucseg.toml").write_text(WRONG, "utf-8")
    assert ucseg("config", "--schema").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--schema", "-f", "csv"), "--schema prints a file as it is"),
        (("--schema", "--export-json", "x.json"), "--schema prints a file as it is"),
        (("--schema", "--exact"), "--schema prints a file as it is"),
        (("--pyproject",), "without --schema, --pyproject changes nothing"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(
    ucseg: Run, arguments: tuple[str, ...], message: str
) -> None:
    answer = ucseg("config", *arguments)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"error: {message}\n")
