"""The command `reconstruct`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from jaxattack.attacks.naming import named
from jaxattack.attacks.reconstruction import Update, lookup
from jaxattack.attacks.reconstruction.property import PROPERTIES
from jaxattack.audit import Victim, open_victim
from jaxattack.audit import reconstruct as run_reconstruction
from jaxattack.audit.experiment import Question
from jaxattack.audit.reconstruction import check_reconstruction, usual_attack
from jaxattack.audit.victim_names import TAKES, kind_of
from jaxattack.cli.choices import explained
from jaxattack.cli.extraction import check_victim, is_service, named_run
from jaxattack.cli.output import RUNS, Output, OutputOptions, flat, progress, publish, resumable
from jaxattack.cli.terms import TermOptions, Terms
from jaxattack.defences import LabelOnly
from jaxattack.training import Recipe
from jaxattack.types import Defence, InputError, ReconstructionAttack, at_least, config


@config
class Reconstructing:
    """What is tried on a victim.

    Attributes:
        method: the attack; the one that fits the victim by default. A name may set fields, as informed?shadows=500.
        targets: how many records, updates or models are attacked, at most.
        secret: for attributes, the column that is guessed, counted from 0; several for one that is one-hot.
        property: for shares, which records have it: classes?classes=0-3-7 (by default the first half of the classes), or
            above?column=3&bound=0.5 (by default the column's mean).
        update_steps: gradient steps by which a victim is updated on one more record.
        update_rate: their learning rate.
        budget: queries, at most; what the attack asks by itself by default.
        seed: decides everything random.

    Raises:
        InputError: a value out of range.
    """

    method: str | None = None
    targets: int = 200
    secret: tuple[int, ...] = ()
    property: str = "classes"
    update_steps: int = 1
    update_rate: float = 0.1
    budget: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(1, targets=self.targets, budget=self.budget)


ReconstructingOptions = Annotated[Reconstructing, flat("The attack")]
RecipeOptions = Annotated[Recipe, flat("How victims and shadow models of the audit's own are trained")]
_TERMS, _RECONSTRUCTING, _RECIPE, _OUTPUT = Terms(), Reconstructing(), Recipe(), Output()


@explained
def reconstruct(
    victim: str = "newton",
    /,
    *,
    data: str | None = None,
    members: int | None = None,
    price: float | None = None,
    factory: str | None = None,
    terms: TermOptions = _TERMS,
    reconstructing: ReconstructingOptions = _RECONSTRUCTING,
    recipe: RecipeOptions = _RECIPE,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """What was it trained on? Reconstruct records, attributes or shares of a training set, and write a report.

    Without options: fits a logistic regression on half of scikit-learn's digits and solves for 200 of its records, each by
    an attacker who knows all the others.

    Every figure stands beside what somebody without the model finds from other records: the difference is the leak.

    VICTIMS

    RECONSTRUCTIONS

    Examples:

        jaxattack reconstruct full-tree --data survey.npz --method tree-counts --secret 6

        jaxattack reconstruct softmax --method update-record

        jaxattack reconstruct mlp:8 --method property --property "classes?classes=0-1-2"

        jaxattack reconstruct mlp:10 --method informed --members 60 --optimizer sgd --learning-rate 0.05 --epochs 15

    Args:
        victim: one of the list above.
        data: the records it is trained on, as `jaxattack data` lists them; digits by default.
        members: how many of them it is trained on, chosen at random; half by default.
        price: of a query, in dollars; 0.0001 by default.
        factory: package.module:factory, where a model folder names that: code, which is imported only if you write it here.
        out: the run folder; by default one in ./jaxattack-runs named after the settings.
    """
    output.check("reconstruction")
    check_victim(victim)
    if is_service(victim):
        raise InputError(
            "a service comes without its records, by which a reconstruction is judged: give a model folder."
        )
    attack = None if reconstructing.method is None else lookup(reconstructing.method)
    question = _question(reconstructing, recipe, terms)
    seed = reconstructing.seed

    def check(opened: Victim) -> None:
        _refuse_unused(attack or usual_attack(opened), reconstructing, recipe)
        check_reconstruction(opened, attack, question, seed=seed, budget=reconstructing.budget)

    with progress(output) as report:
        service = open_victim(
            victim, data=data, members=members, level=None if terms.level == "label" else terms.level,
            precision=terms.precision, seed=seed if "seed" in TAKES[kind_of(victim)] else None, price=price,
            factory=factory, progress=report, check=check,
        )  # fmt: skip
        _refuse_unused(attack or usual_attack(service), reconstructing, recipe)  # of what is not trained here too
        words = terms.settings, asdict(reconstructing), asdict(recipe)
        folder = out or RUNS / named_run("reconstruct", victim, service, *words)
        with resumable(folder):
            result = run_reconstruction(
                service, attack, **vars(question), seed=seed, budget=reconstructing.budget, out=folder, progress=report
            )
    publish(folder, result.findings, output, pictures=result.pictures)


def _refuse_unused(attack: ReconstructionAttack, words: Reconstructing, recipe: Recipe) -> None:
    """Refuse what another attack than this has a use for.

    Raises:
        InputError: it names the option.
    """
    uses = {
        "property": ("share",),
        "update_steps": ("updates",),
        "update_rate": ("updates",),
        **dict.fromkeys(asdict(recipe), ("training",)),
    }
    given, usual = (asdict(one) | asdict(how) for one, how in ((words, recipe), (_RECONSTRUCTING, _RECIPE)))
    for name, needs in uses.items():
        if given[name] != usual[name] and not {*needs} & {*attack.needs}:
            name = name.replace("_", "-")
            raise InputError(f"{name} is given and {attack.name} has no use for it: leave {name} out.")


def _question(words: Reconstructing, recipe: Recipe, terms: Terms) -> Question:
    """What the words ask for.

    Raises:
        InputError: an unknown property, or a value out of range; a rate, which nothing here waits for.
    """
    if terms.rate is not None:
        raise InputError(f"rate is {terms.rate} and the victim is asked in this process: leave rate out.")
    label: tuple[Defence, ...] = (LabelOnly(),) if terms.level == "label" else ()
    return Question(
        targets=words.targets,
        secret=words.secret,
        has=named(words.property, PROPERTIES, "property"),
        recipe=recipe,
        update=Update(steps=words.update_steps, learning_rate=words.update_rate),
        defences=(*terms.defences, *label),
    )
