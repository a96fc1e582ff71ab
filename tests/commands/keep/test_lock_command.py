from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from support.fixture_types import Run, TraceOf
from support.screens import verdict
from ucseg_cli.analysis.comparing.drift import NEWER
from ucseg_cli.analysis.counting.conventions import CONVENTIONS
from ucseg_cli.analysis.counting.metrics import own_figures, totals
from ucseg_cli.analysis.counting.parameters import PARAM_METRICS
from ucseg_cli.facts.conditions import Conditions, Size
from ucseg_cli.project.lock_file import NAME
from ucseg_cli.references.variants import CATALOGUE, Variant, as_variant
from ucseg_cli.system import folder_lock
from ucseg_cli.workflow import check_lock, update_lock

CONFIGURATION = """
[tool.ucseg]
size = [32, "64x32"]

[tool.ucseg.variants.small]
from = "v2"
aspp_channels = 16

[tool.ucseg.variants.wide]
from = "v2"
rates = [6, 12, 18]
"""
EPOCHS = {"1767312000": "2026-01-02", "1777777777": "2026-05-03"}
FIRST, SECOND = EPOCHS


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write the configuration, each text replaced by another; the day is the first of EPOCHS."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", FIRST)

    def write(*changes: tuple[str, str], more: str = "") -> None:
        text = CONFIGURATION + more
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")

    write()
    return write


@pytest.fixture
def path(tmp_path: Path, configure: Callable[..., None]) -> Path:
    """Where the lock of the configured project is."""
    assert configure is not None
    return tmp_path / NAME


def models(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))["models"]
    return found


def states(answer: CompletedProcess[str]) -> dict[str, str]:
    return {model["name"]: model["state"] for model in json.loads(answer.stdout)["models"]}


def test_a_model_is_locked_at_the_sizes_that_are_configured(ucseg: Run, path: Path) -> None:
    answer = ucseg("lock", "small")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert verdict(answer.stdout) == "ucseg.lock.json updated: 1 new."
    assert list(models(path)) == ["small"]
    block = models(path)["small"]
    assert (block["since"], block["raises"], list(block["sizes"])) == (
        "2026-01-02",
        [],
        ["32", "64x32"],
    )
    assert block["axes"]["aspp_channels"] == "16"
    assert block["sizes"]["64x32"]["taps"]["low"] == {
        "module": "features.1",
        "shape": [1, 16, 16, 8],
        "stride": 4,
    }
    assert block["convs"]["aspp.branches.3.depthwise"] == {
        "kernel": [3, 3],
        "stride": [1, 1],
        "padding": [18, 18],
        "dilation": [18, 18],
        "groups": 96,
        "transposed": 0,
        "output_padding": [0, 0],
    }


@pytest.mark.parametrize(
    "name", ["v1", "v2", "v3", "small", "v2+rates=6,12,19", "v1+output_stride=16+classes=3"]
)
def test_every_number_in_the_lock_is_what_the_other_commands_say(
    ucseg: Run, path: Path, trace_of: TraceOf, name: str
) -> None:
    assert ucseg("lock", name, "--size", "64", "--size", "32x64").returncode == 0
    block = models(path)[name]
    variant = as_variant("v2+aspp_channels=16" if name == "small" else name)
    for size in (Size(64, 64), Size(32, 64)):
        trace, here = trace_of(variant, Conditions(size)), block["sizes"][str(size)]
        assert {**block["total"], **here["total"]} == totals(trace)
        for module, figures in own_figures(trace).items():
            own = {**block["weights"].get(module, {}), **here["modules"].get(module, {})}
            kept = (*PARAM_METRICS, *CONVENTIONS)
            assert own == {metric: figures[metric] for metric in kept if figures[metric]}


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_model_that_was_just_locked_is_as_locked(
    ucseg: Run, path: Path, stored_variants: SearchStrategy[Variant], data: st.DataObject
) -> None:
    name = f"v2+{data.draw(stored_variants).key}"
    path.unlink(missing_ok=True)
    assert ucseg("lock", name, "-s", "32").returncode == 0
    before = path.read_bytes()
    assert ucseg("check", "--locked").returncode == 0
    assert states(ucseg("lock", "-f", "json")) == {name: "unchanged"}
    assert path.read_bytes() == before


def test_locking_what_did_not_change_leaves_the_file_and_its_day_as_they_are(
    ucseg: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ucseg("lock", "small", "v1")
    before = path.read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", SECOND)
    answer = ucseg("lock")
    assert verdict(answer.stdout) == "ucseg.lock.json is as it was: 2 models unchanged."
    assert path.read_bytes() == before
    assert ucseg("lock", "v1", "--reason", "none was needed").returncode == 0
    assert path.read_bytes() == before


def as_an_earlier_release_wrote_it(path: Path) -> None:
    """Take the newer metrics out of a lock."""
    document = json.loads(path.read_text("utf-8"))
    for model in document["models"].values():
        for size in model["sizes"].values():
            size["total"] = {name: n for name, n in size["total"].items() if name not in NEWER}
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_lock_of_an_earlier_release_gains_the_newer_metrics_and_keeps_its_days(
    ucseg: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ucseg("lock", "small", "v1")
    before = path.read_bytes()
    as_an_earlier_release_wrote_it(path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", SECOND)
    answer = ucseg("lock")
    assert (answer.returncode, path.read_bytes()) == (0, before)
    assert verdict(answer.stdout) == "ucseg.lock.json updated: 2 extended."
    assert "without activations and moved-bytes, which are locked from now on" in answer.stdout


def test_what_an_earlier_release_did_not_lock_is_no_raise_when_all_else_changes(
    ucseg: Run, path: Path, configure: Callable[..., None]
) -> None:
    ucseg("lock", "small")
    as_an_earlier_release_wrote_it(path)
    configure(("aspp_channels = 16", "aspp_channels = 8"))
    answer = ucseg("lock", "-f", "json")
    assert states(answer) == {"small": "lowered"}
    assert not {drift["figure"] for drift in json.loads(answer.stdout)["drift"]} & NEWER
    assert all(size["total"].keys() > NEWER for size in models(path)["small"]["sizes"].values())


def test_a_lock_is_the_same_bytes_whoever_writes_it_and_in_whichever_order(
    ucseg: Run, path: Path
) -> None:
    ucseg("lock", "v3", "small", "v1")
    before = path.read_bytes()
    path.unlink()
    for name in ("v1", "v3", "small"):
        ucseg("lock", name, "--no-cache")
    assert path.read_bytes() == before
    assert list(models(path)) == ["small", "v1", "v3"]


@pytest.mark.parametrize(("epoch", "day"), EPOCHS.items())
def test_the_day_is_the_one_of_a_reproducible_build(
    ucseg: Run, path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str, day: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    ucseg("lock", "small")
    assert models(path)["small"]["since"] == day


def test_only_the_model_that_changed_has_a_new_day(
    ucseg: Run, path: Path, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ucseg("lock", "small", "wide")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", SECOND)
    configure(("aspp_channels = 16", "aspp_channels = 8"))
    assert states(ucseg("lock", "-f", "json")) == {"small": "lowered", "wide": "unchanged"}
    assert {name: block["since"] for name, block in models(path).items()} == {
        "small": "2026-05-03",
        "wide": "2026-01-02",
    }


def test_without_a_reason_nothing_that_is_higher_is_written(
    ucseg: Run, path: Path, configure: Callable[..., None]
) -> None:
    ucseg("lock", "small", "wide")
    before = path.read_bytes()
    configure(("aspp_channels = 16", "aspp_channels = 17"), ("[6, 12, 18]", "[6, 12]"))
    answer = ucseg("lock")
    assert answer.returncode == 1
    said = " ".join(answer.stdout.split("\n\n")[-1].split())
    assert said.startswith("Lock not updated: parameters of small rise from 598,829 to 599,561")
    assert said.endswith('Accept with --reason "…".')
    assert path.read_bytes() == before


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown", "html", "comment"])
def test_the_status_never_depends_on_the_format(
    ucseg: Run, path: Path, configure: Callable[..., None], form: str
) -> None:
    ucseg("lock", "small")
    configure(("aspp_channels = 16", "aspp_channels = 17"))
    assert ucseg("lock", "-f", form).returncode == 1
    assert ucseg("lock", "-f", form, "--reason", "why").returncode == 0
    assert models(path)["small"]["axes"]["aspp_channels"] == "17"


def test_every_reason_is_kept_with_its_day(
    ucseg: Run, path: Path, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ucseg("lock", "small")
    for channels, epoch, reason in ((17, FIRST, " wider maps\n"), (18, SECOND, "“wider” again")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        configure(("aspp_channels = 16", f"aspp_channels = {channels}"))
        assert states(ucseg("lock", "--reason", reason, "-f", "json")) == {"small": "raised"}
    kept = [
        {"date": "2026-01-02", "reason": "wider maps"},
        {"date": "2026-05-03", "reason": "“wider” again"},
    ]
    assert models(path)["small"]["raises"] == kept
    configure(("aspp_channels = 16", "aspp_channels = 8"))
    assert ucseg("lock").returncode == 0
    assert models(path)["small"]["raises"] == kept


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_an_empty_reason_is_none(ucseg: Run, path: Path, reason: str) -> None:
    answer = ucseg("lock", "small", "--reason", reason)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "the reason is empty" in answer.stderr
    assert not path.exists()


def test_what_is_only_different_or_lower_wants_no_reason(
    ucseg: Run, path: Path, configure: Callable[..., None]
) -> None:
    ucseg("lock", "small", "wide")
    configure(("aspp_channels = 16", "aspp_channels = 15"), ("[6, 12, 18]", "[6, 12, 19]"))
    assert states(ucseg("lock", "-f", "json")) == {"small": "lowered", "wide": "changed"}
    assert models(path)["wide"]["convs"]["aspp.branches.3.depthwise"]["dilation"] == [19, 19]


def test_without_models_it_is_those_that_are_locked_then_the_budgets_then_the_default(
    ucseg: Run, path: Path, configure: Callable[..., None]
) -> None:
    ucseg("lock")
    assert list(models(path)) == ["v2"]
    path.unlink()
    configure(
        more='\n[[tool.ucseg.budgets]]\nid = "p"\nvariant = "[sw]*"\n'
        'metric = "params"\nmax = "1M"\n'
    )
    ucseg("lock")
    assert list(models(path)) == ["small", "wide"]
    ucseg("lock", "v1")
    assert states(ucseg("lock", "-f", "json")) == {
        "small": "unchanged",
        "v1": "unchanged",
        "wide": "unchanged",
    }


def test_a_model_that_is_locked_keeps_its_sizes_until_others_are_given(
    ucseg: Run, path: Path
) -> None:
    ucseg("lock", "small", "--size", "48")
    ucseg("lock", "small")
    assert list(models(path)["small"]["sizes"]) == ["48"]
    assert ucseg("lock", "small", "--size", "32", "-s", "32x32").returncode == 0
    assert list(models(path)["small"]["sizes"]) == ["32"]


def test_a_model_is_dropped_and_the_others_stay_as_they_are(ucseg: Run, path: Path) -> None:
    ucseg("lock", "small", "wide")
    kept = models(path)["wide"]
    answer = ucseg("lock", "--drop", "small")
    assert answer.returncode == 0
    assert verdict(answer.stdout) == "ucseg.lock.json updated: 1 dropped."
    assert models(path) == {"wide": kept}


def test_a_model_that_no_longer_exists_can_be_dropped(
    ucseg: Run, path: Path, configure: Callable[..., None]
) -> None:
    ucseg("lock", "small", "wide")
    configure(("variants.small", "variants.other"))
    assert ucseg("lock").returncode == 2
    assert ucseg("lock", "--drop", "small").returncode == 0
    assert list(models(path)) == ["wide"]
    assert ucseg("check", "--locked").returncode == 0


def test_nothing_can_be_dropped_where_nothing_is_locked(ucseg: Run, path: Path) -> None:
    answer = ucseg("lock", "--drop", "small")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "= there is none\n" in answer.stderr
    assert "= help: leave --drop out" in answer.stderr
    assert not path.exists()


def test_only_what_is_locked_can_be_dropped(ucseg: Run, path: Path) -> None:
    ucseg("lock", "small")
    before = path.read_bytes()
    answer = ucseg("lock", "--drop", "smal")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "no locked model named 'smal'" in answer.stderr
    assert "did you mean 'small'?" in answer.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "name", ["v9", "smal", "v2+aspp=7", "v2+rates=0", "torchvision:resnet18x", "", "+"]
)
def test_what_is_no_model_is_not_locked(ucseg: Run, path: Path, name: str) -> None:
    answer = ucseg("lock", "small", name)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: ")
    assert not path.exists()


@pytest.mark.parametrize("size", ["0", "32x", "-1", "9999999999999", "1.5"])
def test_what_is_no_size_is_not_locked(ucseg: Run, path: Path, size: str) -> None:
    assert ucseg("lock", "small", "--size", size).returncode == 2
    assert not path.exists()


def test_the_lock_is_beside_the_configuration_from_wherever_it_is_written(
    ucseg: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path.parent / "src").mkdir()
    monkeypatch.chdir(path.parent / "src")
    answer = ucseg("lock", "small")
    assert verdict(answer.stdout) == f"{path} updated: 1 new."
    assert path.is_file()
    assert not Path(NAME).exists()
    assert ucseg("check", "--locked").returncode == 0


def test_without_a_configuration_the_lock_is_where_we_are(ucseg: Run, tmp_path: Path) -> None:
    assert ucseg("lock", "v1", "-s", "32").returncode == 0
    assert list(models(tmp_path / NAME)) == ["v1"]
    assert ucseg("check", "--locked").returncode == 0


def test_a_failed_write_is_an_error_and_leaves_the_old_lock(
    ucseg: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ucseg("lock", "small")
    before, files = path.read_bytes(), sorted(path.parent.iterdir())
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target == path:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    answer = ucseg("lock", "v1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "cannot write the lock: No space left on device" in answer.stderr
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == files


def test_a_lock_that_is_broken_is_not_written_over(ucseg: Run, path: Path) -> None:
    path.write_text("<<<<<<< ours\n=======\n>>>>>>> theirs\n", encoding="utf-8")
    answer = ucseg("lock", "small")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "it has the marks of a merge conflict" in answer.stderr
    assert path.read_text("utf-8") == "<<<<<<< ours\n=======\n>>>>>>> theirs\n"


def test_json_says_what_was_written_and_how_it_differs(
    ucseg: Run, path: Path, configure: Callable[..., None]
) -> None:
    ucseg("lock", "small", "v1")
    configure(
        ('from = "v2"\naspp_channels = 16', 'from = "v2"\naspp_channels = 16\ndropout = 0.25')
    )
    answer = json.loads(ucseg("lock", "--drop", "v1", "small", "-f", "json").stdout)
    assert answer["kind"] == "ucseg.lock"
    assert (answer["path"], answer["dropped"]) == (NAME, ["v1"])
    assert answer["models"] == [{"name": "small", "sizes": ["32", "64x32"], "state": "changed"}]
    assert answer["drift"] == [
        {
            "model": "small",
            "size": None,
            "kind": "axis",
            "name": "",
            "figure": "dropout",
            "before": "0.3",
            "after": "0.25",
            "delta": None,
        }
    ]
    assert answer["verdict"]["status"] == "pass"
    assert models(path)["small"]["axes"]["dropout"] == "0.25"


def test_two_branches_that_each_lock_another_model_change_disjoint_blocks(
    ucseg: Run, path: Path, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ucseg("lock", *CATALOGUE, "small", "wide")
    base = path.read_text("utf-8").split("\n")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", SECOND)
    changed = {
        "small": ("aspp_channels = 16", "aspp_channels = 20"),
        "wide": ("[6, 12, 18]", "[3, 6]"),
    }
    touched: dict[str, set[int]] = {}
    texts = {}
    for name, change in changed.items():
        path.write_text("\n".join(base), encoding="utf-8")
        configure(change)
        assert ucseg("lock", "--reason", name).returncode == 0
        texts[name] = path.read_text("utf-8").split("\n")
        touched[name] = _lines_changed(base, texts[name])
        assert touched[name] <= _block(base, name)
    assert touched["small"]
    assert touched["wide"]
    assert not touched["small"] & touched["wide"]

    one, other = (_block(texts[name], name) for name in ("small", "wide"))
    by_hand = [*base]
    by_hand[slice(*_ends(_block(base, "wide")))] = texts["wide"][slice(*_ends(other))]
    by_hand[slice(*_ends(_block(base, "small")))] = texts["small"][slice(*_ends(one))]
    path.write_text("\n".join(by_hand), encoding="utf-8")
    configure(*changed.values())
    assert ucseg("check", "--locked").returncode == 0
    assert states(ucseg("lock", "-f", "json")) == dict.fromkeys(
        (*sorted((*CATALOGUE, "small", "wide")),), "unchanged"
    )


def _lines_changed(before: list[str], after: list[str]) -> set[int]:
    """The lines of *before* that an edit takes away or stands beside."""
    edits = SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes()
    return {
        line
        for tag, start, end, _, _ in edits
        if tag != "equal"
        for line in range(start, max(end, start + 1))
    }


def _block(lines: list[str], name: str) -> set[int]:
    start = lines.index(f'    "{name}": {{')
    end = next(line for line in range(start, len(lines)) if lines[line].startswith("    }"))
    return set(range(start, end + 1))


def _ends(block: set[int]) -> tuple[int, int]:
    return min(block), max(block) + 1


@pytest.mark.parametrize("epoch", ["9" * 20, "²", "soon", "-1e9"])
def test_a_day_that_cannot_be_is_an_error(
    ucseg: Run, path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    answer = ucseg("lock", "v1")
    assert (answer.returncode, answer.stdout, path.exists()) == (2, "", False)
    assert answer.stderr.startswith("error: SOURCE_DATE_EPOCH is not a moment")


def test_a_reason_that_is_no_unicode_is_kept_as_it_is(
    ucseg: Run, path: Path, configure: Callable[..., None]
) -> None:
    ucseg("lock", "small")
    configure(("aspp_channels = 16", "aspp_channels = 17"))
    for reason in ("a\udcff", "b\u2028c\u0085d"):
        assert ucseg("lock", "small", "--reason", reason).returncode == 0
        configure(("aspp_channels = 16", "aspp_channels = 18"))
    assert [rise["reason"] for rise in models(path)["small"]["raises"]] == [
        "a\udcff",
        "b\u2028c\u0085d",
    ]
    assert ucseg("lock", "v1").returncode == 0
    where = path.read_text("utf-8").split("\n").index('    "v1": {') + 1
    configure(("[tool.ucseg.variants.small]", "[tool.ucseg.variants.other]"))
    assert f"--> {NAME}" in ucseg("check", "--locked").stderr
    assert where > 1


def test_sizes_are_in_order_whatever_the_order_in_which_they_were_named(
    ucseg: Run, path: Path
) -> None:
    ucseg("lock", "v1", "-s", "64", "-s", "32", "-s", "32x64")
    first = path.read_bytes()
    assert list(models(path)["v1"]["sizes"]) == ["32", "32x64", "64"]
    path.unlink()
    ucseg("lock", "v1", "-s", "32x64", "-s", "32", "-s", "64")
    assert path.read_bytes() == first


def test_a_model_is_not_locked_and_dropped_in_one(ucseg: Run, path: Path) -> None:
    ucseg("lock", "small")
    before = path.read_bytes()
    answer = ucseg("lock", "small", "--drop", "small")
    assert (answer.returncode, path.read_bytes()) == (2, before)
    assert "small is to be locked and to be dropped" in answer.stderr


def test_a_file_nested_too_deep_to_be_a_lock_is_an_error(ucseg: Run, path: Path) -> None:
    ucseg("lock", "small")
    deep = '{"a": ' * 400 + "1" + "}" * 400
    path.write_text(
        path.read_text("utf-8").replace('"weights": {', f'"deep": {deep},\n      "weights": {{', 1)
    )
    answer = ucseg("lock", "v1")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "nested too deep" in answer.stderr


def test_other_sizes_are_no_way_round_a_reason(
    ucseg: Run, path: Path, configure: Callable[..., None]
) -> None:
    ucseg("lock", "small", "--size", "32")
    before = path.read_bytes()
    configure(("aspp_channels = 16", "aspp_channels = 17"))
    answer = ucseg("lock", "small", "--size", "64")
    assert (answer.returncode, path.read_bytes()) == (1, before)
    assert ucseg("lock", "small", "--size", "64", "--reason", "wider").returncode == 0
    assert list(models(path)["small"]["sizes"]) == ["64"]
    assert [rise["reason"] for rise in models(path)["small"]["raises"]] == ["wider"]


def test_a_reason_is_kept_only_where_something_is_higher(
    ucseg: Run, path: Path, configure: Callable[..., None]
) -> None:
    ucseg("lock", "small", "wide")
    configure(
        ("aspp_channels = 16", "aspp_channels = 17"), ("rates = [6, 12, 18]", "rates = [6, 12]")
    )
    assert ucseg("lock", "--reason", "small grows").returncode == 0
    assert [len(models(path)[name]["raises"]) for name in ("small", "wide")] == [1, 0]
    assert "the reason is not kept" in ucseg("lock", "--reason", "again").stdout


@pytest.fixture
def meanwhile(ucseg: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """While the next lock measures, another process runs ``ucseg lock`` with these words."""
    measured = check_lock.trees_now

    def interrupt(*words: str) -> None:
        def slow(*arguments: Any, **options: Any) -> Any:
            monkeypatch.setattr(update_lock, "trees_now", measured)
            assert ucseg("lock", *words).returncode == 0
            return measured(*arguments, **options)

        monkeypatch.setattr(update_lock, "trees_now", slow)

    return interrupt


def test_models_that_another_process_locks_meanwhile_are_kept(
    ucseg: Run, path: Path, meanwhile: Callable[..., None]
) -> None:
    ucseg("lock", "v1")
    meanwhile("wide")
    assert ucseg("lock", "small").returncode == 0
    assert sorted(models(path)) == ["small", "v1", "wide"]


def test_models_that_another_process_drops_meanwhile_stay_dropped(
    ucseg: Run, path: Path, meanwhile: Callable[..., None]
) -> None:
    ucseg("lock", "v1", "wide")
    meanwhile("--drop", "wide")
    assert ucseg("lock", "small").returncode == 0
    assert sorted(models(path)) == ["small", "v1"]


@pytest.mark.parametrize("words", [["small", "--size", "64x32"], ["--drop", "small"]], ids=" ".join)
def test_a_model_that_another_process_changes_meanwhile_is_not_written_over(
    ucseg: Run, path: Path, meanwhile: Callable[..., None], words: list[str]
) -> None:
    ucseg("lock", "small", "v1")
    meanwhile(*words)
    answer = ucseg("lock", "small", "--size", "32")
    before = path.read_text("utf-8")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "another process has changed small in the lock meanwhile" in answer.stderr
    assert path.read_text("utf-8") == before


WRITER = """
import sys
from pathlib import Path
from ucseg_cli.facts.lock import Lock, Locked
from ucseg_cli.project.lock_file import read_lock
from ucseg_cli.workflow.update_lock import LockUpdate

path, name = Path(sys.argv[1]), sys.argv[2]
before = read_lock(path) or Lock({})
for number in range(5):
    fresh = {f"{name}.{number}": Locked({}, "2026-01-01")}
    LockUpdate(path, before, fresh, frozenset(), (), None).write()
"""


def test_whatever_sixteen_writers_report_as_done_is_in_the_lock(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"w{number}"])
        for number in range(16)
    ]
    assert [writer.wait() for writer in writers] == [0] * 16
    expected = {f"w{number}.{turn}" for number in range(16) for turn in range(5)}
    assert models(path).keys() == expected
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["pyproject.toml", NAME]


def test_whoever_holds_the_folder_does_not_keep_us_waiting_for_ever(
    ucseg: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "PATIENCE", 0.1)
    with folder_lock.alone_in(path.parent):
        answer = ucseg("lock", "v1")
    assert answer.returncode == 2
    assert "another process does not let go of the folder" in answer.stderr
    assert ucseg("lock", "v1").returncode == 0


def test_a_lock_that_is_a_link_is_neither_read_nor_written_through(
    ucseg: Run, path: Path, tmp_path: Path
) -> None:
    for target in (tmp_path / "elsewhere.json", tmp_path / "missing.json"):
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        answer = ucseg("lock", "v1")
        assert answer.returncode == 2
        assert "cannot read the lock: it is a link" in answer.stderr
        assert not target.exists()


def test_a_pipe_in_the_place_of_the_lock_does_not_keep_us_waiting(ucseg: Run, path: Path) -> None:
    os.mkfifo(path)
    for command in (["lock", "v1"], ["check", "--locked"]):
        answer = ucseg(*command)
        assert answer.returncode == 2
        assert "cannot read the lock: it is not a plain file" in answer.stderr


def test_a_lock_of_another_user_is_refused(
    ucseg: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ucseg("lock", "v1")
    path.with_name("pyproject.toml").unlink()
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    answer = ucseg("check", "--locked")
    assert answer.returncode == 2
    assert f"another user owns it (number {owner})" in answer.stderr


def test_in_a_merge_conflict_locking_takes_both_sides(ucseg: Run, path: Path) -> None:
    ucseg("lock", "small")
    small = path.read_text("utf-8")
    path.unlink()
    ucseg("lock", "v1")
    path.write_text(
        f"<<<<<<< ours\n{small}=======\n{path.read_text('utf-8')}>>>>>>> theirs\n", encoding="utf-8"
    )
    assert "`ucseg lock` takes the models of both sides" in ucseg("check", "--locked").stderr
    assert ucseg("lock").returncode == 0
    assert list(models(path)) == ["small", "v1"]
    assert ucseg("check", "--locked").returncode == 0
