"""The command `invert`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from jaxattack.attacks.extraction import lookup as extraction_attack
from jaxattack.attacks.inversion import lookup
from jaxattack.attacks.inversion.gradient import ATTACKS as GRADIENT_ATTACKS
from jaxattack.attacks.inversion.gradient import GradientAttack
from jaxattack.attacks.inversion.gradient import lookup as gradient_attack
from jaxattack.audit import InversionAudit, open_victim
from jaxattack.audit import invert as run_inversion
from jaxattack.audit.inversion import attack_label, by_gradient, planned_inversion
from jaxattack.audit.model_source import source_of
from jaxattack.audit.victim_names import TAKES, kind_of
from jaxattack.cli.choices import explained
from jaxattack.cli.credentials import Credentials
from jaxattack.cli.extraction import check_victim, is_service, named_run, over_http
from jaxattack.cli.options import Words
from jaxattack.cli.output import RUNS, CredentialOptions, Output, OutputOptions, flat, progress, publish, resumable
from jaxattack.cli.terms import TermOptions, Terms, on_terms
from jaxattack.oracle.remote.address import mask_url
from jaxattack.report.wording import shown
from jaxattack.serve import require_packages
from jaxattack.types import InputError, InversionAttack, config


@config
class Inverting:
    """What is tried on a victim.

    Attributes:
        method: the attack; the one that fits the victim by default. A name may set fields, as mi-face?restarts=16.
        targets: the classes whose records are made, by number or by name; all by default. Gradient inversion makes its
            users' records instead.
        extract: steal the model first, with this extraction attack, and invert what was stolen.
        budget: queries, at most; what the attack asks by itself by default.
        seed: decides everything random.
        evaluation: the architecture of the evaluation model, as `jaxattack train` names it.
        users: how many send the gradient of their records, for gradient inversion.
        batch: records of each user.
        trained: whether they send it at the trained weights, and not at fresh ones as in the first round of training.
    """

    method: str | None = None
    targets: Words = ()
    extract: str | None = None
    budget: int | None = None
    seed: int = 0
    evaluation: str = "mlp:256"
    users: int = 8
    batch: int = 1
    trained: bool = False

    @property
    def audit(self) -> InversionAudit:
        """What the words mean.

        Raises:
            InputError: an unknown attack, or a value out of range, or users of an attack that is on none.
        """
        attack = None if self.method is None else attack_from(self.method)
        if not by_gradient(attack):
            for name in ("users", "batch", "trained"):
                if (value := getattr(self, name)) != getattr(type(self), name):
                    raise InputError(
                        f"{name} is {shown(value)}, and {attack_label(attack) if attack else 'the attack that fits the victim'} inverts "
                        f"classes, not what users send: leave {name} out, or give method, as idlg."
                    )
        return InversionAudit(
            attack=attack,
            targets=tuple(int(word) if word.lstrip("-").isdecimal() else word for word in self.targets),
            extract=None if self.extract is None else extraction_attack(self.extract),
            budget=self.budget,
            seed=self.seed,
            evaluation=source_of(self.evaluation),
            users=self.users,
            batch=self.batch,
            trained=self.trained,
        )


def attack_from(text: str) -> InversionAttack | GradientAttack:
    """An inversion of classes or of gradients by name.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.
    """
    return gradient_attack(text) if text.partition("?")[0] in GRADIENT_ATTACKS else lookup(text)


InvertingOptions = Annotated[Inverting, flat("The attack")]
_CREDENTIALS, _TERMS, _INVERTING, _OUTPUT = Credentials(), Terms(), Inverting(), Output()


@explained
def invert(
    victim: str = "softmax",
    /,
    *,
    data: str | None = None,
    members: int | None = None,
    http: bool = False,
    price: float | None = None,
    factory: str | None = None,
    credentials: CredentialOptions = _CREDENTIALS,
    terms: TermOptions = _TERMS,
    inverting: InvertingOptions = _INVERTING,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """What did its records look like? Make a record of each class back from a model, judge it, and write a report.

    Without options: trains a softmax regression on scikit-learn's digits and inverts all ten classes, eight restarts each,
    through a generator that learns from 300 other digits what digits look like (ppa). On the record itself: --method mi-face.

    A model whose weights are not at hand is asked, or stolen first with --extract and then inverted.

    VICTIMS

    INVERSIONS

    Examples:

        jaxattack invert mlp:100 --data faces.npz --members 280

        jaxattack invert softmax --extract softmax --http

        jaxattack invert victim --method "mi-face?restarts=16&total_variation=0.01"

        jaxattack invert lenet:12 --data cifar10.npz --method idlg --users 10

    Args:
        victim: one of the list above.
        data: the records it is trained on, as `jaxattack data` lists them; digits by default.
        members: how many of them it is trained on, chosen at random; half by default.
        http: ask the victim over HTTP on loopback, not in this process.
        price: of a query, in dollars; by default what a service documents, and 0.0001 elsewhere.
        factory: package.module:factory, where a model folder names that: code, which is imported only if you write it here.
        out: the run folder; by default one in ./jaxattack-runs named after the settings.
    """
    output.check("inversion")
    check_victim(victim)
    if http and is_service(victim):
        raise InputError(f"http is given and {mask_url(victim)} is asked over HTTP already: leave http out.")
    if http:
        require_packages()
    audit = inverting.audit
    key = credentials.read(service=is_service(victim))
    takes = TAKES[kind_of(victim)]
    with progress(output) as report:
        target = open_victim(
            victim, data=data, members=members, fresh=audit.untrained and "fresh" in takes, level=terms.level,
            precision=terms.precision, seed=audit.seed if "seed" in takes else None, price=price, key=key, factory=factory,
            check=lambda victim: planned_inversion(victim, audit), progress=report,
        )  # fmt: skip
        words = asdict(inverting) | {"targets": audit.targets}
        folder = out or RUNS / named_run("invert", mask_url(victim), target, terms.settings, words)
        target = on_terms(target, terms, audit.seed)
        with resumable(folder), over_http(target, price, enabled=http) as service:
            result = run_inversion(service, **vars(audit), out=folder, progress=report)
    publish(folder, result.findings, output, pictures=result.pictures, secrets=(key,) if key else ())
