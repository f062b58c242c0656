"""An owner whose victim knows its noisy labels by heart, references of his, and independent models: one small sweep."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np

from jaxattack.models import build
from jaxattack.oracle import from_model, rounded
from jaxattack.training import Recipe, train_ensemble
from jaxattack.types import Dataset, Inputs, Model, Owner, Variables, WhiteBox

FEATURES, CLASSES, MEMBERS = 12, 3, 60
REFERENCES, INDEPENDENTS = 19, 12
INPUTS = Inputs.box(-6, 6, (FEATURES,))
NETWORK: Model = build("mlp:24", (FEATURES,), CLASSES)
RECIPE = Recipe(epochs=60, batch=30, learning_rate=1e-2)


@cache
def recordings() -> Dataset:
    """Gaussian classes whose labels are drawn anew for a third: the members' first, those held out, those of the public."""
    rng = np.random.default_rng(3)
    y = rng.integers(CLASSES, size=6 * MEMBERS)
    x = rng.normal(size=(len(y), FEATURES)) + 1.2 * np.eye(CLASSES, FEATURES)[y]
    y = np.where(rng.random(len(y)) < 1 / 3, rng.integers(CLASSES, size=len(y)), y)
    return Dataset(x=x.astype(np.float32), y=y, classes=CLASSES, name="noisy")


def part(first: int, last: int) -> Dataset:
    return recordings().take(slice(first * MEMBERS, last * MEMBERS))


@cache
def sweep() -> Variables:
    """The victim, the references, the independents: all of as many members, all but the victim's of the public."""
    rng = np.random.default_rng(4)
    member = np.zeros((1 + REFERENCES + INDEPENDENTS, len(recordings())), bool)
    member[0, :MEMBERS] = True
    for row in member[1:]:
        row[2 * MEMBERS + rng.permutation(4 * MEMBERS)[:MEMBERS]] = True
    return train_ensemble(NETWORK, RECIPE, recordings(), member)[0].variables


def rows(first: int, last: int) -> Variables:
    return jax.tree.map(lambda leaf: leaf[first:last], sweep())


def box(variables: Variables) -> WhiteBox:
    return WhiteBox(model=NETWORK, variables=variables, inputs=INPUTS, classes=CLASSES)


@cache
def owner(references: int = REFERENCES) -> Owner:
    victim = jax.tree.map(lambda leaf: leaf[0], sweep())
    return Owner(
        victim=box(victim),
        members=part(0, 1),
        held_out=part(1, 2),
        public=part(2, 6),
        references=rows(1, 1 + references),
    )


def independents() -> list[Variables]:
    first = 1 + REFERENCES
    return [jax.tree.map(lambda leaf: leaf[number], sweep()) for number in range(first, first + INDEPENDENTS)]  # noqa: B023


def answering(variables: Variables, level="probability", decimals: int | None = None):
    oracle = from_model(NETWORK, variables, inputs=INPUTS, classes=CLASSES, level=level, precision="float32")
    return oracle if decimals is None else rounded(oracle, decimals)
