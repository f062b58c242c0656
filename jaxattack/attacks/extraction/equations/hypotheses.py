"""Extract and test (Tramèr et al. 2016, section 6): what kind of model is it?

The attack is run under every hypothesis of model type and feature map, the cheapest first. Each is tested on uniform
queries that no hypothesis was fitted to, by the total variation between its answers and the victim's, and the least
wins. One that is hardly further off than its own answers are when they are rounded as the victim's ends the search.

Every hypothesis is called with the same seed and an oracle that repeats what was already paid for: designs that begin
alike, as those of all feature maps do, are asked once.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.equations.features import FEATURE_MAPS
from jaxattack.attacks.extraction.equations.kernel import Kernel
from jaxattack.attacks.extraction.equations.linear import Softmax
from jaxattack.attacks.extraction.equations.mlp import Mlp
from jaxattack.attacks.extraction.equations.ovr import OneVsRest
from jaxattack.attacks.extraction.equations.rounded import Rounded
from jaxattack.attacks.extraction.equations.tape import concatenate
from jaxattack.attacks.extraction.equations.terms import exact
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.attacks.naming import label
from jaxattack.metrics import fidelity
from jaxattack.types import (
    EPSILON,
    NUMBERS,
    Access,
    Answer,
    Bias,
    Draft,
    ExtractionAttack,
    InputError,
    Ledger,
    Oracle,
    at_least,
    config,
)

UNROUNDED: tuple[ExtractionAttack, ...] = (
    *(Softmax(features=features) for features in FEATURE_MAPS),
    OneVsRest(),
    Mlp(),
    Kernel(),
)
BOUNDED: tuple[ExtractionAttack, ...] = tuple(Rounded(features=features) for features in FEATURE_MAPS)
REGISTRY = {attack.name: attack for attack in reversed((*UNROUNDED, *BOUNDED))}
ROUNDED = 1.25
"""A hypothesis explains answers from which it varies so many times as much as from its own rounded ones, and half the digits beside it, at most
the tolerance: half the digits of bfloat16 are 9%, within which other kinds of models are too. Of 16 victims of eight kinds all are named; with
half 15 from a tenth more queries, with twice all from as many."""


class Trial(NamedTuple):
    """A hypothesis that was tried: how far it is from the victim, and from its own rounded answers, on the held-out queries."""

    hypothesis: str
    draft: Draft
    variation: float
    disagreement: float
    rounding: float


@config
class Hypotheses(Attack):
    """Steal a model of unknown type by trying several.

    Attributes:
        hypotheses: attacks; by default those of this package that suit how exactly the victim answers.
        held_out: queries that they are tested on; with half and twice the 16 are named too, as by a tenth of the tolerance and ten times.
            Of 16 others all are complete with a quarter and half too, by 32% and 21% fewer queries.
        tolerance: the largest total variation of a hypothesis that fits; rounding is allowed for beside it.

    Raises:
        InputError: a value out of range.
    """

    hypotheses: tuple[ExtractionAttack, ...] = ()
    held_out: int = 100
    tolerance: float = 1e-3

    name = "hypotheses"
    paper = "Tramèr et al. 2016"
    levels = NUMBERS
    pool = False

    def __post_init__(self) -> None:
        at_least(1, held_out=self.held_out)
        if not 0 < self.tolerance < 1:
            raise InputError(f"tolerance is {self.tolerance}: give a share between 0 and 1.")

    def needs(self, access: Access) -> int:
        """The held-out queries and those of the cheapest hypothesis."""
        return self.held_out + min(attack.needs(access) for attack in self.suited(access))

    def suited(self, access: Access) -> tuple[ExtractionAttack, ...]:
        """The hypotheses, the cheapest first."""
        complete = exact(access) and access.top in (0, access.classes)
        hypotheses = self.hypotheses or (UNROUNDED if complete else BOUNDED)
        able = [attack for attack in hypotheses if access.level in attack.levels and not attack.pool]
        if not able:
            raise InputError(f"none of the hypotheses works with {access.level} answers and no pool: give others.")
        return tuple(sorted(able, key=lambda attack: attack.needs(access)))

    def run(self, theft: Theft) -> Draft:
        """Steal the model.

        Returns:
            What the best hypothesis stole. Notes, beside its own: ``hypothesis``; its ``variation`` and
            ``disagreement``; ``tried``, the variation of each; ``refused``, why others could not be tried.
        """
        access, suited, report = theft.access, self.suited(theft.access), theft.report
        holdout = uniform(access.inputs, self.held_out, np.random.default_rng([theft.seed, 1]))
        cache = CachingOracle(theft.oracle)
        truth = cache(holdout)
        trials: list[Trial] = []
        refusals: list[str] = []
        for number, attack in enumerate(suited):
            report("try hypotheses", number, len(suited))
            try:
                draft = attack.steal(cache, seed=theft.seed)
            except InputError as error:
                refusals.append(f"{label(attack, REGISTRY)}: {error}")
                continue
            trials.append(_test(label(attack, REGISTRY), draft, access, truth, holdout))
            enough = min(EPSILON[access.precision] ** 0.5, self.tolerance) + ROUNDED * trials[-1].rounding
            if draft.converged and trials[-1].variation <= enough:
                break
        report("try hypotheses", len(suited), len(suited))
        if not trials:
            raise InputError(f"no hypothesis could be tried: {refusals[0]}")
        best = min(trials, key=lambda each: each.variation)
        reason = best.draft.stop
        if best.variation > self.tolerance + ROUNDED * best.rounding:
            reason = (
                f"no hypothesis fits: the best, {best.hypothesis}, is {best.variation:.1e} off on fresh queries; "
                "give other hypotheses or use retraining."
            )
        notes = {
            **best.draft.notes,
            "hypothesis": best.hypothesis,
            "variation": best.variation,
            "disagreement": best.disagreement,
            "tried": "; ".join(f"{each.hypothesis} {each.variation:.1e}" for each in trials),
            **({"refused": " ".join(refusals)} if refusals else {}),
        }
        return dataclasses.replace(best.draft, stop=reason, notes=notes)


def _test(hypothesis: str, draft: Draft, access: Access, truth: Answer, holdout: np.ndarray) -> Trial:
    """How far off a hypothesis is: mean total variation, or the largest error of logits as a share of their spread.

    The latter is of a regressor, and of the logits of the most likely classes alone.
    """
    mine = draft.answer(holdout)
    coarse = mine
    if access.decimals is not None:
        coarse = Answer(mine.label, *(None if part is None else part.round(access.decimals) for part in mine[1:]))
    alike, own = fidelity(truth, mine), fidelity(coarse, mine)
    off, rounding = alike.variation_mean, own.variation_mean
    if off is None or rounding is None or access.classes < 2:
        logits = [np.asarray(answer.logit, float) for answer in (truth, coarse, mine)]
        spread = max(float(np.nanmax(logits[0]) - np.nanmin(logits[0])), np.finfo(float).tiny)
        off, rounding = (float(np.nanmax(np.abs(part - logits[2]))) / spread for part in logits[:2])
    return Trial(hypothesis, draft, off, alike.disagreement, rounding)


class CachingOracle:
    """An oracle that asks every record once and repeats its answer."""

    def __init__(self, oracle: Oracle) -> None:
        self.access, self._oracle = oracle.access, oracle
        self._where: dict[bytes, int] = {}
        self._answers: Answer | None = None

    @property
    def ledger(self) -> Ledger:
        """What was asked of the victim."""
        return self._oracle.ledger

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        """Answer a batch, asking only for what is new; with a bias, for all of it."""
        if bias is not None:
            return self._oracle(x, bias)
        keys = [record.tobytes() for record in np.ascontiguousarray(x, np.float64)]
        new = {key: at for at, key in enumerate(keys) if key not in self._where}
        if new or self._answers is None:
            answer = self._oracle(x[list(new.values())])
            self._answers = answer if self._answers is None else concatenate([self._answers, answer])
            self._where |= {key: len(self._where) + at for at, key in enumerate(new)}
        return self._answers.take(np.array([self._where[key] for key in keys], int))
