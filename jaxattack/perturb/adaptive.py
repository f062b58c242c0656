"""A defended model as whoever knows its defences attacks it: one model that can be differentiated, and its detectors' alarm.

    through(box, chain)     the model behind the reformers of its defences: Carlini and Wagner 2017 (arXiv 1711.08478) attack f(AE(x))
    Alarm(defences)         by how much its detectors refuse a record: for `jaxattack.perturb.losses.Penalised`

What has no gradient of use, as rounding, passes that of the identity (Athalye, Carlini and Wagner 2018, arXiv 1802.00420): each
defence does so in its own `questions`. A defence that changes answers alone is passed over, for attacks on weights need the
label and no score; who asks a defence that moves labels, as noise does, is not helped by this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxattack.types import Answer, AskingDefence, Defence, DetectingDefence, Model, Variables, WhiteBox

Chain = Sequence[tuple[Defence, Any]]
"""Defences with what each has learnt, the first nearest to the model."""

ROOM = 0.01
"""By what share of its threshold a mark has to stay below that: the victim computes in more digits than the attack."""


def through(box: WhiteBox, chain: Chain) -> WhiteBox:
    """The model behind its defences, whose variables hold what they have learnt.

    Args:
        box: the model.
        chain: its defences.
    """
    defences = tuple(defence for defence, _ in chain)
    learnt = tuple(state for _, state in chain)
    variables = Variables(box.variables.params, (box.variables.rest, learnt))
    return replace(box, model=composed(box.model, defences), variables=variables)


@cache
def composed(model: Model, defences: tuple[Defence, ...]) -> Model:
    """The model of `through`; the same model and defences give the same object.

    It is deployed, and not to be trained: ``init`` and ``forward`` are those of the model without defences.
    """

    def apply(variables: Variables, x: jax.Array) -> jax.Array:
        return _behind(model, defences, variables, x)[0]

    return Model(model.init, apply, model.forward)


@dataclass(frozen=True)
class Alarm:
    """What the detectors of defences say of records: the sum of what their marks exceed thresholds by, in shares of them.

    Attributes:
        model: without defences.
        defences: the first nearest to the model.
    """

    model: Model
    defences: tuple[Defence, ...]

    def __call__(self, variables: Variables, x: Float[jax.Array, "record *feature"]) -> Float[jax.Array, "record"]:
        """As `jaxattack.perturb.losses.Penalty`: 0 where every mark is below its threshold by `ROOM`, above 0 elsewhere."""
        return _behind(self.model, self.defences, variables, x)[1]


def _behind(
    model: Model, defences: tuple[Defence, ...], variables: Variables, x: jax.Array
) -> tuple[Float[jax.Array, "record cls"], Float[jax.Array, "record"]]:
    """The logits behind defences, and the alarm of their detectors."""
    rest, learnt = variables.rest
    bare = Variables(variables.params, rest)

    def behind(depth: int, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        if not depth:
            return model.apply(bare, x), jnp.zeros(len(x))
        defence, state = defences[depth - 1], learnt[depth - 1]
        if not isinstance(defence, AskingDefence):
            return behind(depth - 1, x)
        questions = defence.questions(state, x)
        views = len(questions)
        logits, alarm = behind(depth - 1, questions.reshape(-1, *questions.shape[2:]))
        logits, alarm = logits.reshape(views, -1, logits.shape[1]), alarm.reshape(views, -1).sum(axis=0)
        if isinstance(defence, DetectingDefence) and defence.detects:
            answer: Any = Answer(logits.argmax(axis=2), jax.nn.softmax(logits))  # type: ignore[arg-type]
            alarm = alarm + jax.nn.relu(defence.excess(state, answer, x) + ROOM).sum(axis=0)
        return logits[0], alarm

    return behind(len(defences), x)
