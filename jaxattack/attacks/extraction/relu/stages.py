"""The stages of the two-layer attack, one after another, and what is left where one of them fails."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.relu.calibration import Limits, find_limits, rounding_unit
from jaxattack.attacks.extraction.relu.network import ReluNetwork, logits
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.extraction.relu.piecewise_linear import (
    PiecewiseLinear,
    orientation,
    piecewise_linear,
    scatter,
    with_affine_neurons,
    with_signs,
)
from jaxattack.attacks.extraction.relu.polish import Answers, polish
from jaxattack.attacks.extraction.relu.refine import refine
from jaxattack.attacks.extraction.relu.regions import differences
from jaxattack.attacks.extraction.relu.search import SearchState, search
from jaxattack.attacks.search.lockstep import meter, zoom
from jaxattack.types import BudgetSpent, InputError

Asking = Generator[Float[np.ndarray, "query feature"], Float[np.ndarray, "query output"], "Result"]

CLOSE = 2.0**-13
"""By how much of their spread answers may be off, of which half the digits are more."""

FITTED, MOST = 4.0, 3000
"""Answers that are fitted at the end, an unknown; and unknowns at most for that."""


class Plan(NamedTuple):
    """What is stolen, and how.

    Attributes:
        features: of the inputs.
        hidden: how many neurons there are; None where that is not known.
        quiet: lines without anything new that end the search where it is not.
        refine: whether to measure once more.
        noise: of the answers.
        ceiling: how far outputs may be apart before an answer loses them; infinite for logits.
        spread: by how much the search looks farther than the documented range.
    """

    features: int
    hidden: int | None
    quiet: int
    refine: bool
    noise: Noise
    ceiling: float
    spread: float


class Result(NamedTuple):
    """What was stolen, in the search's coordinates.

    Attributes:
        network: the best so far.
        neurons: how many were found.
        lines: how many lines were searched.
        residual: the largest difference on fresh inputs; NaN where none were asked.
        bits: by how many the victim's outputs vary more than that.
        reason: why the attack did not finish; empty if it did.
        earlier: networks on the way, with the queries they took.
    """

    network: ReluNetwork
    neurons: int
    lines: int
    residual: float
    reason: str
    earlier: tuple[tuple[int, ReluNetwork], ...] = ()
    bits: float = np.nan


def steal(plan: Plan, rng: np.random.Generator) -> Asking:
    """The whole attack, as a generator that yields queries and is sent their answers.

    Raises:
        BudgetSpent: before anything was learnt.
    """
    limits = Limits()
    if np.isfinite(plan.ceiling):
        limits = yield from find_limits(plan.features, plan.ceiling, rng)
    result = yield from zoom(_stages(plan, limits, rng), limits.scale)
    return result._replace(
        network=_zoomed(result.network, limits.scale),
        earlier=tuple((queries, _zoomed(rough, limits.scale)) for queries, rough in result.earlier),
    )


def _zoomed(network: ReluNetwork, scale: float) -> ReluNetwork:
    return network._replace(weights=(network.weights[0] / scale, *network.weights[1:]))


def _stages(plan: Plan, limits: Limits, rng: np.random.Generator) -> Asking:
    """Search, signs, refinement, polish, and a trial."""
    if plan.noise.coarse:
        plan = plan._replace(noise=(yield from rounding_unit(plan.features, plan.noise, rng)))
    state, queries = yield from meter(search(plan.features, plan.hidden, plan.quiet, plan.noise, rng))
    if not len(state.neurons.offset):
        return (yield from _affine(state, plan))
    met = state.neurons.hits > 0
    certain = state.neurons if state.refusal is not None or state.foreign or not met.any() else state.neurons.take(met)
    function = piecewise_linear(certain, state.regions)
    network, unsigned = _network(function, plan.noise)
    result = Result(network, len(function.offset), state.lines, np.nan, state.reason(plan.hidden) or unsigned)
    if state.refusal is not None or state.foreign:
        return result
    result = result._replace(earlier=((queries, network),))
    try:
        if plan.refine:
            refined = yield from refine(function, plan.noise, limits, rng)
            function = refined or function
            network, unsigned = _network(function, plan.noise)
            if refined is None or plan.noise.coarse:
                network = yield from _polish(network, function, limits, plan.noise, rng)
            result = result._replace(network=network, reason=state.reason(plan.hidden) or unsigned)
        return (yield from _try(result, plan, limits, function, rng))
    except BudgetSpent as refusal:
        return result._replace(reason=f"{refusal} The network is as it was before the last measurements.")


def _polish(
    network: ReluNetwork, function: PiecewiseLinear, limits: Limits, noise: Noise, rng: np.random.Generator
) -> Generator[np.ndarray, np.ndarray, ReluNetwork]:
    """All parameters fitted to `FITTED` fresh answers an unknown, where these are not many: coarse ones are averaged."""
    unknown = sum(part.size for part in network.parameters.values())
    if unknown > MOST:
        return network
    x = scatter(function, int(FITTED * unknown / len(network.biases[-1])) + 100, limits, rng)
    # Numbers that a victim of fewer digits takes as they are.
    x = x.astype(np.float32).astype(np.float64) if noise.coarse else x
    y = yield x
    finite = np.isfinite(y).all(axis=1)
    return polish(network, Answers(x[finite], y[finite]), exact=not noise.coarse)


def _affine(state: SearchState, plan: Plan) -> Asking:
    """Where no neuron was found: the affine function around the middle, which is all there is without kinks."""
    if state.refusal is not None:
        raise state.refusal
    middle = np.zeros((1, plan.features))
    value, gradient = yield from differences(middle, np.ones((1, plan.features)), plan.noise)
    if not np.isfinite(gradient).all():
        raise InputError(
            "no neuron was found and confidences are too near to 0 to hold their digits: ask for logits, or choose "
            "path-finding."
        )
    return Result(ReluNetwork((gradient[0],), (value[0],)), 0, state.lines, np.nan, state.reason(plan.hidden))


def _network(function: PiecewiseLinear, noise: Noise) -> tuple[ReluNetwork, str]:
    """The network, and what is wrong with it."""
    against = orientation(function, noise)
    if against is not None:
        return with_signs(function, against), ""
    network, neurons = with_affine_neurons(function), len(function.offset)
    return network, (
        f"the signs of {neurons} neurons do not follow from {function.slope.size} equations: the function is stolen, "
        f"with its affine part as {network.sizes[1] - neurons} neurons more."
    )


def _try(result: Result, plan: Plan, limits: Limits, function: PiecewiseLinear, rng: np.random.Generator) -> Asking:
    """Compare with the victim on 2 h + 20 fresh inputs of about the documented range."""
    x = scatter(function, 2 * result.neurons + 20, limits, rng, scale=1 / plan.spread)
    y = yield x
    finite = np.isfinite(y).all(axis=1)
    x, y = x[finite], y[finite]
    off, extent = np.abs(logits(result.network, x) - y).max(initial=0.0), np.ptp(y) if len(y) else 0.0
    reason = result.reason
    if not off <= max(plan.noise.relative**0.5, CLOSE) * extent + 64 * plan.noise.absolute:
        reason = reason or (
            f"the stolen network is off by {off:.2g} on fresh inputs where the victim varies by {extent:.2g}: neurons "
            "were not found, answers too coarse, or the victim is another architecture."
        )
    return result._replace(residual=float(off), reason=reason, bits=float(np.log2(extent / off)) if off else np.inf)
