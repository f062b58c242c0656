"""The command `generator`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from jaxattack.attacks.membership.generators import DEFAULTS, GeneratorAttack, lookup
from jaxattack.audit.generators import audit_generators, read_samples, score_generators
from jaxattack.cli.choices import explained
from jaxattack.cli.options import Words
from jaxattack.cli.output import RUNS, Output, OutputOptions, flat, progress, publish, refuse_other_report
from jaxattack.data import fingerprint, load
from jaxattack.oracle.identity import fingerprint_of
from jaxattack.training.generators import Prior
from jaxattack.types import InputError, config


@config
class Generating:
    """How the generators are trained.

    Attributes:
        kind: vae, gan or dae.
        latent: numbers in a latent point.
        steps: of its optimiser: 128 records a step, of a gan 64 and five steps of its critic. The longer, the more leaks.
        targets: generators that are attacked, each trained on half of two thirds of the records.
        references: generators of the attacker's own, trained on the other third.
        records: use this many of the records, chosen at random; all by default.
    """

    kind: Literal["vae", "gan", "dae"] = "vae"
    latent: int = 16
    steps: int = 2000
    targets: int = 4
    references: int = 2
    records: int | None = None


GeneratingOptions = Annotated[Generating, flat("What is attacked")]
_GENERATING, _OUTPUT = Generating(), Output()


@explained
def generator(
    samples: Path | None = None,
    /,
    *,
    data: str | None = None,
    attacks: Words = (),
    set_size: int = 20,
    seed: int = 0,
    generating: GeneratingOptions = _GENERATING,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Who was a generator trained on? Attack the members of GANs and autoencoders, and write a report.

    Without options: trains four variational autoencoders on halves of scikit-learn's digits, and two of the attacker's own on
    other digits, in one program, and runs every attack that works on them but logan-black.

    With a file, generators that somebody else trained are attacked by their samples: an .npz of samples, records, pool and
    member, ones and zeros, and perhaps reference_samples.

    GENERATORS

    Examples:

        jaxattack generator --kind gan --steps 5000

        jaxattack generator --attacks gan-leaks-full-calibrated "monte-carlo?samples=2000" --data records.npz

        jaxattack generator samples.npz

    Args:
        samples: an .npz of samples of generators that were trained elsewhere.
        data: the records, as `jaxattack data` lists them; digits by default.
        attacks: names of the list above, which may set fields; by default all but logan-black, which trains a GAN for every
            target.
        set_size: records in each of the two sets of which the set attack names one.
        seed: decides everything random.
        out: the report's folder; by default one in ./jaxattack-runs named after the settings, or beside the file.
    """
    output.check("generator")
    methods = tuple(map(lookup, attacks)) or DEFAULTS
    if samples is not None:
        _refuse(data, generating)
        return _from_file(samples, methods, set_size, seed, output, out)
    dataset = load(data or "digits")
    words = asdict(generating)
    prior = Prior(kind=words.pop("kind"), latent=words.pop("latent"), steps=words.pop("steps"))
    settings = [fingerprint(dataset), asdict(generating), list(map(repr, methods)), set_size, seed]
    folder = out or RUNS / f"generator-{generating.kind}-{fingerprint_of(settings)[:8]}"
    refuse_other_report(folder, "generator")
    with progress(output) as report:
        findings = audit_generators(
            dataset=dataset, prior=prior, attacks=methods, set_size=set_size, seed=seed, progress=report, **words
        )
    return publish(folder, findings, output)


def _from_file(
    samples: Path,
    attacks: tuple[GeneratorAttack, ...],
    set_size: int,
    seed: int,
    output: Output,
    out: Path | None,
) -> None:
    folder = out or samples.with_suffix(".report")
    refuse_other_report(folder, "generator")
    evidence, member = read_samples(samples)
    with progress(output) as report:
        findings = score_generators(
            evidence, member, attacks=attacks, set_size=set_size, seed=seed, name=samples.name, progress=report
        )
    publish(folder, findings, output)


def _refuse(data: str | None, generating: Generating) -> None:
    """Refuse what is of generators trained here, where samples of others are given.

    Raises:
        InputError: it names the option.
    """
    words = {"data": data, **asdict(generating)}
    usual = {"data": None, **asdict(_GENERATING)}
    for name, value in words.items():
        if value != usual[name]:
            raise InputError(f"{name} is {value!r} and the samples come from a file: leave {name} out.")
