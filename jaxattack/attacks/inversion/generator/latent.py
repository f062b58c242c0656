"""Descent in the latent space of a generator: z, not the record, is what moves."""

from __future__ import annotations

from functools import cache, partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.inversion.descent import Cost, Descent, Rule, descend
from jaxattack.attacks.inversion.objective import Objective, objective
from jaxattack.attacks.inversion.target import unit_box
from jaxattack.training.generators.prior import Generator, Networks, decode, realness
from jaxattack.types import Inputs, Model, Progress, WhiteBox

DRAWS = 64
"""Records that a generator makes without the victim, at most, to be compared with those that it makes for it."""


class Aim(NamedTuple):
    """What a descent in latent space lessens: weight * objective(f(G(z)), target) - realism * D(G(z)).

    Attributes:
        objective: by name.
        weight: of the objective.
        realism: of the critic.
    """

    objective: Objective
    weight: float
    realism: float


def descend_latent(
    victim: WhiteBox,
    generator: Generator,
    aim: Aim,
    start: Float[np.ndarray, "point latent"],
    target: Int[np.ndarray, "point"],
    *,
    steps: int,
    learning_rate: float,
    marks: tuple[int, ...] = (),
    progress: Progress | None = None,
) -> Descent:
    """Move latent points down an aim, by Adam (arguments as in `jaxattack.attacks.inversion.descent.descend`)."""
    arguments = (victim.variables, generator.variables, *unit_box(victim.inputs))
    rule = Rule("adam", learning_rate, steps, _free)
    cost = _cost(victim.model, generator.networks, aim)
    return descend(
        cost, arguments, start, target, rule, steps=steps, enough=-np.inf, marks=marks, progress=progress,
        chunk=len(start),
    )  # fmt: skip


def generate(
    generator: Generator, inputs: Inputs, z: Float[np.ndarray, "point latent"]
) -> Float[np.ndarray, "point *feature"]:
    """The records of latent points, in the units that the victim documents."""
    u = np.asarray(_decode(generator.networks, generator.variables, z.astype(np.float32)), np.float64)
    return inputs.low + u.reshape(len(z), *inputs.shape) * (inputs.high - inputs.low)


@partial(jax.jit, static_argnums=0)
def _decode(nets: Networks, variables, z):
    return decode(nets, variables, z)


def _free(z: jax.Array) -> jax.Array:
    return z


@cache
def _cost(model: Model, nets: Networks, aim: Aim) -> Cost:
    formula = objective(aim.objective)

    def cost(arguments, z, target):
        variables, generator, low, width = arguments
        u = decode(nets, generator, z)
        logits = model.apply(variables, low + u.reshape(-1, *low.shape[1:]) * width)
        total = aim.weight * formula(logits, target)
        return total - aim.realism * realness(nets, generator, u) if aim.realism else total

    return cost
