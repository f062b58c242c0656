"""Copies start from the victim or from nothing, as they say, and a seed's copy is its own; each beside a twin by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest

from jaxattack.models import Architecture, build
from jaxattack.models.activations import last_layer
from jaxattack.training import Recipe, train_ensemble, train_one
from jaxattack.training.copies import (
    COPIES,
    AdversariallyTuned,
    Copy,
    Distilled,
    Extracted,
    FineTuned,
    Pruned,
    Quantised,
    Retrained,
    make_copies,
)
from jaxattack.types import Dataset, InputError

SOURCE = Architecture(name="mlp:8-6")
RECIPE = Recipe(epochs=3, batch=16)
SHAPE, CLASSES, RECORDS = (5,), 3, 48


@cache
def records() -> Dataset:
    rng = np.random.default_rng(0)
    y = rng.integers(CLASSES, size=RECORDS)
    x = rng.normal(size=(RECORDS, *SHAPE)) + 2 * np.eye(CLASSES, *SHAPE)[y]
    return Dataset(x=x.astype(np.float32), y=y, classes=CLASSES, name="blobs")


@cache
def victim():
    return train_one(SOURCE, RECIPE, records(), np.ones(RECORDS, bool), seed=7)


@cache
def answers() -> np.ndarray:
    model = build(SOURCE.name, SHAPE, CLASSES)
    return np.asarray(jax.nn.softmax(model.apply(victim(), records().x)))


@cache
def made(copy: Copy, copies: int = 2, **changes):
    held = replace(records(), **{name: np.asarray(value) for name, value in changes.items()})
    return make_copies(
        copy,
        SOURCE,
        RECIPE,
        held,
        copies=copies,
        seed=1,
        victim=victim(),
        answers=answers() if copy.questions else None,
    )


def leaves(variables, number=None):
    return [np.asarray(leaf if number is None else leaf[number]) for leaf in jax.tree.leaves(variables.params)]


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_every_copy_is_made_and_differs_by_its_seed_alone(copy):
    both = made(copy)
    count = 2 if copy.random else 1
    assert {len(leaf) for leaf in leaves(both.variables)} == {count}
    passes = 0 if isinstance(copy, Quantised) else getattr(copy, "epochs", RECIPE.epochs)
    assert both.steps == passes * (1 + getattr(copy, "attack_steps", 0)) * (RECORDS // RECIPE.batch)
    if copy.random:
        assert any((leaf[0] != leaf[1]).any() for leaf in leaves(both.variables))


def test_a_copy_does_not_depend_on_how_many_there_are():
    three, two = made(FineTuned(), copies=3), made(FineTuned())
    for more, fewer in zip(leaves(three.variables), leaves(two.variables), strict=True):
        np.testing.assert_array_equal(more[:2], fewer)


def test_retraining_is_what_a_sweep_of_as_many_models_trains():
    sweep = train_ensemble(SOURCE, RECIPE, records(), np.ones((2, RECORDS), bool), seed=1)[0]
    for own, theirs in zip(leaves(made(Retrained()).variables), leaves(sweep.variables), strict=True):
        np.testing.assert_array_equal(own, theirs)


def test_the_last_layer_alone_is_tuned_and_all_are_where_all_are_meant():
    for layers, tuned in (("last", [False] * 4 + [True] * 2), ("all", [True] * 6)):
        copy = leaves(made(FineTuned(layers=layers)).variables, 0)
        assert [bool((own != theirs).any()) for own, theirs in zip(copy, leaves(victim()), strict=True)] == tuned


def test_adversarial_training_leaves_a_copy_that_one_step_fools_less():
    model = build(SOURCE.name, SHAPE, CLASSES)
    x, y = records().x, records().y
    size = 0.1 * np.ptp(x, axis=0)[None]

    def fooled(variables):
        def loss(x):
            return -jax.nn.log_softmax(model.apply(variables, x))[np.arange(RECORDS), y].sum()

        moved = x + size * np.sign(jax.grad(loss)(x))
        return float(loss(moved) - loss(x))

    tuned = {kind: jax.tree.map(lambda leaf: leaf[0], made(copy).variables) for kind, copy in (
        ("adversarial", AdversariallyTuned()), ("plain", FineTuned()),
    )}  # fmt: skip
    assert fooled(tuned["adversarial"]) < 0.9 * fooled(tuned["plain"])


def test_pruning_takes_out_the_smallest_weights_of_the_victim():
    weights = np.concatenate([np.abs(leaf).ravel() for leaf in leaves(victim()) if leaf.ndim > 1])
    mark = np.sort(weights)[len(weights) // 2]
    for own, theirs in zip(leaves(made(Pruned()).variables, 0), leaves(victim()), strict=True):
        if own.ndim > 1:
            np.testing.assert_array_equal(own == 0, np.abs(theirs) < mark)


@pytest.mark.parametrize("bits", [2, 8])
def test_quantised_weights_lie_on_the_grid_nearest_to_the_victim(bits):
    for own, theirs in zip(leaves(made(Quantised(bits=bits)).variables, 0), leaves(victim()), strict=True):
        if own.ndim == 1:
            np.testing.assert_array_equal(own, theirs)
            continue
        grid = np.linspace(-1, 1, 2**bits - 1) * np.abs(theirs).max()
        nearest = grid[np.abs(theirs[..., None] - grid).argmin(axis=-1)]
        np.testing.assert_allclose(own, nearest, atol=1e-6)


def test_extraction_reads_no_label():
    wrong = tuple((records().y + 1) % CLASSES)
    for own, theirs in zip(
        leaves(made(Extracted()).variables), leaves(made(Extracted(), y=wrong).variables), strict=True
    ):
        np.testing.assert_array_equal(own, theirs)


@pytest.mark.parametrize(
    ("name", "shape", "last"),
    [("cnn:3", (6, 6, 1), "head"), ("softmax", (4,), "layers")],
)
def test_the_last_layer_is_the_one_that_makes_the_logits(name, shape, last):
    model = build(name, shape, 3)
    variables = model.init(jax.random.key(0))
    mask = last_layer(model, variables, jax.numpy.zeros((1, *shape)))
    paths = jax.tree_util.tree_leaves_with_path(mask)
    tuned = {jax.tree_util.keystr(path, simple=True, separator=".") for path, free in paths if free}
    assert len(tuned) == 2
    assert all(path.startswith(last) for path in tuned)


def test_what_is_missing_is_named():
    for copy, text in (
        (FineTuned(), "starts from the victim's weights"),
        (Extracted(), "learns what the victim answers"),
    ):
        with pytest.raises(InputError, match=text):
            make_copies(copy, SOURCE, RECIPE, records(), copies=1)
    for kind, field in (
        (FineTuned, {"epochs": 0}), (FineTuned, {"learning_rate": 0.0}), (AdversariallyTuned, {"size": 1.5}), (Pruned, {"share": 1.0}), (Quantised, {"bits": 1}),
        (Distilled, {"share": 2.0}), (Distilled, {"temperature": 0.0}), (Extracted, {"budget": 0}), (Retrained, {"network": "mlp"}),
    ):  # fmt: skip
        with pytest.raises(InputError):
            kind(**field)
