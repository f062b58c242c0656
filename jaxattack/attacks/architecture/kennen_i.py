"""Kennen-i: one input an attribute, crafted so that the label tells the value (Oh et al. 2018, section 4.3).

The input is the x in the box of records at which networks whose attribute has value k answer with class k:

    minimise over x    mean over networks of  -ln p(class k | x)

by Adam on mini-batches of networks, from several records; the start with the smallest loss over all networks is kept. A victim is
asked once an attribute. The paper reads the answered class as the value; here the values of the networks that gave this
answer are counted, one added to each, which is the same where the crafting succeeded, and says how sure it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from jaxattack.attacks.architecture.classifier import MOST, exists
from jaxattack.attacks.architecture.kennen_o import draw_questions
from jaxattack.attacks.architecture.zoo import Zoo
from jaxattack.descent import descend
from jaxattack.models.attribute_grid import ATTRIBUTES, GridNetwork, Weights
from jaxattack.types import EVERY_LEVEL, Access, Answer, InputError, Level, Progress, above_zero, at_least, config


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelReader:
    """Reads one label an attribute.

    Attributes:
        questions: one an attribute.
        posterior: ln of how often each value was behind each label.
    """

    questions: Float[np.ndarray, "query *feature"]
    posterior: Float[np.ndarray, "attribute cls value"]

    def __call__(self, answer: Answer) -> Float[np.ndarray, "net attribute value"]:
        """The logarithm of the posterior."""
        return self.posterior[np.arange(len(ATTRIBUTES)), answer.label]


@config
class KennenI:
    """Craft an input an attribute, and read the label that it gets.

    Attributes:
        steps: of Adam.
        rate: its learning rate, on a scale where records range from -1 to 1.
        starts: records that crafting starts from.
        batch: networks a step.

    Raises:
        InputError: a value out of range.
    """

    steps: int = 400
    rate: float = 0.05
    starts: int = 4
    batch: int = 64

    name = "kennen-i"
    paper: ClassVar[str] = "Oh et al. 2018, arXiv 1711.01768"
    levels: ClassVar[tuple[Level, ...]] = EVERY_LEVEL
    fewest_classes: ClassVar[int] = MOST

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, starts=self.starts, batch=self.batch)
        above_zero(rate=self.rate)

    @property
    def records(self) -> int:
        """How many records it crafts from."""
        return self.starts

    def fit(
        self,
        zoo: Zoo,
        codes: Int[np.ndarray, "net attribute"],
        nets: Sequence[int] | Int[np.ndarray, "some"],
        pool: Float[np.ndarray, "record *feature"],
        access: Access,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> LabelReader:
        """Learn to read attributes, as `jaxattack.types.ArchitectureAttack` says.

        Raises:
            InputError: fewer classes than an attribute has values.
        """
        if access.classes < self.fewest_classes:
            raise InputError(
                f"kennen-i tells {MOST} values apart by the label and the victim has {access.classes} classes: choose kennen-o."
            )
        nets = np.asarray(nets)
        begin = draw_questions(pool, self.starts, seed)
        rows = np.random.default_rng([seed, 4]).choice(nets, (self.steps, self.batch))
        queries = _craft(self, zoo.network, zoo.weights, jnp.asarray(zoo.codes), jnp.asarray(codes), begin, rows)
        logits = np.asarray(_answers(zoo.network, zoo.weights, jnp.asarray(zoo.codes), queries))[:, nets]
        loss = _losses(logits, codes[nets])
        best = np.asarray(queries)[loss.argmin(axis=0), np.arange(len(ATTRIBUTES))]
        if progress:
            progress("inputs", len(ATTRIBUTES), len(ATTRIBUTES))
        label = zoo.answer(best, access).label[nets]
        return LabelReader(questions=best, posterior=_count(label, codes[nets], access.classes))


def _losses(
    logits: Float[np.ndarray, "start net attribute cls"], codes: Int[np.ndarray, "net attribute"]
) -> Float[np.ndarray, "start attribute"]:
    logp = np.asarray(jax.nn.log_softmax(logits, axis=-1))
    return -np.take_along_axis(logp, codes[None, :, :, None], axis=-1)[..., 0].mean(axis=1)


def _count(
    label: Int[np.ndarray, "net attribute"], codes: Int[np.ndarray, "net attribute"], classes: int
) -> Float[np.ndarray, "attribute cls value"]:
    """ln of the share of each value among the networks that gave a label, with one added to every value."""
    count = np.where(exists()[:, None], 1.0, 0.0).repeat(classes, axis=1)
    for attribute in range(len(ATTRIBUTES)):
        np.add.at(count[attribute], (label[:, attribute], codes[:, attribute]), 1)
    with np.errstate(divide="ignore"):
        return np.log(count / count.sum(axis=2, keepdims=True))


@partial(jax.jit, static_argnums=0)
def _answers(network: GridNetwork, weights: Weights, codes: jax.Array, x: jax.Array) -> jax.Array:
    """Logits ["start net attribute cls"] of all networks to inputs ["start attribute ..."]."""
    flat = network.patches(x.reshape(-1, *network.shape))
    logits = jax.lax.map(lambda one: network.logits(one[0], one[1], flat), (weights, codes), batch_size=16)
    return logits.reshape(len(codes), *x.shape[:2], -1).swapaxes(0, 1)


@partial(jax.jit, static_argnums=(0, 1))
def _craft(
    attack: KennenI,
    network: GridNetwork,
    weights: Weights,
    architecture: jax.Array,
    codes: jax.Array,
    begin: jax.Array,
    rows: jax.Array,
) -> jax.Array:
    """Crafted inputs ["start attribute ..."]."""

    def loss(x: jax.Array, number: jax.Array) -> jax.Array:
        nets = rows[number]
        logits = network.logits_of(weights, architecture, nets, x)
        logp = jax.nn.log_softmax(logits).reshape(len(nets), *x.shape[:2], -1)
        code = jnp.broadcast_to(codes[nets][:, None, :, None], (*logp.shape[:3], 1))
        return -jnp.take_along_axis(logp, code, axis=3).mean(axis=0).sum()  # every input has a gradient of its own

    x = jnp.repeat(begin[:, None], len(ATTRIBUTES), axis=1)
    return descend(loss, optax.adam(attack.rate), x, len(rows), process=lambda x: jnp.clip(x, -1, 1)).point
