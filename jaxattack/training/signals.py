"""What is kept of a model's logits: one number a record, the evidence that membership attacks read.

    phi                  z_y - logsumexp over k != y of z_k (Carlini et al. 2022, the logit-scaled confidence)
    correct              1 where y has the largest logit (Yeom et al. 2018)
    hinge                z_y - max over k != y of z_k (Carlini et al. 2022)
    entropy              -sum p_k log p_k
    modified_entropy     -(1 - p_y) log p_y - sum over k != y of p_k log(1 - p_k) (Song and Mittal 2021)
    softmax_t2           log softmax(z / 2)_y, at any temperature (Zarifzadeh et al. 2024)
    taylor_t2            log of the soft-margin Taylor confidence at z / 2, at any temperature (ibid.; margin 0.6, order 3)

At temperature 1 the confidence is sigmoid(phi) and the loss softplus(-phi); phi never saturates. The cubic Taylor
polynomial is negative below -1.596, which is no probability: here it is taken as at least 1e-6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import log_sigmoid, log_softmax, logsumexp, sigmoid
from jaxtyping import Float, Int

from jaxattack.types import InputError

ALWAYS = ("phi", "correct")

Logits = Float[jax.Array, "record cls"]
Labels = Int[jax.Array, "record"]
Values = Float[jax.Array, "record"]


def _of_label(z: Logits, y: Labels) -> Values:
    return jnp.take_along_axis(z, y[:, None], axis=1)[:, 0]


def _others(z: Logits, y: Labels) -> Logits:
    return jnp.where(jax.nn.one_hot(y, z.shape[1], dtype=bool), -jnp.inf, z)


def phi(z: Logits, y: Labels) -> Values:
    """Logit-scaled confidence."""
    return _of_label(z, y) - logsumexp(_others(z, y), axis=1)


def correct(z: Logits, y: Labels) -> Values:
    """1 where the prediction is the label, else 0."""
    return (jnp.argmax(z, axis=1) == y).astype(z.dtype)


def hinge(z: Logits, y: Labels) -> Values:
    """The label's logit less the largest other."""
    return _of_label(z, y) - jnp.max(_others(z, y), axis=1)


def entropy(z: Logits, y: Labels) -> Values:  # noqa: ARG001 (every signal has the same arguments)
    """Entropy of the prediction, in nats."""
    log_p = log_softmax(z)
    return -jnp.sum(jnp.exp(log_p) * log_p, axis=1)


def modified_entropy(z: Logits, y: Labels) -> Values:
    """Entropy that also knows the label: 0 for a sure and right prediction, large for a sure and wrong one."""
    log_p = log_softmax(z)
    # 1 - p of the likeliest class is the mass of the others: subtracting from 1 would cancel.
    top = jnp.argmax(z, axis=1)
    rest = logsumexp(_others(z, top), axis=1) - logsumexp(z, axis=1)
    is_top = jax.nn.one_hot(top, z.shape[1], dtype=bool)
    log_not_p = jnp.where(is_top, rest[:, None], jnp.log1p(-jnp.where(is_top, 0.0, jnp.exp(log_p))))
    wrong = jnp.where(jax.nn.one_hot(y, z.shape[1], dtype=bool), 0.0, jnp.exp(log_p) * log_not_p)
    evidence = phi(z, y)
    return -sigmoid(-evidence) * log_sigmoid(evidence) - jnp.sum(wrong, axis=1)


def softmax_confidence(z: Logits, y: Labels, temperature: float) -> Values:
    """Log of the label's softmax probability at a temperature."""
    return _of_label(log_softmax(z / temperature), y)


def taylor_confidence(z: Logits, y: Labels, temperature: float) -> Values:
    """Log of the label's soft-margin Taylor confidence at a temperature."""
    x = z / temperature - 0.6 * jax.nn.one_hot(y, z.shape[1])
    t = jnp.maximum(1 + x * (1 + x * (1 / 2 + x / 6)), 1e-6)
    return jnp.log(_of_label(t, y)) - jnp.log(jnp.sum(t, axis=1))


_PLAIN = {f.__name__: f for f in (phi, correct, hinge, entropy, modified_entropy)}
_TEMPERED = {"softmax": softmax_confidence, "taylor": taylor_confidence}


def lookup(name: str) -> Callable[[Logits, Labels], Values]:
    """The signal of a name.

    Raises:
        InputError: there is no such signal.
    """
    if name in _PLAIN:
        return _PLAIN[name]
    tempered = re.fullmatch(r"(softmax|taylor)_t(\d+(?:\.\d+)?)", name)
    if not tempered or float(tempered[2]) == 0:
        raise InputError(f"signal is {name!r}: give one of {', '.join(_PLAIN)}, softmax_t2 or taylor_t2.")
    return lambda z, y: _TEMPERED[tempered[1]](z, y, float(tempered[2]))


def require_converged(phi: Float[np.ndarray, "model record query"], models: Sequence[int]) -> None:
    """Refuse models whose training diverged, before anything is kept of them.

    Args:
        phi: what they say.
        models: their numbers, for the message.

    Raises:
        InputError: phi is NaN or infinite somewhere.
    """
    bad = [int(model) for model, row in zip(models, phi, strict=True) if not np.isfinite(row).all()]
    if bad:
        raise InputError(
            f"training diverged: model {bad[0]} answers NaN or infinity ({len(bad)} of these {len(phi)} models do): "
            "lower learning_rate, or add warmup."
        )


def compute(names: tuple[str, ...], z: Logits, y: Labels) -> dict[str, Values]:
    """The named signals of a batch of logits."""
    # All but Taylor's depend on differences of logits alone; a large common offset would cost them digits.
    level = z - jnp.max(z, axis=1, keepdims=True)
    return {name: lookup(name)(z if name.startswith("taylor") else level, y) for name in names}
