"""What the tests of metrics share: a design drawn, and an influence written out."""

from __future__ import annotations

import numpy as np

from jaxattack.metrics import roc_curve, tpr_at_fpr


def halves(models, records, rng):
    """Members of models that come in pairs, each pair's on either side of a random half."""
    rows = [rng.permutation(records) < records // 2 for _ in range(-(-models // 2))]
    return np.stack([row ^ flip for row in rows for flip in (False, True)])[:models]


def psi_of(scores, member, fpr):
    """Every influence on the true-positive rate, written out."""
    roc = roc_curve(scores.ravel(), member.ravel())
    at = tpr_at_fpr(roc, fpr)
    fp = at.false_positives
    low, high = np.floor(max(min(fp / 1.6, fp - 2 * fp**0.5), 0)), np.ceil(max(1.6 * fp, fp + 2 * fp**0.5, 3))
    left, right = (np.flatnonzero(roc.fp <= count)[-1] for count in (low, high))
    slope = (roc.tpr[right] - roc.tpr[left]) / (roc.fpr[right] - roc.fpr[left])
    hit = scores >= at.threshold
    return np.where(member, (hit - at.tpr) / roc.positives, -slope * (hit - fp / roc.negatives) / roc.negatives)
