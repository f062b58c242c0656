"""A victim that is not believed blindly: answers that are none are refused, and what is odd about them is found.

Refused with an `OracleError` before an attack sees it, for nothing can be learnt from such answers:

    another number of answers, another shape or type than before, a part that the level promises missing
    NaN or infinity (beyond the NaN of classes below the top k)
    labels outside 0 to classes - 1, or that disagree with the argmax of the scores given with them
    negative confidences, or that sum to less or more than 1 by over 0.001 (the top k: to more)

Found, and told as a sentence in `Checked.findings`, for an attack may live with it:

    rounding       every score seen has at most so many decimals, fewer than the terms say
    precision      confidences sum to 1 less closely than numbers of the stated precision do, or every score is a float32 number
                   where float64 is stated
    determinism    a record asked twice was answered differently, or the second time with what is no answer
    order          the second time it was answered as another record of its batch had been

Rounding is seen passively: multiples of 10^-k are a null set among real numbers. Shares of a small whole (the leaves of a
tree, votes of a forest, neighbours) can be multiples too, so that it takes 12 different scores that are no whole numbers
(6 where k is 1); and where rows of three and more such confidences always sum to 1 exactly, as shares do and rounded
numbers do not, nothing is found. Where rows cannot tell, the sentence names both. Numbers of float32 are told from shares by
12 different ones that are not whole and that float16 does not hold.

Sums and repeated answers may differ by what the precision leaves open, and by what the decimals do, stated or seen.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.oracle.ledger import OracleWrapper
from jaxattack.types import EPSILON, Access, Answer, Bias, InputError, Oracle, OracleError, Precision

LOOSE: dict[Precision, float] = {precision: epsilon**0.5 for precision, epsilon in EPSILON.items()}
"""How far a sum of confidences may be from 1, or an answer from itself when it is repeated, relative to its size: half the digits."""

_MOST = 12  # decimals that a float64 between 0 and 1 shows well apart from its neighbours
_ENOUGH = 12  # different numbers that are no coincidence: at most one in ten is as near to a multiple
_SHARES = 20  # rows of three scores: rounded, all of them sum to 1 with a chance of (3/4)^20


def checked(oracle: Oracle, repeat: bool = True) -> Checked:
    """Refuse answers that are none, and find out what is odd about the others.

    Args:
        oracle: what is asked. A cache within would answer the repeated question: put it outside.
        repeat: ask the first record of the first call once more, alone, to see whether the victim is deterministic. It
            is one more query on the ledger, and left out for as long as the budget has none left for it.
    """
    return Checked(oracle, repeat)


class Checked(OracleWrapper):
    """An oracle whose answers are checked."""

    def __init__(self, oracle: Oracle, repeat: bool):
        super().__init__(oracle)
        self._repeat = repeat
        self._rounding = _Rounding(self.access)
        self._difference: float | None = None
        self._other: int | None = None

    @property
    def findings(self) -> Mapping[str, str]:
        """What is odd about the answers so far: ``rounding``, ``precision``, ``determinism`` or ``order`` -> a sentence."""
        sentences = {"rounding": self._rounding.sentence(), "precision": self._rounding.imprecision()}
        if self._difference is not None:
            sentences["determinism"] = (
                f"the same record asked twice was answered differently, by up to {self._difference:.3g}: "
                "what is computed from differences of answers is no more exact than that."
            )
        if self._other is not None:
            sentences["order"] = (
                f"asked again alone, the first record of a batch was answered as record {self._other} of it had been: where answers come in "
                "another order than the questions, all that is computed from them is wrong."
            )
        return {name: sentence for name, sentence in sentences.items() if sentence}

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        """Answer a batch, as `jaxattack.types.Oracle` says.

        Raises:
            OracleError: what the victim gave is no answer.
        """
        answer = self._verify(self._oracle(x, bias), len(x))
        if self._repeat and len(x):
            self._ask_again(x[:1], None if bias is None else Bias(bias.token[:1], bias.value[:1]), answer)
        return answer

    def _ask_again(self, x: np.ndarray, bias: Bias | None, answers: Answer) -> None:
        try:
            again = self._oracle(x, bias)
        except InputError:  # what was answered is paid for and must not be lost to a question of ours
            return
        self._repeat = False
        try:
            difference = _difference(answers.take([0]), self._verify(again, 1))
        except OracleError:
            difference = np.inf
        if difference > LOOSE[self.access.precision] + self._rounding.step:
            self._difference = difference
            if difference < np.inf and self.access.level != "label":
                every = np.array([_difference(answers.take([at]), again) for at in range(len(answers.label))])
                alike = np.flatnonzero(every <= 8 * EPSILON[self.access.precision])
                self._other = int(alike[0]) if len(alike) == 1 else None  # leaves of trees are alike of many

    def _verify(self, answer: Answer, queries: int) -> Answer:
        _check_label(self.access, answer, queries)
        for name in ("probability", "logit"):
            scores = getattr(answer, name)
            if scores is None and self.access.level == name:
                raise OracleError(f"the victim gave no {name}, which its terms promise: it changed its terms.")
            if scores is not None:
                _check_scores(self.access, answer.label, scores, name)
        if answer.probability is not None:
            self._rounding.see(answer.probability)
            astray = _check_confidences(self.access, answer.probability, self._rounding.step)
            self._rounding.astray = max(self._rounding.astray, astray)
        elif answer.logit is not None:
            self._rounding.see(answer.logit)
        return answer


class _Rounding:
    """How many decimals all scores seen so far have, and whether that is by rounding.

    Attributes:
        astray: how far a sum of confidences was from 1, at most.
    """

    def __init__(self, access: Access):
        self.astray = 0.0
        self._access = access
        self._spacing = 4 * EPSILON[access.precision]
        self._decimals = 1
        self._distinct: set[float] = set()
        self._rows = 0
        self._single, self._long = access.precision == "float64", set[float]()

    @property
    def step(self) -> float:
        """The distance of neighbouring scores, as the terms or the scores themselves have it; 0 where it is none."""
        stated = self._access.decimals
        decimals = min(self._decimals if self._distinct else _MOST + 1, _MOST + 1 if stated is None else stated)
        return 10.0**-decimals if decimals <= _MOST else 0.0

    def see(self, scores: Float[np.ndarray, "query cls"]) -> None:
        """Take account of a batch of scores."""
        self._see_digits(scores)
        for some in (scores[:4], scores):  # the first few are enough to clear nearly every victim
            fraction = np.isfinite(some) & (some != np.rint(some))
            values = some[fraction].astype(np.float64)
            while self._decimals <= _MOST and not self._multiples(values):
                self._decimals += 1
            if self._decimals > _MOST:
                return
        if len(self._distinct) < _ENOUGH:
            self._distinct |= set(np.unique(values)[:_ENOUGH].round(_MOST).tolist())
        if not self._access.top:
            self._rows += int((fraction.sum(1) >= 3).sum())

    def _see_digits(self, scores: Float[np.ndarray, "query cls"]) -> None:
        """Whether all are float32 numbers, and which of them need more digits than whole numbers and shares of small ones do."""
        for some in (scores[:4], scores):
            if not self._single:
                return
            values = np.asarray(some[np.isfinite(some)], np.float64)
            with np.errstate(over="ignore", under="ignore"):
                self._single = bool((values == values.astype(np.float32)).all())
                if self._single and len(self._long) < _ENOUGH:
                    long = np.unique(values[(values != values.astype(np.float16)) & (values != np.rint(values))])
                    self._long |= set(long[:_ENOUGH].tolist())

    def _multiples(self, values: Float[np.ndarray, "value"]) -> bool:
        scaled = values * 10.0**self._decimals
        # Where the spacing of the numbers themselves is no longer small beside 1, everything is near a whole number.
        noise = self._spacing * np.abs(scaled)
        return bool(((noise < 0.05) & (np.abs(scaled - np.rint(scaled)) <= noise)).all())

    def sentence(self) -> str:
        """What was found; empty for nothing."""
        k, stated = self._decimals, self._access.decimals
        enough = 6 if k == 1 and self._access.level == "probability" else _ENOUGH  # of nine between 0 and 1
        if k > _MOST or len(self._distinct) < enough or (stated is not None and k >= stated):
            return ""
        grid = f"every score so far is a multiple of {10.0**-k:.{k}f} and the terms say "
        grid += "nothing of rounding" if stated is None else f"{stated} decimals"
        if self.astray >= 0.25 * 10.0**-k or (self._access.level == "logit" and self._access.classes > 1):
            return f"{grid}: the answers are rounded."
        if self._rows >= _SHARES:
            return ""
        return f"{grid}: the answers are rounded, or shares or sums of such numbers."

    def imprecision(self) -> str:
        """What the sums say of the precision; empty for nothing."""
        precision = self._access.precision
        if self.astray <= LOOSE[precision] + 0.5 * self.step * self._access.classes:
            if not self._single or len(self._long) < _ENOUGH or self.sentence():
                return ""
            return (
                f"every score so far is a float32 number and the terms say {precision}: what is computed from them is no more "
                "exact than that."
            )
        return (
            f"confidences sum to 1 within {self.astray:.2g} only and the terms say {precision}: "
            "what is computed from them is no more exact than that."
        )


def _check_label(access: Access, answer: Answer, queries: int) -> None:
    label = np.asarray(answer.label)
    if label.shape != (queries,):
        raise OracleError(
            f"the victim gave labels of shape {label.shape} for {queries} queries: it must give each one."
        )
    if label.dtype.kind not in "iu":
        raise OracleError(f"the victim gave labels of type {label.dtype}: they must be whole numbers.")
    if len(label) and not (label.min() >= 0 and label.max() < access.classes):
        outside = label[(label < 0) | (label >= access.classes)][0]
        raise OracleError(f"the victim gave the label {outside}, which is outside of 0 to {access.classes - 1}.")


def _check_scores(access: Access, label: Int[np.ndarray, "query"], scores: np.ndarray, name: str) -> None:
    shape = (len(label), access.classes)
    if np.shape(scores) != shape or scores.dtype.kind != "f":
        raise OracleError(
            f"the victim gave a {name} of shape {np.shape(scores)} and type {np.asarray(scores).dtype}: "
            f"it must be floats of shape {shape}."
        )
    finite = np.isfinite(scores)
    hidden = access.classes - access.top if access.top else 0
    wrong = (finite.sum(1) != access.classes - hidden) | np.isinf(scores).any(1)
    if wrong.any():
        raise OracleError(
            f"the victim answered {int(wrong.sum())} of {len(label)} queries with NaN or infinity in its {name}, or "
            f"with other than {access.classes - hidden} scores: nothing can be learnt from that."
        )
    highest = np.where(finite, scores, -np.inf).max(1)
    # A class below the top k may tie with the lowest of them, and be the label where all of them tie.
    of_label = np.where(finite, scores, np.where(finite, scores, np.inf).min(1, keepdims=True))[
        np.arange(len(label)), label
    ]
    disagree = of_label < highest - 8 * EPSILON[access.precision] * np.abs(highest)
    if disagree.any():
        raise OracleError(
            f"the victim gave {int(disagree.sum())} of {len(label)} labels that are not the highest {name}: "
            "one of the two is not what it says."
        )


def _check_confidences(access: Access, probability: Float[np.ndarray, "query cls"], step: float) -> float:
    """How far a sum is from 1, at most; of the top k, how far above."""
    if not len(probability):
        return 0.0
    sums = np.asarray(np.nansum(probability, axis=1, dtype=np.float64))
    if np.nanmin(probability) < 0:
        raise OracleError(f"the victim gave the confidence {np.nanmin(probability):.6g}, below 0: are these logits?")
    astray = np.maximum(sums - 1, 0.0) if 0 < access.top < access.classes else np.abs(sums - 1)
    worst = int(astray.argmax())
    if astray[worst] > max(1e-3, LOOSE[access.precision]) + 0.5 * step * access.classes:
        raise OracleError(f"the victim gave confidences that sum to {sums[worst]:.6g}: they must sum to 1.")
    return float(astray[worst])


def _difference(first: Answer, again: Answer) -> float:
    """The largest difference of two answers: of scores relative to their size; of labels alone, 1."""
    differences = []
    for one, other in ((first.probability, again.probability), (first.logit, again.logit)):
        if one is not None and other is not None:
            both = np.isfinite(one) & np.isfinite(other)
            size = np.maximum(1.0, np.abs(one[both]))
            differences.append(float((np.abs(one[both].astype(np.float64) - other[both]) / size).max(initial=0.0)))
    return max(differences) if differences else float(first.label[0] != again.label[0])
