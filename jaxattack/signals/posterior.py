"""The confidences of a prediction: what learned attacks read (Shokri et al. 2017; Salem et al. 2019)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxattack.signals.scores import Labels, Logits, completed, of_label
from jaxattack.types import Answer, Sight, View, at_least, config


@config
class Posterior:
    """The highest confidences, descending, then that of the label: ["record value"], of min(top, classes) + 1 values.

    Sorted confidences do not depend on the order of the classes; the label's own says whether they are of a right answer.

    Attributes:
        top: how many, at least 1.

    Raises:
        InputError: none are asked for.
    """

    paper = "Shokri et al. 2017, arXiv 1610.05820; Salem et al. 2019, arXiv 1806.01246"
    queries = 1

    top: int = 16

    def __post_init__(self) -> None:
        at_least(1, top=self.top)

    @property
    def sees(self) -> Sight:
        """Confidences."""
        return "probability"

    @property
    def name(self) -> str:
        """``posterior_16`` for the 16 highest."""
        return f"posterior_{self.top}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> jax.Array:  # noqa: ARG002
        """As `jaxattack.types.Signal`."""
        p = softmax_of(view.answer(x))
        highest = jax.lax.top_k(p, min(self.top, p.shape[1]))[0]
        return jnp.concatenate([highest, of_label(p, y)[:, None]], axis=1)


def softmax_of(answer: Answer) -> Logits:
    """The confidences of an answer, ["record cls"]: as they are, or the softmax of raw outputs where there are any."""
    if answer.logit is None:
        return completed(jnp.asarray(answer.probability))
    return jax.nn.softmax(jnp.asarray(answer.logit))
