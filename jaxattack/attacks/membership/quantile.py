"""Quantile regression (Bertran et al. 2023, arXiv 2307.03694): how unusual an answer is for a record that is no member.

A network is taught, on records that are known to be no members, what the target's score s = z_y - max over k != y of z_k is like
for a record and its label: normal, of a mean and a deviation that the record sets,

    loss = log sd(x, y) + (s - mean(x, y))^2 / (2 sd(x, y)^2)        score = (s - mean(x, y)) / sd(x, y)

so that the score of a non-member exceeds the normal quantile of 1 - alpha with probability alpha. No other model is trained.

The attack reads the records themselves, which observations do not hold, and is therefore no attack by name: it is called with both.
Whom it learns from is known of the target: by two halves of the records, each scored by the network that was taught the
non-members of the other half, so that no record's score knows its own membership, and every record has one. The authors use
networks of their own for pictures, up to a ConvNeXt; here it is a perceptron of the record's values and its one-hot label.
On Location-30, of whose 1,200 non-members a half knows 600, it raises the true-positive rate at 1% false positives from .02 of
a threshold to .06 and lowers the area from .90 to .86: the records are too few for what they say of themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Shaped

from jaxattack.attacks.membership.attack_network import AttackNetwork, outputs_of, train_network
from jaxattack.attacks.membership.observed import read_signal, read_targets
from jaxattack.signals import Hinge
from jaxattack.types import InputError, Observations, at_least, config

FEWEST = 10
"""Known non-members that a network is taught on at least."""


@config
class QuantileRegression:
    """A normal distribution of a target's score of a non-member, by the record.

    Attributes:
        hidden: widths of the network's hidden layers.
        learning_rate: Adam's; the paper searches 1e-6 to 1e-3 for networks of pictures.
        decay: half of the weight of the squared parameters in the loss.
        epochs: passes over the known non-members; the last one's weights are taken.
        batch: records of a step.
        seed: of the halves and of the networks' random draws.

    Raises:
        InputError: a value out of range.
    """

    hidden: tuple[int, ...] = (128, 64)
    learning_rate: float = 1e-3
    decay: float = 5e-3
    epochs: int = 10
    batch: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(0, seed=self.seed)
        self._network()

    def _network(self) -> AttackNetwork:
        return AttackNetwork(
            joint=self.hidden,
            learning_rate=self.learning_rate,
            decay=self.decay,
            epochs=self.epochs,
            batch=self.batch,
        )

    def __call__(
        self,
        observations: Observations,
        x: Shaped[np.ndarray, "record *feature"],
        targets: Sequence[int] | None = None,
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, in deviations above what a non-member's mean would be.

        Args:
            observations: of which ``hinge`` is read.
            x: the records.
            targets: indices of the models under attack; all of them by default.

        Raises:
            InputError: the signal is NaN or infinite, other records, or a half with fewer than `FEWEST` non-members.
        """
        if len(x) != observations.records:
            raise InputError(f"x holds {len(x)} records and {observations.records} were observed: give those.")
        chosen, records = read_targets(observations, targets), observations.records
        value = read_signal(observations, Hinge())[:, :, 0]
        label = np.unique(observations.label, return_inverse=True)[1]
        flat = np.asarray(x, np.float32).reshape(records, -1)
        flat = (flat - flat.mean(axis=0)) / np.maximum(flat.std(axis=0), np.finfo(np.float32).tiny)
        features = np.concatenate([flat, np.eye(label.max() + 1, dtype=np.float32)[label]], axis=1)
        first = np.zeros(records, bool)
        first[np.random.default_rng(self.seed).permutation(records)[: records // 2]] = True
        scores = np.empty((len(chosen), records))
        for row, target in enumerate(chosen):
            for half in (first, ~first):
                known = half & ~observations.member[target]
                scores[row, ~half] = self.score(features, value[target], known, int(target))[~half]
        return scores

    def score(
        self,
        features: Float[np.ndarray, "record feature"],
        value: Float[np.ndarray, "record"],
        known: Bool[np.ndarray, "record"],
        number: int = 0,
    ) -> Float[np.ndarray, "record"]:
        """How many deviations each value lies above the mean of a non-member's, for one target.

        Args:
            features: of the records, of a scale near 1.
            value: the target's scores of them.
            known: which records are known to be no members; their own scores are of what the network was taught.
            number: of the target, on which random draws depend.

        Raises:
            InputError: fewer than `FEWEST` records are known.
        """
        taught = np.flatnonzero(known)
        if len(taught) < FEWEST:
            raise InputError(f"{len(taught)} records are known to be no members of the target: give at least {FEWEST}.")
        centre, scale = value[taught].mean(), max(value[taught].std(), np.finfo(np.float32).tiny)
        scaled = ((value - centre) / scale).astype(np.float32)
        index = np.zeros(len(value), np.int32)  # of one length, so that one program serves all targets and halves
        index[: len(taught)] = taught
        numbers = np.array([self.seed, number], np.uint32)
        out = np.asarray(_program(self._network())(features, scaled, index, len(taught), numbers), np.float64)
        return (scaled - out[:, 0]) * np.exp(-out[:, 1])


@cache
def _program(network: AttackNetwork) -> Callable[..., jax.Array]:
    """The program that teaches one network and asks it for means and logarithms of deviations."""

    def run(x, value, index, count, numbers):
        parts = (x.shape[1],)

        def loss(parameters, rows, key):
            out = outputs_of(network, parts, parameters, x[index[rows]], key)
            return jnp.mean(out[:, 1] + 0.5 * ((value[index[rows]] - out[:, 0]) * jnp.exp(-out[:, 1])) ** 2)

        return outputs_of(network, parts, train_network(network, parts, loss, count, numbers, outputs=2), x, None)

    return jax.jit(run)
