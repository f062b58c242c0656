"""The peer that `benchmarks/price.py` has in PyTorch scores as it says: each model against those of the other pairs."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

_SPEC = spec_from_file_location("torch_lira", Path(__file__).parents[2] / "benchmarks" / "torch_lira.py")
assert _SPEC is not None
assert _SPEC.loader is not None
torch_lira = module_from_spec(_SPEC)
_SPEC.loader.exec_module(torch_lira)


def test_its_likelihood_ratios_are_those_of_a_loop_and_its_rates_those_of_the_curve():
    rng = np.random.default_rng(0)
    member = torch_lira.members_of(10, 40, seed=1)
    assert (member.sum(axis=1) == 20).all()
    assert (member[::2] == ~member[1::2]).all()
    phi = rng.normal(member * 1.0, 1.0)
    score = torch_lira.lira(phi, member)
    for model, record in [(0, 0), (3, 7), (9, 39)]:
        others = np.delete(np.arange(10), [model // 2 * 2, model // 2 * 2 + 1])
        inside = [phi[one, record] for one in others if member[one, record]]
        outside = [phi[one, record] for one in others if not member[one, record]]
        mine = phi[model, record]
        ratio = norm.logpdf(mine, np.mean(inside), np.std(inside)) - norm.logpdf(
            mine, np.mean(outside), np.std(outside)
        )
        assert score[model, record] == pytest.approx(ratio)
    found = torch_lira.report(score, member)
    assert found["auc"] == pytest.approx(roc_auc_score(member.ravel(), score.ravel()), abs=0.01)
    above = np.sort(score[~member])[-20]  # a tenth of 200
    assert found["tpr"]["0.1"] == pytest.approx((score[member] > above).mean(), abs=0.02)
