"""The frontier of early stopping, in small: on answers whose figures are known."""

from __future__ import annotations

import early_stopping
import numpy as np
import pytest
from attacks.planted import complementary, observe

from jaxattack.metrics import auc, roc_curve


def test_a_point_has_each_models_accuracy_on_others_and_each_targets_area():
    observations = observe(complementary(6, 80, seed=0), leak=1.5, spread=0.5, seed=1)
    right = np.random.default_rng(0).random((6, 80, 1)) < 0.7
    observations = early_stopping.Observations(
        signals={**observations.signals, "correct": right.astype(np.float32), "loss": -observations.signal("phi")},
        member=observations.member,
        label=observations.label,
    )
    one = early_stopping.point(5, observations)
    expected = [right[model, ~observations.member[model]].mean() for model in range(6)]
    np.testing.assert_allclose(one.accuracy, expected)
    first = auc(roc_curve(observations.signal("phi")[0, :, 0], observations.member[0]))
    assert one.auc["loss"][0] == pytest.approx(first)
    figure = early_stopping.frontier([one, one._replace(epochs=10)])
    assert [text.get_text() for text in figure.axes[0].texts] == ["5", "10", "5", "10"]
