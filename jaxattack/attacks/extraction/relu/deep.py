"""Exact extraction of ReLU networks with two or more hidden layers of known widths, peeled layer by layer.

After Carlini, Jagielski, Mironov 2020, "Cryptanalytic extraction of neural network models" (layers are peeled off at
points where neurons switch), with other means for three of its steps:

1. `search`: kinks of random lines. The hyperplanes that every line meets are the first layer, up to signs.
2. `walk`: from a kink that no known neuron explains, a neuron's zero set is followed across the known neurons; each
   crossing shows one more weight, with seven queries and no gradient. Kinks of deeper layers lead nowhere.
3. `signature`: the crossings of a layer's neurons are one linear system, which gives their weights over |z| and z, and
   all signs of the layer below at once. Layers may be wider than the layer below and than the input.
4. `polish`: kept answers give the last layer by least squares, then all parameters together by Gauss-Newton.
5. Fresh queries decide whether it succeeded.

A neuron that never switches where it was looked for is linear or nothing there; the last hidden layer may lack such
neurons without harm. Where layers before it lack any that matter, or a walk missed a weight, the fresh queries tell.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from jaxattack.attacks.extraction.relu.frame import Victim, outputs
from jaxattack.attacks.extraction.relu.network import ReluNetwork, logits
from jaxattack.attacks.extraction.relu.peeling import Peeling
from jaxattack.attacks.extraction.relu.polish import FITTED, Answers, polish
from jaxattack.attacks.extraction.relu.signature import AGREES
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.types import NUMBERS, Access, BudgetSpent, Draft, InputError, Progress, above_zero, at_least, config

CHECKS, THOROUGH = 200, 10
"""Fresh queries near the middle and of the region, and how many times more where neurons lack.

Of 35 networks of two and three hidden layers 33 are complete, and with 100 and 400, at .89 and 1.20 of the queries.
"""
REPAIRS = 10
"""How often the network is assembled. Of 35 networks 33 are complete, with half 32, at the same queries."""
THROUGH = 4
"""Lines at once to where the network is off. Of 35 networks 33 are complete, with half and double too, .99 and 1.00."""


@config
class ReluDeep(Attack):
    """Extraction of a ReLU network by peeling.

    Attributes:
        hidden: widths of the hidden layers, the first one first; two or more.
        tolerance: the attack succeeded once the stolen network is this close to the victim at fresh queries, for
            answers of order 1. Of 35 networks the same come out with 15 times as much.
        lines: how many lines to search at most.
        idle: a layer is given up after so many lines that showed no further neuron of it. Of 35 networks 33 are
            complete, with half 32, .99.

    Raises:
        InputError: a value out of range.
    """

    hidden: tuple[int, ...]
    tolerance: float = 1e-9
    lines: int = 120
    idle: int = 24

    name = "relu-deep"
    paper = "after Carlini et al. 2020"
    levels = NUMBERS
    every_class = True
    pool = False

    def __post_init__(self) -> None:
        if len(self.hidden) < 2 or min(self.hidden) < 1:
            raise InputError(f"hidden is {self.hidden}: give the widths of two or more hidden layers, each at least 1.")
        above_zero(tolerance=self.tolerance)
        at_least(1, lines=self.lines, idle=self.idle)

    def needs(self, access: Access) -> int:
        """As many answers as the network has parameters."""
        width = outputs(access)
        sizes = (int(np.prod(access.inputs.shape)), *self.hidden, width)
        return sum((before + 1) * after for before, after in pairwise(sizes)) // width

    def run(self, theft: Theft) -> Draft:
        """Steal the network.

        Raises:
            InputError: answers that are no float64 logits or probabilities, features that are no numbers, or a budget
                that ends before anything was learnt.
        """
        access = theft.access
        if access.precision != "float64" or access.decimals is not None:
            decimals = "" if access.decimals is None else f" with {access.decimals} decimals"
            raise InputError(
                f"precision is {access.precision}{decimals}: relu-deep measures second differences and needs unrounded "
                "float64 answers; choose retraining."
            )
        victim = Victim(theft.oracle)
        peeling = Peeling(victim, self.hidden, self.lines, self.idle, theft.rng)
        notes: dict[str, Any] = {}
        try:
            network, reason = self._steal(peeling, notes, theft.report)
        except BudgetSpent as refusal:
            if victim.queries <= peeling.features:
                raise
            network = peeling.network or peeling.assemble()
            reason = f"{refusal} Until then {peeling.summary()}"
        notes |= {"lines": peeling.lines, "neurons": "-".join(map(str, peeling.widths))}
        notes["missing"] = sum(self.hidden) - sum(peeling.widths)
        return victim.frame.draft(network, reason, notes)

    def _steal(self, peeling: Peeling, notes: dict[str, Any], progress: Progress) -> tuple[ReluNetwork, str]:
        """The stolen network, and why it is not exact."""
        if not peeling.first():
            return peeling.assemble(), f"The first layer is not complete: {peeling.summary()}"
        for layer in range(1, len(self.hidden)):
            progress("layers", layer, len(self.hidden))
            if not peeling.next():
                return peeling.assemble(), f"No neuron of layer {layer + 1} could be followed: {peeling.summary()}"
        for left in reversed(range(REPAIRS)):
            network = peeling.network = peeling.assemble()
            lacking = peeling.widths[-1] < self.hidden[-1]
            start, goal = _astride(network, peeling.answers, peeling.rng)
            if lacking and left and len(start):
                peeling.more(start, goal)
                continue
            network = peeling.network = polish(network, peeling.answers.some(int(FITTED * network.size), peeling.rng))
            notes["error"], allowed = self._check(peeling, network)
            if notes["error"] <= allowed:
                return network, ""
            if not lacking:
                break
        off = f"It is off by {notes['error']:.1e} at fresh queries, more than {allowed:.1e}"
        return network, f"{off}: {peeling.summary()}"

    def _check(self, peeling: Peeling, network: ReluNetwork) -> tuple[float, float]:
        """How far the network is off at fresh queries, which are kept, and how far it may be."""
        count = CHECKS if peeling.complete else THOROUGH * CHECKS
        near = peeling.rng.normal(size=(count, peeling.features))
        x, y = peeling.sample(np.concatenate([near, peeling.victim.frame.uniform(count, peeling.rng)]))
        return float(np.abs(logits(network, x) - y).max()), self.tolerance * max(1.0, float(np.median(np.abs(y))))


def _astride(network: ReluNetwork, answers: Answers, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points where a network is off, each with the closest of some where it is not."""
    miss = np.abs(logits(network, answers.x) - answers.y).max(axis=1)
    off = miss > AGREES * max(1.0, float(np.abs(answers.y).max()))
    if off.all() or not off.any():
        return answers.x[:0], answers.x[:0]
    start, goal = rng.permutation(answers.x[off])[:THROUGH], answers.x[~off]
    apart = np.linalg.norm(start[:, None] - goal, axis=2)
    return start, goal[apart.argmin(axis=1)]
