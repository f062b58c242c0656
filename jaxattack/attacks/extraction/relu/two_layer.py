"""Exact extraction of a network with one hidden layer, f(x) = A relu(W x + b) + c, from its outputs alone.

Jagielski, Carlini, Berthelot, Kurakin, Papernot 2020 (USENIX Security, section 4) and Carlini, Jagielski, Mironov 2020
(CRYPTO), with all intervals of a line searched at once and gradients shared by neighbours:

    `search`  kinks of random lines -> normals, offsets and jumps of the neurons, up to sign: about a query a parameter
    `refine`  (optional) the same function measured over long steps: about as many queries again
    `piecewise_linear`  signs, by least squares or as an integer program; no queries
    at the end 2 h + 20 fresh inputs on which the stolen network is compared with the victim

Queries are real numbers anywhere in the space, also outside of the documented range. What comes out is exact up to the
rounding of the answers: float64 parameters to about 1e-11 after refinement. Where neurons are too many for their signs
to be told (about three times features times outputs), the function is still exact: its affine part is returned as
further neurons, and ``stop`` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from jaxattack.attacks.extraction.asking import require, too_small
from jaxattack.attacks.extraction.relu.frame import Frame, outputs
from jaxattack.attacks.extraction.relu.gradients import differences
from jaxattack.attacks.extraction.relu.network import ReluNetwork, logits
from jaxattack.attacks.extraction.relu.noise import DIGITS, Limits, Noise, Saturated, find_limits, rounding_unit
from jaxattack.attacks.extraction.relu.piecewise_linear import PiecewiseLinear, piecewise_linear, scatter, signed
from jaxattack.attacks.extraction.relu.polish import Answers, polish
from jaxattack.attacks.extraction.relu.refine import refine
from jaxattack.attacks.extraction.relu.rows import take
from jaxattack.attacks.extraction.relu.search import SearchState, search
from jaxattack.attacks.extraction.verification import Attack, Theft, allow, verified
from jaxattack.attacks.search.lockstep import Search, Task, meter, run, run_many, zoom
from jaxattack.types import (
    NUMBERS,
    Access,
    BudgetSpent,
    Draft,
    Extraction,
    InputError,
    Oracle,
    Progress,
    Snapshot,
    Verification,
    at_least,
    config,
)

CLOSE = 2.0**-13
"""By how much of their spread answers may be off, of which half the digits are more. Half and double 72, the same."""

FITTED, MOST = 4.0, 3000
"""Answers that are fitted at the end, an unknown; and unknowns at most for that: the derivatives by all of them are then 288 MB.

Half of the answers 72, .95; double 72, 1.09; double of the unknowns 72, the same.
"""


class Result(NamedTuple):
    """What was stolen, in the search's coordinates, and why that is not all, if it is not."""

    network: ReluNetwork
    neurons: int
    lines: int
    reason: str
    earlier: tuple[tuple[int, ReluNetwork], ...] = ()  # networks on the way, with the queries they took
    residual: float = np.nan  # the largest difference on fresh inputs
    bits: float = np.nan  # by which the victim's outputs vary more than that


@config
class Relu(Attack):
    """Exact extraction of a network with one hidden layer of ReLU.

    Attributes:
        hidden: how many neurons it has; None where that is not known.
        refine: measure the function once more where rounding hurts least.
        quiet: with ``hidden`` None, stop when so many lines in a row have shown nothing new.

    Raises:
        InputError: a value out of range.
    """

    hidden: int | None = None
    refine: bool = True
    quiet: int = 2

    name = "relu"
    paper = "Jagielski et al. 2020; Carlini et al. 2020"
    levels = NUMBERS
    every_class = True
    pool = False

    def __post_init__(self) -> None:
        at_least(1, hidden=self.hidden, quiet=self.quiet)

    def needs(self, access: Access) -> int:
        """Two searched lines, and a gradient for every neuron and output."""
        neurons = self.hidden or 1
        return (-(-neurons // max(outputs(access), 1)) + 1) * (access.inputs.low.size + 1) + 6 * neurons + 20

    def run(self, theft: Theft) -> Draft:
        """Steal the network.

        Returns:
            The Draft; ``stolen`` is a `ReluNetwork`, ``model`` runs it, ``snapshots`` holds the network before
            refinement, and ``notes`` the neurons found, the lines searched, and how far the network was off on fresh
            inputs (``residual``), and by how many bits that is below their spread (``bits``).
        """
        return run(_task(self, theft.oracle, theft.rng, theft.report))


def extract_many(
    attack: Relu,
    oracles: Sequence[Oracle],
    *,
    seeds: Sequence[int] | None = None,
    verification: Verification = Verification(),  # noqa: B008  frozen
) -> list[Extraction | InputError]:
    """Steal many networks at once: each gets what the attack alone would have got.

    Every round asks all victims at the same time, each from a thread of its own.

    Args:
        attack: the same for all.
        oracles: the victims; no two may be the same object or share what is not safe to share between threads.
        seeds: of each; 0 for all by default.
        verification: how each is compared with its victim.

    Returns:
        For each victim the Extraction, or the error that ended it.

    Raises:
        InputError: a victim twice, another number of seeds than of victims, or a victim that it cannot work with.
    """
    seeds = [0] * len(oracles) if seeds is None else seeds
    if len({id(oracle) for oracle in oracles}) < len(oracles):
        raise InputError("a victim is among the oracles twice: give each once.")
    if len(seeds) != len(oracles):
        raise InputError(f"there are {len(seeds)} seeds and {len(oracles)} victims: give one seed for each.")
    for oracle in oracles:
        require(attack, oracle, None)
    before, allowances = [oracle.ledger for oracle in oracles], [allow(attack, one, verification) for one in oracles]
    rngs = [np.random.default_rng(seed) for seed in seeds]
    results = run_many([_task(attack, *pair, lambda *_: None) for pair in zip(allowances, rngs, strict=True)])

    def finish(result: Draft | InputError, k: int) -> Extraction | InputError:
        if isinstance(result, BudgetSpent):
            return too_small(attack, oracles[k].access, result)
        if isinstance(result, InputError):
            return result
        draft = replace(result, attack=attack.name, cost=oracles[k].ledger - before[k])
        return verified(draft, oracles[k], allowances[k], verification, seed=seeds[k])

    return [finish(result, k) for k, result in enumerate(results)]


def _task(attack: Relu, oracle: Oracle, rng: np.random.Generator, report: Progress) -> Task:
    frame, start, needs = Frame.of(oracle.access), oracle.ledger.queries, attack.needs(oracle.access)

    def ask(z: np.ndarray) -> np.ndarray:
        outputs = frame.outputs(oracle(frame.records(z)))
        queries = oracle.ledger.queries - start
        report("queries", queries, max(needs, queries))
        return outputs

    return Task(_steal(attack, frame, rng), ask)


def _steal(attack: Relu, frame: Frame, rng: np.random.Generator) -> Search[Draft]:
    """The whole attack; raises `BudgetSpent` before anything was learnt."""
    limits = Limits()
    if np.isfinite(frame.ceiling):
        limits = yield from find_limits(len(frame.centre), frame.ceiling, rng)
    result = yield from zoom(_stages(attack, frame, limits, rng), limits.scale)
    frame = frame._replace(size=frame.size * limits.scale)
    notes = {"neurons": result.neurons, "lines": result.lines, "residual": result.residual}
    earlier = (Snapshot(queries, partial(frame.answer, frame.network(rough))) for queries, rough in result.earlier)
    draft = frame.draft(result.network, result.reason, notes | {"bits": round(result.bits, 1)})
    return replace(draft, snapshots=tuple(earlier))


def _stages(attack: Relu, frame: Frame, limits: Limits, rng: np.random.Generator) -> Search[Result]:
    """Search, signs, refinement, polish, and a trial."""
    features, noise = len(frame.centre), Noise.of(frame.access)
    if noise.coarse:
        noise = yield from rounding_unit(features, noise, rng)
    lines = search(features, outputs(frame.access), attack.hidden, noise, rng, quiet=attack.quiet)
    state, queries = yield from meter(lines)
    if not len(state.met):
        return (yield from _affine(state, features))
    stopped = state.refusal is not None or state.foreign
    function = piecewise_linear(
        state.neurons if stopped or not state.met.any() else take(state.neurons, state.met), state.regions
    )
    network, unsigned = signed(function, noise)
    result = Result(network, len(function.offset), state.lines, state.reason or unsigned)
    if stopped:
        return result
    result = result._replace(earlier=((queries, network),))
    try:
        if attack.refine:
            refined = yield from refine(function, noise, limits, rng)
            function = refined or function
            network, unsigned = signed(function, noise)
            if refined is None or noise.coarse:
                network = yield from _polish(network, function, limits, noise, rng)
            result = result._replace(network=network, reason=state.reason or unsigned)
        # Half of the 20 72, .99; double 1.03.
        x = scatter(function, 2 * result.neurons + 20, limits, rng, scale=1 / frame.spread)
        return _try(result, noise, Answers.finite(x, (yield x)))
    except BudgetSpent as refusal:
        return result._replace(reason=f"{refusal} The network is as it was before the last measurements.")


def _polish(
    network: ReluNetwork, function: PiecewiseLinear, limits: Limits, noise: Noise, rng: np.random.Generator
) -> Search[ReluNetwork]:
    """All parameters fitted to `FITTED` fresh answers an unknown, where these are not many: coarse ones are averaged."""
    if network.size > MOST:
        return network
    # Half of the 100 72, .99; double 1.02.
    x = scatter(function, int(FITTED * network.size / len(network.biases[-1])) + 100, limits, rng)
    # Numbers that a victim of fewer digits takes as they are.
    x = x.astype(np.float32).astype(np.float64) if noise.coarse else x
    return polish(network, Answers.finite(x, (yield x)))


def _affine(state: SearchState, features: int) -> Search[Result]:
    """Where no neuron was found: the affine function around the middle, which is all there is without kinks."""
    if state.refusal is not None:
        raise state.refusal
    value, gradient = yield from differences(np.zeros((1, features)), np.ones((1, features)), state.noise)
    if not np.isfinite(gradient).all():
        raise Saturated.of(int(np.isfinite(gradient).all(axis=(0, 1)).sum()), features)
    return Result(ReluNetwork((gradient[0],), (value[0],)), 0, state.lines, state.reason)


def _try(result: Result, noise: Noise, answers: Answers) -> Result:
    """Compare with the victim on fresh inputs."""
    off = np.abs(logits(result.network, answers.x) - answers.y).max(initial=0.0)
    extent, reason = np.ptp(answers.y) if len(answers.y) else 0.0, result.reason
    if not off <= max(noise.relative**0.5, CLOSE) * extent + DIGITS * noise.absolute:
        reason = reason or (
            f"the stolen network is off by {off:.2g} on fresh inputs where the victim varies by {extent:.2g}: neurons "
            "were not found, answers too coarse, or the victim is another architecture."
        )
    return result._replace(residual=float(off), reason=reason, bits=float(np.log2(extent / off)) if off else np.inf)
