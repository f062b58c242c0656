"""Purified answers, after PURIFIER (Yang et al. 2023, arXiv 2212.00612): what is said of members looks like what is said of others.

Built from the idea in the paper's abstract; its formulas were not at hand, and no figure of this is one of theirs.

1. The reformer is a conditional variational autoencoder of confidences p, given the predicted label. It learns

       |p - p'|_1 - log p'_label + KL(N(mu, sigma^2) || N(0, 1))

   from records that are no members, and answers p' of the latent mean: what it says of a member is what it would say of another
   record with about its confidences. Where p' would not have the label on top, the label and the top trade places.
2. The swapper knows the members' confidences. An answer within ``radius`` of one of them (L1) has its two highest classes exchanged
   with a probability, decided by a hash of the record, with which members are right as often as the others:

       (right_in - right_out) / (gain_in - gain_out),    gain: how often the first of the two classes is right where the second
                                                         is not, less the reverse, among answers that may be exchanged

| guarantee | |
| --- | --- |
| neither reform nor swap | changes nothing |
| the answer | is a confidence vector: not negative, sums to 1 |
| the label | never changes without ``swap``; with it, for records that are answered as a member is |

The others of 1 and 2 are records that the sweep sets aside, members of no model and not scored, where ``reserve`` says how
many. Without it, and in front of one victim, they are half of a model's non-members, drawn by key, on which the audit also
measures: that favours the defence. Who asks about a record and a near copy of it sees the swap.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int

from jaxattack.defences import by_record, network
from jaxattack.defences.reserve import reserve_weight
from jaxattack.defences.scores import require_confidences
from jaxattack.descent import descend
from jaxattack.types import Access, Answer, Endpoint, InputError, at_least, check_reserve, config

HIDDEN, LATENT = 64, 8
TINY = float(jnp.finfo(jnp.float32).tiny)

Confidences = Float[jax.Array, "query cls"]
Classes = Int[jax.Array, "query"]


@config
class Purifier:
    """Confidences from an autoencoder that knows no member, and labels exchanged; needs confidences of all classes.

    Attributes:
        reform: answer with the autoencoder's confidences.
        swap: exchange labels of what is answered as a member is.
        radius: within which an answer is taken for a member's, in L1, at least 0.
        passes: training steps of the autoencoder, at least 1.
        reserve: the share of all records that a sweep sets aside for it, from 0 to below 1.

    Raises:
        InputError: a value out of range.
    """

    paper = "after Yang et al. 2023, arXiv 2212.00612"
    resolution = 0.0
    fresh = False

    reform: bool = True
    swap: bool = True
    radius: float = 1e-4
    passes: int = 400
    reserve: float = 0.0

    def __post_init__(self) -> None:
        at_least(1, passes=self.passes)
        check_reserve(self.reserve, optional=True)
        if not 0 <= self.radius < float("inf"):
            raise InputError(f"radius is {self.radius}: give a distance from 0.")

    def rescaled(self, resolution: float, classes: int) -> float:  # noqa: ARG002
        """As `jaxattack.types.RescalingDefence`: what the autoencoder makes is not cut."""
        return 0.0 if self.reform else resolution

    @property
    def relabels(self) -> bool:
        """As `jaxattack.types.RelabellingDefence`."""
        return self.swap

    @property
    def recognises(self) -> bool:
        """As `jaxattack.types.RecognisingDefence`: no answer behind fresh noise is within a small radius of a member's."""
        return self.swap

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: labels alone, the top k, or logits are answered.
        """
        return replace(require_confidences(before, "purification"), decimals=None)

    def fit(self, key: Any, endpoint: Endpoint, y: Any, member: Any) -> Any:
        """The autoencoder; the members' confidences, the probability of an exchange, and the secret of the hash."""
        reserve_key, learn_key, salt_key = jax.random.split(key, 3)
        answer: Any = endpoint.answer(endpoint.records())
        label, p = jnp.asarray(answer.label), jnp.asarray(answer.probability)  # an oracle's have 64 bits
        reserve = reserve_weight(reserve_key, endpoint, member)
        layers = learn(learn_key, p, label, reserve, self.passes) if self.reform else ()
        if not self.swap:
            return layers, (), (), jax.random.bits(salt_key)
        known = jnp.where(member[:, None] > 0, p, jnp.inf)
        first, second = top_two(self._reformed(layers, p, label), label)
        right = (first == y).astype(p.dtype)
        gain = (right - (second == y).astype(p.dtype)) * is_near(p, known, self.radius).astype(p.dtype)
        share = (_mean(right, member) - _mean(right, reserve)) / (_mean(gain, member) - _mean(gain, reserve))
        return layers, known, jnp.nan_to_num(share).clip(0, 1), jax.random.bits(salt_key)

    def answer(self, state, answer: Answer, x, key) -> Answer:  # noqa: ARG002 (what it draws belongs to the records)
        """As `jaxattack.types.Defence`."""
        if not (self.reform or self.swap):
            return answer
        layers, known, share, salt = state
        p, label = jnp.asarray(answer.probability), jnp.asarray(answer.label)
        probability: Any = self._reformed(layers, p, label)
        if not self.swap:
            return Answer(answer.label, probability)
        first, second = top_two(probability, label)
        coin = by_record.uniform(by_record.hashed(jnp.asarray(x), salt), 1)[:, 0]
        exchanged = is_near(p, known, self.radius) & (coin <= share)
        other: Any = jnp.where(exchanged, second, first)
        probability = exchange(probability, first, other)
        return Answer(other, probability)

    def _reformed(self, layers: Any, p: Confidences, label: Classes) -> Confidences:
        if not self.reform:
            return p
        decoded = decode(layers[1], encode(layers[0], p, label)[0], label)
        return exchange(decoded, decoded.argmax(axis=1), label)


def learn(key: Any, p: Confidences, label: Classes, weight: Float[jax.Array, "query"], passes: int) -> Any:
    """An encoder and a decoder that learnt from the confidences with weight, by full-batch Adam at rate 1e-3."""
    classes = p.shape[1]
    encoder_key, decoder_key, noise_key = jax.random.split(key, 3)
    layers = (
        network.start(encoder_key, (2 * classes, HIDDEN, 2 * LATENT)),
        network.start(decoder_key, (LATENT + classes, HIDDEN, classes)),
    )
    share = weight / jnp.maximum(weight.sum(), 1)

    def loss(layers, number):
        mean, log_variance = encode(layers[0], p, label)
        z = mean + jnp.exp(log_variance / 2) * jax.random.normal(keys[number], mean.shape)
        decoded = decode(layers[1], z, label)
        own = jnp.take_along_axis(decoded, label[:, None], axis=1)[:, 0]
        divergence = (jnp.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1) / 2
        return jnp.sum(share * (jnp.abs(p - decoded).sum(axis=1) - jnp.log(jnp.maximum(own, TINY)) + divergence))

    keys = jax.random.split(noise_key, passes)
    return descend(loss, optax.adam(1e-3), layers, passes).point


def encode(layers: Any, p: Confidences, label: Classes) -> tuple[jax.Array, jax.Array]:
    """The mean and the logarithm of the variance of each answer's place: ["query latent"]."""
    both = network.through(layers, jnp.concatenate([p, jax.nn.one_hot(label, p.shape[1], dtype=p.dtype)], axis=1))
    return both[:, :LATENT], both[:, LATENT:]


def decode(layers: Any, z: Float[jax.Array, "query latent"], label: Classes) -> Confidences:
    """Confidences from a place and a label."""
    classes = layers[-1][1].shape[0]
    return jax.nn.softmax(
        network.through(layers, jnp.concatenate([z, jax.nn.one_hot(label, classes, dtype=z.dtype)], axis=1))
    )


def top_two(p: Confidences, label: Classes) -> tuple[Classes, Classes]:
    """The label, and the likeliest of the other classes."""
    rest = jnp.where(jax.nn.one_hot(label, p.shape[1], dtype=bool), -jnp.inf, p)
    return label, rest.argmax(axis=1)


def exchange(p: Confidences, one: Classes, other: Classes) -> Confidences:
    """Confidences of which two classes trade places."""
    at_one = jnp.take_along_axis(p, one[:, None], axis=1)
    at_other = jnp.take_along_axis(p, other[:, None], axis=1)
    classes = jnp.arange(p.shape[1])[None]
    return jnp.where(classes == one[:, None], at_other, jnp.where(classes == other[:, None], at_one, p))


def is_near(p: Confidences, known: Float[jax.Array, "record cls"], radius: float) -> jax.Array:
    """Whether an answer is within a radius of a known one, in L1."""
    return jax.lax.map(lambda one: jnp.abs(known - one[None]).sum(axis=1).min() <= radius, p)


def _mean(values: jax.Array, weight: jax.Array) -> jax.Array:
    return jnp.sum(values * weight) / jnp.maximum(weight.sum(), 1)
