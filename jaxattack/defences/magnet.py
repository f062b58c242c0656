"""MagNet (Meng and Chen, CCS 2017, arXiv 1705.09064): detectors refuse what is far from the records, a reformer moves the rest nearer.

Two autoencoders (`jaxattack.defences.autoencoder`) learn the members. A query x is refused where a mark reaches its threshold
(`jaxattack.defences.detection`, set on records that are no members):

    mean |x - AE(x)|^p over features       p = 2 for the wide autoencoder, 1 for the narrow one; x in shares of its range
    JSD(softmax(z(wide(x)) / T), softmax(z(narrow(x)) / T))   for each temperature, from the model's own confidences

and is otherwise answered with what the model says of the wide autoencoder's reconstruction.

| guarantee | |
| --- | --- |
| a refusal | shows as confidences that are all alike, 1 / classes; the label stays what it was, so that labels alone do not show it |
| neither reform nor drop_rate | changes nothing, bit for bit |
| what a client is billed | one query a record, whatever the divergence detectors ask of the model beside it |

How a refusal counts: an attack that is refused has failed (`jaxattack.attacks.evasion.outcome.fools`), a benign record that is
refused is answered wrong (`jaxattack.signals.correct`).

**It does not hold against an attacker who knows it.** Carlini and Wagner (2017, arXiv 1711.08478) broke it at about 99% with
small changes, and so does `jaxattack.perturb.adaptive` here, which differentiates through the reformer and keeps the detectors
quiet: docs/robustness.md has the figures. As published the autoencoders are secret, which `seed` is to an attacker who trains
his own.

The thresholds are set on records that the sweep sets aside, where ``reserve`` says how many. Without it, and in front of one
victim, they are half of a model's non-members, drawn by key.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.defences import autoencoder
from jaxattack.defences.asking import first_view
from jaxattack.defences.detection import refuse, thresholds
from jaxattack.defences.reserve import reserve_weight
from jaxattack.defences.scale import Scale
from jaxattack.defences.scores import require_confidences
from jaxattack.models.adapt import as_input
from jaxattack.types import Access, Answer, Endpoint, InputError, above_zero, at_least, check_reserve, config

POWERS = (2, 1)
"""Of the detectors of distance: by the wide autoencoder, and by the narrow one."""
TINY = float(jnp.finfo(jnp.float32).tiny)


class Guard(NamedTuple):
    """What MagNet has learnt.

    Attributes:
        scale: of the queries.
        wide: layers of the autoencoder that reforms.
        narrow: of the other.
        thresholds: of each detector.
    """

    scale: Scale
    wide: autoencoder.Layers
    narrow: autoencoder.Layers
    thresholds: Float[jax.Array, "detector"]


@config
class MagNet:
    """Queries far from the records refused, the others reformed; needs confidences of all classes.

    Attributes:
        drop_rate: the share of benign records that each detector refuses, from 0 to below 1; 0 for no detectors. The paper's:
            .001 for MNIST, .005 for CIFAR-10.
        reform: answer about the reconstruction, and not about the query itself.
        temperatures: of detectors of divergence, each above 0; none for the paper's MNIST, 10 and 40 for CIFAR-10.
        steps: of each autoencoder's training. The paper's are 21,500 (100 passes of MNIST) of 256 records at rate .001. On a CPU they
            take long: of MNIST's test records 97.0% were right without MagNet, 95.3% behind 4,000 steps as the paper's (280
            CPU seconds), and 96.7% behind the default (140).
        batch: records of a step.
        learning_rate: of Adam.
        noise: on what the autoencoders are trained to give back, a standard deviation in shares of the range.
        filters: of their convolutions.
        reserve: the share of all records that a sweep sets aside for its thresholds, from 0 to below 1.

    Raises:
        InputError: a value out of range.
    """

    paper = "Meng and Chen 2017, arXiv 1705.09064"
    resolution = 0.0
    fresh = False

    drop_rate: float = 0.001
    reform: bool = True
    temperatures: tuple[float, ...] = ()
    steps: int = 8000
    batch: int = 64
    learning_rate: float = 0.01
    noise: float = 0.1
    filters: int = 3
    reserve: float = 0.0

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, batch=self.batch, filters=self.filters)
        above_zero(learning_rate=self.learning_rate)
        check_reserve(self.reserve, optional=True)
        if not 0 <= self.drop_rate < 1:
            raise InputError(f"drop_rate is {self.drop_rate}: give a share from 0 to below 1.")
        if not 0 <= self.noise < float("inf"):
            raise InputError(f"noise is {self.noise}: give a standard deviation from 0.")
        if not all(0 < one < float("inf") for one in self.temperatures):
            raise InputError(f"temperatures are {self.temperatures}: give numbers above 0.")

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: labels alone, the top k, or logits are answered.
        """
        terms = require_confidences(before, "MagNet")
        return replace(terms, decimals=None, refuses=before.refuses or self.detects)

    def fit(self, key: Any, endpoint: Endpoint, y: Any, member: Any) -> Any:  # noqa: ARG002
        """The autoencoders and the thresholds."""
        if self._is_nothing:
            return ()
        reserve_key, *keys = jax.random.split(key, 5)
        records = endpoint.records()
        scale = Scale.of(records)
        share, weight = scale.share(as_input(jnp.asarray(records))), jnp.asarray(member)
        wide = self._learn("wide", keys[0], keys[1], share, weight)
        narrow = self._learn("narrow", keys[2], keys[3], share, weight)
        guard = Guard(scale, wide, narrow, jnp.zeros(0))
        if not self.drop_rate:
            return guard
        copies = [autoencoder.reconstruct_all(layers, share) for layers in (wide, narrow)]
        marks = jnp.stack([distance(share, copy, power) for copy, power in zip(copies, POWERS, strict=True)])
        if self.temperatures:
            said = [jnp.asarray(endpoint.answer(scale.units(copy)).probability) for copy in copies]
            marks = jnp.concatenate([marks, divergence(said[0], said[1], self.temperatures)])
        weight = reserve_weight(reserve_key, endpoint, member)
        return guard._replace(thresholds=thresholds(marks, weight, self.drop_rate))

    def questions(self, state: Any, x: Any) -> Any:
        """As `jaxattack.types.AskingDefence`: the reconstruction or the query, and what detectors of divergence compare."""
        if self._is_nothing:
            return x[None]
        comparing = self.drop_rate and self.temperatures
        wide = autoencoder.in_batches(_by_wide, state, x) if self.reform or comparing else x
        views = [wide if self.reform else x]
        if comparing:
            views += [*([] if self.reform else [wide]), autoencoder.in_batches(_by_narrow, state, x)]
        xp = x.__array_namespace__()
        return xp.stack([xp.asarray(view, dtype=x.dtype if xp is np else None) for view in views])

    def excess(self, state: Any, answer: Answer, x: Any) -> Any:
        """As `jaxattack.types.DetectingDefence`."""
        marks = jnp.asarray(autoencoder.in_batches(_distances, state, x)).T
        if self.temperatures:
            p: Any = answer.probability
            marks = jnp.concatenate([marks, divergence(jnp.asarray(p[-2]), jnp.asarray(p[-1]), self.temperatures)])
        return marks / state.thresholds[:, None] - 1

    def answer(self, state: Any, answer: Answer, x: Any, key: Any) -> Answer:  # noqa: ARG002
        """As `jaxattack.types.Defence`, of the answers to `questions`."""
        first = first_view(answer)
        return refuse(first, (self.excess(state, answer, x) >= 0).any(axis=0)) if self.drop_rate else first

    def _learn(self, depth: autoencoder.Depth, start_key: Any, key: Any, share: jax.Array, weight: jax.Array) -> Any:
        start = autoencoder.start(start_key, depth, share.shape[1:], self.filters)
        training = autoencoder.Training(self.steps, self.batch, self.learning_rate, self.noise)
        return autoencoder.learn(key, start, share, weight, training)

    @property
    def detects(self) -> bool:
        """As `jaxattack.types.DetectingDefence`."""
        return self.drop_rate > 0

    @property
    def _is_nothing(self) -> bool:
        return not self.reform and not self.drop_rate


def _by_wide(guard: Guard, x: jax.Array) -> jax.Array:
    return guard.scale.units(autoencoder.reconstruct(guard.wide, guard.scale.share(x)))


def _by_narrow(guard: Guard, x: jax.Array) -> jax.Array:
    return guard.scale.units(autoencoder.reconstruct(guard.narrow, guard.scale.share(x)))


def _distances(guard: Guard, x: jax.Array) -> Float[jax.Array, "query detector"]:
    share = guard.scale.share(x)
    copies = [autoencoder.reconstruct(layers, share) for layers in (guard.wide, guard.narrow)]
    return jnp.stack([distance(share, copy, power) for copy, power in zip(copies, POWERS, strict=True)], axis=1)


def distance(
    share: Float[jax.Array, "query *feature"], copy: Float[jax.Array, "query *feature"], power: int
) -> Float[jax.Array, "query"]:
    """The mark of a detector of distance: the mean over features of |x - AE(x)|^power."""
    return (jnp.abs(share - copy) ** power).reshape(len(share), -1).mean(axis=1)


def divergence(
    p: Float[jax.Array, "query cls"], q: Float[jax.Array, "query cls"], temperatures: tuple[float, ...]
) -> Float[jax.Array, "temperature query"]:
    """The Jensen-Shannon divergence of confidences, each at every temperature, in nats: 0 to ln 2."""

    def at(one: jax.Array, temperature: float) -> jax.Array:
        return jax.nn.softmax(jnp.log(jnp.maximum(one, TINY)) / temperature)

    def relative(one: jax.Array, middle: jax.Array) -> jax.Array:
        return jnp.sum(one * jnp.log(jnp.maximum(one, TINY) / jnp.maximum(middle, TINY)), axis=1)

    pairs = [(at(p, temperature), at(q, temperature)) for temperature in temperatures]
    return jnp.stack([(relative(a, (a + b) / 2) + relative(b, (a + b) / 2)) / 2 for a, b in pairs])
