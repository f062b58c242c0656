"""Few references against the attack on those models alone, and without a trace of the target's complement."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import complementary, observe, scattered

from jaxattack.attacks.membership import FewReferences, lookup
from jaxattack.types import InputError

NAMES = ("rmia-offline", "rmia-online", "calibration", "lira-offline", "lira-online")
ATTACKS = {name: lookup(name) for name in NAMES}
OBSERVATIONS = observe(complementary(10, 60, seed=1), leak=1.0, queries=2)


@pytest.mark.parametrize(
    ("name", "pairs"),
    # A single reference has no spread, which LiRA needs.
    [(name, pairs) for name in NAMES for pairs in (1, 2, 4) if pairs > 1 or not name.startswith("lira")],
)
def test_each_target_has_the_pairs_that_follow_its_own(name, pairs):
    scores = FewReferences(attack=ATTACKS[name], pairs=pairs)(OBSERVATIONS)
    for target in range(10):
        following = [(target // 2 + step) % 5 for step in range(1, pairs + 1)]
        chosen = [model for pair in following for model in (2 * pair, 2 * pair + 1)]
        alone = OBSERVATIONS.take(np.array([*chosen, target]))
        np.testing.assert_array_equal(scores[target], ATTACKS[name](alone, [2 * pairs])[0])
        assert (alone.member[:-1].sum(axis=0) == pairs).all()


def test_pairs_are_told_by_their_members_wherever_the_models_stand():
    order = np.array([0, 2, 1, 3, 4, 6, 5, 7, 9, 8])
    attack = FewReferences(attack=ATTACKS["rmia-offline"], pairs=2)
    shuffled = attack(OBSERVATIONS.take(order))
    np.testing.assert_allclose(shuffled, attack(OBSERVATIONS)[order], rtol=1e-12)


def test_the_complement_and_models_beyond_leave_no_trace():
    attack = FewReferences(attack=ATTACKS["rmia-offline"], pairs=2)
    other = {name: signal.copy() for name, signal in OBSERVATIONS.signals.items()}
    for signal in other.values():
        signal[[3, 8, 9]] -= 5
    changed = type(OBSERVATIONS)(signals=other, member=OBSERVATIONS.member, label=OBSERVATIONS.label)
    np.testing.assert_array_equal(attack(changed, [2]), attack(OBSERVATIONS, [2]))


def test_some_targets_are_rows_of_all():
    attack = FewReferences(attack=ATTACKS["rmia-offline"], pairs=2)
    np.testing.assert_array_equal(attack(OBSERVATIONS, [7, 2]), attack(OBSERVATIONS)[[7, 2]])


def test_an_attack_without_references_is_refused():
    with pytest.raises(InputError, match="attack is loss, which has no references"):
        FewReferences(attack=lookup("loss"), pairs=1)


def test_the_name_tells_the_attack_and_the_number_of_pairs():
    assert FewReferences(attack=ATTACKS["rmia-offline"], pairs=2).name == "rmia-offline-2"
    assert FewReferences(attack=lookup("rmia-offline?confidence=taylor"), pairs=1).name == (
        "rmia-offline?confidence=taylor-1"
    )


def test_other_designs_and_too_few_models_are_refused():
    with pytest.raises(InputError, match="pairs is 0: give at least 1"):
        FewReferences(attack=ATTACKS["rmia-offline"], pairs=0)
    attack = FewReferences(attack=ATTACKS["rmia-offline"], pairs=2)
    with pytest.raises(InputError, match="rmia-offline-2 needs 3 pairs of models and there are 5 models"):
        attack(OBSERVATIONS.take(slice(5)))
    with pytest.raises(InputError, match="complementary pairs: train them with the design halves"):
        attack(OBSERVATIONS.take(slice(7)))
    with pytest.raises(InputError, match="complementary pairs"):
        attack(observe(scattered(8, 40, 2, seed=0), leak=1.0))
