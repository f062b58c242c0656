from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxattack.data import Halves, load
from jaxattack.models import from_nnx, in_precision
from jaxattack.models.layers import batch_norm, last
from jaxattack.training import Placement, Recipe, observe_one, train_ensemble

DIGITS = load("digits").take(np.arange(600))
MEMBER = Halves()(4, len(DIGITS), 0)
RECIPE = Recipe(epochs=6, batch=50, learning_rate=5e-3)


class Normed(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(64, 32, rngs=rngs)
        self.norm = batch_norm(32, rngs)
        self.last = last(32, 10, rngs)

    def __call__(self, x):
        return self.last(nnx.relu(self.norm(self.first(x.reshape(len(x), -1)))))


MODEL = from_nnx(Normed)


@pytest.fixture(scope="module")
def both():
    return [
        train_ensemble(
            MODEL, replace(RECIPE, precision=precision), DIGITS, MEMBER, placement=Placement(chunk=4, vmap=1)
        )
        for precision in ("float32", "bfloat16")
    ]


def test_bfloat16_learns_as_well_as_float32(both):
    single, low = (observed.signal("correct").mean() for _, observed in both)
    assert single > 0.9
    assert low == pytest.approx(single, abs=0.02)


def test_evidence_in_bfloat16_is_finite_and_about_the_same(both):
    single, low = (observed.signal("phi") for _, observed in both)
    assert np.isfinite(low).all()
    assert low.dtype == np.float32
    assert not np.array_equal(single, low)
    assert np.abs(low).mean() == pytest.approx(np.abs(single).mean(), rel=0.1)


def test_asking_in_bfloat16_changes_the_answer_by_rounding_alone(both):
    variables = jax.tree.map(lambda leaf: leaf[0], both[0][0].variables)
    answers = [
        observe_one(in_precision(MODEL, precision), DIGITS, variables)["phi"] for precision in ("float32", "bfloat16")
    ]
    assert 0 < np.abs(answers[0] - answers[1]).mean() < 0.01


def test_evidence_in_bfloat16_is_not_rounded_to_it(both):
    phi = both[1][1].signal("phi")
    assert len(np.unique(phi)) > 0.95 * phi.size


def test_master_weights_and_batch_statistics_stay_float32(both):
    for trained, _ in both:
        assert {leaf.dtype for leaf in jax.tree.leaves(trained.variables)} == {jnp.dtype("float32")}
    weights = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(both[1][0].variables)])
    # Were they rounded to bfloat16 between steps, the lower 16 bits would be 0.
    assert (weights.view(np.uint32) & 0xFFFF != 0).mean() > 0.9
