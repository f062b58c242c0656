"""The command `architecture`: what its words come to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jaxattack.cli import architecture as command
from jaxattack.cli.architecture import Inferring, architecture
from jaxattack.cli.output import Output
from jaxattack.cli.terms import Terms
from jaxattack.defences import LabelOnly, Round
from jaxattack.types import InputError


@pytest.fixture
def runs(monkeypatch):
    """What would have been run, and where its report would have gone."""
    calls = []

    def run(victim, **options):
        calls.append((victim, options))
        return SimpleNamespace(findings={})

    monkeypatch.setattr(command, "run_architecture", run)
    monkeypatch.setattr(command, "publish", lambda folder, *_, **__: calls.append(folder))
    return calls


def test_without_a_victim_the_zoo_has_one(runs, tmp_path):
    architecture(
        terms=Terms(level="label", decimals=2), inferring=Inferring(method="kennen-o?questions=20", nets=40),
        output=Output(quiet=True), out=tmp_path, zoo=tmp_path / "zoo",
    )  # fmt: skip
    (victim, options), folder = runs
    assert victim is None
    assert (options["attack"].questions, options["nets"], options["zoo"]) == (20, 40, tmp_path / "zoo")
    assert options["defences"] == (Round(decimals=2), LabelOnly())
    assert options["dataset"].name == "digits"
    assert folder == options["out"] == tmp_path


def test_a_victim_by_name_is_opened_on_its_terms(runs, tmp_path):
    architecture("tree", terms=Terms(level="label"), output=Output(quiet=True), out=tmp_path)
    (victim, options), _ = runs
    assert victim.oracle.access.level == "label"
    assert options["defences"] == ()


def test_what_a_network_of_the_zoo_has_no_use_for_is_refused(runs):
    with pytest.raises(InputError, match=r"members is 5 .* leave members out"):
        architecture(members=5, output=Output(quiet=True))
    with pytest.raises(InputError, match="precision is 'float32'"):
        architecture(terms=Terms(precision="float32"), output=Output(quiet=True))
    with pytest.raises(InputError, match="did you mean"):
        architecture(inferring=Inferring(method="kennen"), output=Output(quiet=True))
