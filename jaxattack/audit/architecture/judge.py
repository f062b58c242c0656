"""How good an inference of attributes is, on networks that it did not learn from.

Every network of the zoo is held out once: the zoo is cut into folds, the attack learns from all but one and reads that one.

    random         folds of networks
    architecture   folds of the 144 architectures, so that no network read has the architecture of one learnt from
    depth          learnt from networks of 2 and 3 convolutions, read on those of 4 (of the number itself there is nothing to read)
    shuffled       folds of networks whose attributes were put in another order: nothing is left to learn, and what is read
                   must be right as often as chance
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.architecture import Zoo
from jaxattack.attacks.architecture.zoo import FEWEST
from jaxattack.audit.findings.architecture import AccuracyFindings, SplitFindings
from jaxattack.metrics.intervals import clopper_pearson
from jaxattack.models.attribute_grid import ATTRIBUTES, Codes
from jaxattack.types import Access, ArchitectureAttack, InputError, Progress

Split = Literal["random", "architecture", "depth", "shuffled"]
SPLITS: tuple[Split, ...] = ("random", "architecture", "depth", "shuffled")

FOLDS = 4
"""Parts of the zoo that are held out in turn."""


class Fold(NamedTuple):
    """Networks learnt from, and others that are read."""

    learnt: Int[np.ndarray, "some"]
    read: Int[np.ndarray, "others"]


def folds_of(split: Split, codes: Int[np.ndarray, "net attribute"], seed: int) -> Iterator[Fold]:
    """The folds of a split, which together read every network at most once.

    Args:
        split: how the zoo is cut.
        codes: the attributes of its networks.
        seed: decides which network is in which fold.
    """
    rng = np.random.default_rng([seed, 7])
    if split == "depth":
        deepest = codes[:, Codes._fields.index("convolutions")] == len(ATTRIBUTES[4].values) - 1
        yield Fold(np.flatnonzero(~deepest), np.flatnonzero(deepest))
        return
    part = rng.permutation(np.arange(len(codes)) % FOLDS)
    if split == "architecture":
        columns = [number for number, attribute in enumerate(ATTRIBUTES) if attribute.architecture]
        _, kind = np.unique(codes[:, columns], axis=0, return_inverse=True)
        part = rng.permutation(np.arange(kind.max() + 1) % FOLDS)[kind.ravel()]
    for number in range(FOLDS):
        yield Fold(np.flatnonzero(part != number), np.flatnonzero(part == number))


def judge(
    attack: ArchitectureAttack,
    zoo: Zoo,
    pool: Float[np.ndarray, "record *feature"],
    access: Access,
    splits: Sequence[Split],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[SplitFindings, ...]:
    """How often each attribute of networks that are held out is read right.

    Args:
        attack: what is judged.
        zoo: networks whose attributes are known.
        pool: records that may be asked.
        access: the terms on which they answer, those of the victim.
        splits: how the zoo is cut.
        seed: decides everything random.
        progress: called after each split.

    Raises:
        InputError: too few networks.
    """
    if len(zoo) < FEWEST:
        raise InputError(f"nets is {len(zoo)}: give at least {FEWEST}, of which a quarter is held out.")
    findings = []
    for number, split in enumerate(splits):
        codes = zoo.codes
        if split == "shuffled":
            codes = np.random.default_rng([seed, 8]).permuted(codes, axis=0)
        right, read = _cross_fit(attack, zoo, codes, pool, access, split, seed)
        findings.append(
            SplitFindings(name=split, nets=int(read.sum()), attributes=tuple(_accuracies(right[read], split)))
        )
        if progress:
            progress("splits", number + 1, len(splits))
    return tuple(findings)


def _cross_fit(
    attack: ArchitectureAttack,
    zoo: Zoo,
    codes: Int[np.ndarray, "net attribute"],
    pool: Float[np.ndarray, "record *feature"],
    access: Access,
    split: Split,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Which attributes of which networks are read right, ["net attribute"], and which networks were read."""
    right, read = np.zeros(codes.shape, bool), np.zeros(len(codes), bool)
    for fold in folds_of(split, zoo.codes, seed):
        if not len(fold.read) or not len(fold.learnt):
            continue
        reader = attack.fit(zoo, codes, fold.learnt, pool, access, seed=seed)
        posterior = reader(zoo.answer(reader.questions, access))  # of all: one shape, one program
        right[fold.read] = (posterior.argmax(axis=2) == codes)[fold.read]
        read[fold.read] = True
    return right, read


def _accuracies(right: np.ndarray, split: Split) -> Iterator[AccuracyFindings]:
    for column, attribute in zip(right.T, ATTRIBUTES, strict=True):
        if split == "depth" and attribute.name == "convolutions":
            continue
        hits, nets = int(column.sum()), len(column)
        low, high = map(float, clopper_pearson(hits, nets))
        yield AccuracyFindings(
            attribute=attribute.name,
            accuracy=hits / nets if nets else None,
            interval=(low, high),
            chance=1 / len(attribute.values),
        )
