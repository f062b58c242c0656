"""How a user of federated learning trains on its own records before it sends by how much its parameters changed.

    Sgd     change = -rate sum_t u_t,  u_t = momentum u_(t-1) + g_t     McMahan et al. 2017; Polyak 1964, Nesterov 1983
    Adam    change = -rate sum_t m_t / (sqrt(v_t) + eps)                Kingma and Ba 2015, algorithm 1; Reddi et al. 2021

Both start without moments, as clients do that keep no state between rounds (Reddi et al. 2021, algorithm 1).

A first step of Adam is the sign of the gradient: its derivative by the records is zero but where a gradient is about eps, and
a search that follows it stands still. `Adam` is therefore differentiated with v held constant, a straight-through estimator
(Bengio et al. 2013): exact in value, so that the true records still have a distance of zero, and downhill where signs differ.
Digits behind one step of Adam on 512 fixed features, 300 steps of the search: 21 dB, with the exact derivative 14 (n = 4).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from jaxattack.types import InputError, above_zero, config


@config
class Sgd:
    """Gradient descent.

    Attributes:
        momentum: 0 for plain descent, below 1.
        nesterov: whether momentum is Nesterov's.

    Raises:
        InputError: a momentum out of range.
    """

    momentum: float = 0.0
    nesterov: bool = False

    linear = True
    """Whether the change is linear in the gradients, so that ratios within one parameter's gradient stay in it."""

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum is {self.momentum}: give at least 0 and less than 1.")

    def transformation(self) -> optax.GradientTransformation:
        """Of gradients, to what is descended along at rate 1."""
        return optax.trace(self.momentum, self.nesterov) if self.momentum else optax.identity()


PLAIN = Sgd()
"""What users descend by where nothing else is said."""


class _Moments(NamedTuple):
    """Adam's state: steps that were taken, and the decayed sums of gradients and of their squares."""

    step: jax.Array
    mean: Any
    square: Any


@config
class Adam:
    """Adam, each step about the sign of the gradient.

    Attributes:
        b1: decay of the mean, from 0 to below 1.
        b2: decay of the mean square, likewise.
        eps: above 0.

    Raises:
        InputError: a value out of range.
    """

    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    linear = False

    def __post_init__(self) -> None:
        above_zero(eps=self.eps)
        if not (0 <= self.b1 < 1 and 0 <= self.b2 < 1):
            raise InputError(f"b1 is {self.b1} and b2 is {self.b2}: give at least 0 and less than 1.")

    def transformation(self) -> optax.GradientTransformation:
        """`optax.scale_by_adam`, but for the derivative."""

        def init(params: Any) -> _Moments:
            zero = jax.tree.map(jnp.zeros_like, params)
            return _Moments(jnp.float32(0), zero, zero)

        def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, _Moments]:
            del params
            step = state.step + 1
            mean = optax.tree.update_moment(updates, state.mean, self.b1, 1)
            square = optax.tree.update_moment(jax.lax.stop_gradient(updates), state.square, self.b2, 2)
            direction = jax.tree.map(
                lambda m, v: m / (jnp.sqrt(v) + self.eps),
                optax.tree.bias_correction(mean, self.b1, step),
                optax.tree.bias_correction(square, self.b2, step),
            )
            return direction, _Moments(step, mean, square)

        return optax.GradientTransformation(init, update)


@config
class Local:
    """A user's descent over its records in their order, from the first again when all were seen.

    Attributes:
        steps: at least 1.
        learning_rate: above 0.
        batch: records a step.
        optimizer: what makes a step of a gradient.
    """

    steps: int
    learning_rate: float
    batch: int
    optimizer: Sgd | Adam = PLAIN

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise InputError(f"steps is {self.steps} and batch is {self.batch}: a user takes at least 1 of each.")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate is {self.learning_rate}: give a rate above 0.")

    @property
    def reach(self) -> float:
        """How far the steps take a parameter whose gradient is always 1."""
        change = self.optimizer.transformation()
        state, total = change.init(jnp.float32(0)), 0.0
        for _ in range(self.steps):
            direction, state = change.update(jnp.float32(1), state)
            total += float(direction)  # type: ignore[arg-type]
        return self.learning_rate * total

    def weights(self, records: int) -> Float[np.ndarray, "record"]:
        """How much of the change each record makes, of gradients that are alike, with a mean of 1.

        Momentum makes most of the first steps, and records that are read once more than others count for more.

        Args:
            records: of the user, whose optimizer is linear.
        """
        change = self.optimizer.transformation()
        state, total = change.init(jnp.zeros(records)), np.zeros(records)
        for rows in self.batches(records):
            direction, state = change.update(jnp.zeros(records).at[rows].add(1.0), state)
            total += np.asarray(direction)
        return total / total.mean()

    def batches(self, records: int) -> Int[np.ndarray, "step batch"]:
        """The records of each step."""
        return np.arange(self.steps * self.batch).reshape(self.steps, self.batch) % records
