"""What predicts an attack, in small: on answers whose leak is known."""

from __future__ import annotations

import numpy as np
import pytest
import risk_predictor
from attacks.planted import complementary, observe

from jaxattack import Observations
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.metrics import Bins, risk_distance


def answers(leak: float) -> Observations:
    """Models whose members are as much surer of their label as the leak says; right where p of the label is above one half."""
    observations = observe(complementary(4, 400, seed=0), leak=leak, spread=0.5, seed=1)
    phi = observations.signal("phi")
    signals = {"phi": phi, "correct": (phi > 0).astype(np.float32), "entropy": loss_of(np.abs(phi)).astype(np.float32)}
    return Observations(signals=signals, member=observations.member, label=observations.label)


def test_predictors_and_the_attack_rise_with_what_is_planted():
    planted = [0.0, 1.0, 2.0]
    settings = [risk_predictor.setting(str(leak), answers(leak)) for leak in planted]
    areas = [risk_predictor.loss_area(answers(leak)) for leak in planted]
    assert areas[0] == pytest.approx(0.5, abs=0.05)
    assert settings[0].excess[risk_predictor.CE_LOG] < 0.1
    ranks = risk_predictor.correlations(settings, {"loss": areas, "gap": [None, *areas[1:]]})
    assert ranks["loss"][risk_predictor.CE_LOG] == pytest.approx(1)
    assert ranks["gap"][risk_predictor.CE_LOG] == pytest.approx(1)


def test_a_setting_is_the_mean_over_its_models():
    observations = answers(1.0)
    one = risk_predictor.setting("one", observations)
    loss, member = loss_of(observations.signal("phi")[:, :, 0]), observations.member
    expected = [
        risk_distance(row[own], row[~own], Bins(logarithmic=False)) for row, own in zip(loss, member, strict=True)
    ]
    assert one.measured[risk_predictor.CE_LINEAR] == pytest.approx(np.mean([each.measured for each in expected]))
    right = observations.signal("correct")[:, :, 0]
    assert one.excess[risk_predictor.GAP] == pytest.approx(right[member].mean() - right[~member].mean())


def test_the_figure_names_every_column_and_a_ring_stands_where_it_is_expected():
    settings = [risk_predictor.setting(name, answers(1.0)) for name in ("10", "30")]
    figure = risk_predictor.figure_of(settings, [0.8, 0.9], settings, [0.8, None])
    rings = figure.axes[0].lines[1].get_ydata()
    assert list(rings) == [risk_predictor.EXPECTED[10][0], risk_predictor.EXPECTED[30][0]]
    names = [[line.get_label() for line in axes.lines] for axes in figure.axes[1:]]
    assert [[name for name in each if not name.startswith("_")] for each in names] == [["10"]] * 3
