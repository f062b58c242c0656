"""The stages of the two-layer attack, one after another, and what is left where one of them fails."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.relu.bent import Bent, bent, scatter, signed, turned, widened
from jaxattack.attacks.extraction.relu.lockstep import metered
from jaxattack.attacks.extraction.relu.network import ReluNetwork, logits
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.extraction.relu.refine import refine
from jaxattack.attacks.extraction.relu.regions import differences
from jaxattack.attacks.extraction.relu.search import Found, search
from jaxattack.types import BudgetSpent, InputError

Asking = Generator[Float[np.ndarray, "query feature"], Float[np.ndarray, "query output"], "Theft"]


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


class Theft(NamedTuple):
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
    found, queries = yield from metered(search(plan.features, plan.hidden, plan.quiet, plan.noise, rng))
    if not len(found.neurons.offset):
        return (yield from _affine(found, plan))
    met = found.neurons.hits > 0
    certain = found.neurons if found.spent is not None or found.foreign or not met.any() else found.neurons.take(met)
    function = bent(certain, found.regions)
    network, unsigned = _network(function)
    theft = Theft(network, len(function.offset), found.lines, np.nan, found.reason(plan.hidden) or unsigned)
    if found.spent is not None or found.foreign:
        return theft
    theft = theft._replace(earlier=((queries, network),))
    try:
        if plan.refine:
            refined = yield from refine(function, plan.noise, plan.ceiling, rng)
            if refined is None:
                return theft._replace(
                    reason="the last measurements met confidences too near to 0 to hold their digits: the network is as it was "
                    "before them."
                )
            function = refined
            network, unsigned = _network(function)
            theft = theft._replace(network=network, reason=found.reason(plan.hidden) or unsigned)
        return (yield from _try(theft, plan, function, rng))
    except BudgetSpent as spent:
        return theft._replace(reason=f"{spent} The network is as it was before the last measurements.")


def _affine(found: Found, plan: Plan) -> Asking:
    """Where no neuron was found: the affine function around the middle, which is all there is without kinks."""
    if found.spent is not None:
        raise found.spent
    middle = np.zeros((1, plan.features))
    value, gradient = yield from differences(middle, np.ones((1, plan.features)), plan.noise)
    if not np.isfinite(gradient).all():
        raise InputError(
            "no neuron was found and confidences are too near to 0 to hold their digits: ask for logits, or choose "
            "path-finding."
        )
    return Theft(ReluNetwork((gradient[0],), (value[0],)), 0, found.lines, np.nan, found.reason(plan.hidden))


def _network(function: Bent) -> tuple[ReluNetwork, str]:
    """The network, and what is wrong with it."""
    against = turned(function)
    if against is not None:
        return signed(function, against), ""
    network, neurons = widened(function), len(function.offset)
    return network, (
        f"the signs of {neurons} neurons do not follow from {function.slope.size} equations: the function is stolen, "
        f"with its affine part as {network.sizes[1] - neurons} neurons more."
    )


def _try(theft: Theft, plan: Plan, function: Bent, rng: np.random.Generator) -> Asking:
    """Compare with the victim on 2 h + 20 fresh inputs of about the documented range."""
    x = scatter(function, 2 * theft.neurons + 20, plan.ceiling, rng, scale=1 / plan.spread)
    y = yield x
    off, extent = np.abs(logits(theft.network, x) - y).max(), np.ptp(y)
    reason = theft.reason
    if not off <= plan.noise.relative**0.25 * extent + 64 * plan.noise.absolute:
        reason = reason or (
            f"the stolen network is off by {off:.2g} on fresh inputs where the victim varies by {extent:.2g}: neurons "
            "were not found, answers too coarse, or the victim is another architecture."
        )
    return theft._replace(residual=float(off), reason=reason)
