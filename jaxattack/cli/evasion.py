"""The command `evade`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from jaxattack.attacks.evasion import lookup
from jaxattack.attacks.extraction import lookup as extraction_attack
from jaxattack.audit import EvasionAudit, open_victim
from jaxattack.audit import evade as run_evasion
from jaxattack.audit.evasion import planned_evasion
from jaxattack.audit.victim_names import TAKES, kind_of
from jaxattack.cli.choices import explained
from jaxattack.cli.credentials import Credentials
from jaxattack.cli.extraction import check_victim, is_service, named_run, over_http
from jaxattack.cli.output import RUNS, CredentialOptions, Output, OutputOptions, flat, progress, publish, resumable
from jaxattack.cli.terms import TermOptions, Terms, on_terms
from jaxattack.oracle.remote.address import mask_url
from jaxattack.serve import require_packages
from jaxattack.types import InputError, config


@config
class Evading:
    """What is tried on a victim.

    Attributes:
        method: the attack; by default deepfool where the weights are at hand, transfer-fgsm after a theft, and hopskipjump
            elsewhere. A name may set fields, as bim?size=0.05&steps=40.
        extract: steal a model first, with this extraction attack, make the examples on it, and ask the victim about each once.
        copies: how many models are stolen, each with a seed of its own; the examples are made on the mean of their logits.
        adaptive: make the examples as one who knows the defence does: through it, with its detectors in the loss (pgd, mi-fgsm, apgd-ce).
        records: how many held-out records are changed, at most.
        budget: queries, at most; what the attack asks by itself by default.
        seed: decides everything random.
    """

    method: str | None = None
    extract: str | None = None
    copies: int = 1
    adaptive: bool = False
    records: int = 100
    budget: int | None = None
    seed: int = 0

    @property
    def audit(self) -> EvasionAudit:
        """What the words mean.

        Raises:
            InputError: an unknown attack, or a value out of range.
        """
        return EvasionAudit(
            attack=None if self.method is None else lookup(self.method),
            extract=None if self.extract is None else extraction_attack(self.extract),
            copies=self.copies,
            adaptive=self.adaptive,
            records=self.records,
            budget=self.budget,
            seed=self.seed,
        )


EvadingOptions = Annotated[Evading, flat("The attack")]
_CREDENTIALS, _TERMS, _EVADING, _OUTPUT = Credentials(), Terms(), Evading(), Output()


@explained
def evade(
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
    evading: EvadingOptions = _EVADING,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """How little fools it? Change records until a model labels them otherwise, and write a report.

    Without options: trains a softmax regression on scikit-learn's digits and moves 100 records just over its boundaries.

    A model whose weights are not at hand is asked, or stolen first with --extract: the examples are made on what was stolen,
    and the victim is asked about each once.

    VICTIMS

    EVASIONS

    Examples:

        jaxattack evade softmax --method hopskipjump --level label

        jaxattack evade mlp:64 --method "bim?size=0.05&steps=40"

        jaxattack evade mlp:64 --defend magnet --adaptive

        jaxattack evade model.onnx --data records.npz --extract softmax --method fgsm

    Args:
        victim: one of the list above.
        data: the records it is trained on, or to change: as `jaxattack data` lists them; digits by default.
        members: how many of them it is trained on, chosen at random; half by default.
        http: ask the victim over HTTP on loopback, not in this process.
        price: of a query, in dollars; by default what a service documents, and 0.0001 elsewhere.
        factory: package.module:factory, where a model folder names that: code, which is imported only if you write it here.
        out: the run folder; by default one in ./jaxattack-runs named after the settings.
    """
    output.check("evasion")
    check_victim(victim)
    if http and is_service(victim):
        raise InputError(f"http is given and {mask_url(victim)} is asked over HTTP already: leave http out.")
    if http:
        require_packages()
    audit = evading.audit
    key = credentials.read(service=is_service(victim))
    with progress(output) as report:
        service = open_victim(
            victim, data=data, members=members, level=terms.level, precision=terms.precision,
            seed=audit.seed if "seed" in TAKES[kind_of(victim)] else None, price=price, key=key, factory=factory,
            check=None if terms.defences else lambda victim: planned_evasion(victim, audit), progress=report,
        )  # fmt: skip
        folder = out or RUNS / named_run("evade", mask_url(victim), service, terms.settings, asdict(evading))
        target = on_terms(service, terms, audit.seed)
        with resumable(folder), over_http(target, price, enabled=http) as reached:
            result = run_evasion(reached, **vars(audit), out=folder, progress=report)
    publish(folder, result.findings, output, pictures=result.pictures, secrets=(key,) if key else ())
