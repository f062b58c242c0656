"""What a user sees first: few names, each with its words, that cost nothing until they are used; and a tour that runs."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import jaxattack as ja

MODULES = """
attacks audit data defences designs learners metrics models oracle report serve signals training
"""
VERBS = """
architecture as_observations compare epsilon evade extract invert load matrix membership observe open_victim own poison read_observations read_scores reconstruct rescore run_observations score train_ensemble
"""
NOUNS = """
Access Answer Dataset InputError Inputs Model Observations Oracle OracleError Recipe Variables Victim WhiteBox
"""


def for_editors(package):
    """The names that type checkers and editors see, and the module of each."""
    tree = ast.parse(Path(package.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {name.asname: line.module for line in block.body for name in line.names}


def test_the_names_are_these_and_few():
    assert ja.__all__ == sorted([*MODULES.split(), *VERBS.split(), *NOUNS.split()])
    assert len(ja.__all__) <= 47
    assert {*ja.__all__} <= {*dir(ja)}


@pytest.mark.parametrize("name", ja.__all__)
def test_each_name_is_there_and_says_what_it_is(name):
    assert (getattr(ja, name).__doc__ or "").strip()


@pytest.mark.parametrize(
    "package", [ja, ja.attacks, ja.audit, ja.audit.target, ja.oracle], ids=lambda package: package.__name__
)
def test_editors_see_what_is_imported_when_it_is_asked_for(package):
    seen = for_editors(package)
    assert sorted(seen) == package.__all__
    for name, module in seen.items():
        assert getattr(package, name) is getattr(import_module(module), name)


def test_membership_attacks_are_at_the_top_of_attacks_and_families_are_modules():
    assert ja.attacks.LiRA is ja.attacks.membership.LiRA
    assert ja.attacks.extraction.Softmax().name in ja.attacks.extraction.ATTACKS


def test_an_unknown_name_is_refused_as_python_does():
    with pytest.raises(AttributeError, match="module 'jaxattack' has no attribute 'LiRA'"):
        _ = ja.LiRA
    with pytest.raises(ImportError, match="cannot import name 'extraction_attack'"):
        exec("from jaxattack import extraction_attack")


def test_importing_the_package_imports_no_jax():
    code = "import sys, jaxattack, jaxattack.attacks; assert not {'jax', 'numpy'} & {*sys.modules}, 'imported'"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_function_is_not_hidden_by_the_module_of_its_name():
    code = "import jaxattack.audit.epsilon, jaxattack.audit as audit; assert callable(audit.epsilon), audit.epsilon"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_sweep_imports_nothing_that_steals_or_reads_others_models():
    code = (
        "import sys, jaxattack.cli.membership; "
        "assert not {'sklearn', 'jaxattack.attacks.extraction', 'jaxattack.oracle.sklearn'} & {*sys.modules}, 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_tour_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testmod(ja)
    assert outcome.attempted > 20
    assert outcome.failed == 0
    assert not list(tmp_path.iterdir())
