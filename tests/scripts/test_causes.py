from __future__ import annotations

import causes
import numpy as np
import pytest
from scipy.special import softmax

from jaxattack.data import Halves
from jaxattack.types import Observations


def answers(leak: float) -> Observations:
    """Eight models whose confidence in the label is larger for members."""
    rng, member, label = np.random.default_rng(1), Halves()(8, 60, 0), np.arange(60) % 3
    z = rng.standard_normal((8, 60, 3)) + leak * member[..., None] * np.eye(3)[label]
    p = softmax(z, axis=2)
    own = np.take_along_axis(p, label[None, :, None], axis=2)
    signals = {
        "phi": np.log(own) - np.log1p(-own),
        "correct": (p.argmax(axis=2) == label)[..., None].astype(np.float32),
        "entropy": -(p * np.log(p)).sum(axis=2, keepdims=True),
        "posterior_3": np.concatenate([np.sort(p, axis=2)[..., ::-1], own], axis=2)[:, :, None],
        "confidence_vector": p[:, :, None],
    }
    return Observations(signals=signals, member=member, label=label)


def test_a_setting_is_a_row_and_the_gap_attack_finds_half_the_gap():
    rows = [causes.row("plain", 10, 99, answers(leak)) for leak in (0.0, 2.0, 4.0)]
    for one in rows:
        assert one["auc_gap"] == pytest.approx(0.5 + one["accuracy_gap"] / 2, abs=1e-12)
    assert causes.correlation(rows, "loss_gap", "auc_loss") == 1
    assert causes.contrast(rows, "loss_gap", "loss") > 0.1
    # Where none lies above the median, those at it are compared with those below; where all are alike there is nothing to tell.
    assert (
        causes.contrast([{**one, "records": n} for one, n in zip(rows, (1, 9, 9), strict=True)], "records", "loss") > 0
    )
