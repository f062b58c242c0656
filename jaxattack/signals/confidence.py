"""The label's confidence at any temperature (Zarifzadeh et al. 2024).

    softmax_t2    log softmax(z / 2)_y
    taylor_t2     log of the soft-margin Taylor confidence at z / 2: margin 0.6, order 3

The cubic Taylor polynomial is negative below -1.596, which is no probability: here it is taken as at least 1e-6. It is
the one signal that a shift of all raw outputs changes, so that confidences are not enough for it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.nn import log_softmax

from jaxattack.signals.scores import Labels, Logits, Scored, Values, of_label
from jaxattack.types import Sight, View, above_zero, config, number_in_name


@config
class SoftmaxConfidence(Scored):
    """Log of the label's softmax probability.

    Attributes:
        temperature: above 0.

    Raises:
        InputError: a temperature that is not.
    """

    paper = "Zarifzadeh et al. 2024, arXiv 2312.03262"

    temperature: float = 1.0

    def __post_init__(self) -> None:
        above_zero(temperature=self.temperature)

    @property
    def name(self) -> str:
        """``softmax_t2`` at temperature 2."""
        return f"softmax_t{number_in_name(self.temperature)}"

    def of_logits(self, z, y):
        """As `Scored`."""
        return of_label(log_softmax(z / self.temperature), y)


@config
class TaylorConfidence:
    """Log of the label's soft-margin Taylor confidence.

    Attributes:
        temperature: above 0.

    Raises:
        InputError: a temperature that is not.
    """

    paper = "Zarifzadeh et al. 2024, arXiv 2312.03262"
    queries = 1

    temperature: float = 1.0

    def __post_init__(self) -> None:
        above_zero(temperature=self.temperature)

    @property
    def sees(self) -> Sight:
        """A shift of the raw outputs changes it."""
        return "logit"

    @property
    def name(self) -> str:
        """``taylor_t2`` at temperature 2."""
        return f"taylor_t{number_in_name(self.temperature)}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:  # noqa: ARG002
        """As `jaxattack.types.Signal`."""
        z: Logits = jnp.asarray(view.answer(x).logit)
        scaled = z / self.temperature - 0.6 * jax.nn.one_hot(y, z.shape[1])
        t = jnp.maximum(1 + scaled * (1 + scaled * (1 / 2 + scaled / 6)), 1e-6)
        return jnp.log(of_label(t, y)) - jnp.log(jnp.sum(t, axis=1))
