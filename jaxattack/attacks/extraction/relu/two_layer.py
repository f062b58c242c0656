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

import numpy as np

from jaxattack.attacks.extraction.asking import require, too_small
from jaxattack.attacks.extraction.relu.frame import Victim, outputs
from jaxattack.attacks.extraction.relu.gradients import differences
from jaxattack.attacks.extraction.relu.network import ReluNetwork, logits
from jaxattack.attacks.extraction.relu.noise import DIGITS, Noise, Saturated, find_scale, rounding_unit
from jaxattack.attacks.extraction.relu.piecewise_linear import PiecewiseLinear, piecewise_linear, scatter, signed
from jaxattack.attacks.extraction.relu.polish import FITTED, Answers, polish
from jaxattack.attacks.extraction.relu.refine import refine
from jaxattack.attacks.extraction.relu.rows import take
from jaxattack.attacks.extraction.relu.search import SearchState, search
from jaxattack.attacks.extraction.verification import Attack, Theft, allow, verified
from jaxattack.attacks.search.lockstep import Search, Task, run, run_many
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

MOST = 3000
"""Unknowns at most for a polish: the derivatives by all of them are then 288 MB. Double 72, the same."""


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
    victim, needs = Victim(oracle), attack.needs(oracle.access)

    def ask(z: np.ndarray) -> np.ndarray:
        answers = victim.ask(z)
        report("queries", victim.queries, max(needs, victim.queries))
        return answers

    return Task(_steal(attack, victim, rng), ask)


def _steal(attack: Relu, victim: Victim, rng: np.random.Generator) -> Search[Draft]:
    """Search, signs, refinement, polish, and a trial; raises `BudgetSpent` before anything was learnt."""
    frame = victim.frame
    features, noise = len(frame.centre), Noise.of(frame.access)
    if frame.access.level == "probability":
        scale = yield from find_scale(features, rng)
        frame = victim.frame = frame._replace(size=frame.size * scale)
    if noise.coarse:
        noise = yield from rounding_unit(features, noise, rng)
    state = yield from search(features, outputs(frame.access), attack.hidden, noise, rng, quiet=attack.quiet)
    notes = {"neurons": 0, "lines": state.lines, "residual": np.nan, "bits": np.nan}
    if not len(state.met):
        return frame.draft((yield from _affine(state, features)), state.reason, notes)
    stopped = state.refusal is not None or state.foreign
    function = piecewise_linear(
        state.neurons if stopped or not state.met.any() else take(state.neurons, state.met), state.regions
    )
    notes["neurons"] = neurons = len(function.offset)
    network, unsigned = signed(function, noise)
    reason = state.reason or unsigned
    if stopped:
        return frame.draft(network, reason, notes)
    rough = Snapshot(victim.queries, partial(frame.answer, frame.network(network)))
    try:
        if attack.refine:
            refined = yield from refine(function, noise, rng)
            function = refined or function
            network, unsigned = signed(function, noise)
            reason = state.reason or unsigned
            if refined is None or noise.coarse:
                network = yield from _polish(network, function, rng)
        # Half of the 20 72, .99; double 1.03.
        x = scatter(function, 2 * neurons + 20, rng, scale=1 / frame.spread)
        trial, off = _try(network, noise, Answers.finite(x, (yield x)))
        reason, notes = reason or off, notes | trial
    except BudgetSpent as refusal:
        reason = f"{refusal} The network is as it was before the last measurements."
    return replace(frame.draft(network, reason, notes), snapshots=(rough,))


def _polish(network: ReluNetwork, function: PiecewiseLinear, rng: np.random.Generator) -> Search[ReluNetwork]:
    """All parameters fitted to `FITTED` fresh answers an unknown, where these are not many: coarse ones are averaged."""
    if network.size > MOST:
        return network
    # Half of the 100 72, .99; double 1.02.
    x = scatter(function, int(FITTED * network.size / len(network.biases[-1])) + 100, rng)
    return polish(network, Answers.finite(x, (yield x)))


def _affine(state: SearchState, features: int) -> Search[ReluNetwork]:
    """Where no neuron was found: the affine function around the middle, which is all there is without kinks."""
    if state.refusal is not None:
        raise state.refusal
    value, gradient = yield from differences(np.zeros((1, features)), np.ones((1, features)), state.noise)
    if not np.isfinite(gradient).all():
        raise Saturated.of(int(np.isfinite(gradient).all(axis=(0, 1)).sum()), features)
    return ReluNetwork((gradient[0],), (value[0],))


def _try(network: ReluNetwork, noise: Noise, answers: Answers) -> tuple[dict[str, float], str]:
    """How far the network is off on fresh inputs, and what that says against it."""
    off = np.abs(logits(network, answers.x) - answers.y).max(initial=0.0)
    extent = np.ptp(answers.y) if len(answers.y) else 0.0
    notes = {"residual": float(off), "bits": round(float(np.log2(extent / off)), 1) if off else np.inf}
    if off <= max(noise.relative**0.5, CLOSE) * extent + DIGITS * noise.absolute:
        return notes, ""
    return notes, (
        f"the stolen network is off by {off:.2g} on fresh inputs where the victim varies by {extent:.2g}: neurons "
        "were not found, answers too coarse, or the victim is another architecture."
    )
