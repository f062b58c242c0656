"""Records that a model is sure of, climbed to by its answers alone (Shokri et al. 2017, section V-C, algorithm 1).

A chain begins at a random record and looks for one that the target gives class c. Each step asks the target about one record:

    y_c >= best    the record is taken as the best; where y_c > confidence, c is the prediction and u < y_c, for u uniform,
                   it is emitted and the chain ends
    else           one more rejection; after more than ``rejections`` in a row, half as many features are redrawn from now on

and the next record is the best one with some features redrawn at random from what the target documents. All chains go in
lockstep, so that a step is one batch for the target, whoever it is. The paper leaves open when to give up; a chain here ends
without a record after ``queries`` questions, and is counted as such.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import softmax

from jaxattack.types import Answer, BudgetSpent, InputError, Inputs, Oracle, at_least, config


class Synthesis(NamedTuple):
    """What chains have come to.

    Attributes:
        x: the record that each emitted, or the best it had, in the units that the target documents.
        emitted: whether it emitted one.
        confidence: of the target in the class that was looked for, at that record; 0 where nothing was asked.
        queries: asked by each chain.
        complete: whether no chain ended because the target answers no more.
    """

    x: Float[np.ndarray, "chain *feature"]
    emitted: Bool[np.ndarray, "chain"]
    confidence: Float[np.ndarray, "chain"]
    queries: Int[np.ndarray, "chain"]
    complete: bool


@config
class HillClimb:
    """How chains climb; the defaults are the paper's for Purchase, where a record takes it 156 queries.

    Attributes:
        most: features that are redrawn at first; those of a record, where it has fewer.
        fewest: that are.
        rejections: in a row, after more of which half as many features are redrawn.
        confidence: that an emitted record must exceed, 0 to below 1.
        queries: a chain asks before it gives up.

    Raises:
        InputError: a value out of range.
    """

    most: int = 128
    fewest: int = 4
    rejections: int = 10
    confidence: float = 0.2
    queries: int = 1000

    def __post_init__(self) -> None:
        at_least(1, fewest=self.fewest, queries=self.queries)
        at_least(0, rejections=self.rejections)
        if self.most < self.fewest:
            raise InputError(f"most is {self.most} and fewest {self.fewest}: give at least as many.")
        if not 0 <= self.confidence < 1:
            raise InputError(f"confidence is {self.confidence}: give one from 0 to below 1.")

    def __call__(self, victim: Oracle, classes: Int[np.ndarray, "chain"], *, seed: int = 0) -> Synthesis:
        """Climb to a record for each chain.

        Args:
            victim: who answers with confidences or raw outputs.
            classes: the class that each chain looks for.
            seed: of all draws; a chain's depend on it and on the chain's place.

        Raises:
            InputError: a victim that answers labels alone, no chain, or a class that there is not.
        """
        access = victim.access
        if access.level == "label":
            raise InputError("the victim answers labels alone: records are synthesised from confidences.")
        if not len(classes) or classes.min() < 0 or classes.max() >= access.classes:
            raise InputError(f"classes is {classes!r:.60}: give one for each chain, from 0 to {access.classes - 1}.")
        at_least(0, seed=seed)
        chains, size = len(classes), access.inputs.low.size
        key, places = jax.random.key(seed), jnp.arange(chains)
        best_x, best = np.zeros((chains, size), np.float32), np.zeros(chains)
        rejected, redrawn = np.zeros(chains, int), np.full(chains, size)  # the first record is drawn as a whole
        emitted, queries, complete = np.zeros(chains, bool), np.zeros(chains, int), True
        for step in range(self.queries):
            alive = np.flatnonzero(~emitted)
            if not len(alive):
                break
            # Of all chains, so that one program serves every step; those that have ended are not asked.
            share, rank, u = (np.asarray(part)[alive] for part in _propose_all(key, places, step, size))
            x = np.where(rank < redrawn[alive, None], within(access.inputs, share), best_x[alive])
            try:
                p = confidences(victim(x.reshape(-1, *access.inputs.shape)))
            except BudgetSpent:
                complete = False
                break
            queries[alive] += 1
            sure = p[np.arange(len(alive)), classes[alive]]
            better = sure >= best[alive]
            right = (sure > self.confidence) & (p.argmax(axis=1) == classes[alive]) & (u < sure)
            emitted[alive] = better & right
            best_x[alive[better]], best[alive[better]] = x[better], sure[better]
            rejected[alive] = np.where(better, 0, rejected[alive] + 1)
            if not step:
                redrawn[:] = min(self.most, size)
            tired = rejected > self.rejections
            redrawn[tired] = np.maximum(min(self.fewest, size), -(-redrawn[tired] // 2))
            rejected[tired] = 0
        return Synthesis(best_x.reshape(chains, *access.inputs.shape), emitted, best, queries, complete)


def propose(
    key: jax.Array, chain: jax.Array, step: jax.Array, features: int
) -> tuple[Float[jax.Array, "feature"], Int[jax.Array, "feature"], Float[jax.Array, ""]]:
    """What a chain draws at a step: a share of every feature's range, the order in which features are redrawn, and u."""
    share, order, emit = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, chain), step), 3)
    rank = jnp.argsort(jnp.argsort(jax.random.uniform(order, (features,))))
    return jax.random.uniform(share, (features,)), rank, jax.random.uniform(emit)


_propose_all = jax.jit(jax.vmap(propose, in_axes=(None, 0, None, None)), static_argnums=3)


def within(inputs: Inputs, share: Float[np.ndarray, "chain feature"]) -> Float[np.ndarray, "chain feature"]:
    """The values at shares, from 0 to below 1, of the features' ranges; of categories and whole numbers each has as much."""
    low, high, categories = (part.ravel() for part in (inputs.low, inputs.high, inputs.categories))
    value = low + share * (high - low)
    if inputs.whole:
        value = np.floor(low + share * (high - low + 1))
    return np.where(categories > 0, np.floor(share * categories), value).astype(np.float32)


def confidences(answer: Answer) -> Float[np.ndarray, "query cls"]:
    """What was answered as confidences; classes that a service of the top k leaves out have none."""
    if answer.probability is not None:
        return np.nan_to_num(np.asarray(answer.probability, np.float64))
    return np.asarray(softmax(np.nan_to_num(np.asarray(answer.logit, np.float64), nan=-np.inf), axis=1))
