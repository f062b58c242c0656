"""The proxy attack (PMIA; Du et al. 2026, NDSS): shadow models that were trained before anyone knew which records to ask about.

No reference model was trained on the record. How such models answer it, is known from those that were not,

    score = log N(phi; in) - log N(phi; out)

and how models answer what they were trained on, from proxies, other records that they hold:

    global     all other records
    class      all other records of its class; where a class has fewer than two such answers, all others
    instance   its nearest neighbour in the class (`jaxattack.signals.NearestPhi`)

Their answers over all models that hold them make one Gaussian. In a sweep the proxies are the other records, and the record's own
answers by models that hold it are never among them. Mean and variance stand where the authors take the median. A neighbour's
variance is its own from 64 models on, and that of all neighbours below, as outside. The authors find neighbours by CLIP's
embeddings, here it is by the records' values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.fits import fit
from jaxattack.attacks.membership.joining import mean
from jaxattack.attacks.membership.lira import RECORD_MODELS
from jaxattack.attacks.membership.moments import VARIANCE_FLOOR, centred_powers, moments
from jaxattack.attacks.membership.observed import (
    read_signal,
    read_targets,
    read_values,
    require_models,
    require_references,
)
from jaxattack.attacks.membership.predictive import Predictive, log_density
from jaxattack.attacks.membership.references import (
    PROTOCOLS,
    References,
    TooFewReferences,
    check_protocol,
    choose_references,
)
from jaxattack.signals import NearestPhi, Phi
from jaxattack.threads import map_threads, record_blocks
from jaxattack.types import Needs, Observations, Signal, config


@config
class PMIA:
    """A likelihood ratio whose members are proxies.

    Attributes:
        proxies: "class", "global" or "instance".
        protocol: "independent" or "leave-one-out": see `jaxattack.attacks.membership.references`.

    Raises:
        InputError: an unknown choice.
    """

    paper = "Du et al. 2026, NDSS"
    family = "lira"
    references = True

    proxies: Literal["class", "global", "instance"] = "class"
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)

    @property
    def name(self) -> str:
        """``pmia-`` and the proxies."""
        return f"pmia-{self.proxies}"

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Phi, and by instance that of the nearest neighbour."""
        return (Phi(), NearestPhi()) if self.proxies == "instance" else (Phi(),)

    def needs(self, models: int) -> Needs:
        """References that were not trained on the record: two from 64 models on, as LiRA; one otherwise, and two of some record."""
        return Needs(sides={"out": 2 if models >= RECORD_MODELS else 1}, spread=True, protocol=self.protocol)

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Log-likelihood ratios of every record for each target, the mean over queries.

        Raises:
            TooFewReferences: fewer than three models, than `needs` says, or two answers of proxies.
            InputError: phi NaN or infinite.
        """
        require_models(observations, self.name)
        phi, member = read_signal(observations, Phi()), observations.member
        models = read_targets(observations, targets)
        references = choose_references(member, models, self.protocol)
        outside = require_references(member, references, self.needs(observations.models), self.name)["out"]
        blocks = record_blocks(*phi.shape)
        variance = "record" if len(member) >= RECORD_MODELS else "global"
        spread = fit(phi, {"out": outside}, references, variance, blocks)["out"]
        if self.proxies == "instance":
            inside = neighbours(read_values(observations, NearestPhi()), references, variance, self.name)
        else:
            group = np.unique(observations.label, return_inverse=True)[1] * (self.proxies == "class")
            inside = groups(phi, member, references, group, self.name)
        out = np.empty((len(models), phi.shape[1]))

        def score_block(block: slice) -> None:
            part = references.of(block)
            powers = centred_powers(phi[:, block], part)
            x, stand_in = powers.first[part.targets], inside(block)
            ratio = log_density(x, stand_in._replace(location=stand_in.location - powers.centre))
            ratio -= log_density(x, spread(moments(powers, {"out": outside[:, block]}, part)["out"]))
            out[:, block] = mean(ratio)

        map_threads(score_block, blocks)
        return out


Inside = Callable[[slice], Predictive]
"""What the proxies of a block of records say."""


def groups(
    phi: Float[np.ndarray, "model record query"],
    member: Bool[np.ndarray, "model record"],
    references: References,
    group: Int[np.ndarray, "record"],
    attack: str,
) -> Inside:
    """The Gaussian of all other records of a group, for each record."""

    def answers(block: slice) -> Sums:
        return _sums(phi[:, block], member[:, block], references.of(block))

    count = int(group.max()) + 1
    parts = map_threads(lambda block: by_group(answers(block), group[block], count), record_blocks(*phi.shape))
    every = Sums(*(np.sum(part, axis=0) for part in zip(*parts, strict=True)))
    return lambda block: proxies(answers(block), every, group[block], attack)


def neighbours(
    values: Float[np.ndarray, "model record query 2"], references: References, variance: str, attack: str
) -> Inside:
    """The Gaussian of the nearest neighbour's answers by references that hold it, for each record.

    Args:
        values: as `jaxattack.signals.NearestPhi` has them.
        references: of the targets.
        variance: "record" or "global", of a neighbour.
        attack: who needs them.

    Raises:
        TooFewReferences: a neighbour that no reference of some target holds, or fewer than two where a variance is its own or no
            neighbour has two.
    """
    phi, is_in = values[..., 0], values[:, :, 0, 1] > 0.5
    blocks = record_blocks(*phi.shape)
    counts = [references.of(block).count(is_in[:, block]) for block in blocks]
    fewest, most = min(int(count.min()) for count in counts), np.max([count.max(axis=1) for count in counts], axis=0)
    least = 2 if variance == "record" or most.min() < 2 else 1  # a variance of all needs two answers of some record
    if fewest < least:
        raise TooFewReferences(
            f"{attack} needs {least} references that were trained on a record's nearest neighbour and some record has "
            f"{fewest}: observe more models, or choose pmia-class."
        )
    spread = fit(phi, {"in": is_in}, references, variance, blocks)["in"]

    def inside(block: slice) -> Predictive:
        part = references.of(block)
        powers = centred_powers(phi[:, block], part)
        stand_in = spread(moments(powers, {"in": is_in[:, block]}, part)["in"])
        return stand_in._replace(location=stand_in.location + powers.centre)

    return inside


class Sums(NamedTuple):
    """Sums over answers of a target's references about a record, or about a group of them.

    Attributes:
        count: how many answers.
        first: of phi.
        second: of its square.
    """

    count: Float[np.ndarray, "target record 1"]
    first: Float[np.ndarray, "target record query"]
    second: Float[np.ndarray, "target record query"]


def _sums(
    phi: Float[np.ndarray, "model record query"], side: Bool[np.ndarray, "model record"], references: References
) -> Sums:
    """Over each target's references on a side, of which a record may have none."""
    powers = centred_powers(phi, references)
    count = references.count(side)[:, :, None].astype(np.float64)
    total, centre = references.total(powers.first, side), powers.centre
    second = references.total(powers.second, side) + centre * (2 * total + count * centre)
    return Sums(count, total + count * centre, second)


def by_group(each: Sums, group: Int[np.ndarray, "record"], groups: int) -> Sums:
    """The sums of records added up by group: a group's number takes the place of a record's."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    total = Sums(*(np.zeros((part.shape[0], groups, part.shape[2])) for part in each))
    for into, part in zip(total, each, strict=True):
        into[:, group[order[starts]]] = np.add.reduceat(part[:, order], starts, axis=1)
    return total


def proxies(own: Sums, every: Sums, group: Int[np.ndarray, "record"], attack: str) -> Predictive:
    """For each record the Gaussian of all other records' answers in its group; of all others' where its group has too few.

    Args:
        own: of each record.
        every: of each group.
        group: of each record.
        attack: who needs them.

    Raises:
        TooFewReferences: fewer than two answers.
    """
    near = Sums(*(part[:, group] - mine for part, mine in zip(every, own, strict=True)))
    others = Sums(*(part.sum(axis=1, keepdims=True) - mine for part, mine in zip(every, own, strict=True)))
    if others.count.min() < 2:
        raise TooFewReferences(
            f"{attack} needs two answers of other models about records that they were trained on: observe more models."
        )
    few = near.count < 2
    count, first, second = (np.where(few, far, close) for far, close in zip(others, near, strict=True))
    location = first / count
    return Predictive(location, np.maximum((second - first * location) / (count - 1), VARIANCE_FLOOR))
