"""How long a generator may learn before it gives its records away, and whether attacks find anything where nothing is to find.

Generators of one kind are trained for more and more steps, everything else alike: early stopping as a defence. Each row has the AUC of
attacks on targets, with its interval, the same of generators that learnt from neither side (the null: .5), and how far new records are
from the samples, as a multiple of their distance from real records.

    python scripts/generators.py                             # autoencoders of digits
    python scripts/generators.py --kind gan --attacks logan-white gan-leaks-full-calibrated
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from jaxattack.attacks.membership.generators import Evidence, GeneratorAttack, lookup
from jaxattack.audit.findings.generator import GeneratorFindings
from jaxattack.audit.generators import GeneratorAudit, gather, score_generators, split
from jaxattack.data import load
from jaxattack.training.generators import Prior, train_generators

ATTACKS = ("gan-leaks-full-calibrated", "gan-leaks-full", "monte-carlo-log")
STEPS = (250, 500, 1000, 2000, 4000, 8000)


def rows(audit: GeneratorAudit) -> tuple[GeneratorFindings, GeneratorFindings]:
    """What attacks find of targets, and of generators that learnt from nobody asked about, for whom targets' members are the truth."""
    part = split(audit)
    generators = train_generators(audit.prior, part.sets(audit.references), audit.seed)
    evidence = gather(audit, part, generators)
    return _score(audit, evidence, part.member), _score(audit, null(evidence), part.member[: audit.references // 2])


def null(evidence: Evidence) -> Evidence:
    """Half of the references in the place of the targets, and the other half as theirs."""
    assert evidence.references is not None
    half = len(evidence.references.samples) // 2
    targets, references = (evidence.references.take(part) for part in (slice(0, half), slice(half, None)))
    return replace(evidence, targets=targets, references=references)


def _score(audit: GeneratorAudit, evidence: Evidence, member) -> GeneratorFindings:
    return score_generators(evidence, member, attacks=audit.attacks, seed=audit.seed)


def table(
    results: Sequence[tuple[int, GeneratorFindings, GeneratorFindings]], attacks: Sequence[GeneratorAttack]
) -> str:
    """A row for each number of steps, in Markdown."""
    names = [attack.name for attack in attacks]
    lines = ["| steps | distance | " + " | ".join(f"{name} | null" for name in names) + " |"]
    lines.append("| --- " * (2 + 2 * len(names)) + "|")
    for steps, targets, nothing in results:
        cells = [cell(findings, name) for name in names for findings in (targets, nothing)]
        lines.append(f"| {steps} | {targets.generators.distance:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(findings: GeneratorFindings, name: str) -> str:
    """An AUC and its interval."""
    attack = next(one for one in findings.attacks if one.name == name)
    low, high = attack.auc_interval
    return f"{attack.auc:.3f} ({low:.3f} to {high:.3f})"


def main(arguments: Sequence[str] | None = None) -> str:
    """Train, attack and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--kind", default="vae")
    parser.add_argument("--attacks", nargs="+", default=ATTACKS)
    parser.add_argument("--steps", nargs="+", type=int, default=STEPS)
    parser.add_argument("--targets", type=int, default=4)
    parser.add_argument("--references", type=int, default=2)
    parser.add_argument("--records", type=int)
    words = parser.parse_args(arguments)
    if words.references < 2:
        parser.error("references: give at least 2, of which half are attacked where nothing is to find")
    attacks = tuple(map(lookup, words.attacks))
    results = []
    for steps in words.steps:
        audit = GeneratorAudit(
            dataset=load(words.data), prior=Prior(kind=words.kind, steps=steps), attacks=attacks, targets=words.targets,
            references=words.references, records=words.records,
        )  # fmt: skip
        results.append((steps, *rows(audit)))
        print(table(results[-1:], attacks).splitlines()[-1], flush=True)
    text = table(results, attacks)
    print(text)
    return text


if __name__ == "__main__":
    main()
