"""The adversary of adversarial training, and whether a model that was trained against it stands up to a better one.

Everything is traceable. Sizes are shares of each feature's range, as in `jaxattack.perturb`, which stands above training and is not
imported here.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from jaxattack.training.images import as_input
from jaxattack.types import Model, Variables

PGD_STEPS = 20
"""Of the better adversary: PGD-20 is what the field reports."""
SINGLE_STEP = 1.0
"""Of the size, the length of FGSM's step."""
COLLAPSE = 0.5
"""A model whose accuracy under PGD is below so much of that under FGSM has overfitted to one step. Of five ways to train digits
(scripts/robustness.py) four keep .93 of it or more, and the one that has collapsed .03."""
STANDING = 0.3
"""A model whose accuracy under FGSM is below so much of its own stands up to nothing, and has no defence against one step to have
overfitted to. Where the accuracy under PGD is below half of that under FGSM, networks on digits that were never trained by single
steps (two, and one trained by seven, attacked with .15 to .3 of the range) have at most .24 of theirs under FGSM, and three trained
by single steps of .3 at least .37."""


class Ascent(NamedTuple):
    """What an adversary does with a record.

    Attributes:
        size: how far it goes in each feature, a share of the range.
        steps: that it takes.
        rate: the length of each.
    """

    size: float
    steps: int
    rate: float


class Box(NamedTuple):
    """Where records may be.

    Attributes:
        low: the smallest value of each feature.
        high: the largest.
    """

    low: Float[jax.Array, "1 *feature"]
    high: Float[jax.Array, "1 *feature"]


class Resistance(NamedTuple):
    """The accuracy of a model.

    Attributes:
        clean: on the records themselves.
        fgsm: after one step of the whole size.
        pgd: after `PGD_STEPS` steps of a quarter of it, from a random start.
    """

    clean: float
    fgsm: float
    pgd: float

    @property
    def collapsed(self) -> bool:
        """Whether it stands up to one step and not to several: catastrophic overfitting."""
        return self.fgsm >= STANDING * self.clean and self.pgd < COLLAPSE * self.fgsm

    @property
    def sentence(self) -> str:
        """What is wrong with it; empty for nothing."""
        if not self.collapsed:
            return ""
        return (
            f"the model is right about {self.fgsm:.0%} after one step and about {self.pgd:.0%} after {PGD_STEPS}: it has overfitted "
            "to one step (catastrophic overfitting). Train it with more steps, with a shorter one, or within a smaller ball."
        )


def box_of(x: Shaped[jax.Array, "record *feature"]) -> Box:
    """The range of records as they are stored: bytes are -1 to 1 to a network, whichever there are."""
    if x.dtype == jnp.uint8:
        one = jnp.ones((1,) * x.ndim)
        return Box(-one, one)
    return Box(x.min(axis=0, keepdims=True), x.max(axis=0, keepdims=True))


def ascend(
    model: Model,
    variables: Variables,
    ascent: Ascent,
    box: Box,
    x: Float[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    key: PRNGKeyArray | None,
) -> Float[jax.Array, "record *feature"]:
    """Records moved up the cross entropy of their labels, along the sign of its gradient.

    Args:
        model: the architecture, asked as it is deployed: without dropout, and with its running statistics.
        variables: what it has learnt so far.
        ascent: how far.
        box: where they stay.
        x: records, as a network takes them.
        y: their labels.
        key: of the random start in the ball; None to start at the records.
    """
    span = box.high - box.low
    least, most = jnp.maximum(box.low, x - ascent.size * span), jnp.minimum(box.high, x + ascent.size * span)
    start = x
    if key is not None:
        start = jnp.clip(x + ascent.size * span * jax.random.uniform(key, x.shape, x.dtype, -1, 1), least, most)

    def loss(x):
        log_p = jax.nn.log_softmax(model.apply(variables, x))
        return -jnp.take_along_axis(log_p, y[:, None], axis=1).sum()

    def step(_, now):
        return jnp.clip(now + ascent.rate * span * jnp.sign(jax.grad(loss)(now)), least, most)

    return jax.lax.fori_loop(0, ascent.steps, step, start)


def resistance(
    model: Model,
    variables: Variables,
    x: Shaped[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    *,
    size: float,
    seed: int = 0,
) -> Resistance:
    """The accuracy of one model on records, and under two adversaries.

    Args:
        model: the architecture.
        variables: what it learnt.
        x: records as they are stored.
        y: their labels.
        size: of the ball, a share of the range.
        seed: of PGD's random start.
    """
    return Resistance(*map(float, _accuracies(model, variables, jnp.asarray(x), jnp.asarray(y), size, seed)))


@partial(jax.jit, static_argnames="model")
def _accuracies(model: Model, variables: Variables, x, y, size, seed) -> tuple[jax.Array, ...]:
    box, clean = box_of(x), as_input(x)
    single = ascend(model, variables, Ascent(size, 1, SINGLE_STEP * size), box, clean, y, None)
    several = ascend(model, variables, Ascent(size, PGD_STEPS, size / 4), box, clean, y, jax.random.key(seed))
    return tuple((model.apply(variables, each).argmax(axis=1) == y).mean() for each in (clean, single, several))
