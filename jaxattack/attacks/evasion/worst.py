"""Several attacks, each on the records that all before it left: what is right after the worst of them (Croce and Hein 2020).

    worst(PGD(restarts=5), CarliniWagner())    attacks of one's own
    AutoAttack(size=8 / 255)                   the authors' four, in their order

Survivors are compacted between attacks, so that a later attack costs what is left. `jaxattack.attacks.evasion.doubts` says where such
figures are not to be believed.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.attacks.evasion.doubts import ASKED_TWICE, beaten, right_twice, without_gradients
from jaxattack.attacks.evasion.fab import FAB
from jaxattack.attacks.evasion.outcome import outcome, take_records
from jaxattack.attacks.evasion.projected import APGD, FLAT
from jaxattack.attacks.evasion.questions import QuestionAttack
from jaxattack.attacks.evasion.square import Square
from jaxattack.attacks.evasion.white_box import Draw, Examples, WhiteBoxAttack
from jaxattack.perturb.labels import labels_of
from jaxattack.perturb.losses import DLR
from jaxattack.perturb.norms import Norm
from jaxattack.types import (
    Access,
    Answer,
    Bias,
    BudgetSpent,
    Evasion,
    EvasionAttack,
    InputError,
    Ledger,
    Level,
    Oracle,
    Progress,
    WhiteBox,
    at_least,
    config,
)


class _Series(NamedTuple):
    """What a series of attacks leaves.

    Attributes:
        example: the first that fools the victim, or the last attack's.
        success: whether it does, among records that were right.
        questions: asked about each record.
        first: of them, those until the first example.
        gradients: taken.
        notes: the share still right after each attack.
        warnings: why that may be too high.
        stopped: why the last attack stopped before its end; empty where it did not.
    """

    example: Float[np.ndarray, "record *feature"]
    success: Bool[np.ndarray, "record"]
    questions: Int[np.ndarray, "record"]
    first: Int[np.ndarray, "record"]
    gradients: int
    notes: dict[str, Any]
    warnings: tuple[str, ...]
    stopped: str


class _Several(WhiteBoxAttack):
    """A series of attacks; on weights where one of them needs them, and by answers otherwise."""

    paper = "Croce and Hein 2020, arXiv 2003.01690"

    @property
    def compacts(self) -> bool:
        """As `WhiteBoxAttack`."""
        return True

    @abstractmethod
    def series(self, classes: int) -> tuple[tuple[EvasionAttack, ...], tuple[str, ...]]:
        """The attacks on a victim of so many classes, and what is left out, in sentences."""

    def craft(
        self,
        box: WhiteBox,
        x: Float[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        draw: Draw,
    ) -> Examples:
        """As `WhiteBoxAttack`."""
        series = self._run(box, x, y, labels_of(box, x) == y, draw, None)
        return Examples(series.example, series.gradients, series.notes)

    def __call__(
        self,
        victim: Any,
        x: Shaped[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        *,
        seed: int = 0,
        surrogate: WhiteBox | None = None,  # noqa: ARG002 (the victim itself is attacked)
        progress: Progress | None = None,
    ) -> Evasion:
        """As `jaxattack.types.EvasionAttack`; what a later attack draws for a record by answers depends on which others are left.

        Raises:
            BudgetSpent: the victim does not answer as many queries as there are records.
        """
        at_hand, oracle = isinstance(victim, WhiteBox), cast(Any, victim)
        terms = victim if isinstance(victim, WhiteBox) else oracle.access
        x, y = take_records(terms.inputs, terms.classes, x, y)
        before = Ledger() if at_hand else oracle.ledger
        right, doubts = right_twice(victim, x, y)
        series = self._run(victim, x, y, right, Draw(seed), progress)
        before_all = 1 + (np.arange(len(x)) < ASKED_TWICE)  # what the victim labels records, some of them twice
        questions, first = (
            np.zeros(len(x), int) if at_hand else before_all + count for count in (series.questions, series.first)
        )
        if at_hand and series.questions.any():
            series.notes["questions to the model at hand"] = int(series.questions.sum())
        return outcome(
            self.name, terms.inputs, x, series.example, right=right, success=series.success, questions=questions,
            first=first,
            gradients=series.gradients, cost=before if at_hand else oracle.ledger - before, stopped=series.stopped,
            notes=series.notes, warnings=(*doubts, *series.warnings),
        )  # fmt: skip

    def _run(
        self,
        victim: WhiteBox | Oracle,
        x: np.ndarray,
        y: np.ndarray,
        right: np.ndarray,
        draw: Draw,
        progress: Progress | None,
    ) -> _Series:
        classes = victim.classes if isinstance(victim, WhiteBox) else victim.access.classes
        attacks, omitted = self.series(classes)
        number = np.arange(len(x)) if draw.record is None else draw.record
        example, success = x.copy(), np.zeros(len(x), bool)
        questions, first = np.zeros((2, len(x)), int)
        gradients, notes, flat, gain, stopped = 0, {}, 0, 0, ""
        reach = np.zeros(2)  # how far those with weights went, in the max norm and in the 2-norm
        for place, attack in enumerate(attacks):
            left = np.flatnonzero(right & ~success)
            if not len(left):
                break
            draws = Draw(draw.seed, number[left])
            try:
                evasion = _on_survivors(attack, victim, x[left], y[left], draws)
            except BudgetSpent as spent:  # before it has begun: what those before it found stands
                stopped = f"the budget ended before {attack.name} began: {spent}"
                break
            example[left], success[left] = evasion.example, evasion.success
            first[left] = questions[left] + evasion.first
            questions[left] += evasion.questions
            gradients += evasion.gradients
            flat = max(flat, evasion.notes.get(FLAT, 0))
            if attack.white_box:
                reach = np.maximum(reach, [evasion.distance.linf.max(), evasion.distance.l2.max()])
            else:
                near = (evasion.distance.linf <= reach[0]) & (evasion.distance.l2 <= reach[1])
                gain += int((evasion.success & near).sum())
            notes[f"right after {place + 1}, {attack.name}"] = float((right & ~success).mean())
            if progress:
                progress("attacks", place + 1, len(attacks))
            if not evasion.converged:
                stopped = evasion.reason
                break
        warnings = (*omitted, *without_gradients(flat), *beaten(gain, len(x)))
        return _Series(example, success, questions, first, gradients, notes, warnings, stopped)


@config
class Worst(_Several):
    """Attacks of one's own, in their order.

    Attributes:
        attacks: at least one, none of which makes its examples on another model.

    Raises:
        InputError: no attack, or one that needs a surrogate.
    """

    attacks: tuple[EvasionAttack, ...]

    name = "worst"

    def __post_init__(self) -> None:
        if not self.attacks:
            raise InputError("attacks is (): give at least one.")
        for attack in self.attacks:
            if attack.surrogate:
                raise InputError(
                    f"{attack.name} makes its examples on another model: give what attacks the victim itself."
                )

    @property
    def white_box(self) -> bool:
        """Whether one of the attacks needs weights."""
        return any(attack.white_box for attack in self.attacks)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Those that every attack can work with; none where weights are needed."""
        if self.white_box:
            return ()
        return tuple(level for level in self.attacks[0].levels if all(level in one.levels for one in self.attacks))

    def check(self, classes: int) -> None:
        """As `WhiteBoxAttack`: what every attack needs."""
        for attack in self.attacks:
            if isinstance(attack, WhiteBoxAttack):
                attack.check(classes)

    def series(self, classes: int) -> tuple[tuple[EvasionAttack, ...], tuple[str, ...]]:  # noqa: ARG002
        """As given."""
        return self.attacks, ()


def worst(*attacks: EvasionAttack) -> Worst:
    """Attacks of which each is made on what the ones before it left.

    Raises:
        InputError: no attack, or one that needs a surrogate.

    Example:
        >>> worst = ja.attacks.evasion.worst(ja.attacks.evasion.FGSM(), ja.attacks.evasion.DeepFool())
        >>> ja.evade(ja.open_victim("softmax", data="iris"), worst, records=5).evasion.among_all
        1.0
    """
    return Worst(attacks=attacks)


@config
class AutoAttack(_Several):
    """Standard AutoAttack: APGD on the cross entropy, then toward targets on the difference of logits ratio, FAB, Square.

    Attributes:
        norm: of the ball.
        size: of the ball, in shares of the ranges.
        steps: of APGD, and of FAB.
        targets: the likeliest other classes of both, as many as there are at most.
        queries: of Square about a record, asked of the model at hand.

    Raises:
        InputError: a value out of range.
    """

    norm: Norm = "linf"
    size: float = 0.1
    steps: int = 100
    targets: int = 9
    queries: int = 5000

    name = "autoattack"

    def __post_init__(self) -> None:
        APGD(norm=self.norm, size=self.size, steps=self.steps)
        at_least(1, targets=self.targets)
        at_least(2, queries=self.queries)

    def series(self, classes: int) -> tuple[tuple[EvasionAttack, ...], tuple[str, ...]]:
        """All four; without APGD toward targets where there are too few classes for the ratio, and without Square in the 2-norm."""
        ascent = APGD(norm=self.norm, size=self.size, steps=self.steps)
        attacks: list[EvasionAttack] = [ascent]
        omitted = []
        if classes < 4:
            omitted.append(f"the victim has {classes} classes: apgd-t needs 4 and is left out.")
        else:
            attacks.append(replace(ascent, loss=DLR(), targets=min(self.targets, classes - 1)))
        attacks.append(FAB(norm=self.norm, size=self.size, steps=self.steps, targets=min(self.targets, classes - 1)))
        if self.norm == "l2":
            omitted.append("square is here in the max norm alone, and is left out.")
        else:
            attacks.append(Square(size=self.size, queries=self.queries, rescale=False))
        return tuple(attacks), tuple(omitted)


class _Labels:
    """The labels of a model at hand, for an attack that asks an oracle for them."""

    def __init__(self, box: WhiteBox) -> None:
        self._box = box
        self.access = Access(level="label", classes=box.classes, inputs=box.inputs, precision="float32")
        self.ledger = Ledger()

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:  # noqa: ARG002
        self.ledger += Ledger(queries=len(x), calls=1)
        return Answer(labels_of(self._box, x))


def _on_survivors(attack: EvasionAttack, victim: Any, x: np.ndarray, y: np.ndarray, draws: Draw) -> Evasion:
    """An attack on records that are right until now; one on weights draws by the numbers that they had at first."""
    if not isinstance(victim, WhiteBox) or isinstance(attack, QuestionAttack):
        return attack(victim, x, y, seed=draws.seed)
    if not isinstance(attack, WhiteBoxAttack):
        return attack(_Labels(victim), x, y, seed=draws.seed)
    attack.check(victim.classes)
    examples = attack.examples(victim, x, y, draws)
    return outcome(
        attack.name, victim.inputs, x, examples.x, right=np.ones(len(x), bool),
        success=labels_of(victim, examples.x) != y, questions=np.zeros(len(x), int), gradients=examples.gradients,
        notes=examples.notes,
    )  # fmt: skip
