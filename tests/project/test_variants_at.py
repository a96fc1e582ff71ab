"""Named variants as the configuration stood at a revision."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.repositories import Repository, new_repository
from ucseg_cli.errors import MistakesError, UsageError
from ucseg_cli.facts.settings import Settings
from ucseg_cli.references import FromFile
from ucseg_cli.references.variants import as_variant
from ucseg_cli.workflow.load_project import load_project

TINY = '[tool.ucseg.variants.tiny]\nfrom = "v2"\nclasses = {}\n'


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = new_repository(tmp_path / "project")
    made.commit("one", {"pyproject.toml": TINY.format(5), "below/a": ""})
    made.commit("two", {"pyproject.toml": TINY.format(6)})
    made.commit("three", {"pyproject.toml": None, "ucseg.toml": "[variants.other]\nclasses = 7\n"})
    monkeypatch.chdir(made.folder / "below")
    return made


def test_a_name_is_looked_up_in_the_file_of_the_revision(repository: Repository) -> None:
    settings = load_project()
    for name, variant in (
        ("tiny@HEAD~2", "v2+classes=5"),
        ("tiny@main~1+backbone=10", "v2+classes=6+backbone=10"),
        ("other@main", "v2+classes=7"),
    ):
        assert settings.find(name).variant == as_variant(variant)
    with pytest.raises(UsageError, match="'other' is new since HEAD~1"):
        settings.find("other@HEAD~1")
    # even if nothing is configured now
    (repository.folder / "ucseg.toml").unlink()
    assert load_project().find("tiny@HEAD~1").variant == as_variant("v2+classes=6")


def test_a_budget_may_name_a_variant_at_a_revision(repository: Repository) -> None:
    budget = 'id = "a"\nmetric = "params"\nmax = 1\nvariant = "tiny@HEAD~1"\n'
    (repository.folder / "ucseg.toml").write_text(f"[[budgets]]\n{budget}")
    (model,) = load_project().budgets[0].variants
    assert model.variant == as_variant("v2+classes=6")


def test_a_mistake_there_and_what_is_not_there_are_reported_with_the_revision(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("four", {"ucseg.toml": "[variants.other]\nclases = 7\n"})
    with pytest.raises(MistakesError) as caught:
        load_project_before(repository).find("other@HEAD")
    assert "ucseg.toml at HEAD:2" in (caught.value.where or "")
    with pytest.raises(UsageError, match="no revision named 'mian'"):
        load_project_before(repository).find("other@mian")
    with pytest.raises(UsageError, match="is not a revision"):
        load_project_before(repository).find("other@--upload-pack=x")
    repository.commit("five", {"ucseg.toml": None})
    with pytest.raises(UsageError, match="nothing is configured at HEAD"):
        load_project().find("other@HEAD")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is in no git repository"):
        load_project().find("other@HEAD")


def load_project_before(repository: Repository) -> Settings:
    (repository.folder / "ucseg.toml").write_text("")
    return load_project()


def test_a_name_of_the_user_s_own_code_has_the_arguments_and_the_code_of_the_revision(
    repository: Repository,
) -> None:
    own = '[variants.own]\nfrom = "net.py:Net"\nwidth = {}\n'
    repository.commit("four", {"ucseg.toml": own.format(3), "net.py": ""})
    repository.commit("five", {"ucseg.toml": own.format(5)})
    model = load_project().find("own@HEAD~1+depth=2").model
    assert isinstance(model, FromFile)
    assert model.revision == "HEAD~1"
    assert "".join(map(str, model.arguments)) == "+width=3+depth=2"
