"""What an audit claims: of which attack, at which rate, allowing for what, and how often without a leak."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.attacks.membership import lookup
from jaxattack.audit import MembershipAudit, evaluate
from jaxattack.audit.claim import Correction, claimed_rate
from jaxattack.audit.findings import values
from jaxattack.audit.findings.membership_attack import ClaimFindings
from jaxattack.data import load
from jaxattack.data.designs import Halves
from jaxattack.metrics import differences, influences, roc_curve
from jaxattack.models import Architecture
from jaxattack.report.membership.reading import beats_chance, claimed
from jaxattack.types import InputError, Observations


def observed(models: int, records: int, leak: float, rng: np.random.Generator) -> Observations:
    """Signals of models that remember their members by so much."""
    member = Halves()(models, records, int(rng.integers(2**31)))
    phi = (rng.normal(size=(models, records, 1)) + leak * member[:, :, None]).astype(np.float32)
    signals = {"phi": phi, "correct": np.ones_like(phi)} | {
        name: phi + rng.normal(size=phi.shape).astype(np.float32)
        for name in ("confidence", "entropy", "modified_entropy", "loss")
    }
    return Observations(signals=signals, member=member, label=rng.integers(0, 3, records))


@pytest.mark.parametrize(
    ("negatives", "expected"), [(10_000, 0.001), (9_999, 0.01), (1_000, 0.01), (999, 0.1), (100, 0.1), (99, None)]
)
def test_a_rate_is_quoted_where_it_allows_ten_false_positives(negatives, expected):
    assert claimed_rate(negatives, (0.1, 0.01, 0.001, 0.0001)) == expected


def test_the_interval_of_the_strongest_allows_for_the_choice_and_that_of_the_declared_need_not():
    correction = Correction(attacks=("a", "b", "c", "d", "e"), declared="b")
    assert correction.confidence("a") == pytest.approx(0.99)
    assert correction.confidence("b") == pytest.approx(0.95)
    assert Correction(attacks=("a",)).confidence("a") == pytest.approx(0.95)


def test_an_attack_that_is_not_run_is_not_declared():
    with pytest.raises(InputError, match="declare is 'rmia-online'"):
        MembershipAudit(
            model=Architecture(),
            dataset=load("iris"),
            attacks=(lookup("loss"), lookup("lira-online")),
            declare=lookup("rmia-online"),
        )


def test_the_declared_attack_is_claimed_and_compared_with_the_loss():
    observations = observed(8, 400, 1.0, np.random.default_rng(0))
    attacks = [lookup(name) for name in ("lira-online", "lira-offline", "loss")]
    free, declared = (evaluate(observations, attacks, growth=False, declare=one) for one in (None, attacks[1]))
    assert free.claim == ClaimFindings(attack=free.attacks[0].name, rate="0.01", choices=3, declared=False)
    assert declared.claim == ClaimFindings(attack="lira-offline", rate="0.01", choices=1, declared=True)
    assert declared.comparison.attack == "lira-offline"
    entry = claimed(values(declared))
    assert entry["tpr_interval_corrected"] == entry["tpr_interval"]
    assert entry["auc_interval_corrected"] == entry["auc_interval"]
    low, high = claimed(values(free))["auc_interval"]
    wide = claimed(values(free))["auc_interval_corrected"]
    assert wide[0] < low < high < wide[1]
    low, high = claimed(values(free))["tpr_interval"]["0.01"]
    wide = claimed(values(free))["tpr_interval_corrected"]["0.01"]
    assert wide[0] < low < high < wide[1]


def test_a_comparison_is_that_of_the_scores():
    observations = observed(8, 400, 1.0, np.random.default_rng(1))
    attacks = {name: lookup(name) for name in ("lira-online", "loss")}
    told = evaluate(observations, attacks.values(), growth=False, declare=lookup("lira-online")).comparison
    rates = (0.1, 0.01)
    ours, theirs = (
        influences(scores, observations.member, roc_curve(scores.ravel(), observations.member.ravel()), rates)
        for scores in (attacks[name](observations) for name in (told.attack, "loss"))
    )
    for key, difference in zip(("0.1", "0.01"), differences(ours, theirs), strict=False):
        assert told.tpr[key].difference == pytest.approx(difference.value)
        assert told.tpr[key].interval == pytest.approx(difference.interval())
        assert told.tpr[key].better == (difference.interval()[0] > 0)


@pytest.mark.parametrize("models", [4, 8])
def test_runs_without_a_leak_claim_none_and_runs_with_one_do(models):
    """40 runs of one, 10 of the other; `scripts/null_runs.py` has real models, every attack and more runs."""
    claims = {}
    attacks = [lookup(name) for name in ("loss", "confidence", "gap")]
    for leak in (0.0, 2.0):
        rng = np.random.default_rng(models)
        runs = [evaluate(observed(models, 300, leak, rng), attacks, growth=False) for _ in range(10 if leak else 40)]
        claims[leak] = sum(beats_chance(claimed(values(found)), found.claim.rate) for found in runs)
    assert claims[0.0] <= 4  # 5% of 40, and two standard errors
    assert claims[2.0] >= 8
