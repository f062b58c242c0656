"""Evasion end to end in a process: what is attacked by which door, what is told, and what is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attacks.evasion.linear_victims import CLASSES, FEATURES, leaky, records

from jaxattack.attacks.evasion import BIM, FGSM, DeepFool, HopSkipJump, Transfer
from jaxattack.attacks.extraction import PathFinding, Softmax
from jaxattack.audit import evade, open_victim
from jaxattack.audit.findings import values
from jaxattack.data.designs import Sized
from jaxattack.defences import PredictionPoisoning
from jaxattack.disk import read_arrays
from jaxattack.types import InputError

CHECK = 1
"""Queries by which an audit sees whether a victim answers a record alike twice."""

SMALL = HopSkipJump(queries=120)


@pytest.fixture(scope="module")
def digits():
    return open_victim("softmax", data="digits")


def test_a_victim_with_weights_is_moved_over_its_nearest_boundaries(digits, tmp_path):
    result = evade(digits, records=40, out=tmp_path)
    findings, evasion = result.findings, result.evasion
    assert findings.attack.name == "deepfool"
    assert findings.attack.white_box
    assert findings.success.among_right == 1
    assert findings.cost.queries == 0 < findings.cost.gradients
    assert findings.questions is None
    assert [row.record for row in findings.records] == list(range(40))
    assert all(row.answer != row.label for row in findings.records if row.right)
    assert not findings.warnings
    entry = findings.gallery[0]
    assert result.pictures[entry.example].shape == (8, 8, 1)
    np.testing.assert_array_equal(result.pictures[entry.record], digits.x[np.flatnonzero(evasion.right)[0]])
    arrays = read_arrays(tmp_path / "examples.npz", ("x", "y", "example", "success", "l2"))
    np.testing.assert_array_equal(arrays["example"], evasion.example)
    np.testing.assert_array_equal(arrays["l2"], evasion.distance.l2)
    assert values(findings)["kind"] == "evasion"


def test_the_curve_says_what_the_distances_do(digits):
    findings = evade(digits, records=40).findings
    far = np.sort([row.l2 for row in findings.records if row.right])
    np.testing.assert_allclose(findings.curve.l2.distance[1:], far)
    np.testing.assert_allclose(findings.curve.l2.share, np.arange(len(far) + 1) / len(far))
    assert findings.distance.l2.median == pytest.approx(np.median(far))


def test_an_oracle_is_asked_and_counts():
    both = leaky()
    x, y = records(both, 12, wrong=1)
    first = evade(both.oracle, SMALL, x=x, y=y, records=10)
    assert first.findings.success.records == 10
    assert first.findings.success.right == 9
    assert first.findings.cost.questions == first.evasion.questions.sum()
    assert first.findings.cost.queries == first.findings.cost.questions + CHECK == both.oracle.ledger.queries
    assert first.findings.records[3].answer is None  # asking would cost
    curve, right = first.findings.questions, first.evasion.right
    assert curve is not None
    until = np.array([row.first for row in first.findings.records])
    shares = [(first.evasion.success & (until <= number))[right].mean() for number in curve.questions]
    np.testing.assert_allclose(curve.share, shares)
    assert curve.most == first.evasion.questions.max()
    assert curve.median == np.median(until[right & first.evasion.success])
    usual = evade(both.oracle, x=x[:2], y=y[:2])
    assert usual.findings.attack.name == "hopskipjump"


def test_a_folder_keeps_the_answers_of_a_victim(digits, tmp_path):
    first = evade(digits, SMALL, records=6, out=tmp_path)
    again = evade(open_victim("softmax", data="digits"), SMALL, records=6, out=tmp_path)
    assert again.findings.cost.kept == first.findings.cost.queries == again.findings.cost.queries
    np.testing.assert_array_equal(again.evasion.example, first.evasion.example)
    with pytest.raises(InputError, match="keeps the answers of another evasion"):
        evade(digits, HopSkipJump(queries=121), records=6, out=tmp_path)


def test_the_chain_steals_a_model_makes_examples_on_it_and_asks_once(digits):
    alone = evade(digits, FGSM(size=0.2), records=40)
    chain = evade(digits, FGSM(size=0.2), extract=Softmax(), records=40)
    assert chain.findings.attack.name == "transfer-fgsm"
    assert chain.findings.attack.stolen.complete
    assert chain.findings.cost.queries == chain.findings.attack.stolen.queries + 80
    assert chain.findings.cost.questions == 80
    # What was stolen is the victim: its examples are the victim's own.
    assert chain.findings.success.fooled == alone.findings.success.fooled > 0
    assert evade(digits, extract=Softmax(), records=4).findings.attack.name == "transfer-fgsm"
    twice = evade(digits, FGSM(size=0.2), extract=Softmax(), copies=2, records=40)
    # A trial that rounding makes another's equal is asked once.
    assert twice.findings.cost.queries - 80 == pytest.approx(2 * chain.findings.attack.stolen.queries, abs=4)
    assert twice.findings.success.fooled == alone.findings.success.fooled  # the mean of two exact copies


def test_a_model_at_hand_is_made_use_of():
    both = leaky()
    x, y = records(both, 10)
    result = evade(both.oracle, BIM(), x=x, y=y, surrogate=both.box)
    assert result.findings.attack.name == "transfer-bim"
    assert result.findings.success.among_right > 0.5
    assert result.findings.cost.queries == 20 + CHECK


def test_a_budget_that_ends_is_told():
    both = leaky()
    x, y = records(both, 10)
    findings = evade(both.oracle, SMALL, x=x, y=y, budget=300).findings
    assert not findings.attack.complete
    assert "budget" in findings.attack.reason
    assert findings.cost.queries <= 300


@pytest.mark.parametrize("copies", [1, 2])
def test_thefts_share_a_budget_and_leave_the_examples_theirs(digits, copies):
    chain = evade(digits, FGSM(size=0.2), extract=Softmax(), copies=copies, records=10, budget=300)
    assert chain.findings.success.fooled > 0
    assert chain.findings.cost.questions == 20
    assert 250 < chain.findings.cost.queries <= 300
    with pytest.raises(InputError, match="the budget has 20 queries left, of which 10 records need 21"):
        evade(digits, FGSM(size=0.2), extract=Softmax(), copies=copies, records=10, budget=20)


@pytest.mark.parametrize("name", ["report.json", "ownership.json"])
def test_the_folder_of_another_run_is_not_written_over(digits, tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=f"holds {name} of another run, and no evasion"):
        evade(digits, records=4, out=tmp_path)
    assert (tmp_path / name).read_text() == "{}"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attack": DeepFool()}, "deepfool needs the weights of an oracle: steal a model first"),
        ({"attack": Transfer()}, "transfer-fgsm makes its examples on another model: steal one first"),
        ({"attack": SMALL, "extract": Softmax()}, "hopskipjump asks the victim alone"),
        ({"extract": Softmax(), "surrogate": leaky().box}, "extract and surrogate are both given"),
        ({"x": None, "y": None}, "no labelled records beside an oracle: give x and y"),
        ({"y": None}, "x and y go together"),
        ({"attack": "deepfool"}, "attack is 'deepfool'"),
        ({"extract": "softmax"}, "extract is 'softmax'"),
        ({"copies": 2}, "copies is 2 and nothing is stolen"),
        ({"copies": 0}, "copies is 0"),
        ({"records": 0}, "records is 0"),
        ({"budget": 0}, "budget is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"x": np.zeros((2, FEATURES + 1)), "y": np.zeros(2, int)}, "give records of shape"),
        ({"y": np.full(4, CLASSES)}, "y ranges from 4 to 4"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(options, message):
    x, y = records(leaky(), 4)
    with pytest.raises(InputError, match=message):
        evade(leaky().oracle, **({"x": x, "y": y} | options))


def test_a_budget_of_an_attack_that_asks_nothing_is_refused(digits):
    with pytest.raises(InputError, match="budget is 50 and deepfool asks the victim nothing"):
        evade(digits, records=5, budget=50)
    behind = digits.behind([PredictionPoisoning(epsilon=1.0)])
    assert evade(behind, DeepFool(), records=5, budget=50).findings.cost.queries == 10 + CHECK


def test_a_stolen_tree_has_no_gradients():
    victim = open_victim("tree", data="iris")
    with pytest.raises(InputError, match="is no network and has no gradients"):
        evade(victim, FGSM(), extract=PathFinding())


def test_records_of_a_class_that_the_victim_does_not_know_are_no_reason_to_refuse_all(tmp_path):
    """Their label was -1, and the sentence spoke of a range of labels that nobody had given."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 6)).astype(np.float32), 2 * rng.integers(0, 2, 80)
    x[np.arange(80), y] += 3
    y[:2] = 1
    np.savez(tmp_path / "lacking.npz", x=x, y=y)
    seed = next(seed for seed in range(9) if not Sized(members=40)(1, 80, seed)[0][:2].any())
    victim = open_victim("tree", data=str(tmp_path / "lacking.npz"), seed=seed)
    assert (victim.y == -1).any()
    changed = evade(victim, HopSkipJump(queries=60)).evasion
    assert len(changed.right) == (victim.y >= 0).sum()
    with pytest.raises(InputError, match="no labelled records"):
        evade(replace(victim, y=np.full_like(victim.y, -1)), HopSkipJump(queries=60))
