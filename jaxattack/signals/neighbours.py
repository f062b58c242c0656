"""What a model says around a record.

    noise_robustness    share of noisy copies of a record that keep its label; 0 where it is wrong itself
                        (Choquette-Choo et al. 2021)
    flip_robustness     the same of copies some of whose bits are flipped
    merlin              share of noisy copies whose loss is larger than the record's own (Jayaraman et al. 2021)
    view_correct        1 where a view of the record is answered with its label (Choquette-Choo et al. 2021)

Noise is Gaussian, on the record as the network takes it (pictures -1 to 1, tables as they are); bits are the values 0 and 1
of a table. Both are the same for every model: what differs between models is the model. For a linear model of two classes
the expected share of the first is Phi(margin / sigma). A share has one value more than there are copies, and so many points
has its ROC.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxattack.signals.loss import Loss
from jaxattack.signals.scores import Labels, Values
from jaxattack.types import Answer, InputError, Sight, View, above_zero, at_least, config, number_in_name


class Repeated:
    """A view whose answers are those to one repetition of a question, for defences that draw afresh."""

    def __init__(self, view: View, repetition: jax.Array):
        """Look at a model for the so-manyth time."""
        self._view, self._repetition = view, repetition
        self.model, self.variables = view.model, view.variables
        self.floor, self.refuses = view.floor, view.refuses

    def answer(self, x: jax.Array, repetition: jax.Array | None = None) -> Answer:  # noqa: ARG002 (it is known)
        """As `jaxattack.types.View`."""
        return self._view.answer(x, self._repetition)


def add_noise(sigma: float, key: jax.Array, x: jax.Array) -> jax.Array:
    """A record plus normal noise of a standard deviation."""
    return x + sigma * jax.random.normal(key, x.shape)


def flip_bits(probability: float, key: jax.Array, x: jax.Array) -> jax.Array:
    """A record each of whose zeros and ones is the other with a probability; what is neither stays."""
    flipped = jax.random.bernoulli(key, probability, x.shape) & ((x == 0) | (x == 1))
    return jnp.where(flipped, 1 - x, x)


def share_of_copies(
    count: int,
    copy: Callable[[jax.Array, jax.Array], jax.Array],
    view: View,
    x: jax.Array,
    keys: Any,
    holds: Callable[[View, jax.Array], jax.Array],
) -> Values:
    """The share of copies of each record for which something holds; one copy is in memory at a time.

    Args:
        count: copies of a record.
        copy: (a key, a record) -> a copy of it that is disturbed at random.
        view: the model.
        x: the records.
        keys: one of each record.
        holds: (a view, the copies) -> Bool["record"].
    """

    def add(total, number):
        copies = jax.vmap(lambda key, record: copy(jax.random.fold_in(key, number), record))(keys, x)
        return total + holds(Repeated(view, number), copies).astype(total.dtype), None

    total, _ = jax.lax.scan(add, jnp.zeros(len(x)), 1 + jnp.arange(count))
    return total / count


def robustness(
    count: int, copy: Callable[[jax.Array, jax.Array], jax.Array], view: View, x: jax.Array, y: Labels, keys: Any
) -> Values:
    """The share of copies that keep a record's label; 0 where it is wrong itself (arguments as for `share_of_copies`)."""
    share = share_of_copies(count, copy, view, x, keys, lambda one, copies: one.answer(copies).label == y)
    return share * (view.answer(x).label == y).astype(share.dtype)


class _Noisy:
    """What is asked about copies of each record with Gaussian noise."""

    family: ClassVar[str]
    copies: int
    sigma: float

    def __post_init__(self) -> None:
        at_least(1, copies=self.copies)
        above_zero(sigma=self.sigma)

    @property
    def queries(self) -> int:
        """The record and its copies."""
        return 1 + self.copies

    @property
    def name(self) -> str:
        """The family, copies, sigma, as ``merlin_100_0.01``."""
        return f"{self.family}_{self.copies}_{number_in_name(self.sigma)}"


@config
class NoiseRobustness(_Noisy):
    """The share of noisy copies that keep a record's label.

    Attributes:
        copies: of a record, at least 1; the paper's code asks 2,500.
        sigma: standard deviation of the noise, above 0.

    Raises:
        InputError: a value out of range.
    """

    family: ClassVar[str] = "noise_robustness"
    paper = "Choquette-Choo et al. 2021"

    copies: int = 100
    sigma: float = 0.1

    @property
    def sees(self) -> Sight:
        """Labels are enough."""
        return "label"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:
        """As `jaxattack.types.Signal`."""
        return robustness(self.copies, partial(add_noise, self.sigma), view, x, y, key)


@config
class FlipRobustness:
    """The share of copies with flipped bits that keep a record's label.

    Values that are neither 0 nor 1 stay as they are.

    Attributes:
        copies: of a record, at least 1; the paper's code asks 10,000.
        probability: with which each bit is flipped, above 0 and at most 1.

    Raises:
        InputError: a value out of range; when it is asked, pictures, which have no bits.
    """

    paper = "Choquette-Choo et al. 2021"

    copies: int = 100
    probability: float = 0.03

    def __post_init__(self) -> None:
        at_least(1, copies=self.copies)
        above_zero(probability=self.probability)
        if self.probability > 1:
            raise InputError(f"probability is {self.probability:g}: give at most 1.")

    @property
    def sees(self) -> Sight:
        """Labels are enough."""
        return "label"

    @property
    def queries(self) -> int:
        """The record and its copies."""
        return 1 + self.copies

    @property
    def name(self) -> str:
        """``flip_robustness_100_0.03``: copies, probability."""
        return f"flip_robustness_{self.copies}_{number_in_name(self.probability)}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:
        """As `jaxattack.types.Signal`.

        Raises:
            InputError: pictures.
        """
        if x.ndim > 2:
            raise InputError(
                f"{self.name} flips zeros and ones of a table, and records are pictures: add noise instead."
            )
        return robustness(self.copies, partial(flip_bits, self.probability), view, x, y, key)


@config
class MerlinRatio(_Noisy):
    """The share of noisy copies whose loss is larger than the record's own: 1 at a minimum, about half on a slope.

    Attributes:
        copies: of a record, at least 1; the paper's 100.
        sigma: standard deviation of the noise, above 0; the paper's 0.01, on inputs of its own scale.

    Raises:
        InputError: a value out of range.
    """

    family: ClassVar[str] = "merlin"
    paper = "Jayaraman et al. 2021"

    copies: int = 100
    sigma: float = 0.01

    @property
    def sees(self) -> Sight:
        """Confidences."""
        return "probability"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:
        """As `jaxattack.types.Signal`."""
        own = Loss()(view, x, y, None)
        return share_of_copies(
            self.copies,
            partial(add_noise, self.sigma),
            view,
            x,
            key,
            lambda one, copies: Loss()(one, copies, y, None) > own,
        )


@config
class ViewCorrectness:
    """Whether each view of a record is answered with its label: what `jaxattack.signals.Correct` says of the record alone."""

    name = "view_correct"
    paper = "Choquette-Choo et al. 2021"
    queries = 1

    @property
    def sees(self) -> Sight:
        """Labels are enough."""
        return "label"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:  # noqa: ARG002
        """As `jaxattack.types.Signal`."""
        return (view.answer(x).label == y).astype(jnp.float32)
