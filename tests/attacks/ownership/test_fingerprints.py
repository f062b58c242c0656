"""IPGuard's points on the boundary of linear models, conferrable examples by hand, key sets and their exact p-value."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from attacks.evasion.linear_victims import FEATURES, INPUTS, LINEAR, SPAN, records, victim
from attacks.ownership.owners import answering, independents, owner
from scipy.special import softmax
from scipy.stats import binom

from jaxattack.attacks.ownership import EntangledWatermark, Watermark
from jaxattack.attacks.ownership.conferrable import conferrable
from jaxattack.attacks.ownership.ipguard import boundary_points
from jaxattack.attacks.ownership.watermark import binomial_p_value
from jaxattack.training.images import as_input
from jaxattack.types import Dataset

CLASSES = 3


def linear(seed=0, **options):
    """A linear model of three classes whose boundaries pass the records at some distance."""
    return victim(np.random.default_rng(seed).standard_normal((FEATURES, CLASSES)), np.zeros(CLASSES), **options)


@pytest.mark.parametrize("margin", [0.0, 2.0])
def test_points_of_a_linear_model_lie_over_its_boundary_by_the_margin(margin):
    both = linear()
    x, y = records(both, 40)
    other = (y + 1) % CLASSES
    rate = 1e-3
    points = boundary_points(both.box, x, y, other, margin=margin, steps=2000, rate=rate)
    assert (points.objective == 0).all()
    z, rows = points.x @ both.weight, np.arange(len(x))
    over = z[rows, other] - z[rows, y]
    # A step of Adam moves each feature by the rate at most, and a little more at first.
    step = 1.1 * rate * SPAN * np.abs(both.weight[:, other] - both.weight[:, y]).sum(axis=0)
    assert (over >= margin - 1e-4).all()
    third = 3 - y - other
    alone = z[rows, y] - z[rows, third] > 2 * step  # where the third class never came between
    assert alone.sum() > 5
    assert (over <= margin + step + 1e-4)[alone].all()
    assert (z[rows, y] >= z[rows, third] - 1e-4).all()
    assert (points.x >= -2).all()
    assert (points.x <= 6).all()


def test_points_do_not_depend_on_one_another():
    both = linear()
    x, y = records(both, 9)
    other = (y + 1) % CLASSES
    together = boundary_points(both.box, x, y, other, margin=1.0, steps=300)
    alone = boundary_points(both.box, x[5:6], y[5:6], other[5:6], margin=1.0, steps=300)
    np.testing.assert_allclose(together.x[5], alone.x[0], atol=1e-5)
    assert together.steps[5] == alone.steps[0]


def test_conferrability_is_what_the_ensembles_say_of_the_example():
    rng = np.random.default_rng(0)
    both, inputs = linear(), INPUTS
    weights = (
        both.weight + 0.3 * rng.standard_normal((3, FEATURES, CLASSES)),
        rng.standard_normal((4, FEATURES, CLASSES)),
    )
    surrogates, references = (
        both.box.variables._replace(
            params={"weight": jnp.asarray(part, jnp.float32), "bias": jnp.zeros((len(part), CLASSES), jnp.float32)}
        )
        for part in weights
    )
    x, y = records(both, 30)
    ensembles = both.box.variables, surrogates, references

    def by_hand(x):
        copies = (softmax(x @ both.weight, axis=1) + softmax(x @ weights[0], axis=2).mean(axis=0)) / 2
        each = copies * (1 - softmax(x @ weights[1], axis=2).mean(axis=0))
        each[np.arange(len(x)), y] = 0
        return each

    before = by_hand(x).max(axis=1)
    for size in (0.05, 0.2):
        examples = conferrable(LINEAR, ensembles, x, y, inputs, size=size, steps=30)
        np.testing.assert_allclose(examples.score, by_hand(examples.x).max(axis=1), atol=1e-4)
        np.testing.assert_array_equal(examples.target, by_hand(examples.x).argmax(axis=1))
        assert np.abs(examples.x - x).max() <= size * SPAN + 1e-4
        assert (examples.score >= before - 1e-5).all()
        before = examples.score
    assert (examples.target != y).all()
    assert examples.score.mean() > by_hand(x).max(axis=1).mean() + 0.1
    pushed = x + 0.2 * SPAN * np.sign(rng.standard_normal((500, *x.shape)))
    at_random = np.stack([by_hand(np.clip(one, -2, 6)).max(axis=1) for one in pushed]).max(axis=0)
    assert (examples.score > at_random - 0.05).mean() > 0.5  # slopes stop at a class that 500 draws of a corner pass


@pytest.mark.parametrize(("hits", "keys", "classes"), [(0, 10, 3), (10, 10, 3), (17, 100, 10), (100, 100, 2)])
def test_the_p_value_of_a_key_set_is_the_binomial_tail(hits, keys, classes):
    assert binomial_p_value(hits, keys, 1 / classes) == pytest.approx(binom.sf(hits - 1, keys, 1 / classes))


def test_an_independent_model_matches_random_labels_by_chance():
    rng = np.random.default_rng(0)
    x = rng.random((50, 6)).astype(np.float32)
    members = Dataset(x=x, y=rng.integers(3, size=50), classes=3, name="any")
    both = linear()
    p = []
    for seed in range(400):
        keys = Watermark(keys=40).draw(members, seed)
        p.append(binomial_p_value(int((both.label(keys.x) == keys.y).sum()), 40, 1 / 3))
    assert (np.array(p) <= 0.05).mean() <= 0.08


def test_no_draw_of_labels_accuses_independent_models_together():
    """The unluckiest of 60 draws accused 4 of 12, as the owner's own references show beforehand."""
    alone, guarded = [], []
    for seed in range(60):
        test = Watermark(keys=30)
        evidence = test.prepare(owner(), seed=seed)
        suspects = [answering(variables, level="label") for variables in independents()]
        proofs = [test(suspect, evidence, seed=seed) for suspect in suspects]
        hits = np.array([proof.notes["matches"] for proof in proofs])
        alone.append(np.mean([binomial_p_value(int(hit), 30, 1 / 3) <= 0.05 for hit in hits]))
        guarded.append(np.mean([proof.p_value <= 0.05 for proof in proofs]))
    assert max(alone) > 0.3
    assert max(guarded) <= 0.1
    assert np.mean(guarded) <= np.mean(alone)


@pytest.mark.parametrize("test", [Watermark(keys=12), EntangledWatermark(keys=12)])
def test_keys_lie_behind_the_records_and_are_found_again(test):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (30, 4, 4, 1)).astype(np.uint8)
    members = Dataset(x=x, y=np.arange(30) % 3, classes=3, name="pictures", ids=tuple(map(str, range(30))))
    marked = test.mark(members, seed=3)
    np.testing.assert_array_equal(marked.x[:30], x)
    assert marked.x.dtype == np.uint8
    assert len(marked) == 42
    scaled = Dataset(x=np.asarray(as_input(jnp.asarray(x))), y=members.y, classes=3, name="scaled")
    keys = test.draw(scaled, 3)
    np.testing.assert_array_equal(keys.x, np.asarray(as_input(jnp.asarray(marked.x[30:]))))
    np.testing.assert_array_equal(keys.y, marked.y[30:])
    assert not np.array_equal(test.mark(members, seed=4).x[30:], marked.x[30:])


def test_a_key_is_made_of_the_features_of_several_records():
    members = Dataset(x=np.arange(60.0).reshape(20, 3).astype(np.float32), y=np.arange(20) % 2, classes=2, name="rows")
    keys = Watermark(keys=50).draw(members, 0)
    np.testing.assert_array_equal(keys.x % 3, np.resize([0, 1, 2], (50, 3)))  # each feature is its own column's
    assert (keys.x // 3 != keys.x[:, :1] // 3).any(axis=1).mean() > 0.9


def test_a_trigger_sets_the_same_features_to_their_largest_values_and_keys_have_one_label():
    rng = np.random.default_rng(1)
    members = Dataset(x=rng.random((40, 10)).astype(np.float32), y=np.arange(40) % 4, classes=4, name="rows")
    keys = EntangledWatermark(keys=25, trigger=0.3).draw(members, 0)
    spot = (keys.x == members.x.max(axis=0)).all(axis=0)
    assert spot.sum() == 3
    assert len(set(keys.y)) == 1
    rest = members.x[members.y != keys.y[0]][:, ~spot]
    assert all((rest == one).all(axis=1).any() for one in keys.x[:, ~spot])
