"""The nearest example in the 2-norm by Carlini and Wagner 2017, arXiv 1608.04644: a penalty that a search weighs for each record.

    minimise |x' - x|^2 + c max(z_y - max_{i!=y} z_i, -kappa),    x' = (tanh w + 1) / 2 in the box, by Adam on w

Toward a target t the margin is max_{i!=t} z_i - z_t. Away from the label the descent follows whichever other class is ahead, which on
a linear model of several classes need not be the one with the nearest boundary; targets are those whose linearised boundaries are nearest.

c grows tenfold until an example is found and is then halved in its bracket. Every search starts at the record. A record whose
objective has not fallen by a ten thousandth since the last look rests until the next search in the authors' code; here, each for itself, so
that what happens to it does not depend on the others, and after it has gone on with a tenth and a hundredth of its rate. Nor does
a step go farther than a tenth of the distance of the nearest example known: the rate of the paper alone steps over near boundaries.
A search that met an example on its first way alone does not end the growth of c: it rests where c is too small.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int

from jaxattack.perturb.ascent import Ascent, ascend, repeated
from jaxattack.perturb.deepfool import boundaries
from jaxattack.perturb.losses import at, largest_other, margin
from jaxattack.perturb.norms import per_record
from jaxattack.types import Inputs, Model, Variables

FIRST, TENFOLD, LOOKS, LESS = 1e-3, 10.0, 10, 0.9999
"""The first c, how it grows, how often a search looks whether it still gains, and what it must: the authors' code."""

STEPS = (1.0, 0.1, 0.01)
"""Shares of the rate that a record steps by where its objective has stopped to fall never, once, twice; then it rests."""

NEAR = 0.1
"""The share of the distance to the nearest example that a step may go at most, so that records near a boundary are not stepped over."""

_EDGE = 1 - 1e-6
"""Within the box, where tanh has a slope: the authors' code, too."""

_ADAM = optax.adam(1.0)
"""Its rate is that of each record and step."""


def carlini_wagner(
    model: Model,
    variables: Variables,
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    inputs: Inputs,
    *,
    kappa: float = 0.0,
    searches: int = 9,
    steps: int = 1000,
    rate: float = 0.01,
    targets: int = 0,
) -> Ascent:
    """The nearest example of each record, by distances in shares of the ranges.

    Args:
        model: with gradients.
        variables: of the model.
        x: records.
        y: the labels to move away from.
        inputs: the range to stay in; categories stay as they are.
        kappa: how far another logit must be above the label's.
        searches: over c.
        steps: of each.
        rate: of Adam, at most.
        targets: the other classes with the nearest boundaries, linearised at the record, that are each moved to, for the nearest of
            all; 0 to move away from the label.
    """

    def program(x, y, number, box, free):  # noqa: ARG001 (nothing is random)
        return _carlini_wagner(model, targets, variables, x, y, box, free, kappa, searches, steps, rate)

    return ascend(program, x, y, inputs, max(targets, 1), None)


class _Search(NamedTuple):
    """The search over c.

    Attributes:
        number: of it.
        c: of each record.
        low: the largest c that found nothing.
        high: the smallest that found an example; infinite where none did.
        share: the nearest example.
        squared: its squared distance; infinite where there is none.
        gradients: taken.
    """

    number: jax.Array | int
    c: Float[jax.Array, "record"]
    low: Float[jax.Array, "record"]
    high: Float[jax.Array, "record"]
    share: Float[jax.Array, "record *feature"]
    squared: Float[jax.Array, "record"]
    gradients: Int[jax.Array, "record"]


class _Descent(NamedTuple):
    """The descent of one search.

    Attributes:
        step: taken.
        stalls: looks at which a record's objective had not fallen.
        w: the place.
        moments: Adam's.
        share: the nearest example until now, of all searches.
        squared: its squared distance.
        through: whether this search has found an example where it settles.
        objective: at the last look.
        gradients: taken.
    """

    step: jax.Array | int
    stalls: Int[jax.Array, "record"]
    w: Float[jax.Array, "record *feature"]
    moments: optax.OptState
    share: Float[jax.Array, "record *feature"]
    squared: Float[jax.Array, "record"]
    through: Bool[jax.Array, "record"]
    objective: Float[jax.Array, "record"]
    gradients: Int[jax.Array, "record"]


def _nearest_others(
    model: Model,
    variables: Variables,
    share: jax.Array,
    span: jax.Array,
    y: jax.Array,
    count: int,
    box: tuple[jax.Array, jax.Array, jax.Array],
    free: jax.Array,
) -> Int[jax.Array, "target record"]:
    """The classes other than a record's whose boundaries, linearised at the record, are nearest by what may change."""
    low, high = (jnp.where(free[None] > 0, (edge / box[2])[None], share) for edge in box[:2])
    to = boundaries(lambda share: model.apply(variables, share * span), share, y, low, high)
    return jax.lax.top_k(-to.distance, count)[1].T


class _Box(NamedTuple):
    """Every w is a place in the box, x' = (tanh w + 1) / 2 of it, in shares of the ranges.

    Attributes:
        start: the records.
        middle: of the box.
        half: of its width.
        free: whether a feature may change.
    """

    start: Float[jax.Array, "record *feature"]
    middle: Float[jax.Array, "1 *feature"]
    half: Float[jax.Array, "1 *feature"]
    free: Bool[jax.Array, "1 *feature"]

    def place(self, w: Float[jax.Array, "record *feature"]) -> Float[jax.Array, "record *feature"]:
        """In the box; what may not change as the record has it."""
        return jnp.where(self.free, self.middle + self.half * jnp.tanh(w), self.start)

    def origin(self) -> Float[jax.Array, "record *feature"]:
        """The w of the records."""
        unit = jnp.where(self.free, (self.start - self.middle) / jnp.where(self.half > 0, self.half, 1.0), 0.0)
        return jnp.arctanh(jnp.clip(unit, -1, 1) * _EDGE)

    def reach(self) -> Float[jax.Array, ""]:
        """From the middle to a corner."""
        return jnp.sqrt((jnp.where(self.free, self.half, 0.0) ** 2).sum())


def _box(x: jax.Array, box: tuple[jax.Array, jax.Array, jax.Array], free: jax.Array) -> _Box:
    low, high, span = (part[None] for part in box)
    half = (high - low) / span / 2
    return _Box(start=x / span, middle=(high + low) / span / 2, half=half, free=(free[None] > 0) & (half > 0))


@partial(jax.jit, static_argnames=("model", "targets"))
def _carlini_wagner(model, targets, variables, x, y, box, free, kappa, searches, steps, rate):
    records, attempts, span = len(x), max(targets, 1), box[2][None]
    target = _nearest_others(model, variables, x / span, span, y, targets, box, free).reshape(-1) if targets else None
    x, y = repeated(x, attempts), repeated(y, attempts)
    within = _box(x, box, free)
    origin, reach = within.origin(), within.reach()

    def objective(w, c):
        share = within.place(w)
        z = model.apply(variables, share * span)
        squared = ((share - within.start).reshape(len(x), -1) ** 2).sum(axis=1)
        value = squared - c * margin(z, y, target, kappa)
        fooled = (z.argmax(axis=1) != y) & (largest_other(z, y) - at(z, y) >= kappa)
        return value.sum(), (value, share, squared, fooled)

    def search(state):
        rates = jnp.minimum(rate, NEAR * jnp.sqrt(state.squared) / reach)
        descent = jax.lax.while_loop(
            lambda descent: (descent.step < steps) & (descent.stalls < len(STEPS)).any(),
            lambda descent: _descend(descent, partial(objective, c=state.c), rates, steps),
            _start_descent(origin, state),
        )
        return _weigh(state, descent)

    state = jax.lax.while_loop(lambda state: state.number < searches, search, _start_search(within.start))
    squared, gradients = (part.reshape(attempts, records) for part in (state.squared, state.gradients))
    share = state.share.reshape(attempts, records, *x.shape[1:])[squared.argmin(axis=0), jnp.arange(records)]
    return share, jnp.isfinite(squared).any(axis=0), gradients.sum(axis=0), jnp.zeros(records, bool)


def _start_search(start: Float[jax.Array, "record *feature"]) -> _Search:
    """Before the first c was tried."""
    records = len(start)
    return _Search(
        number=0,
        c=jnp.full(records, FIRST, start.dtype),
        low=jnp.zeros(records, start.dtype),
        high=jnp.full(records, jnp.inf, start.dtype),
        share=start,
        squared=jnp.full(records, jnp.inf, start.dtype),
        gradients=jnp.zeros(records, jnp.int32),
    )


def _start_descent(origin: Float[jax.Array, "record *feature"], state: _Search) -> _Descent:
    """At the records, with the nearest examples of the searches before."""
    records = len(origin)
    return _Descent(
        step=0,
        stalls=jnp.zeros(records, jnp.int32),
        w=origin,
        moments=_ADAM.init(origin),
        share=state.share,
        squared=state.squared,
        through=jnp.zeros(records, bool),
        objective=jnp.full(records, jnp.inf, origin.dtype),
        gradients=state.gradients,
    )


def _descend(
    descent: _Descent,
    objective: Callable[[jax.Array], tuple[jax.Array, tuple[jax.Array, ...]]],
    rates: Float[jax.Array, "record"],
    steps: jax.Array,
) -> _Descent:
    """One step of Adam for each record that has not come to rest.

    Args:
        descent: until now.
        objective: of w: its sum; its values, places, squared distances, and whether the model is fooled.
        rates: of each record, at most.
        steps: of the whole descent.
    """
    slope, (value, share, squared, fooled) = jax.grad(objective, has_aux=True)(descent.w)
    moving = descent.stalls < len(STEPS)
    nearer = fooled & (squared < descent.squared) & moving
    updates: Any
    updates, moments = _ADAM.update(jnp.where(jnp.isfinite(slope), slope, 0.0), descent.moments)
    length = rates * jnp.asarray((*STEPS, 0.0), slope.dtype)[descent.stalls]
    look = jnp.maximum(steps // LOOKS, 1)
    looking = descent.step % look == 0
    stalls = looking & moving & (value >= LESS * descent.objective)
    settled = (descent.stalls > 0) | (descent.step >= steps - look)
    return _Descent(
        step=descent.step + 1,
        stalls=descent.stalls + stalls.astype(jnp.int32),
        w=descent.w + per_record(length, slope) * updates,
        moments=moments,
        share=jnp.where(per_record(nearer, share), share, descent.share),
        squared=jnp.where(nearer, squared, descent.squared),
        through=descent.through | (fooled & moving & settled),
        objective=jnp.where(looking, value, descent.objective),
        gradients=descent.gradients + moving.astype(jnp.int32),
    )


def _weigh(state: _Search, descent: _Descent) -> _Search:
    """The next c: tenfold until a descent has found an example, then the middle of its bracket."""
    high = jnp.where(descent.through, jnp.minimum(state.high, state.c), state.high)
    low = jnp.where(descent.through, state.low, jnp.maximum(state.low, state.c))
    c = jnp.where(jnp.isfinite(high), (low + high) / 2, state.c * TENFOLD)
    return _Search(state.number + 1, c, low, high, descent.share, descent.squared, descent.gradients)
