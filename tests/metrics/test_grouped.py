"""Groups of targets against loops, and where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.metrics import group_tpr, roc_curve, tpr_at_fpr


def drawn(targets: int, records: int):
    rng = np.random.default_rng(0)
    member = rng.permuted(np.tile(np.arange(records) < records // 2, (targets, 1)), axis=1)
    return rng.standard_normal((targets, records)) + member, member


def test_groups_are_the_smallest_that_allow_ten_false_positives():
    scores, member = drawn(7, 200)
    found = group_tpr(scores, member, 0.05)  # 100 non-members a target: 5 false positives
    rates = [
        tpr_at_fpr(roc_curve(scores[some].ravel(), member[some].ravel()), 0.05).tpr
        for some in (slice(0, 3), slice(3, 5), slice(5, 7))
    ]
    assert found is not None
    assert (found.targets, found.groups) == (2, 3)
    assert found.tpr.mean == pytest.approx(np.mean(rates))
    assert found.tpr.sd == pytest.approx(np.std(rates, ddof=1))


@pytest.mark.parametrize("fpr", [0.1, 0.02])
def test_there_are_none_where_one_target_resolves_the_rate_or_all_make_one_group(fpr):
    assert group_tpr(*drawn(7, 200), fpr) is None
