"""Examples made on a model at hand, such as one that was stolen, and tried on the victim once (Papernot et al. 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.attacks.evasion.outcome import fools, is_right, outcome, refusals, take_records
from jaxattack.attacks.evasion.sign_steps import FGSM
from jaxattack.attacks.evasion.white_box import Draw, WhiteBoxAttack
from jaxattack.perturb.labels import labels_of
from jaxattack.types import EVERY_LEVEL, Evasion, InputError, Oracle, Progress, WhiteBox, config


@config
class Transfer:
    """Examples of another attack, made on a surrogate.

    Attributes:
        craft: the attack on the surrogate's weights; one that stops at a boundary goes on, for the victim's may be elsewhere.
    """

    craft: WhiteBoxAttack = FGSM()

    paper = "Papernot et al. 2017"
    white_box = False
    levels = EVERY_LEVEL
    surrogate = True
    queries = 2  # the record, and its example

    @property
    def name(self) -> str:
        """``transfer-fgsm``: after the attack on the surrogate."""
        return f"transfer-{self.craft.name}"

    def __call__(
        self,
        victim: Oracle,
        x: Shaped[np.ndarray, "record *feature"],
        y: Int[np.ndarray, "record"],
        *,
        seed: int = 0,
        surrogate: WhiteBox | None = None,
        progress: Progress | None = None,
    ) -> Evasion:
        """As `jaxattack.types.EvasionAttack`; each record and each example is asked about once, in one call.

        Raises:
            InputError: no surrogate, or one of other records or classes than the victim's.
            BudgetSpent: the victim answers fewer queries than two a record.
        """
        inputs, classes = victim.access.inputs, victim.access.classes
        x, y = take_records(inputs, classes, x, y)
        if surrogate is None:
            raise InputError(
                f"{self.name} makes its examples on a model at hand: give a surrogate, such as a stolen one."
            )
        if (surrogate.inputs.shape, surrogate.classes) != (inputs.shape, classes):
            raise InputError(
                f"the surrogate takes records of shape {surrogate.inputs.shape} and has {surrogate.classes} classes, and the "
                f"victim {inputs.shape} and {classes}: give one of the same task."
            )
        self.craft.check(classes)
        examples = self.craft.for_transfer().examples(surrogate, x, y, Draw(seed), inputs)
        example, before = examples.x, victim.ledger
        answer = victim(np.concatenate([x, example]))
        label = np.asarray(answer.label)
        if progress:
            progress("questions", 2 * len(x), 2 * len(x))
        before_it, after_it = answer.take(slice(len(x))), answer.take(slice(len(x), None))
        right, fooled = is_right(victim, before_it, y), fools(victim, after_it, y)
        at_home = labels_of(surrogate, example) != y
        notes: dict[str, Any] = {
            "surrogate labels as the victim": float((labels_of(surrogate, x) == label[: len(x)]).mean()),
            "surrogate fooled": float(at_home.mean()),
            **examples.notes,
            **({"refused": float(refusals(victim, after_it).mean())} if refusals(victim, answer).any() else {}),
        }
        return outcome(
            self.name, inputs, x, example, right=right, success=fooled, questions=np.full(len(x), 2),
            gradients=examples.gradients, cost=victim.ledger - before, notes=notes,
        )  # fmt: skip
