"""Whether the prediction is the label (the gap attack of Yeom et al. 2018); what is refused is no prediction."""

from __future__ import annotations

import jax.numpy as jnp

from jaxattack.types import Sight, config


@config
class Correct:
    """1 where the prediction is the label, else 0."""

    name = "correct"
    paper = "Yeom et al. 2018, arXiv 1709.01604"
    queries = 1

    @property
    def sees(self) -> Sight:
        """Labels are enough."""
        return "label"

    def __call__(self, view, x, y, key):  # noqa: ARG002 (every signal has the same arguments)
        """As `jaxattack.types.Signal`."""
        answer = view.answer(x)
        right = answer.label == y
        return (right & ~answer.refusal if view.refuses else right).astype(jnp.float32)
