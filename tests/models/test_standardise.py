"""Models that put tables on their members' scale: against a table scaled by hand, trained alone, mapped and folded."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack import Recipe
from jaxattack.models import build, folded, standardised
from jaxattack.training import Engine, Sweep, train_one
from jaxattack.types import Dataset

COLUMNS = (True, True, False, True)


@pytest.fixture(scope="module")
def raw():
    """A column of thousands, a tiny one, one of 0 and 1, and one that is constant among the members."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    x = np.stack(
        [5000 + 300 * (y + rng.normal(size=80)), 0.01 * rng.normal(size=80), rng.random(80) < 0.5, np.full(80, 5000.1)],
        axis=1,
    )
    member = np.arange(80) % 2 == 0
    x[~member, 3] += 1
    return Dataset(x=x.astype(np.float32), y=y, classes=2, name="raw"), member


def by_hand(raw):
    data, member = raw
    x = data.x.astype(np.float64)
    mean, spread = x[member].mean(axis=0), np.where(np.ptp(x[member], axis=0) > 0, x[member].std(axis=0), 0)
    mean, spread = np.where(COLUMNS, mean, 0), np.where(COLUMNS & (spread > 0), spread, 1)
    return Dataset(x=((x - mean) / spread).astype(np.float32), y=data.y, classes=2, name="scaled")


@pytest.mark.parametrize("name", ["softmax", "mlp:8", "homogeneous:8"])
@pytest.mark.parametrize("recipe", [Recipe(epochs=3, batch=10), Recipe(epochs=3, batch=10, ema=0.9)])
def test_it_learns_as_from_a_table_scaled_by_hand(raw, name, recipe):
    data, member = raw
    model = build(name, (4,), 2)
    learnt = train_one(model, recipe, data, member, columns=COLUMNS)
    expected = train_one(model, recipe, by_hand(raw), member)
    answers = model.apply(expected, jnp.asarray(by_hand(raw).x))
    assert standardised(model, 4).apply(learnt, data.x) == pytest.approx(np.asarray(answers), abs=1e-4)
    assert model.apply(folded(learnt), jnp.asarray(data.x)) == pytest.approx(np.asarray(answers), abs=1e-3)
    assert jax.tree.structure(folded(learnt)) == jax.tree.structure(expected)


def test_each_model_of_a_sweep_has_the_scale_of_its_own_members(raw):
    data, member = raw
    model, recipe = build("mlp:8", (4,), 2), Recipe(epochs=3, batch=10)
    engine = Engine(Sweep(model=model, recipe=recipe, columns=COLUMNS), data, models=2, slots=40)
    (*_, chunk) = engine.run_all(range(2), np.stack([member, ~member]))
    means = np.asarray(chunk.variables.rest.mean)
    assert means[:, 0] == pytest.approx([data.x[member, 0].mean(), data.x[~member, 0].mean()])
    assert means[:, 2].tolist() == [0, 0]
    alone = train_one(model, recipe, data, member, columns=COLUMNS)
    first = jax.tree.map(lambda leaf: leaf[0], chunk.variables)
    assert standardised(model, 4).apply(first, data.x) == pytest.approx(
        np.asarray(standardised(model, 4).apply(alone, data.x)), abs=1e-4
    )
