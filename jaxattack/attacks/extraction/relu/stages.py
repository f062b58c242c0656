"""The stages of the two-layer attack, one after another, and what is left where one of them fails."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

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
from jaxattack.attacks.extraction.relu.refine import refine
from jaxattack.attacks.extraction.relu.regions import differences
from jaxattack.attacks.extraction.relu.search import SearchState, search
from jaxattack.attacks.search.lockstep import meter
from jaxattack.types import BudgetSpent, InputError

Asking = Generator[Float[np.ndarray, "query feature"], Float[np.ndarray, "query output"], "Result"]


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
        reason: why the attack did not finish; empty if it did.
        earlier: networks on the way, with the queries they took.
    """

    network: ReluNetwork
    neurons: int
    lines: int
    residual: float
    reason: str
    earlier: tuple[tuple[int, ReluNetwork], ...] = ()


def steal(plan: Plan, rng: np.random.Generator) -> Asking:
    """The whole attack, as a generator that yields queries and is sent their answers.

    Raises:
        BudgetSpent: before anything was learnt.
    """
    state, queries = yield from meter(search(plan.features, plan.hidden, plan.quiet, plan.noise, rng))
    if not len(state.neurons.offset):
        return (yield from _affine(state, plan))
    met = state.neurons.hits > 0
    certain = state.neurons if state.refusal is not None or state.foreign or not met.any() else state.neurons.take(met)
    function = piecewise_linear(certain, state.regions)
    network, unsigned = _network(function)
    result = Result(network, len(function.offset), state.lines, np.nan, state.reason(plan.hidden) or unsigned)
    if state.refusal is not None or state.foreign:
        return result
    result = result._replace(earlier=((queries, network),))
    try:
        if plan.refine:
            refined = yield from refine(function, plan.noise, plan.ceiling, rng)
            if refined is None:
                return result._replace(
                    reason="the last measurements met confidences too near to 0 to hold their digits: the network is as it was "
                    "before them."
                )
            function = refined
            network, unsigned = _network(function)
            result = result._replace(network=network, reason=state.reason(plan.hidden) or unsigned)
        return (yield from _try(result, plan, function, rng))
    except BudgetSpent as refusal:
        return result._replace(reason=f"{refusal} The network is as it was before the last measurements.")


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


def _network(function: PiecewiseLinear) -> tuple[ReluNetwork, str]:
    """The network, and what is wrong with it."""
    against = orientation(function)
    if against is not None:
        return with_signs(function, against), ""
    network, neurons = with_affine_neurons(function), len(function.offset)
    return network, (
        f"the signs of {neurons} neurons do not follow from {function.slope.size} equations: the function is stolen, "
        f"with its affine part as {network.sizes[1] - neurons} neurons more."
    )


def _try(result: Result, plan: Plan, function: PiecewiseLinear, rng: np.random.Generator) -> Asking:
    """Compare with the victim on 2 h + 20 fresh inputs of about the documented range."""
    x = scatter(function, 2 * result.neurons + 20, plan.ceiling, rng, scale=1 / plan.spread)
    y = yield x
    off, extent = np.abs(logits(result.network, x) - y).max(), np.ptp(y)
    reason = result.reason
    if not off <= plan.noise.relative**0.25 * extent + 64 * plan.noise.absolute:
        reason = reason or (
            f"the stolen network is off by {off:.2g} on fresh inputs where the victim varies by {extent:.2g}: neurons "
            "were not found, answers too coarse, or the victim is another architecture."
        )
    return result._replace(residual=float(off), reason=reason)
