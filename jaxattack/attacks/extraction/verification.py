"""Whether a stolen model is its victim's: the one place that decides what `Extraction.complete` says.

Every attack is called through `Attack`. Before it starts, a part of the oracle's budget is reserved; when it has ended,
that part, or `Verification.trials` where no budget ends earlier, is spent on inputs that the attack did not ask
(`trials`), on which stolen model and victim are compared. The extraction is complete where the attack came to its end,
at least `Verification.minimum` inputs were compared, none was answered differently, and the answers could have shown it:
either numbers were compared, and as many of them differ from the answer before, or the answers are of several classes and
some inputs beside boundaries of the stolen model. Where labels alone are compared, an input that the victim answers with the same
number for all classes shows nothing, and does not count. Then the share of disagreement on such inputs is at most 1 - 0.05^(1/n),
about 3/n, with 95% confidence. Inputs of another kind may still be answered otherwise.

Two answers are different if

    labels    are unequal, but for a tie: the victim's own numbers for the two labels are equal within the precision, or
              where they are rounded within one step, each of at most `TIE` of their spread, or of at most `COARSE` where the
              stolen model's own numbers for them are within two steps, too. Where numbers are compared it must have such;
    numbers   are further apart than the precision tells, where the attack claims them (`Draft.exact`): half the digits
              of the arithmetic, as a system of equations may cost the other half, sqrt(eps) of the spread of the
              answers and 64 eps of their size, by which a sum of 2^14 roundings errs, of bfloat16 sqrt(eps) too; where
              answers are rounded, one and a half steps more: half of one is the rounding, and one the solution's, which
              is to round to the same number or to its neighbour.

Logits of classes are compared without what all classes share, which no answer of a classifier depends on.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Shaped

from jaxattack.attacks.extraction import trials
from jaxattack.attacks.extraction.asking import ask_most, require, too_small
from jaxattack.types import (
    EPSILON,
    Access,
    Answer,
    Bias,
    BudgetSpent,
    Draft,
    Extraction,
    ExtractionAttack,
    InputError,
    Ledger,
    Oracle,
    Precision,
    Progress,
    Tally,
    Verdict,
    Verification,
)

TINY: dict[Precision, float] = {"float64": 2.0**-1022, "float32": 2.0**-126, "bfloat16": 2.0**-126}
"""The smallest number that holds all digits."""

TIE, COARSE = 0.01, 0.1
"""Of the spread: of one decimal a step is a tenth, and to call all labels tied within so much would verify little.

Of 210 mistakes planted in copies of 28 victims of two decimals 61% are told and no copy right to half a step is refused; with half 62%,
and 18% refused. Of one decimal, of 288 in copies of 24 regressions, trees, forests and networks, 85% where numbers are compared and 76% where
labels are, and none of 144 right copies is refused; with a hundredth for both 89% and 82%, and 31% refused.
"""


class Allowance:
    """An oracle that leaves ``reserve`` of its budget unspent, ``left`` may be asked, and that can tell what it was asked."""

    def __init__(self, oracle: Oracle, left: int | None = None, reserve: int = 0) -> None:
        self.access, self.left = oracle.access, left
        self._oracle, self._reserve, self._digests = oracle, reserve, set[int]()

    @property
    def ledger(self) -> Ledger:
        """What was asked of the victim."""
        return self._oracle.ledger

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        """Answer a batch, as `jaxattack.types.Oracle` says."""
        if self.left is not None and len(x) > self.left:
            raise BudgetSpent(
                f"the budget has {self.left:,} queries left, beside {self._reserve:,} that are reserved to compare the "
                f"stolen model with its victim, and this call asks {len(x):,}: raise the budget.",
                left=self.left,
            )
        answer = self._oracle(x, bias)
        if self.left is not None:
            self.left -= len(x)
        self._digests.update(_digests(x))
        return answer

    def fresh(self, x: Shaped[np.ndarray, "query *feature"]) -> Bool[np.ndarray, "query"]:
        """Which inputs were not asked, the first of equal ones alone."""
        digests = _digests(x)
        first = {digest: row for row, digest in reversed(list(enumerate(digests)))}
        return np.array([row == first[it] and it not in self._digests for row, it in enumerate(digests)], bool)


def _digests(x: np.ndarray) -> list[int]:
    # 0.0 is added so that -0.0 and 0.0 are one number.
    return [hash(record.tobytes()) for record in np.ascontiguousarray(x, np.float64) + 0.0]


class Theft(NamedTuple):
    """What an attack is run with: a counting oracle, the only source of what is random and its seed, records of the attacker's own,
    and whom to report to what is being done, how much of it, and of how much."""

    oracle: Oracle
    rng: np.random.Generator
    seed: int
    pool: Shaped[np.ndarray, "record *feature"] | None
    report: Progress

    @property
    def access(self) -> Access:
        """The victim's terms."""
        return self.oracle.access


class Attack:
    """An extraction attack; calling it verifies what was stolen.

    A subclass has a method ``run``, `Theft` -> Draft, that leaves the Draft's name and cost to `steal` and lets
    `BudgetSpent` pass where nothing was learnt. ``every_class`` says whether it refuses a victim that withholds classes.
    """

    every_class = False

    def steal(
        self: Any,
        oracle: Oracle,
        *,
        seed: int = 0,
        pool: Shaped[np.ndarray, "record *feature"] | None = None,
        progress: Progress | None = None,
    ) -> Draft:
        """Steal the model and compare nothing, as `jaxattack.types.ExtractionAttack` says."""
        require(self, oracle, pool)
        before = oracle.ledger
        try:
            draft = self.run(Theft(oracle, np.random.default_rng(seed), seed, pool, progress or (lambda *_: None)))
        except BudgetSpent as refusal:
            raise too_small(self, oracle.access, refusal) from refusal
        except np.linalg.LinAlgError as error:
            raise InputError(
                f"the equations that {self.name} reads off this victim's answers have no solution ({error}): the victim is "
                "of another family; choose path-finding or retraining."
            ) from error
        return replace(draft, attack=self.name, cost=oracle.ledger - before)

    def __call__(
        self: ExtractionAttack,
        oracle: Oracle,
        *,
        seed: int = 0,
        pool: Shaped[np.ndarray, "record *feature"] | None = None,
        progress: Progress | None = None,
        verification: Verification = Verification(),  # noqa: B008  frozen
    ) -> Extraction:
        """Steal the model and verify it, as `jaxattack.types.ExtractionAttack` says."""
        require(self, oracle, pool)
        allowance = allow(self, oracle, verification)
        draft = self.steal(allowance, seed=seed, pool=pool, progress=progress)
        return verified(draft, oracle, allowance, verification, seed=seed, pool=pool)


def allow(attack: ExtractionAttack, oracle: Oracle, verification: Verification) -> Allowance:
    """The oracle as an attack is handed it: without what is reserved for comparing."""
    left = getattr(oracle, "left", None)
    if left is None:
        return Allowance(oracle)
    try:
        needs = attack.needs(oracle.access)
    except InputError:  # it cannot work on such a victim, and says so better itself
        needs = left
    reserve = max(min(verification.trials, int(verification.share * left), left - needs), 0)
    return Allowance(oracle, left - reserve, reserve)


def verified(
    draft: Draft,
    oracle: Oracle,
    allowance: Allowance,
    verification: Verification,
    *,
    seed: int,
    pool: Shaped[np.ndarray, "record *feature"] | None = None,
) -> Extraction:
    """A draft, compared with its victim on inputs that the seed decides and that the allowance, which it was stolen by, was not
    asked."""
    before, rng = oracle.ledger, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    try:
        verdict = _compare(draft, oracle, allowance, verification, rng, pool)
    except InputError as error:  # what was stolen is paid for and must not be lost to a question of ours
        verdict = Verdict(reason=f"it could not be compared with the victim: {error}")
    verdict = replace(verdict, cost=oracle.ledger - before)
    return Extraction(**{**vars(draft), "cost": draft.cost + verdict.cost}, verdict=verdict)


def _compare(
    draft: Draft,
    oracle: Oracle,
    allowance: Allowance,
    verification: Verification,
    rng: np.random.Generator,
    pool: np.ndarray | None,
) -> Verdict:
    if not verification.trials:
        return Verdict(reason="it was not compared with the victim, as 0 trials were wanted.")
    access, victim, boundary = oracle.access, None, False
    if draft.trial is not None:
        wrong = draft.trial(oracle, verification.minimum, rng)
        place, count = np.full(len(wrong), "output"), len(wrong)
    else:
        x, place = trials.draw(draft.answer, draft.exact, access, verification.trials, pool, allowance.fresh, rng)
        victim, count, _ = ask_most(oracle, x)
        place, wrong = place[:count], np.zeros(count, bool)
        if victim is not None:
            wrong, boundary = differ(victim, draft.answer(x[:count]), access, exact=draft.exact), "boundary" in place
            if not draft.exact:
                told = ~_undecided(victim, access)
                victim, place, wrong = victim.take(told), place[told], wrong[told]
    tallies = {str(one): Tally(int((place == one).sum()), int(wrong[place == one].sum())) for one in np.unique(place)}
    reason = _doubt(tallies, verification.minimum, count - len(place))
    if not reason and victim is not None:
        # On how many inputs a model that repeats the answer before would have been found out.
        shows = draft.exact and differ(victim, victim.take(np.arange(len(place)) - 1), access, exact=True).sum()
        reason = "" if shows >= verification.minimum else _alike(victim, access, boundary)
    return Verdict(tallies=tallies, reason=reason)


def _doubt(tallies: dict[str, Tally], minimum: int, undecided: int) -> str:
    """Why comparing does not verify what was stolen, beside inputs that show nothing; empty where it does."""
    count, wrong = (sum(getattr(tally, name) for tally in tallies.values()) for name in ("trials", "disagreements"))
    if not wrong and count < minimum <= count + undecided:
        return (
            f"the victim answered {undecided} of {count + undecided} fresh inputs with one number for all classes, to its "
            "precision: give a pool of records, or ask for more decimals."
        )
    if not count:
        return (
            "nothing was left to verify it on: the budget ended with the attack, or every input had been asked; "
            f"allow at least {minimum} queries more."
        )
    if wrong:
        parts = [f"{one.disagreements} of {one.trials} {name}" for name, one in tallies.items() if one.disagreements]
        return f"it disagrees with the victim on {wrong} of {count} fresh inputs ({', '.join(parts)})."
    if count < minimum:
        return f"it was compared on {count} fresh inputs, and takes {minimum} to be verified: raise the budget."
    return ""


def _alike(victim: Answer, access: Access, boundary: bool) -> str:
    """Why the answers were too much alike to verify anything; empty where they were not."""
    if access.classes == 1:
        return "nearly all fresh inputs were answered with the same number: give a pool of records."
    if len(np.unique(victim.label)) < 2:
        return (
            f"all {len(victim.label)} fresh inputs were answered with class {victim.label[0]}: give a pool of records."
        )
    return (
        "" if boundary else "no boundary of the stolen model was reached to compare beside it: give a pool of records."
    )


def _undecided(victim: Answer, access: Access) -> Bool[np.ndarray, "query"]:
    """Where not even the least likely label would be called different."""
    numbers = victim.probability if victim.logit is None else victim.logit
    if numbers is None or access.classes == 1:
        return np.zeros(len(victim.label), bool)
    least = np.argmin(np.where(np.isnan(numbers), -np.inf, numbers), axis=1)
    return ~differ(victim, Answer(least), access, exact=False)


def differ(victim: Answer, stolen: Answer, access: Access, *, exact: bool) -> Bool[np.ndarray, "query"]:
    """Which answers of a stolen model are not its victim's, as the module says; ``exact`` compares numbers too."""
    wrong = victim.label != stolen.label if access.classes > 1 else np.zeros(len(victim.label), bool)
    level = "probability" if victim.logit is None else "logit"
    theirs, own = getattr(victim, level), getattr(stolen, level)
    if theirs is None:
        return wrong
    numbers = own is not None
    if exact and not numbers:
        return np.ones(len(wrong), bool)
    theirs, own = (np.asarray(part, np.float64) for part in (theirs, theirs if own is None else own))
    if level == "probability" and 0 < access.top == access.classes - 1:  # the one withheld is what the others leave
        theirs, own = (np.where(np.isnan(p), 1 - np.nansum(p, axis=1, keepdims=True), p) for p in (theirs, own))
    own = np.where(np.isnan(theirs), np.nan, own)
    if level == "logit" and access.classes > 1:
        with warnings.catch_warnings(action="ignore"):  # the two may tell of no class in common
            theirs, own = (part - np.nanmean(part, axis=1, keepdims=True) for part in (theirs, own))
    finite = theirs[np.isfinite(theirs)]
    if not finite.size:
        return wrong
    spread = 1.0 if access.level == "probability" else float(np.ptp(finite))
    epsilon = EPSILON[access.precision]
    off = epsilon**0.5 * spread + min(64 * epsilon, epsilon**0.5) * float(np.abs(finite).max())
    step = 0.0 if access.decimals is None else 10.0**-access.decimals
    if access.classes > 1:
        rows = np.arange(len(theirs))
        gap = theirs[rows, victim.label] - theirs[rows, stolen.label]
        with np.errstate(invalid="ignore"):
            own_gap = own[rows, stolen.label] - own[rows, victim.label]
        coarse, slack = min(step, COARSE * spread), min(2 * off, TIE * spread)
        tied = (gap <= coarse + slack) & (own_gap <= 2 * (coarse + off)) & numbers
        wrong &= ~(tied if exact else tied | (gap <= min(step, TIE * spread) + slack))
    if exact:
        apart = np.abs(theirs - own)
        wrong |= ((apart > off + 1.5 * step) | np.isnan(apart) & np.isfinite(theirs)).any(axis=1)
    return wrong
