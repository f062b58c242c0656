"""Membership runs side by side: every attack on each, and the differences from the first run, paired where they can be.

All runs are scored again, from what their models answered. An interval of a difference allows for all differences of its kind
(Bonferroni): every attack that can be run on the first and on another, on every run but the first; that of an attack that was declared, for the runs alone. The strongest
attack is a choice on both sides, and its difference allows for every pair of attacks.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.membership import by_label, declared_label
from jaxattack.attacks.membership.observed import scores_of
from jaxattack.attacks.membership.references import TooFewReferences
from jaxattack.audit.claim import Correction, claimed_rate
from jaxattack.audit.comparison.settings import changes
from jaxattack.audit.comparison.side import Side, common_records
from jaxattack.audit.curves import FPRS, rate_key
from jaxattack.audit.entry import roc_findings
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.findings.comparison import (
    AttackComparison,
    Contrast,
    CostFindings,
    LeakContrast,
    PairFindings,
    RunComparison,
    RunFindings,
    Seconds,
    ShareFindings,
    StrongestContrast,
)
from jaxattack.audit.findings.membership_attack import ClaimFindings
from jaxattack.audit.findings.rates import RocFindings
from jaxattack.audit.scorable import Scorable, scorable
from jaxattack.metrics import (
    Difference,
    Influences,
    Pairing,
    accuracy_influences,
    differences,
    model_clusters,
    paired_clusters,
    summarise,
)
from jaxattack.metrics.comparison import corrected
from jaxattack.types import InputError, MembershipAttack, Observations, Progress


def compare_runs(
    sides: Sequence[Side],
    attacks: Collection[MembershipAttack],
    *,
    declare: MembershipAttack | None = None,
    progress: Progress | None = None,
) -> RunComparison:
    """Run attacks on every side, and compare each with the first.

    Args:
        sides: at least two.
        attacks: each is reported by its `jaxattack.attacks.naming.label`.
        declare: the attack that was chosen beforehand; by default the strongest on the first side is claimed.
        progress: called after each attack.

    Raises:
        InputError: no attack can be run on a side, the declared one not on the first; or scores that are none.
    """
    begin = time.perf_counter()
    labelled = by_label(attacks)
    declared = declared_label(declare)
    correction = Correction(attacks=tuple(labelled), declared=declared)
    runs = [_Run(side, labelled) for side in sides]
    if declared is not None and declared not in runs[0].part.attacks:
        raise InputError(f"the declared attack cannot be run on {runs[0].side.name}. {' '.join(runs[0].notes)}")
    correction = replace(correction, attacks=_compared(runs, declared) or correction.attacks)
    pairs = [_pair_of(runs[0], run) for run in runs[1:]]
    rate = claimed_rate(min(int((~run.member).sum()) for run in runs), FPRS)
    comparisons = _comparisons(runs, pairs, labelled, correction, rate, progress)
    claim = declared or runs[0].best.name
    seconds = sum(run.seconds for run in runs)
    return RunComparison(
        title=" against ".join([", ".join(run.side.name for run in runs[1:]), runs[0].side.name]),
        runs=tuple(run.findings() for run in runs),
        pairs=tuple(_beside(runs[0], run, pair, len(pairs)) for run, pair in zip(runs[1:], pairs, strict=True)),
        attacks=comparisons,
        claim=ClaimFindings(
            attack=claim,
            rate=None if rate is None else rate_key(rate),
            choices=correction.choices(claim),
            declared=declared is not None,
        ),
        allowance=len(correction.attacks) * len(pairs),
        changes=changes([side.settings for side in sides]),
        notes=tuple(f"{run.side.name}: {note}" for run in runs for note in run.notes),
        cost=CostFindings(
            seconds=Seconds(score=seconds, total=time.perf_counter() - begin),
            memory_bytes=peak_memory(),
            device=device(),
        ),
        config={"runs": [run.side.title for run in runs], "attacks": [*labelled], "declare": declared},
        environment=environment(),
    )


def _compared(runs: Sequence[_Run], declared: str | None) -> tuple[str, ...]:
    """The attacks that can be run on the first and on another, and the one that was declared."""
    first, *others = (run.part.attacks for run in runs)
    return tuple(name for name in first if name == declared or any(name in attacks for attacks in others))


def _comparisons(
    runs: Sequence[_Run],
    pairs: Sequence[_Pair],
    attacks: Mapping[str, MembershipAttack],
    correction: Correction,
    rate: float | None,
    progress: Progress | None,
) -> tuple[AttackComparison, ...]:
    """Every attack on every run, and its differences from the first; the strongest there comes first."""
    comparisons: list[tuple[tuple[float, float], AttackComparison]] = []
    for name, attack in sorted(attacks.items(), key=lambda item: [signal.name for signal in item[1].signals]):
        scored = [run.attack(name, attack, rate) for run in runs]
        allowance = correction.choices(name) * len(pairs)
        contrasts = tuple(
            None
            if scored[0] is None or other is None
            else _leak(other.influences, scored[0].influences, pair, allowance)
            for other, pair in zip(scored[1:], pairs, strict=True)
        )
        strength = (-1.0, -1.0) if scored[0] is None else scored[0].strength
        entries = tuple(None if one is None else one.findings for one in scored)
        comparisons.append(
            (strength, AttackComparison(name=name, family=attack.family, runs=entries, differences=contrasts))
        )
        if progress:
            progress("attacks", len(comparisons), len(attacks))
    comparisons.sort(key=lambda one: one[0], reverse=True)
    return tuple(one for _, one in comparisons)


class _Scored(NamedTuple):
    """An attack on a run."""

    name: str
    findings: RocFindings
    influences: Influences
    strength: tuple[float, float]


class _Run:
    """A side, with what is scored of it and the strongest attack on it so far."""

    def __init__(self, side: Side, attacks: Mapping[str, MembershipAttack]):
        self.side, self.seconds, self._strongest = side, 0.0, None
        self._read: tuple[tuple[str, ...], Observations] | None = None
        side.observations.require_known()
        observed, lacking = side.observations.signals, {}
        for name, attack in attacks.items():
            if missing := [signal.name for signal in attack.signals if signal.name not in observed]:
                lacking.setdefault(missing[0], []).append(name)
        refused = {name for names in lacking.values() for name in names}
        able = {name: attack for name, attack in attacks.items() if name not in refused}
        notes = tuple(
            f"These attacks are left out, for {one} was not observed: {', '.join(lacking[one])}." for one in lacking
        )
        if not able:
            raise InputError(f"no attack can be run on {side.name}: {' '.join(notes)}")
        self.part: Scorable = scorable(side.observations.member, able, side.unread)
        self.notes = (*side.observations.notes, *self.part.notes, *notes)
        self.member: Bool[np.ndarray, "model scored"] = side.observations.member[:, self.part.records]
        self.clusters = model_clusters(self.member)
        self.accuracy = self._accuracy()

    @property
    def best(self) -> _Scored:
        """The strongest attack.

        Raises:
            InputError: none could be run.
        """
        if self._strongest is None:
            raise InputError(f"no attack can be run on {self.side.name}. {' '.join(self.notes)}")
        return self._strongest

    def attack(self, name: str, attack: MembershipAttack, rate: float | None) -> _Scored | None:
        """What an attack finds; None where it cannot be run, which is noted."""
        if name not in self.part.attacks:
            return None
        try:
            scores = self._scores(attack)
        except TooFewReferences as error:
            self.notes = (*self.notes, f"{name} is left out: {error}")
            return None
        summary = summarise(scores, self.member, FPRS, clusters=self.clusters)
        strength = 0.0 if rate is None else summary.tpr[FPRS.index(rate)].tpr
        scored = _Scored(name, roc_findings(summary), summary.influences.at(FPRS), (strength, summary.auc))
        if self._strongest is None or scored.strength > self._strongest.strength:
            self._strongest = scored
        return scored

    def _scores(self, attack: MembershipAttack) -> Float[np.ndarray, "target scored"]:
        """The scores, timed; what was read stays in memory until an attack reads something else."""
        begin = time.perf_counter()
        names = tuple(signal.name for signal in attack.signals)
        if self._read is None or self._read[0] != names:
            self._read = names, self.side.observations.only(attack.signals).take_records(self.part.records)
        scores = scores_of(attack, self._read[1])
        self.seconds += time.perf_counter() - begin
        return scores

    def _accuracy(self) -> Influences | None:
        if "correct" not in self.side.observations.signals:
            return None
        right = self.side.observations.signal("correct")[:, self.part.records, 0]
        return accuracy_influences(right > 0, self.member, self.clusters)

    def findings(self) -> RunFindings:
        """What it is."""
        shares = (None, None) if self.accuracy is None else self.accuracy.estimates()
        train, test = (one and ShareFindings(value=one.value, interval=one.interval()) for one in shares)
        return RunFindings(
            name=self.side.name,
            title=self.side.title,
            records=len(self.part.records),
            train_accuracy=train,
            test_accuracy=test,
            strongest=self.best.name,
            cost=replace(self.side.cost, score=self.seconds),
        )


class _Pair(NamedTuple):
    """What a run has in common with the first.

    Attributes:
        pairing: of the records and clusters that are scored.
        models: how many of its models are in a common cluster.
        basis: by what records are told to be the same.
    """

    pairing: Pairing
    models: int
    basis: str


def _pair_of(first: _Run, run: _Run) -> _Pair:
    common, basis = common_records(first.side, run.side)
    places = np.stack([_place(one)[common[:, at]] for at, one in enumerate((first, run))], axis=1)
    places = places[(places >= 0).all(axis=1)]
    members = first.member[:, places[:, 0]], run.member[:, places[:, 1]]
    clusters = paired_clusters(*members, first.clusters, run.clusters)
    models = int(np.isin(run.clusters, clusters[:, 1]).sum())
    return _Pair(Pairing(records=places[:, ::-1], clusters=clusters[:, ::-1]), models, basis if len(places) else "")


def _place(run: _Run) -> np.ndarray:
    """Of each record that was observed, its place among those that are scored; -1 where it is not."""
    place = np.full(run.side.observations.records, -1)
    place[run.part.records] = np.arange(len(run.part.records))
    return place


def _leak(ours: Influences, theirs: Influences, pair: _Pair, allowance: int) -> LeakContrast:
    """How much more is found of a run than of the first."""
    contrasts = [_contrast(one, allowance) for one in differences(ours, theirs, pair.pairing)]
    return LeakContrast(auc=contrasts[-1], tpr=dict(zip(map(rate_key, FPRS), contrasts, strict=False)))


def _contrast(difference: Difference, allowance: int) -> Contrast:
    low, high = difference.interval(corrected(allowance))
    return Contrast(difference=difference.value, interval=(low, high), clear=low > 0 or high < 0)


def _beside(first: _Run, run: _Run, pair: _Pair, pairs: int) -> PairFindings:
    train = test = None
    if first.accuracy is not None and run.accuracy is not None:
        train, test = (_contrast(one, pairs) for one in differences(run.accuracy, first.accuracy, pair.pairing))
    allowance = len(first.part.attacks) * len(run.part.attacks) * pairs
    leak = _leak(run.best.influences, first.best.influences, pair, allowance)
    return PairFindings(
        run=run.side.name,
        records=len(pair.pairing.records),
        models=pair.models,
        basis=pair.basis,
        train_accuracy=train,
        test_accuracy=test,
        strongest=StrongestContrast(
            attack=run.best.name, than=first.best.name, allowance=allowance, auc=leak.auc, tpr=leak.tpr
        ),
    )
