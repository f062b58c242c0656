"""The confidences of an answer, and how far they move where the record moves a little (Yuan and Zhang 2022, arXiv 2202.03335).

    s_c = mean over copies u ~ N(0, I) of |p_c(x + size u) - p_c(x)| / size

For small sizes s_c goes to E|J_c u| = sqrt(2 / pi) |J_c|_2, with J_c the gradient of p_c in the record. The difference is of
float32 confidences: at the authors' size of 1e-3 each has an error of about 1e-4 of its own.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from jaxattack.signals.confidence_vector import require_few_classes
from jaxattack.signals.neighbours import Repeated, add_noise
from jaxattack.signals.posterior import softmax_of
from jaxattack.signals.scores import Labels
from jaxattack.types import Sight, View, above_zero, at_least, config, number_in_name


@config
class Sensitivity:
    """All confidences, then the sensitivity of each, in the order of the classes: ["record value"], two values a class.

    Attributes:
        copies: of a record, at least 1.
        size: of the moves, the standard deviation of each feature, above 0.

    Raises:
        InputError: a value out of range.
    """

    paper = "Yuan and Zhang 2022, arXiv 2202.03335"

    copies: int = 10
    size: float = 1e-3

    def __post_init__(self) -> None:
        at_least(1, copies=self.copies)
        above_zero(size=self.size)

    @property
    def sees(self) -> Sight:
        """Confidences."""
        return "probability"

    @property
    def queries(self) -> int:
        """The record and its copies."""
        return self.copies + 1

    @property
    def name(self) -> str:
        """``sensitivity_10_0.001`` for 10 copies at a size of 0.001."""
        return f"sensitivity_{self.copies}_{number_in_name(self.size)}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> jax.Array:  # noqa: ARG002
        """As `jaxattack.types.Signal`.

        Raises:
            InputError: too many classes.
        """
        p = require_few_classes(softmax_of(view.answer(x)), self.name)

        def add(total, number):
            fold = partial(jax.random.fold_in, data=number)
            copies = jax.vmap(lambda one, record: add_noise(self.size, fold(one), record))(key, x)
            return total + jnp.abs(softmax_of(Repeated(view, number).answer(copies)) - p), None

        total, _ = jax.lax.scan(add, jnp.zeros_like(p), 1 + jnp.arange(self.copies))
        return jnp.concatenate([p, total / (self.copies * self.size)], axis=1)
