"""MinGD: how far a record is from each of several classes in three norms, on a suspect's weights (Maini et al. 2021).

Each record climbs z_t - max z for each of its targets t until the suspect labels it t, by steps of one size in one norm:

    max norm    .001 sign(g)        2-norm    .01 g / |g|        1-norm    1 / k of the sign on the k steepest coordinates

inside of the box, in shares of each feature's range. A coordinate that the box does not let go along its slope is not among
the k. Records and targets are rows of one program, which takes the norm as an argument.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.attacks.ownership.blind_walk import NORMS
from jaxattack.perturb.box import BLOCK, box_of, in_blocks, span_of
from jaxattack.types import Model, Variables, WhiteBox

STEP = (0.001, 0.01, 1.0)
"""The length of a step in each norm of `NORMS`: the paper's."""

ROUND = 25
"""Steps after which the rows that have arrived leave the batch."""

GAP = 0.001
"""How near its edge a coordinate counts as there: the paper's."""


def min_gd(
    box: WhiteBox,
    x: Float[np.ndarray, "record *feature"],
    *,
    targets: int = 10,
    steps: int = 500,
    coordinates: int = 100,
) -> tuple[Float[np.ndarray, "record norm target"], int]:
    """The distance of each record to each target in each norm, targets ascending; and the gradients that it took.

    Args:
        box: a suspect.
        x: records in its units.
        targets: the classes that the suspect thinks likeliest, its own among them at distance 0; at most all. The paper takes
            all ten where there are ten.
        steps: of each row, at most; a row that comes no nearer has the distance of all of them.
        coordinates: k of the 1-norm; at most all features.
    """
    targets = min(targets, box.classes)
    likeliest = in_blocks(lambda x: _likeliest(box.model, targets, box.variables, x), x)
    start = np.repeat((x / span_of(box.inputs)).astype(np.float32), targets, axis=0)
    distances, gradients = [], 0
    for norm in range(len(NORMS)):
        share, steepest = start.copy(), min(coordinates, x[0].size)
        for live, count, part in _rounds(box, share, likeliest.astype(int).ravel(), norm, steepest, steps):
            share[live] = part
            gradients += int(count.sum())
        change = np.abs(share - start).reshape(len(share), -1)
        distances.append(np.linalg.norm(change, ord=NORMS[norm], axis=1).reshape(len(x), targets))
    return np.sort(np.stack(distances, axis=1), axis=2), gradients


def _rounds(box: WhiteBox, share: np.ndarray, target: np.ndarray, norm: int, steepest: int, steps: int):
    """Rows that are still on their way, a few steps at a time: which, how many steps each took, and where it is then."""
    low, high, span = box_of(box.inputs)
    free = ((box.inputs.categories == 0) & (box.inputs.high > box.inputs.low)).astype(np.float32)
    edges, live = (low / span, high / span, span, free), np.arange(len(share))
    for begun in range(0, steps, ROUND):
        most, rows = min(ROUND, steps - begun), live[np.arange(_length(len(live))).clip(max=len(live) - 1)]
        part, count = in_blocks(
            lambda share, target: _climb(box.model, steepest, box.variables, share, target, edges, norm, most),  # noqa: B023
            share[rows],
            target[rows],
        )
        yield live, count[: len(live)], part[: len(live)]
        live = live[count[: len(live)] == most]  # the others have arrived, and leave the batch
        if not len(live):
            return


def _length(rows: int) -> int:
    """So many rows or a few more: of few lengths up to a block of them, so that few programs are compiled."""
    return next((length for length in (16, 64, 256, BLOCK) if rows <= length), -(-rows // BLOCK) * BLOCK)


@partial(jax.jit, static_argnames=("model", "targets"))
def _likeliest(model: Model, targets: int, variables: Variables, x: jax.Array) -> jax.Array:
    return jax.lax.top_k(model.apply(variables, x), targets)[1]


@partial(jax.jit, static_argnames=("model", "coordinates"))
def _climb(model: Model, coordinates: int, variables: Variables, share, target, edges, norm, steps):
    """Some steps of some rows: where they are then, and how many steps each took before it arrived."""
    low, high, span, free = (edge[None] for edge in edges)
    rows, each = len(share), (len(share), *[1] * (share.ndim - 1))

    def short(share):
        z = model.apply(variables, share * span)
        gap = z.max(axis=1) - jnp.take_along_axis(z, target[:, None], axis=1)[:, 0]
        return gap.sum(), z.argmax(axis=1) != target

    def by_sign(share, slope):  # noqa: ARG001 (the edge does not matter)
        return STEP[0] * jnp.sign(slope)

    def by_slope(share, slope):  # noqa: ARG001
        length = jnp.sqrt(jnp.sum(slope.reshape(rows, -1) ** 2, axis=1))
        return STEP[1] * slope / jnp.maximum(length, 1e-12).reshape(each)

    def by_steepest(share, slope):
        stuck = ((slope < 0) & (share <= low + GAP)) | ((slope > 0) & (share >= high - GAP))
        flat = jnp.abs(jnp.where(stuck, 0.0, slope)).reshape(rows, -1)
        best = jax.lax.top_k(flat, coordinates)[1]
        chosen = jax.vmap(lambda row, at: row.at[at].set(1.0))(jnp.zeros_like(flat), best).reshape(share.shape)
        return STEP[2] / coordinates * chosen * jnp.sign(slope)

    def step(state):
        share, count, _ = state
        (_, away), slope = jax.value_and_grad(short, has_aux=True)(share)
        change = jax.lax.switch(norm, (by_sign, by_slope, by_steepest), share, -slope * free)
        following = jnp.clip(share + change, low, high)
        return jnp.where(away.reshape(each), following, share), count + away.astype(jnp.int32), away

    def unfinished(state):
        _, count, away = state
        return (away & (count < steps)).any()

    start = share, jnp.zeros(rows, jnp.int32), jnp.ones(rows, bool)
    share, count, _ = jax.lax.while_loop(unfinished, step, start)
    return share, count
