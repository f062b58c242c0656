"""What defences do to an answer, for whoever judges them: an owner who has the model itself beside its answers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxattack.signals.scores import Labels, completed
from jaxattack.types import Sight, View, config


@config
class Distortion:
    """Two values: 1 where the answered label is not the model's own, else 0; and |p' - p|_1, in 0 to 2.

    p are the model's own confidences and p' those answered; where labels alone are answered, p' is all at the label. Classes
    that are left out of an answer share what remains of 1.
    """

    name = "distortion"
    queries = 1

    @property
    def sees(self) -> Sight:
        """The model itself, which no answer shows."""
        return "weights"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Float[jax.Array, "record 2"]:  # noqa: ARG002
        """As `jaxattack.types.Signal`."""
        logit = view.model.apply(view.variables, x)
        own, answer = jax.nn.softmax(logit), view.answer(x)
        if answer.probability is not None:
            confidences = completed(jnp.asarray(answer.probability))
        elif answer.logit is not None:
            confidences = jax.nn.softmax(jnp.asarray(answer.logit))
        else:
            confidences = jax.nn.one_hot(answer.label, logit.shape[1])
        changed = (jnp.argmax(logit, axis=1) != answer.label).astype(jnp.float32)
        return jnp.stack([changed, jnp.abs(confidences - own).sum(axis=1)], axis=1)
