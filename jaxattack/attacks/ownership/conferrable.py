"""Conferrable examples: adversarial for copies of the owner's model and not for independent ones (Lukas et al. 2021).

The owner makes surrogates S, copies of his model by the ways of a thief, and references R, models of others. Of an example x

    Conf(x, t) = S_t(x) (1 - R_t(x))

S_t is how confident the owner's model and the mean surrogate are of class t, half each, R_t the mean reference. From each record,
sign steps within a ball of the max norm raise the log of the largest Conf(x, t), t not the record's label by the owner's model.
The most conferrable examples are kept; a suspect's score is its accuracy on them, with t for the label (arXiv 1912.00888).

All models of an ensemble are asked at once.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.ownership.fingerprint import Fingerprint
from jaxattack.perturb.box import box_of, in_blocks
from jaxattack.perturb.labels import labels_of
from jaxattack.types import Evidence, InputError, Inputs, Model, Owner, Progress, Variables, at_least, config

SIZES = tuple(0.025 * 2**power for power in range(6))
"""Among which an owner chooses, from the paper's for CIFAR-10."""


class Conferrability(NamedTuple):
    """Examples, and how conferrable they are.

    Attributes:
        x: in the units of the records.
        score: the largest Conf(x, t), 0 to 1.
        target: the class t of it.
    """

    x: Float[np.ndarray, "record *feature"]
    score: Float[np.ndarray, "record"]
    target: Int[np.ndarray, "record"]


def conferrable(
    model: Model,
    ensembles: tuple[Variables, Variables, Variables],
    x: Float[np.ndarray, "record *feature"],
    label: Int[np.ndarray, "record"],
    inputs: Inputs,
    *,
    size: float,
    steps: int = 100,
) -> Conferrability:
    """The most conferrable example that the steps pass, of each record.

    Args:
        model: of all.
        ensembles: the owner's model alone, the surrogates and the references; every leaf of the latter two leads with ``model``.
        x: records.
        label: what the owner's model labels them.
        inputs: the range to stay in.
        size: of the ball, as a share of each feature's range.
        steps: of 2.5 size / steps each.
    """
    edges, free = box_of(inputs), (inputs.categories == 0).astype(np.float32)

    def block(x, label):
        return _ascend(model, steps, ensembles, x, label, edges, free, size)

    examples, score, target = in_blocks(block, x, label)
    return Conferrability(examples, score, target.astype(int))


@partial(jax.jit, static_argnames=("model", "steps"))
def _ascend(model: Model, steps: int, ensembles, x: jax.Array, label: jax.Array, box, free, size):
    low, high, span = (part[None] for part in box)
    nearest, farthest = jnp.maximum(low, x - size * span * free[None]), jnp.minimum(high, x + size * span * free[None])

    def confidence(variables, x):
        return jax.nn.softmax(model.apply(variables, x))

    def score(x):
        own, surrogates, references = ensembles
        copies = (confidence(own, x) + jax.vmap(lambda one: confidence(one, x))(surrogates).mean(axis=0)) / 2
        others = jax.vmap(lambda one: confidence(one, x))(references).mean(axis=0)
        at_label = jax.nn.one_hot(label, copies.shape[1])
        each = jnp.where(at_label > 0, 0.0, copies * (1 - others))
        return each.max(axis=1), each.argmax(axis=1)

    def objective(x):
        value, target = score(x)
        return jnp.log(value + 1e-30).sum(), (value, target)

    def best(state, x, value, target):
        better = value > state[1]
        return tuple(
            jnp.where(better.reshape(len(x), *[1] * (new.ndim - 1)), new, old)
            for new, old in zip((x, value, target), state, strict=True)
        )

    def step(_, state):
        now, leader = state
        (_, (value, target)), slope = jax.value_and_grad(objective, has_aux=True)(now)
        leader = best(leader, now, value, target)
        return jnp.clip(now + 2.5 * size / steps * span * jnp.sign(slope), nearest, farthest), leader

    start = x, (x, jnp.full(len(x), -1.0, x.dtype), jnp.zeros(len(x), jnp.int32))
    last, leader = jax.lax.fori_loop(0, steps, step, start)
    return best(leader, last, *score(last))


@config
class Conferrable(Fingerprint):
    """Accuracy on conferrable examples.

    Attributes:
        points: examples, the most conferrable of twice as many.
        steps: of each.
        size: of the ball in the max norm, as a share of each feature's range; None for the smallest of .025 (the paper's for
            CIFAR-10), .05, .1 and so on to .8 at which as many candidates as points have a Conf of one half: an owner who makes
            the points needs not hide the change.

    Raises:
        InputError: a value out of range.
    """

    points: int = 100
    steps: int = 100
    size: float | None = None

    name = "conferrable"
    paper = "Lukas et al. 2021, arXiv 1912.00888"
    surrogates = True
    models = 2

    def __post_init__(self) -> None:
        at_least(1, points=self.points, steps=self.steps)
        if self.size is not None and not 0 < self.size <= 1:
            raise InputError(
                f"size is {self.size}: give a share of each feature's range above 0 and at most 1, or none."
            )

    def prepare(self, owner: Owner, *, seed: int = 0, progress: Progress | None = None) -> Evidence:
        """As `jaxattack.types.OwnershipTest`.

        Raises:
            InputError: no surrogates.
        """
        if owner.surrogates is None:
            raise InputError(f"{self.name} needs copies of the model that its owner made himself: give surrogates.")
        box = owner.victim
        rows = np.resize(np.random.default_rng(seed).permutation(len(owner.members)), 2 * self.points)
        x = owner.members.x[rows]
        label = labels_of(box, x)
        ensembles = box.variables, owner.surrogates, owner.references
        sizes, gradients = SIZES if self.size is None else (self.size,), 0
        for number, size in enumerate(sizes):
            examples = conferrable(box.model, ensembles, x, label, box.inputs, size=size, steps=self.steps)
            gradients += self.steps * len(x) * _models(ensembles)
            if progress:
                progress("sizes", number + 1, len(sizes))
            if (examples.score >= 0.5).sum() >= self.points:
                break
        best = np.argsort(-examples.score, kind="stable")[: self.points]
        points = examples.x[best].astype(np.float32)
        score = examples.score[best]
        return Evidence(
            test=self.name,
            arrays={"x": points, "y": examples.target[best], "classes": np.asarray(box.classes)},
            gradients=gradients,
            notes={
                "size": size,
                "mean conferrability": float(score.mean()),
                "conferrable points": int((score >= 0.5).sum()),
                "accuracy of the owner's model": float((labels_of(box, points) == examples.target[best]).mean()),
            },
        )


def _models(ensembles: tuple[Variables, Variables, Variables]) -> int:
    return 1 + sum(len(jax.tree.leaves(ensemble.params)[0]) for ensemble in ensembles[1:])
