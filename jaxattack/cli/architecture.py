"""The command `architecture`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from jaxattack.attacks.architecture import lookup
from jaxattack.audit import architecture as run_architecture
from jaxattack.audit import open_victim
from jaxattack.audit.architecture.judge import SPLITS, Split
from jaxattack.audit.architecture.run import GRID, ArchitectureAudit
from jaxattack.audit.victim_names import TAKES, kind_of
from jaxattack.cli.choices import explained
from jaxattack.cli.credentials import Credentials
from jaxattack.cli.extraction import check_victim, is_service, named_run
from jaxattack.cli.output import RUNS, CredentialOptions, Output, OutputOptions, flat, progress, publish, resumable
from jaxattack.cli.terms import TermOptions, Terms, on_terms
from jaxattack.data import fingerprint, load
from jaxattack.defences import LabelOnly
from jaxattack.oracle.identity import fingerprint_of
from jaxattack.oracle.remote.address import mask_url
from jaxattack.training.grid import GridRecipe
from jaxattack.types import InputError, config


@config
class Inferring:
    """What is tried on a victim.

    Attributes:
        method: the attack: kennen-o, kennen-i or kennen-io. A name may set fields, as kennen-o?output=label&questions=50.
        nets: networks of the zoo that the attack learns from: more read better, and 2,000 take a quarter of an hour of a core.
        splits: in which ways the zoo is cut to see how good the attack is: random, architecture, depth, shuffled.
        budget: queries, at most; what the attack asks by itself by default.
        seed: decides everything random.
    """

    method: str = "kennen-o"
    nets: int = 192
    splits: tuple[Split, ...] = SPLITS
    budget: int | None = None
    seed: int = 0

    def audit(self, recipe: GridRecipe) -> ArchitectureAudit:
        """What the words mean.

        Raises:
            InputError: an unknown attack, or a value out of range.
        """
        return ArchitectureAudit(
            attack=lookup(self.method), nets=self.nets, recipe=recipe, splits=self.splits, budget=self.budget, seed=self.seed
        )  # fmt: skip


InferringOptions = Annotated[Inferring, flat("The attack")]
RecipeOptions = Annotated[GridRecipe, flat("How the networks of the zoo are trained")]
_CREDENTIALS, _TERMS, _INFERRING, _RECIPE, _OUTPUT = Credentials(), Terms(), Inferring(), GridRecipe(), Output()


@explained
def architecture(
    victim: str = GRID,
    /,
    *,
    data: str | None = None,
    zoo: Path | None = None,
    members: int | None = None,
    price: float | None = None,
    factory: str | None = None,
    credentials: CredentialOptions = _CREDENTIALS,
    terms: TermOptions = _TERMS,
    inferring: InferringOptions = _INFERRING,
    recipe: RecipeOptions = _RECIPE,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """What is it, and how was it trained? Infer a model's architecture and training from its answers, and write a report.

    Without options: trains 192 small networks of many architectures on scikit-learn's digits in one program, learns from all
    but the last what answers tell, and asks that one. The report says how often each attribute of networks that are held
    out is read right.

    With --zoo the networks are kept in a folder of their own: the next command reads them, and trains only what it lacks.

    VICTIMS

    ARCHITECTURES

    Examples:

        jaxattack architecture --nets 2000 --zoo zoo

        jaxattack architecture cnn:16-32 --zoo zoo --method kennen-i

        jaxattack architecture model.onnx --data records.npz --level label

    Args:
        victim: grid, for the last network of the zoo; or one of the list above that takes images.
        data: the images on which the zoo, and a victim that is trained here, are trained; digits by default.
        zoo: a folder that keeps the networks; by default the folder zoo in the run folder.
        members: how many records a victim that is trained here is trained on, chosen at random; half by default.
        price: of a query, in dollars; by default what a service documents, and 0.0001 elsewhere.
        factory: package.module:factory, where a model folder names that: code, which is imported only if you write it here.
        out: the run folder; by default one in ./jaxattack-runs named after the settings.
    """
    output.check("architecture")
    if victim != GRID:
        check_victim(victim)
    audit = inferring.audit(recipe)
    dataset = load(data or "digits")
    words = terms.settings, asdict(inferring), asdict(recipe)
    key = credentials.read(service=is_service(victim))
    with progress(output) as report:
        if victim == GRID:
            level = None if terms.level == "label" else terms.level
            _refuse(
                members=members, price=price, factory=factory, level=level, precision=terms.precision, rate=terms.rate
            )
            service, defences = None, (*terms.defences, *((LabelOnly(),) if terms.level == "label" else ()))
            digest = fingerprint_of([fingerprint(dataset), *words])
            folder = out or RUNS / f"architecture-grid-{digest[:8]}"
        else:
            target = open_victim(
                victim, data=data, members=members, level=terms.level, precision=terms.precision,
                seed=audit.seed if "seed" in TAKES[kind_of(victim)] else None, price=price, key=key, factory=factory,
                progress=report,
            )  # fmt: skip
            folder = out or RUNS / named_run("architecture", mask_url(victim), target, *words)
            service, defences = on_terms(target, terms, audit.seed), ()
        with resumable(folder):
            result = run_architecture(
                service, **vars(audit), dataset=dataset, defences=defences, out=folder, zoo=zoo, progress=report
            )
    publish(folder, result.findings, output, secrets=(key,) if key else ())


def _refuse(**fields: object) -> None:
    """Refuse what a network of the zoo has no use for.

    Raises:
        InputError: it names the first that is not None.
    """
    for name, value in fields.items():
        if value is not None:
            raise InputError(f"{name} is {value!r} and the victim is the last network of the zoo: leave {name} out.")
