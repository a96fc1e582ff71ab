from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ucseg_cli.errors import Place, UsageError
from ucseg_cli.facts.budget import Bound, Budget
from ucseg_cli.facts.conditions import Size
from ucseg_cli.facts.settings import LintSettings, Settings
from ucseg_cli.references import Reference, parse_reference
from ucseg_cli.references.grammar import no_names
from ucseg_cli.references.variants import AXES, BASELINE, CATALOGUE, DEFAULT, Variant, as_variant
from ucseg_cli.workflow.load_project import chosen_budgets

Configured = Callable[[str], Settings]

WHOLE = """
default = "tiny"
baseline = "v2+backbone=10"
size = [32, "32x64"]
convention = "macs"

[variants.tiny]
from = "v2"
rates = [1, 2]

[[budgets]]
id = "small"
metric = "params"
max = "650k"

[lint]
select = ["UC1"]
ignore = "UC108"
fail-on = "warning"
"""


def names_of(budget: Budget) -> tuple[str, ...]:
    return tuple(model.name for model in budget.variants)


def test_a_whole_configuration_is_read(configured: Configured, tmp_path: Path) -> None:
    read = configured(WHOLE)
    assert read._replace(places={}, variants_at=no_names) == Settings(
        path=tmp_path / "ucseg.toml",
        default=Reference("tiny", as_variant("v2+rates=1,2")),
        baseline=parse_reference("v2+backbone=10"),
        sizes=(Size(32, 32), Size(32, 64)),
        convention="macs",
        variants={**CATALOGUE, "tiny": as_variant("v2+rates=1,2")},
        budgets=(
            Budget(
                "small",
                (Reference("tiny", as_variant("v2+rates=1,2")),),
                "params",
                max=Bound(Fraction(0), 650_000, "650k"),
                place=Place("ucseg.toml", 14),
            ),
        ),
        lint=LintSettings(("UC1",), ("UC108",), "warning"),
    )


def test_each_value_has_the_line_where_it_stands(configured: Configured) -> None:
    assert {key: place.line for key, place in configured(WHOLE).places.items()} == {
        "default": 2,
        "baseline": 3,
        "size": 4,
        "convention": 5,
        "variants": 7,
        "variants.tiny": 7,
        "budgets": 11,
        "lint": 16,
        "lint.select": 17,
        "lint.ignore": 18,
        "lint.fail-on": 19,
    }


def test_a_model_s_place_is_that_of_the_variant_that_it_changes(configured: Configured) -> None:
    read = configured(WHOLE)
    assert read.place_of("tiny") == read.place_of("tiny+backbone=10") == Place("ucseg.toml", 7)
    assert read.place_of("v2") is None
    assert Settings().place_of("tiny") is None


def test_an_empty_configuration_leaves_everything_as_it_is_built_in(
    configured: Configured, tmp_path: Path
) -> None:
    read = configured("# nothing\n")
    assert read._replace(variants_at=no_names) == Settings(path=tmp_path / "ucseg.toml")
    assert (
        (Settings().default.name, Settings().baseline.name) == (DEFAULT, BASELINE) == ("v2", "v1")
    )


@pytest.mark.parametrize(
    ("value", "sizes"),
    [
        ("512", [(512, 512)]),
        ('"512"', [(512, 512)]),
        ('"384x640"', [(384, 640)]),
        ('[64, "32x64"]', [(64, 64), (32, 64)]),
        ('[64, "64", "64x64", 32]', [(64, 64), (32, 32)]),
    ],
)
def test_one_size_or_several_are_read_and_none_twice(
    configured: Configured, value: str, sizes: list[tuple[int, int]]
) -> None:
    assert configured(f"size = {value}").sizes == tuple(Size(*size) for size in sizes)


CHAIN = (
    '[variants.a]\nfrom = "b+conv=regular"\nbackbone = 9\n',
    '[variants.b]\nfrom = "c"\nlow_skip = 16\nbackbone = 8\n',
    "[variants.c]\nrates = [3]\nbackbone = 7\n",
)


@pytest.mark.parametrize(
    "tables", list(permutations(CHAIN)), ids=lambda tables: "".join(table[10] for table in tables)
)
def test_a_variant_may_come_from_another_wherever_that_stands(
    configured: Configured, tables: tuple[str, ...]
) -> None:
    read = configured("".join(tables)).variants
    assert read["c"] == as_variant("v2+rates=3+backbone=7")
    assert read["b"] == as_variant("v2+rates=3+low_skip=16+backbone=8")
    assert read["a"] == as_variant("v2+rates=3+low_skip=16+conv=regular+backbone=9")


def test_a_variant_from_nothing_comes_from_the_built_in_default(configured: Configured) -> None:
    read = configured('default = "v1"\n[variants]\nsame = {}\nsmaller.backbone = 10\n')
    assert (read.variants["same"], read.variants["smaller"]) == (
        CATALOGUE["v2"],
        as_variant("v2+backbone=10"),
    )


def test_the_built_in_variants_come_first_and_stay_what_they_are(configured: Configured) -> None:
    read = configured("[variants.zero]\n[variants.alpha]\n")
    assert list(read.variants) == ["v1", "v2", "v3", "zero", "alpha"]
    assert all(read.variants[name] == variant for name, variant in CATALOGUE.items())


@pytest.mark.parametrize("name", ["tiny", "2024.q1", "a_b-c", "V2", "_"])
def test_a_variant_s_name_is_letters_digits_and_little_else(
    configured: Configured, name: str
) -> None:
    read = configured(f'default = "{name}"\n[variants."{name}"]\nbackbone = 10\n')
    assert (read.default.name, read.variants[name]) == (name, as_variant("v2+backbone=10"))
    assert read.place_of(name) == Place("ucseg.toml", 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(["", *CATALOGUE]))
def test_any_variant_is_read_as_it_is_written_in_toml(
    configured: Configured, variants: SearchStrategy[Variant], data: st.DataObject, base: str
) -> None:
    variant = data.draw(variants)
    values = {axis.name: getattr(variant, axis.name) for axis in AXES}
    lines = [
        f"{name} = {list(value) if isinstance(value, tuple) else repr(value)}"
        for name, value in values.items()
    ] + [f"from = '{base}'" for _ in base[:1]]
    text = "\n".join(data.draw(st.permutations(lines)))
    assert configured(f"[variants.mine]\n{text}\n").variants["mine"] == variant


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_of_an_axis_may_also_be_written_as_a_reference_writes_it(
    configured: Configured, variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    variant = data.draw(variants)
    text = "\n".join(f"{axis.name} = '{axis.write(getattr(variant, axis.name))}'" for axis in AXES)
    assert configured(f"[variants.mine]\n{text}\n").variants["mine"] == variant


def budget(configured: Configured, *lines: str, above: str = "") -> Budget:
    given_lines = ("id = 'b'", "metric = 'bytes'", *lines)
    (read,) = configured("\n".join((above, "[[budgets]]", *given_lines))).budgets
    return read


@pytest.mark.parametrize(
    ("value", "most"),
    [
        ("650000", 650_000),
        ("650_000", 650_000),
        ("0", 0),
        ("0xff", 255),
        ('"650k"', 650_000),
        ('"650,000"', 650_000),
        ('"2.5MB"', 2_500_000),
        ('"512KiB"', 524_288),  # 512 × 1024
    ],
)
def test_a_quantity_is_a_whole_number_or_written_as_people_do(
    configured: Configured, value: str, most: int
) -> None:
    for key in ("max", "warn"):
        bound = getattr(budget(configured, f"{key} = {value}"), key)
        assert (bound.limit(10**12), bound.against_baseline) == (most, False)


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ('"+2%"', 1_020_000),
        ('"-1.5%"', 985_000),
        ('"0%"', 1_000_000),
        ('"+ 2\\u0020%"', 1_020_000),  # TOML's escape of a space
        ('"+50k"', 1_050_000),
        ('"-50kB"', 950_000),
        ("-50", 999_950),
        ("0", 1_000_000),
    ],
)
def test_a_change_is_added_to_the_baseline(configured: Configured, value: str, limit: int) -> None:
    bound = budget(configured, f"vs-baseline = {value}").max
    assert bound is not None
    assert (bound.limit(1_000_000), bound.against_baseline) == (limit, True)


def test_a_limit_against_the_baseline_is_rounded_down(configured: Configured) -> None:
    bound = budget(configured, 'vs-baseline = "+2%"').max
    assert bound is not None
    assert [bound.limit(count) for count in (49, 50, 99, 100)] == [
        49,
        51,
        100,
        102,
    ]  # 49.98, 51, 100.98, 102


def test_a_warning_is_of_the_same_kind_as_its_limit(configured: Configured) -> None:
    of_a_change = budget(configured, 'vs-baseline = "+2%"', 'warn = "+1%"')
    of_a_count = budget(configured, "max = 20", "warn = 10")
    alone = budget(configured, "warn = 10")
    warnings = [one.warn for one in (of_a_change, of_a_count, alone)]
    assert [warn and warn.limit(1_000) for warn in warnings] == [1_010, 10, 10]
    assert alone.max is None


def test_every_other_key_of_a_budget_is_read_as_it_is_written(configured: Configured) -> None:
    read = budget(
        configured,
        *(
            "variant = 'v1+backbone=11'",
            "module = 'decoder.*'",
            "dtype = 'float16'",
            "size = [64, '32x64']",
        ),
        *("max = 1", "message = 'it must fit'"),
    )
    assert read == Budget(
        id="b",
        variants=(parse_reference("v1+backbone=11"),),
        metric="bytes",
        module="decoder.*",
        dtype="float16",
        sizes=(Size(64, 64), Size(32, 64)),
        max=Bound(Fraction(0), 1, "1"),
        message="it must fit",
        place=Place("ucseg.toml", 9),
        module_place=Place("ucseg.toml", 6),
    )


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", ("v1", "v2", "v3", "tiny", "tiny.two")),
        ("v*", ("v1", "v2", "v3")),
        ("v[13]", ("v1", "v3")),
        ("v[!1]", ("v2", "v3")),
        ("tiny*", ("tiny", "tiny.two")),
        ("tin?", ("tiny",)),
        ("tiny", ("tiny",)),
        (" v1 ", ("v1",)),
    ],
)
def test_a_pattern_is_every_variant_that_it_fits(
    configured: Configured, pattern: str, names: tuple[str, ...]
) -> None:
    own = "[variants.tiny]\n[variants.'tiny.two']\n"
    read = budget(configured, "max = 1", f"variant = '{pattern}'", above=own)
    assert names_of(read) == names


def test_a_pattern_heeds_the_case_of_a_name(configured: Configured) -> None:
    own = "[variants.Tiny]\n[variants.tiny]\n"
    assert names_of(budget(configured, "max = 1", "variant = 'T*'", above=own)) == ("Tiny",)


def test_without_a_variant_a_budget_is_about_the_configured_default(configured: Configured) -> None:
    assert names_of(budget(configured, "max = 1")) == ("v2",)
    assert names_of(budget(configured, "max = 1", above="default = 'v1+backbone=11'")) == (
        "v1+backbone=11",
    )


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (("max = 2", "warn = 1"), 5),
        (("warn = 1", "max = 2"), 6),
        (("message = 'x'", "vs-baseline = '+2'"), 6),
        (("module = 'a'", "dtype = 'float16'", "warn = 1"), 7),
    ],
)
def test_a_budget_s_place_is_the_line_of_its_limit(
    configured: Configured, lines: tuple[str, ...], line: int
) -> None:
    assert budget(configured, *lines).place == Place("ucseg.toml", line)


BUDGETS = """
[[budgets]]
id = "all"
variant = "*"
metric = "params"
max = 1

[[budgets]]
id = "first"
variant = "v1"
metric = "macs"
max = 1
"""


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ([], [("all", ("v1", "v2", "v3")), ("first", ("v1",))]),
        (["v1"], [("all", ("v1",)), ("first", ("v1",))]),
        ([" v3 ", "v2"], [("all", ("v2", "v3"))]),
    ],
)
def test_naming_models_chooses_among_the_budgets(
    configured: Configured, names: list[str], chosen: list[tuple[str, tuple[str, ...]]]
) -> None:
    models = list(map(parse_reference, names))
    budgets = chosen_budgets(configured(BUDGETS), models, needed=True)
    assert [(one.id, names_of(one)) for one in budgets] == chosen


def test_a_check_without_budgets_is_refused_if_some_are_needed(configured: Configured) -> None:
    read = configured(BUDGETS)
    models = [parse_reference("v2+backbone=10")]
    assert chosen_budgets(read, models, needed=False) == []
    with pytest.raises(UsageError, match=r"no budget is about v2\+backbone=10"):
        chosen_budgets(read, models, needed=True)
    with pytest.raises(UsageError, match="there is nothing to check"):
        chosen_budgets(Settings(), [], needed=True)
