from __future__ import annotations

import numpy as np

from jaxattack.audit.labelled import labelled_of, part_findings
from jaxattack.metrics import auc, roc_curve
from jaxattack.training.learners import FixMatch, Standard, identity
from jaxattack.training.learners.fixmatch import labelled_records


def test_which_records_are_labelled_is_read_from_what_a_run_says_of_itself():
    run = identity(FixMatch(labelled=0.3), 40)
    np.testing.assert_array_equal(labelled_of(run, 50), labelled_records(60, 0.3)[:50])
    assert labelled_of(identity(Standard(), 40), 50) is None


def test_each_part_has_the_figures_of_its_own_records():
    rng = np.random.default_rng(1)
    labelled, member = labelled_records(60, 0.4), rng.random((6, 60)) < 0.5
    scores = rng.normal(size=(6, 60)) + 3.0 * member * labelled
    parts = part_findings(scores, member, labelled)
    assert parts is not None
    for name, rows in (("labelled", labelled), ("unlabelled", ~labelled)):
        expected = auc(roc_curve(scores[:, rows].ravel(), member[:, rows].ravel()))
        assert parts[name].auc == expected
        assert parts[name].records == rows.sum()
        low, high = parts[name].auc_interval
        assert low < expected < high
    assert parts["labelled"].auc_interval[0] > 0.9 > parts["unlabelled"].auc_interval[1]
    assert part_findings(scores, member, None) is None
    assert [*(part_findings(scores, member, np.ones(60, bool)) or {})] == ["labelled"]
