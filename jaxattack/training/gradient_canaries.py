"""Canaries that are gradients: a white-box audit of every step of DP-SGD (Nasr et al. 2023, arXiv 2302.07956, section 5).

A canary is a record whose gradient is a fixed direction, whatever the weights: of the loss 10 C <direction, weights>, so that
it has to be clipped to the norm C. It goes through the gradient rule as every record does, is sampled, clipped, summed, noised
and divided with them. Its score is

    sum over steps of <noisy sum - clipped sum of the background, direction> / C

What is taken off, the adversary knows: weights, background and its samples. What is left is 1 for each step that took the
canary, plus normal noise: in orthogonal directions the scores of canaries are independent. At sampling rate 1 the score is
T b + N(0, T s^2), a Gaussian mechanism with mu = sqrt(T) / s exactly, which `jaxattack.metrics.epsilon.gaussian` bounds.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float, PRNGKeyArray

from jaxattack.training.learners.dp_sgd import DPSGD
from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import optimizer
from jaxattack.types import Dataset, InputError, Model, Variables

LENGTH = 10.0
"""A canary's gradient in units of the clip: longer, so that a layer that is not clipped shows."""

Directions = Literal["dirac", "random"]


def draw_directions(
    model: Model, canaries: int, kind: Directions = "dirac", seed: int = 0
) -> Float[np.ndarray, "canary parameter"]:
    """Orthonormal directions in the space of a model's parameters.

    Args:
        model: whose parameters, flattened in the order of their tree.
        canaries: how many, at most as many as parameters.
        kind: dirac, single parameters; or random, uniform over the sphere.
        seed: of the draw.

    Raises:
        InputError: more than there are parameters, or fewer than 1.
    """
    shapes = jax.eval_shape(model.init, jax.random.key(0)).params
    parameters = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    if not 1 <= canaries <= parameters:
        raise InputError(f"canaries is {canaries} and the model has {parameters} parameters: give 1 to that many.")
    rng = np.random.default_rng(seed)
    if kind == "dirac":
        return np.eye(parameters, dtype=np.float32)[rng.choice(parameters, canaries, replace=False)]
    return np.linalg.qr(rng.normal(size=(parameters, canaries)))[0].T.astype(np.float32)


def score_gradient_canaries(
    model: Model,
    learner: Standard,
    dataset: Dataset,
    directions: Float[np.ndarray, "canary parameter"],
    member: Bool[np.ndarray, "model canary"],
    *,
    seed: int = 0,
) -> Float[np.ndarray, "model canary"]:
    """Train a model for each row of coins on all records and the canaries that are in, and score every canary.

    Args:
        model: the architecture.
        learner: a `Standard` whose gradient rule is DP-SGD.
        dataset: the background, in every model.
        directions: orthonormal, as `draw_directions` makes them.
        member: fair coins.
        seed: decides everything random.

    Raises:
        InputError: another gradient rule, no finite clip, or a model that it cannot train.
    """
    rule = learner.gradient
    if not isinstance(rule, DPSGD) or not np.isfinite(rule.clip):
        raise InputError("gradient canaries audit dp-sgd with a finite clip: give Standard(gradient=DPSGD(...)).")
    learner.check(model)
    key = jax.random.key(seed)
    keys = jax.vmap(lambda at: jax.random.fold_in(key, at))(jnp.arange(len(member)))
    x, y = jnp.asarray(dataset.x), jnp.asarray(dataset.y, jnp.int32)
    coins, directions_ = jnp.asarray(member, jnp.float32), jnp.asarray(directions, jnp.float32)
    return np.asarray(_score_all(model, learner, x, y, directions_, coins, keys), np.float64)


@partial(jax.jit, static_argnames=("model", "learner"))
def _score_all(model, learner, x, y, directions, coins, keys):
    one = partial(_score, model, learner, x, y, directions)
    return jax.lax.map(lambda pair: one(*pair), (coins, keys), batch_size=16)


def _score(
    model: Model,
    learner: Standard,
    x: jax.Array,
    y: jax.Array,
    directions: Float[jax.Array, "canary parameter"],
    coins: Float[jax.Array, "canary"],
    key: PRNGKeyArray,
) -> Float[jax.Array, "canary"]:
    """One model's scores; records are handed to the rule as indices, those beyond the background being canaries."""
    rule, recipe, records = learner.gradient, learner.recipe, len(y)
    assert isinstance(rule, DPSGD)
    slots = records + len(coins)
    batch = min(recipe.batch, slots)
    steps = slots // batch
    start = model.init(jax.random.fold_in(key, 0))
    change = optimizer(recipe, recipe.steps(slots))
    member = jnp.concatenate([jnp.ones(records), coins])

    def loss(params, index, labels, weight, key, epoch):
        variables, at = Variables(params, start.rest), index.clip(max=records - 1)
        value, rest = learner.objective(model, variables, x[at], labels, weight, key, epoch)
        along = directions[(index[0] - records).clip(min=0)] @ ravel_pytree(params)[0]
        return jnp.where(index[0] < records, value, LENGTH * rule.clip * along), rest

    def step(state, now):
        params, moments, score = state
        index, weight, number = now
        losing = partial(loss, epoch=number // steps)
        labels = y[index.clip(max=records - 1)]
        random = jax.random.fold_in(jax.random.fold_in(key, 2), number)
        direction, _ = rule(losing, params, (index, labels, weight), batch, random)
        own = weight * (index < records).astype(weight.dtype)
        known, _ = replace(rule, noise=0.0)(losing, params, (index, labels, own), batch, random)
        left = ravel_pytree(jax.tree.map(jnp.subtract, direction, known))[0] * batch
        updates, moments = change.update(direction, moments, params)
        return (optax.apply_updates(params, updates), moments, score + directions @ left / rule.clip), None

    def epoch(state, number):
        order, weight = rule.batches(jax.random.fold_in(jax.random.fold_in(key, 1), number), member, batch, steps)
        return jax.lax.scan(step, state, (order, weight, number * steps + jnp.arange(steps)))[0], None

    state = (start.params, change.init(start.params), jnp.zeros(len(coins)))
    (_, _, score), _ = jax.lax.scan(epoch, state, jnp.arange(recipe.epochs))
    return score
