"""Exact extraction of a network with one hidden layer, f(x) = A relu(W x + b) + c, from its outputs alone.

Jagielski, Carlini, Berthelot, Kurakin, Papernot 2020 (USENIX Security, section 4) and Carlini, Jagielski, Mironov 2020
(CRYPTO), with all intervals of a line searched at once and gradients shared by neighbours:

    `search`  kinks of random lines -> normals, offsets and jumps of the neurons, up to sign: about a query a parameter
    `refine`  (optional) the same function measured over long steps: about as many queries again
    `piecewise_linear`  signs, by least squares or as an integer program; no queries
    `stages`   at the end 2 h + 20 fresh inputs on which the stolen network is compared with the victim

The outputs are logits (one or several) or probabilities, whose log-odds are piecewise linear too; several outputs need
fewer gradients. Queries are real numbers anywhere in the space, also outside of the documented range. What comes out is
exact up to the rounding of the answers: float64 parameters to about 1e-11 after refinement.

Where neurons are too many for their signs to be told (about three times features times outputs), the function is still
exact: its affine part is returned as further neurons, and ``stop`` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.asking import require, too_small
from jaxattack.attacks.extraction.relu.frame import Frame
from jaxattack.attacks.extraction.relu.network import relu_model
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.extraction.relu.stages import Plan, Result, steal
from jaxattack.attacks.extraction.verification import Attack, Theft, allow, verified
from jaxattack.attacks.search.lockstep import Task, run, run_many
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
    config,
)


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
    pool = False

    def __post_init__(self) -> None:
        if self.hidden is not None and self.hidden < 1:
            raise InputError(f"hidden is {self.hidden}: give at least 1 neuron, or none where it is not known.")
        if self.quiet < 1:
            raise InputError(f"quiet is {self.quiet}: give at least 1 line.")

    def needs(self, access: Access) -> int:
        """Two searched lines, and a gradient for every neuron and output."""
        neurons = self.hidden or 1
        outputs = access.classes - (access.level == "probability")
        return (-(-neurons // max(outputs, 1)) + 1) * (access.inputs.low.size + 1) + 6 * neurons + 20

    def run(self, theft: Theft) -> Draft:
        """Steal the network.

        Returns:
            The Draft; ``stolen`` is a `ReluNetwork`, ``model`` runs it, ``snapshots`` holds the network before
            refinement, and ``notes`` the neurons found, the lines searched, and how far the network was off on fresh
            inputs (``residual``), and by how many bits that is below their spread (``bits``).
        """
        frame = Frame.of(theft.access)
        return _draft(run(_task(self, theft.oracle, frame, theft.rng, theft.report)), frame)


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
    frames, before = [Frame.of(oracle.access) for oracle in oracles], [oracle.ledger for oracle in oracles]
    allowances = [allow(attack, oracle, verification) for oracle in oracles]
    tasks = [
        _task(attack, oracle, frame, np.random.default_rng(seed), lambda *_: None)
        for oracle, frame, seed in zip(allowances, frames, seeds, strict=True)
    ]
    results: list[Extraction | InputError] = []
    for result, frame, oracle, allowance, start, seed in zip(
        run_many(tasks), frames, oracles, allowances, before, seeds, strict=True
    ):
        if isinstance(result, BudgetSpent):
            results.append(too_small(attack, oracle.access, result))
        elif isinstance(result, InputError):
            results.append(result)
        else:
            draft = replace(_draft(result, frame), attack=attack.name, cost=oracle.ledger - start)
            results.append(verified(draft, oracle, allowance, verification, seed=seed))
    return results


def _task(attack: Relu, oracle: Oracle, frame: Frame, rng: np.random.Generator, report: Progress) -> Task:
    plan = Plan(
        frame.centre.size,
        attack.hidden,
        attack.quiet,
        attack.refine,
        Noise.of(frame.access),
        frame.ceiling,
        frame.spread,
    )
    start, needs = oracle.ledger.queries, attack.needs(oracle.access)

    def ask(z: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query output"]:
        outputs = frame.outputs(oracle(frame.records(z)))
        queries = oracle.ledger.queries - start
        report("queries", queries, max(needs, queries))
        return outputs

    return Task(steal(plan, rng), ask)


def _draft(result: Result, frame: Frame) -> Draft:
    network = frame.network(result.network)
    earlier = tuple(Snapshot(queries, partial(frame.answer, frame.network(rough))) for queries, rough in result.earlier)
    return Draft(
        stolen=network,
        answer=partial(frame.answer, network),
        parameters=network.parameters,
        model=relu_model(network.sizes),
        stop=result.reason,
        snapshots=earlier,
        notes={
            "neurons": result.neurons,
            "lines": result.lines,
            "residual": result.residual,
            "bits": round(result.bits, 1),
        },
    )
