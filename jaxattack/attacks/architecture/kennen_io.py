"""Kennen-io: inputs and the classifier that reads their answers, learnt together (Oh et al. 2018, section 4.4).

Each attribute has ``questions`` inputs of its own, which start as records. The networks' answers to them are what its perceptron
reads; the loss of the perceptron is differentiated through the networks, and Adam moves inputs and perceptron alike.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from jaxattack.attacks.architecture.answers import FLOOR, features
from jaxattack.attacks.architecture.classifier import Parameters, Perceptron, exists, read
from jaxattack.attacks.architecture.kennen_o import draw_questions
from jaxattack.attacks.architecture.zoo import Zoo
from jaxattack.descent import descend
from jaxattack.models.attribute_grid import ATTRIBUTES, GridNetwork, Weights
from jaxattack.types import NUMBERS, Access, Answer, Level, Progress, above_zero, at_least, config


@dataclass(frozen=True, kw_only=True, eq=False)
class JointReader:
    """Reads the answers to each attribute's own inputs by its own perceptron.

    Attributes:
        questions: of all attributes, one after another.
        parameters: of the perceptrons, each leaf leading with the axis ``attribute``.
        scale: that answers are divided by.
        classes: that they have.
    """

    questions: Float[np.ndarray, "query *feature"]
    parameters: Parameters
    scale: float
    classes: int

    def __call__(self, answer: Answer) -> Float[np.ndarray, "net attribute value"]:
        """The logarithm of the posterior."""
        x = features(answer, "score", self.classes).reshape(len(answer.label), len(ATTRIBUTES), -1) / self.scale
        return read(self.parameters, x.swapaxes(0, 1))


@config
class KennenIO:
    """Craft inputs and learn to read the answers to them.

    Attributes:
        questions: of each attribute.
        steps: of Adam.
        rate: its learning rate for the inputs, on a scale where records range from -1 to 1.
        batch: networks a step.
        perceptron: that reads the answers.

    Raises:
        InputError: a value out of range.
    """

    questions: int = 10
    steps: int = 400
    rate: float = 0.01
    batch: int = 64
    perceptron: Perceptron = Perceptron()

    name = "kennen-io"
    paper: ClassVar[str] = "Oh et al. 2018, arXiv 1711.01768"
    levels: ClassVar[tuple[Level, ...]] = NUMBERS
    fewest_classes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        at_least(1, questions=self.questions, steps=self.steps, batch=self.batch)
        above_zero(rate=self.rate)

    @property
    def records(self) -> int:
        """How many records it crafts from."""
        return self.questions

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
    ) -> JointReader:
        """Learn to read attributes, as `jaxattack.types.ArchitectureAttack` says.

        Raises:
            InputError: fewer records than questions.
        """
        nets = np.asarray(nets)
        begin = draw_questions(pool, self.questions, seed)
        scale = float(features(zoo.answer(begin, access), "score", access.classes)[nets].std()) or 1.0
        rows = np.random.default_rng([seed, 5]).choice(nets, (self.steps, self.batch))
        x, parameters = _learn(
            self, zoo.network, zoo.weights, jnp.asarray(zoo.codes), jnp.asarray(codes), begin, rows, jnp.float32(scale),
            jax.random.key(seed),
        )  # fmt: skip
        if progress:
            progress("inputs", len(ATTRIBUTES), len(ATTRIBUTES))
        questions = np.asarray(x).reshape(-1, *zoo.network.shape)
        return JointReader(questions=questions, parameters=parameters, scale=scale, classes=access.classes)


@partial(jax.jit, static_argnums=(0, 1))
def _learn(
    attack: KennenIO,
    network: GridNetwork,
    weights: Weights,
    architecture: jax.Array,
    codes: jax.Array,
    begin: jax.Array,
    rows: jax.Array,
    scale: jax.Array,
    key: jax.Array,
) -> tuple[jax.Array, Parameters]:
    """Inputs ["attribute query ..."] and perceptrons."""
    count, there = len(ATTRIBUTES), jnp.asarray(exists())

    def objective(learnt: Any, number: jax.Array) -> jax.Array:
        (x, parameters), nets = learnt, rows[number]
        logits = network.logits_of(weights, architecture, nets, x)
        logp = jnp.maximum(jax.nn.log_softmax(logits), math.log(FLOOR))
        logp = logp - logp.mean(axis=-1, keepdims=True)
        answers = logp.reshape(len(nets), count, -1) / scale
        drops = jax.random.split(jax.random.fold_in(key, number), count)
        each = jax.vmap(attack.perceptron.loss, (0, 0, 1, 1, 0))(parameters, there, answers, codes[nets], drops)
        return each.sum()

    x = jnp.repeat(begin[None], count, axis=0)
    inputs = x.shape[1] * network.classes
    keys = jax.random.split(jax.random.fold_in(key, len(rows)), count)
    parameters = jax.vmap(attack.perceptron.init, (0, None))(keys, inputs)
    optimizers: dict[Hashable, optax.GradientTransformation] = {
        "input": optax.adam(attack.rate),
        "perceptron": attack.perceptron.optimizer,
    }
    change = optax.multi_transform(optimizers, ("input", "perceptron"))
    box = lambda learnt: (jnp.clip(learnt[0], -1, 1), learnt[1])  # noqa: E731
    return descend(objective, change, (x, parameters), len(rows), process=box).point
