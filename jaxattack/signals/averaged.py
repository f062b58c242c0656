"""A question asked again and again, and its answers averaged: what a defence that draws afresh lets an attacker do.

Fresh noise of variance v on confidences leaves v / n in the mean of n answers; noise that belongs to the record stays as it is.
Where labels alone are answered the mean is of labels: the share of the answers that each class has.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxattack.signals.phi import Phi
from jaxattack.signals.scores import TINY, Labels, completed
from jaxattack.types import Answer, InputError, Sight, Signal, View, at_least, config


class Mean:
    """A view of a model whose answers are each the mean of several; confidences, whose label is the largest."""

    def __init__(self, view: View, times: int, classes: int):
        """Look at a model that answers with so many classes so many times."""
        self._view, self._times, self._classes = view, times, classes
        self.model, self.variables = view.model, view.variables
        self.refuses = view.refuses
        self.floor = max(TINY, view.floor / math.sqrt(times))  # below it float32 has no logarithm

    def answer(self, x: jax.Array, repetition: jax.Array | None = None) -> Answer:
        """As `jaxattack.types.View`."""
        first = 1 if repetition is None else 1 + repetition * self._times

        def add(total, number):
            answer = self._view.answer(x, first + number)
            return total + self._scores(answer), None

        start = jnp.zeros((len(x), self._classes))
        total, _ = jax.lax.scan(add, start, jnp.arange(self._times))
        mean = total / self._times
        label = jnp.argmax(mean, axis=1)
        return Answer(label, mean)  # pyright: ignore[reportArgumentType] (traced)

    def _scores(self, answer: Answer) -> jax.Array:
        if answer.logit is not None:
            return jax.nn.softmax(jnp.asarray(answer.logit))
        if answer.probability is not None:
            return completed(jnp.asarray(answer.probability))
        return jax.nn.one_hot(answer.label, self._classes)


@config
class Averaged:
    """Another signal, read of the mean of so many answers to each question.

    Attributes:
        signal: what is read; not itself of averaged answers.
        times: answers that are averaged, at least 2.

    Raises:
        InputError: a value out of range, or an averaged signal.
    """

    paper: ClassVar[str] = "common practice"

    signal: Signal = field(default=Phi(), metadata={"example": "jaxattack.signals.Phi()"})
    times: int = 16

    def __post_init__(self) -> None:
        at_least(2, times=self.times)
        if isinstance(self.signal, Averaged):
            raise InputError(f"signal is {self.signal.name}, which is averaged already: give more times.")
        if self.signal.sees in ("logit", "weights"):
            raise InputError(
                f"signal is {self.signal.name}, which sees {self.signal.sees} and no answers: give another."
            )

    @property
    def name(self) -> str:
        """``phi_mean16`` for phi of 16 answers."""
        return f"{self.signal.name}_mean{self.times}"

    @property
    def sees(self) -> Sight:
        """What the signal sees."""
        return self.signal.sees

    @property
    def queries(self) -> int:
        """Those of the signal, so many times."""
        return self.times * self.signal.queries

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Float[jax.Array, "record *value"]:
        """As `jaxattack.types.Signal`."""
        classes = jax.eval_shape(lambda x: view.model.apply(view.variables, x), x).shape[1]
        return self.signal(Mean(view, self.times, classes), x, y, key)
