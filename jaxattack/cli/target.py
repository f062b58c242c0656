"""Options of an audit of one target, which `membership` and `score` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from jaxattack.audit.target.terms import Calibration, Scale, TargetTerms
from jaxattack.cli.options import Words
from jaxattack.cli.output import flat
from jaxattack.types import InputError, Level, config

_GROUP = flat("One target")


@config
class Verdicts:
    """What is said of the records of one target; without --target of no use.

    Attributes:
        fpr: the false-positive rate of the verdicts: a record is called a member where its p-value is at most this.
        calibrate: with what scores are compared: non-members, those of the target's known non-members; references, those of
            references on records that they were not trained on; record, phi of each record's own references. auto: the
            first where there are enough for the rate, or references that are not like the target; else the second.
    """

    fpr: float = 0.01
    calibrate: Calibration = "auto"

    def terms(self, budget: int | None = None) -> TargetTerms:
        """The same as terms of an audit."""
        return TargetTerms(fpr=self.fpr, calibration=self.calibrate, budget=budget)


@dataclass(frozen=True, kw_only=True)
class OneTarget:
    """One model that exists already, whose records are to be told members or not.

    Attributes:
        target: attack this model alone: a folder of `jaxattack train`, a .skops or .onnx file, a prediction API's address, or
            an .npz of its logits, probability or prediction. The models that are trained are its references then.
        members: who is known to be a member: a .npy of 1 and 0 a record, -1 where it is not known, or of the members' numbers.
            Without it, a folder tells its own; of others no AUC is known, and references calibrate.
        references: models that others trained, an observations file as of `score`, in place of those trained here.
        also: other architectures: the same attack with references of each, to see what a wrong guess would find.
        level: how much the target answers: label, probability or logit; as fully as it does by default.
        target_scale: on what scale the target takes pictures: data, the numbers as they are; unit, bytes as 0 to 1; signed,
            bytes as -1 to 1; sixteen, bytes as 0 to 16; auto: of a file, that on which it fits the records best, and data elsewhere.
        budget: questions to the target, at most.
        price: of a question, in dollars.
        factory: package.module:factory, where a model folder names that: code, which is imported only if you write it here.
    """

    target: str | None = None
    members: Path | None = None
    references: Path | None = None
    also: Words = ()
    level: Level | None = None
    target_scale: Scale = "auto"
    budget: int | None = None
    price: float | None = None
    factory: str | None = None

    def refuse_useless(self, verdicts: Verdicts, others: Mapping[str, Any]) -> None:
        """Refuse what is of one target where there is none, and what is of a sweep where there is one.

        Args:
            verdicts: options of one target too.
            others: options of a sweep alone, by name; None where they are not given.

        Raises:
            InputError: it names the option.
        """
        if self.target is None:
            superfluous = [name for name, value in asdict(self).items() if value != getattr(_NONE, name)]
            superfluous += [name for name, value in asdict(verdicts).items() if value != getattr(_VERDICTS, name)]
            if superfluous:
                raise InputError(
                    f"{superfluous[0]} is given, which is of one target, and no target: give target, or leave it out."
                )
        for name, value in others.items():
            if self.target is not None and value:
                raise InputError(f"{name} is given and target too, which is one model: leave {name} out.")

    def refuse_training(self, words: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
        """Refuse what says how references are trained, where they are trained already.

        Args:
            words: options by name.
            usual: what they are where nobody gives them.

        Raises:
            InputError: it names the option.
        """
        changed = [name.replace("_", "-") for name, value in words.items() if value != usual[name]]
        if self.references is not None and changed:
            raise InputError(
                f"{changed[0]} is given and references too, which are trained already: leave {changed[0]} out."
            )


VerdictOptions = Annotated[Verdicts, _GROUP]
TargetOptions = Annotated[OneTarget, _GROUP]
_NONE, _VERDICTS = OneTarget(), Verdicts()
