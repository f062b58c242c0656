from __future__ import annotations

import json

import numpy as np
import pytest

from jaxattack.attacks.membership import ATTACKS, lookup
from jaxattack.audit import membership, rescore
from jaxattack.audit.answerable import answerable
from jaxattack.audit.findings import values
from jaxattack.data import load
from jaxattack.defences import LabelOnly, Round
from jaxattack.models import Architecture
from jaxattack.store import RunFolder
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import InputError

NAME = "synthetic:random-labels?records=40&features=5&classes=3"


def run(folder, *defences, attacks=("loss", "lira-online", "gap", "rmia-offline")):
    return membership(
        folder,
        model=Architecture(name="softmax"),
        dataset=load(NAME),
        learner=Standard(recipe=Recipe(epochs=2, batch=5)),
        models=8,
        attacks=tuple(map(lookup, attacks)),
        defences=defences,
        placement=Placement(chunk=4, vmap=1),
    ).findings


def test_without_defences_every_attack_is_taken():
    assert answerable(ATTACKS, (), ()) == (ATTACKS, ())


def test_an_attack_that_reads_more_than_is_answered_is_named():
    able, notes = answerable({name: ATTACKS[name] for name in ("loss", "gap")}, ("correct",), (LabelOnly(),))
    assert list(able) == ["gap"]
    assert notes == ("These attacks are not run, because the defended answers do not allow phi: loss.",)
    with pytest.raises(InputError, match="no attack can be run"):
        answerable({"loss": ATTACKS["loss"]}, ("correct",), (LabelOnly(),))


def test_a_defended_run_is_another_run_and_is_scored_again_the_same(tmp_path):
    findings = run(tmp_path / "run", Round(decimals=1))
    assert findings.config["defences"] == [{"name": "Round", "decimals": 1}]
    assert {entry.name for entry in findings.attacks} == {"loss", "lira-online", "gap", "rmia-offline"}
    report = values(findings)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    phi = RunFolder.existing(tmp_path / "run").observations(8).signal("phi")
    assert np.abs(phi).max() <= -np.log(0.05) + 1e-5
    again = rescore(tmp_path / "run", (lookup("loss"), lookup("rmia-online")))
    assert {entry.name for entry in again.findings.attacks} <= {"loss", "rmia-online"}
    with pytest.raises(InputError, match="holds another run .*defences"):
        run(tmp_path / "run")


def test_labels_alone_are_attacked_by_what_reads_labels(tmp_path):
    findings = run(tmp_path / "run", LabelOnly())
    assert [entry.name for entry in findings.attacks] == ["gap"]
    assert len([note for note in findings.notes if "do not allow phi" in note]) == 1
    assert findings.vulnerability.count
    with pytest.raises(InputError, match="no attack can be run"):
        run(tmp_path / "other", LabelOnly(), attacks=("loss",))
    assert not (tmp_path / "other").exists()
