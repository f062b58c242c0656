"""Attacks on the labels of disturbed copies, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import complementary

from jaxattack.attacks.membership import LabelOnlyAugmentation, LabelOnlyNoise, LearnedAugmentation, lookup
from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.naming import label
from jaxattack.metrics import auc, balanced_accuracy, roc_curve
from jaxattack.types import InputError, Observations

MEMBER = complementary(6, 300, seed=0)
LEVELS = (0.01, 0.25, 0.5)
FLIPS = LabelOnlyNoise(kind="bit-flips", levels=LEVELS, copies=20)


def shares(leak):
    """Of copies that keep the label, at levels of which the second tells members apart."""
    rng = np.random.default_rng(1)
    signals = {}
    for signal, gain in zip(FLIPS.signals, (0.0, leak, leak / 4), strict=True):
        signals[signal.name] = (rng.binomial(20, 0.5 + gain * MEMBER)[:, :, None] / 20).astype(np.float32)
    return Observations(signals=signals, member=MEMBER, label=np.zeros(300, int))


LEAKY = shares(0.3)
area = lambda scores: auc(roc_curve(scores.ravel(), MEMBER.ravel()))  # noqa: E731


def test_a_shadow_chooses_the_level_with_its_best_balanced_accuracy():
    scores = FLIPS(LEAKY)
    for target in range(6):
        shadow = (target + 2) % 6
        told = {
            signal: balanced_accuracy(roc_curve(LEAKY.signals[signal.name][shadow, :, 0], MEMBER[shadow]))
            for signal in FLIPS.signals
        }
        best = max(told, key=told.__getitem__)
        assert best == FLIPS.signals[1]
        np.testing.assert_array_equal(scores[target], LEAKY.signals[best.name][target, :, 0])
        np.testing.assert_array_equal(FLIPS(LEAKY, [target])[0], scores[target])
    assert area(scores) > 0.95


def test_it_finds_nothing_where_no_level_tells():
    assert area(FLIPS(shares(0.0))) == pytest.approx(0.5, abs=4 * np.sqrt(1801 / (12 * 900 * 900)))


def test_a_single_level_needs_no_shadow():
    alone = LabelOnlyNoise(kind="bit-flips", levels=(0.25,), copies=20)
    assert not alone.references
    np.testing.assert_array_equal(alone(LEAKY), LEAKY.signals["flip_robustness_20_0.25"][:, :, 0])


def test_levels_are_read_by_name():
    attack = lookup("noise?levels=0.05-0.5&copies=7")
    assert [signal.name for signal in attack.signals] == ["noise_robustness_7_0.05", "noise_robustness_7_0.5"]
    assert lookup(label(attack, {"noise": LabelOnlyNoise(kind="noise")})) == attack
    assert lookup("augmentation-rotation?size=9").signals[0].name == "rotation_correct_9"


def test_augmented_copies_are_counted():
    attack = LabelOnlyAugmentation(kind="translation", size=2)
    copies = np.random.default_rng(0).integers(0, 2, (6, 300, 1, 9)).astype(np.float32)
    observations = Observations(signals={"translation_correct_2": copies}, member=MEMBER, label=np.zeros(300, int))
    np.testing.assert_array_equal(attack(observations, [4])[0], copies[4, :, 0].astype(np.float64).sum(axis=1) / 9)
    flat = Observations(signals={"translation_correct_2": copies[..., 0]}, member=MEMBER, label=np.zeros(300, int))
    with pytest.raises(InputError, match=r"give the signal as \[model, record, query, value\]"):
        attack(flat)


def test_a_network_learns_which_copies_only_members_keep():
    # Members are right about the second copy and wrong about the third, others the other way: their shares are alike.
    attack = LearnedAugmentation(kind="rotation", network=AttackNetwork(joint=(10, 10), epochs=20, learning_rate=0.01))
    copies = np.stack([np.ones_like(MEMBER), MEMBER, ~MEMBER], axis=2)[:, :, None].astype(np.float32)
    observations = Observations(signals={"rotation_correct_4": copies}, member=MEMBER, label=np.arange(300) % 2)
    scores = attack(observations, [1, 4])
    assert auc(roc_curve(scores.ravel(), MEMBER[[1, 4]].ravel())) > 0.99
    np.testing.assert_array_equal(attack(observations, [4])[0], scores[1])
    assert area(LabelOnlyAugmentation(kind="rotation")(observations)) == 0.5
    blind = Observations(signals={"rotation_correct_4": np.ones_like(copies)}, member=MEMBER, label=np.zeros(300, int))
    assert auc(roc_curve(attack(blind, [1])[0], MEMBER[1])) == 0.5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("noise?levels=0.1-0.1", r"levels is \(0.1, 0.1\): give at least one, each once"),
        ("bit-flips?levels=0.5-1.5", r"levels is \(0.5, 1.5\): give each above 0 and at most 1"),
        ("noise?levels=0", r"levels is \(0,\): give each above 0"),
        ("noise?copies=0", "copies is 0"),
        ("noise?levels=0.1&protocol=leave-one-out", "a single level needs no references"),
        ("augmentation-translation?size=0", "size is 0"),
        ("augmentation-rotation-network?shadows=0", "shadows is 0"),
    ],
)
def test_a_value_out_of_range_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        lookup(name)
