"""Which records and attacks take part: decided before anything is trained or scored.

Figures of several attacks stand in one table, so they are of the same records. A record that some attack cannot score,
for want of references, is left out for all of them. An attack that can score fewer than half of the records is itself
left out instead. Both are told in sentences.

Where every model drew its members by itself (`Poisson`, `Sized`), references do not tell a target's members as long as no
record is left out: those that are have too few models on one side, the target among them. Measured without any leak, mean
AUC of lira-online with Bayesian variance over 6 repeats of 2,000 records, by the share of the records left out:

| design | models | left out | AUC |
| --- | --- | --- | --- |
| poisson:0.5 | 6 | 21.6% | .451 |
| a third of the records | 8 | 19.5% | .473 |
| poisson:0.5 | 8 | 7.4% | .490 |
| a third of the records | 12 | 5.7% | .490 |
| poisson:0.5 | 12 | .5% | .500 |

Under the independent protocol an attack that leaves out more than `SELECTED` of the records is therefore left out too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from jaxattack.attacks.membership.observed import lacking, too_few
from jaxattack.attacks.membership.references import choose_references
from jaxattack.metrics import varying_records
from jaxattack.types import InputError, MembershipAttack

SELECTED = 0.02
"""The largest share, of the records that some models have and some have not, that may be left out for want of references: a
fifth puts an AUC off by .05, and so a fiftieth by .005."""


class Scorable(NamedTuple):
    """What takes part.

    Attributes:
        records: those that every attack scores, ascending.
        attacks: those that score them, under the names they are reported by.
        notes: what does not take part and why, in sentences.
    """

    records: Int[np.ndarray, "scored"]
    attacks: dict[str, MembershipAttack]
    notes: tuple[str, ...]


def scorable(
    member: Bool[np.ndarray, "model record"],
    attacks: Mapping[str, MembershipAttack],
    unread: Bool[np.ndarray, "record"] | None = None,
) -> Scorable:
    """Decide which records and attacks take part, with every model a target.

    Args:
        member: who was trained on what.
        attacks: each under the name it is reported by.
        unread: records whose signals are NaN or infinite somewhere; none by default.

    Raises:
        InputError: no attack can score enough of the records.
    """
    models, records = member.shape
    left_out = np.zeros(records, bool) if unread is None else unread
    notes = [_unread(left_out)] if left_out.any() else []
    needs = {name: attack.needs(models) for name, attack in attacks.items()}
    protocols = {one.protocol for one in needs.values()}
    references = {protocol: choose_references(member, np.arange(models), protocol) for protocol in protocols}
    short = {name: lacking(member, references[one.protocol], one) for name, one in needs.items()}
    any_side = {
        name: np.any([*(lack for _, lack in sides.values()), np.zeros(records, bool)], axis=0)
        for name, sides in short.items()
    }
    varying = varying_records(member)
    able: list[str] = []
    refused: dict[str, list[str]] = {}
    omissions: dict[str, list[str]] = {}
    # Those that ask least come first, so that as many attacks as can be share the records.
    for name in sorted(attacks, key=lambda name: int(any_side[name].sum())):
        together = left_out | any_side[name]
        fair = needs[name].protocol != "independent" or any_side[name][varying].sum() <= SELECTED * len(varying)
        takes_part = fair and 2 * int((~together).sum()) >= records
        if takes_part:
            able.append(name)
            left_out = together
        for side, (least, lack) in short[name].items():
            if lack.any():
                reasons = omissions if takes_part else refused
                reasons.setdefault(too_few(side, least, lack), []).append(name)
    if not able:
        reasons = "; ".join([*notes, *refused]).removesuffix(".")
        raise InputError(f"too few of the records can be scored: {reasons}.")
    if omissions:
        notes += [f"{left_out.sum()} of {len(left_out)} records are left out of every figure."]
    notes += [f"Left out: {reason} ({', '.join(names)})." for reason, names in omissions.items()]
    notes += [f"These attacks are left out, for {reason}: {', '.join(names)}." for reason, names in refused.items()]
    taking = {name: attack for name, attack in attacks.items() if name in able}
    return Scorable(np.flatnonzero(~left_out), taking, tuple(notes))


def require_both_sides(member: Bool[np.ndarray, "model record"], records: Int[np.ndarray, "scored"]) -> None:
    """Refuse models that nothing can be told of as targets, before anything is scored.

    Args:
        member: who was trained on what.
        records: those that are scored.

    Raises:
        InputError: a model was trained on all of them, or on none.
    """
    share = member[:, records].mean(axis=1)
    for side, none in (("all", share == 1), ("none", share == 0)):
        if none.any():
            raise InputError(
                f"model {np.flatnonzero(none)[0]} was trained on {side} of the {len(records):,} records that are scored "
                f"({int(none.sum())} of {len(member)} models were): give every model members and others among them, or leave these "
                "models out."
            )


def _unread(unread: Bool[np.ndarray, "record"]) -> str:
    return f"Left out: {unread.sum()} of {len(unread)} records, of which a signal is NaN or infinite under some model."
