"""The search for records whose update is the one that was sent: users and restarts at once.

A lane is one restart for one user. A compiled program takes a chunk of lanes through all their steps, several restarts of
several users, and every lane keeps the best it has been at. A lane draws its start from the seed, its user and its restart, so
that results depend neither on the chunk nor on what else is searched for, but for rounding.

Of a wide dense layer's gradient the cosine needs two inner products alone, which `ghost` takes without the gradient. Restarts
of a user share what was sent, and their inner products with it become one product of matrices.

The search moves in coordinates in which every feature runs from -2 to 2, about those of standardised pictures, for which
the published rates are meant.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from jaxattack.attacks.inversion.gradient import ghost
from jaxattack.attacks.inversion.gradient.matching import DISTANCES, Distance, statistics, total_variation
from jaxattack.attacks.inversion.gradient.update import Terms, Update, simulate
from jaxattack.models.conv import using
from jaxattack.types import InputError, Inputs, Model, Progress, WhiteBox

EDGE = 2.0
"""Where the box ends in the coordinates of the search."""

FRAMES = 8
"""About how many times a search is looked at on its way."""

LANE_BYTES = 1 << 28
"""About what the lanes of a chunk take by default."""


class Plan(NamedTuple):
    """What is lessened and how, as far as a program is compiled for it.

    Attributes:
        distance: between updates.
        tv: weight of the total variation, of pictures.
        statistics: weight of the distance between batch statistics, where users sent them.
        optimizer: signed Adam that stays in the box, its rate a tenth after 3/8, 5/8 and 7/8 of the steps; plain Adam
            likewise; or L-BFGS with a zoom line search, which knows no box.
        learning_rate: of Adam.
        steps: of each lane.
        soft: whether labels are searched for as well, as the logits of distributions.
    """

    distance: Distance
    tv: float
    statistics: float
    optimizer: Literal["signed-adam", "adam", "l-bfgs"]
    learning_rate: float
    steps: int
    soft: bool


class Problem(NamedTuple):
    """What is attacked, as far as a program is compiled for it."""

    model: Model
    terms: Terms
    shape: tuple[int, ...]
    classes: int


class Lanes(NamedTuple):
    """What came of each lane.

    Attributes:
        x: Float["lane record *feature"], the best, in the victim's units.
        label: Int["lane record"].
        value: Float["lane"], its objective; infinite where none was ever finite.
        evaluations: Int["lane"], of the update and its derivative.
        slope: Float["lane"], the largest derivative at the start.
        frames: Float["lane frame record *feature"], the best until then.
        frame_value: Float["lane frame"].
    """

    x: np.ndarray
    label: np.ndarray
    value: np.ndarray
    evaluations: np.ndarray
    slope: np.ndarray
    frames: np.ndarray
    frame_value: np.ndarray


def search(
    victim: WhiteBox,
    update: Update,
    label: Int[np.ndarray, "user record"],
    plan: Plan,
    *,
    restarts: int,
    chunk: int,
    seed: int,
    progress: Progress | None,
) -> Lanes:
    """Run every restart of every user.

    Args:
        victim: the shared model.
        update: what users sent, already checked.
        label: of the records; without meaning where ``plan.soft``.
        plan: what is lessened and how.
        restarts: of each user.
        chunk: lanes at a time; 0 for as many as fit in a quarter of a gigabyte.
        seed: decides the starts.
        progress: told of after each chunk.

    Returns:
        Lanes, the restarts of a user side by side.

    Raises:
        InputError: a victim that cannot be differentiated.
    """
    problem = Problem(victim.model, update.terms, victim.inputs.shape, victim.classes)
    size = chunk or _fitting(victim, update)
    # Restarts of one user share what it sent: a chunk is filled with those first.
    together = _parts(restarts, size)
    at_once = _parts(update.users, max(size // len(together[0]), 1))
    context = (*_box(victim.inputs), victim.variables, update.sent, update.rest, label, jax.random.key(seed))
    lanes_complete, rows = 0, []
    for users in at_once:
        row = []
        for some in together:
            try:
                lanes = _chunk(problem, plan, context, users, some)
            except (TypeError, ValueError) as error:
                reason = str(error).partition("\n")[0]
                raise InputError(
                    f"the victim cannot be differentiated ({reason}): give a model of JAX operations."
                ) from error
            row.append(jax.tree.map(np.asarray, lanes))
            lanes_complete += users.size * some.size
            if progress:
                progress("matching gradients", min(lanes_complete, update.users * restarts), update.users * restarts)
        rows.append([np.concatenate(parts, axis=1)[:, :restarts] for parts in zip(*row, strict=True)])
    every = (np.concatenate(parts)[: update.users] for parts in zip(*rows, strict=True))
    lanes = Lanes(*(part.reshape(-1, *part.shape[2:]) for part in every))
    if not lanes.slope.any():
        raise InputError("the update does not move with the records: the victim has no second derivative to follow.")
    return lanes


def _parts(count: int, size: int) -> list[Int[np.ndarray, "part"]]:
    """0 to count - 1 in parts of one size, at most the one given; what the last part lacks repeats the last number."""
    parts = -(-count // size)
    size = -(-count // parts)
    return [np.minimum(np.arange(first, first + size), count - 1) for first in range(0, parts * size, size)]


def _fitting(victim: WhiteBox, update: Update) -> int:
    """Lanes that a chunk takes by default: parameters are held about ten times, records as some hundred activations."""
    parameters = sum(leaf.size for leaf in jax.tree.leaves(victim.variables.params))
    numbers = 10 * parameters + 100 * update.terms.records * victim.inputs.low.size
    return max(LANE_BYTES // (4 * numbers), 1)


def _box(inputs: Inputs) -> tuple[Float[np.ndarray, "*feature"], Float[np.ndarray, "*feature"]]:
    """The middle of each feature and how many units a step of 1 in the search is."""
    return ((inputs.low + inputs.high) / 2).astype(np.float32), ((inputs.high - inputs.low) / (2 * EDGE)).astype(
        np.float32
    )


@partial(jax.jit, static_argnums=(0, 1))
def _chunk(problem: Problem, plan: Plan, context: Any, user: Any, restart: Any) -> tuple[Any, ...]:
    # Accelerators would round products to ten bits, and then no update is matched to better than that.
    with jax.default_matmul_precision("highest"), using("patches"):
        return jax.vmap(lambda u: _restarts(problem, plan, context, u, restart))(user)


def _restarts(problem: Problem, plan: Plan, context: Any, user: Any, restart: Any) -> tuple[Any, ...]:
    """Some restarts of one user."""
    *constants, every_sent, every_rest, every_label, key = context
    sent, rest = jax.tree.map(lambda leaf: jnp.asarray(leaf)[user], (every_sent, every_rest))
    label = jax.nn.one_hot(jnp.asarray(every_label)[user], problem.classes)
    key = jax.random.fold_in(key, user)
    return jax.vmap(lambda r: _lane(problem, plan, (*constants, sent, rest, label), jax.random.fold_in(key, r)))(
        restart
    )


def _lane(problem: Problem, plan: Plan, context: Any, key: Any) -> tuple[Any, ...]:
    """The fields of `Lanes` for one lane."""
    middle, scale, variables, sent, rest, label = context

    def records(point):
        return middle[None] + scale[None] * point["z"]

    def distance(x, target):
        if plan.distance == "cosine" and problem.terms.local is None and not problem.terms.training:
            return ghost.cosine(problem.model, variables, x, target, sent), rest
        gradient, after = simulate(problem.model, problem.terms, variables, x, target)
        return DISTANCES[plan.distance](gradient, sent), after

    def cost(point):
        value, after = distance(records(point), jax.nn.softmax(point["label"]) if plan.soft else label)
        if plan.tv and len(problem.shape) >= 2:
            value += plan.tv * total_variation(point["z"])
        if plan.statistics and rest is not None:
            value += plan.statistics * statistics(after, rest)
        return value

    start = _start(problem, plan, key)
    best, value, evaluations, slope, frames = _descend(cost, plan, start)
    low, high = middle - EDGE * scale, middle + EDGE * scale
    frame_points, frame_values = frames
    return (
        jnp.clip(records(best), low[None], high[None]),
        (best["label"] if plan.soft else label).argmax(axis=-1),
        value,
        evaluations,
        slope,
        jnp.clip(jax.vmap(records)(frame_points), low[None, None], high[None, None]),
        frame_values,
    )


def _start(problem: Problem, plan: Plan, key: Any) -> dict[str, jax.Array]:
    records = problem.terms.records
    first, second = jax.random.split(key)
    z = jax.random.normal(first, (records, *problem.shape))
    point = {"z": jnp.clip(z, -EDGE, EDGE)}
    return {**point, "label": jax.random.normal(second, (records, problem.classes))} if plan.soft else point


def _descend(cost: Any, plan: Plan, start: Any) -> Any:
    """The best point, its value, evaluations, the slope at the start, and (best points, values) of the frames."""
    look = jax.value_and_grad(cost)
    optimizer = optax.with_extra_args_support(_optimizer(plan))
    value, gradient = look(start)
    slope = jnp.abs(gradient["z"]).max()

    def step(state: Any, _: None) -> Any:
        now, moments, at, best = state
        value, gradient = at
        change, moments = optimizer.update(gradient, moments, now, value=value, grad=gradient, value_fn=cost)
        point: Any = optax.apply_updates(now, change)
        if plan.optimizer == "l-bfgs":
            at, evaluations = _looked_at(moments)
        else:
            point = {**point, "z": jnp.clip(point["z"], -EDGE, EDGE)}
            at, evaluations = look(point), jnp.int32(1)
        return (point, moments, at, _better(best, point, at[0])), evaluations

    def block(state, _):
        state, evaluations = jax.lax.scan(step, state, length=plan.steps // blocks)
        best_point, best_value = state[3]
        return state, (evaluations.sum(), best_point, best_value)

    blocks = max(n for n in range(1, FRAMES + 1) if plan.steps % n == 0)
    best = _better((start, jnp.float32(jnp.inf)), start, value)
    state = (start, optimizer.init(start), (value, gradient), best)
    (_, _, _, (point, value)), (evaluations, frame_points, frame_values) = jax.lax.scan(block, state, length=blocks)
    return point, value, 1 + evaluations.sum(), slope, (frame_points, frame_values)


def _better(best: tuple[Any, jax.Array], point: Any, value: jax.Array) -> tuple[Any, jax.Array]:
    # A value that is no number is never better, so a lane that diverges keeps what it had.
    improved = value < best[1]
    return jax.tree.map(lambda old, new: jnp.where(improved, new, old), best, (point, value))


def _looked_at(state: Any) -> tuple[tuple[jax.Array, Any], jax.Array]:
    """What the line search already knows of the point where it ended."""
    line = state[-1]
    return (line.value, line.grad), line.info.num_linesearch_steps


def _optimizer(plan: Plan) -> optax.GradientTransformation:
    if plan.optimizer == "l-bfgs":
        line = optax.scale_by_zoom_linesearch(max_linesearch_steps=12, initial_guess_strategy="one")
        return optax.lbfgs(memory_size=20, linesearch=line)
    drops = {int(plan.steps * share): 0.1 for share in (3 / 8, 5 / 8, 7 / 8)}
    adam = optax.adam(optax.piecewise_constant_schedule(plan.learning_rate, drops))
    if plan.optimizer == "adam":
        return adam
    return optax.chain(optax.stateless(lambda gradient, _: jax.tree.map(jnp.sign, gradient)), adam)
