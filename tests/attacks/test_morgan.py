"""Morgan against its rule of three thresholds, a record at a time."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import complementary, observe

from jaxattack.attacks.membership import Morgan, lookup
from jaxattack.attacks.membership.selection import select_threshold
from jaxattack.metrics import auc, roc_curve
from jaxattack.types import InputError, Observations

MODELS, RECORDS = 6, 400
ATTACK = Morgan(smallest=0.1, largest=0.5, alpha=0.3, copies=20, sigma=0.5)


def observed(leak):
    """A loss that tells nothing and a ratio that does."""
    known = observe(complementary(MODELS, RECORDS, seed=0), leak=0.0)
    rng = np.random.default_rng(3)
    slope = np.where(known.member, 0.5 + leak, 0.5)[:, :, None]
    ratio = (rng.binomial(20, slope) / 20).astype(np.float32)
    signals = {"phi": known.signals["phi"], "merlin_20_0.5": ratio}
    return Observations(signals=signals, member=known.member, label=known.label)


LEAKY = observed(0.3)


def test_zero_and_above_is_the_rule_and_the_band_is_above_all_else():
    scores = ATTACK(LEAKY)
    loss = np.logaddexp(0, -LEAKY.signals["phi"][:, :, 0].astype(np.float64))
    ratio = LEAKY.signals["merlin_20_0.5"][:, :, 0].astype(np.float64)
    for target in range(MODELS):
        shadow = (target + 2) % MODELS
        truth = LEAKY.member[shadow]
        low, high = (-select_threshold(-loss[shadow], truth, rate) for rate in (0.1, 0.5))
        least = select_threshold(ratio[shadow], truth, 0.3)
        band = [low <= value <= high for value in loss[target]]
        rule = [inside and value >= least for inside, value in zip(band, ratio[target], strict=True)]
        np.testing.assert_array_equal(scores[target] >= 0, rule)
        assert 0.1 < np.mean(band) < 0.9
        assert scores[target][band].min() > scores[target][~np.array(band)].max()
        np.testing.assert_allclose(scores[target][band], ratio[target][band] - least)


def test_it_finds_members_by_the_ratio_and_none_without():
    area = lambda known: auc(roc_curve(ATTACK(known).ravel(), known.member.ravel()))  # noqa: E731
    assert area(LEAKY) > 0.7
    assert area(observed(0.0)) == pytest.approx(0.5, abs=4 * np.sqrt(1 / (6 * MODELS * RECORDS)) * np.sqrt(2))


def test_a_target_does_not_depend_on_the_others_and_classes_have_thresholds_of_their_own():
    classwise = lookup("morgan?classwise=true&copies=20&sigma=0.5")
    np.testing.assert_array_equal(classwise(LEAKY, [3])[0], classwise(LEAKY)[3])
    assert (classwise(LEAKY) != Morgan(copies=20, sigma=0.5)(LEAKY)).any()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("morgan?smallest=0.4", "smallest is 0.4 and largest 0.3"),
        ("morgan?largest=2", "largest is 2: give a false-positive rate"),
        ("morgan?copies=0", "copies is 0"),
        ("morgan?protocol=mine", "protocol is 'mine'"),
    ],
)
def test_a_value_out_of_range_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        lookup(name)
