"""Jacobian-based augmentation: a substitute from few records of one's own (Papernot et al. 2017).

    S <- S + {x + step range sign(d F_y(x) / dx) : x in S}

where y is what the victim answered to x and F is the substitute, trained in every round on all of S. Each round
doubles the queries, so |S_0| 2^rounds in all; a query is labelled once and its answer kept. Queries stay inside the range
of the service. The aim is less to agree with the victim everywhere than to make adversarial examples that fool it: see
`jaxattack.attacks.evasion.transfer`.

A positive step, as published, moves a query further into its class. A negative one moves it towards the substitute's
boundary, where answers tell more; the authors' code takes negative steps in its first rounds. On digits, a softmax
regression behind labels, 6,400 queries and a perceptron: agreement 89.5% with steps of 0.1 and 98.7% with -0.1, and 38%
and 56% of the test records fooled by the fast gradient sign method at 0.15.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jaxattack.attacks.extraction.campaign import Campaign, Member
from jaxattack.attacks.extraction.substitute import PERCEPTRON, Substitute
from jaxattack.perturb.signs import sign_of_gradient
from jaxattack.types import Access, InputError, config


@config
class Jacobian(Campaign):
    """Augmentation along the substitute's Jacobian.

    Attributes:
        budget: queries; the first round asks budget / 2^rounds records of the pool: 150 by default, as the authors' code.
        rounds: doublings; six as there. At most 20, a million queries for each record.
        step: of each feature, as a share of its range; 0.1 as published; negative to move away from the answered class.
        substitute: what is trained.

    Raises:
        InputError: a value out of range.
    """

    budget: int = 9600
    rounds: int = 6
    step: float = 0.1
    substitute: Substitute = PERCEPTRON

    name = "jacobian"
    paper = "Papernot et al. 2017"

    def __post_init__(self) -> None:
        if not 1 <= self.rounds <= 20:
            raise InputError(f"rounds is {self.rounds}: give 1 to 20 doublings.")
        if self.budget < 2**self.rounds:
            raise InputError(
                f"budget is {self.budget}: {self.rounds} doublings need at least {2**self.rounds} queries."
            )
        if not 0 < abs(self.step) <= 1:
            raise InputError(f"step is {self.step}: give a share of the range from -1 to 1 that is not 0.")

    @property
    def records(self) -> int:
        """What is doubled in every round."""
        return self.budget // 2**self.rounds

    def needs(self, access: Access) -> int:
        """A record for each class, doubled in every round."""
        return access.classes * 2**self.rounds

    def plan(self, _access: Access, /) -> list[int]:
        """The records of the start, then doublings."""
        return [self.records, *(self.records * 2**number for number in range(self.rounds))]

    def queries(self, member: Member) -> Iterator[np.ndarray]:
        """Records of the pool at random, then every query so far moved by a step."""
        yield member.own[member.rng.choice(len(member.own), self.records, replace=False)]
        inputs = member.access.inputs
        for _ in range(self.rounds):
            assert member.stolen is not None
            sign = sign_of_gradient(member.stolen.model, member.stolen.variables, member.x, member.label)
            size = abs(self.step) * (inputs.high - inputs.low)
            size = np.maximum(size, 1) if inputs.whole else size  # less would be rounded away
            yield np.clip(member.x + np.sign(self.step) * size * sign, inputs.low, inputs.high)
