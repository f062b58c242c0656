"""The command `invert`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from jaxattack.audit import InversionAudit, Terms, on_terms, open_victim
from jaxattack.audit import invert as run_inversion
from jaxattack.audit.inversion import untrained
from jaxattack.audit.victim_names import TAKES, kind_of
from jaxattack.cli.choices import explained
from jaxattack.cli.credentials import Credentials
from jaxattack.cli.extraction import CredentialOptions, TermOptions, asked, named_run
from jaxattack.cli.output import RUNS, Output, OutputOptions, flat, progress, publish, resumable
from jaxattack.oracle.remote.address import mask_url

AuditOptions = Annotated[InversionAudit, flat("The attack")]
_CREDENTIALS, _TERMS, _AUDIT, _OUTPUT = Credentials(), Terms(), InversionAudit(), Output()


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
    audit: AuditOptions = _AUDIT,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """What did its records look like? Make a record of each class back from a model, judge it, and write a report.

    Without options: trains a softmax regression on scikit-learn's digits and inverts all ten classes, eight restarts each.

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
    key = credentials.read() if victim.startswith(("http://", "https://")) else None
    takes = TAKES[kind_of(victim)]
    with progress(output) as shown:
        opened = open_victim(
            victim, data=data, members=members, fresh=untrained(audit) and "fresh" in takes, level=terms.level,
            precision=terms.precision, seed=audit.seed if "seed" in takes else None, price=price, key=key, factory=factory,
            progress=shown,
        )  # fmt: skip
        folder = out or RUNS / named_run("invert", mask_url(victim), opened, asdict(terms), asdict(audit))
        with (
            resumable(folder),
            asked(opened, on_terms(opened.oracle, terms, audit.seed), not http, price) as (oracle, transport),
        ):
            made = run_inversion(opened, audit=audit, oracle=oracle, transport=transport, out=folder, progress=shown)
    publish(
        folder,
        made.findings.values,
        output,
        pictures=made.findings.pictures,
        secrets=(key,) if key else (),
    )
