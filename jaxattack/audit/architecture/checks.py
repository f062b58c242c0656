"""What an audit of architecture refuses before it trains a zoo, which takes minutes, and which networks of one are left out."""

from __future__ import annotations

import math
from pathlib import Path

import jax
import numpy as np

from jaxattack.attacks.architecture import Zoo
from jaxattack.attacks.architecture.zoo import FEWEST
from jaxattack.audit.architecture.zoo_folder import Records
from jaxattack.audit.victim import Victim
from jaxattack.types import Access, ArchitectureAttack, Dataset, Defence, InputError, Inputs


def require_images(victim: Victim | None, dataset: Dataset | None) -> Dataset:
    """What the zoo is trained on.

    Raises:
        InputError: there is nothing, or no images.
    """
    data = dataset if dataset is not None or victim is None else victim.dataset
    if data is None:
        raise InputError(
            "dataset is none and the victim comes without records: give images, such as jaxattack.load('digits')."
        )
    if not data.images:
        raise InputError(
            f"{data.name} has no images, which the networks of the grid take: give images, such as digits."
        )
    return data


def check_records(attack: ArchitectureAttack, records: Records) -> None:
    """Refuse an attack that needs more records than there are to ask.

    Raises:
        InputError: there are fewer.
    """
    if attack.records > len(records.fresh):
        raise InputError(
            f"{attack.name} needs {attack.records} records and {records.fresh.name} leaves {len(records.fresh)} to ask beside those "
            "that the zoo is trained on: give more records, or an attack that needs fewer."
        )


def grid_terms(data: Dataset, defences: tuple[Defence, ...]) -> Access:
    """On what terms a network of the zoo answers behind defences."""
    access = Access(level="probability", classes=data.classes, inputs=Inputs.box(0, 255, data.shape))
    for defence in defences:
        access = defence.access(access)
    return access


def check_victim(attack: ArchitectureAttack, access: Access, data: Dataset) -> None:
    """Refuse a victim that does not take such records, or answers with less than the attack reads.

    Raises:
        InputError: another number of features, of classes, another range, or a level that the attack cannot work with.
    """
    inputs = access.inputs
    if access.classes < attack.fewest_classes:
        raise InputError(
            f"{attack.name} tells values apart by the label, needs {attack.fewest_classes} classes for that and the victim has "
            f"{access.classes}: choose kennen-o."
        )
    if access.level not in attack.levels:
        raise InputError(
            f"{attack.name} reads {' or '.join(attack.levels)} and the victim answers with a {access.level}: choose an attack that "
            "reads it, as kennen-o."
        )
    if math.prod(inputs.shape) != math.prod(data.shape) or access.classes != data.classes:
        raise InputError(
            f"the victim takes records of shape {inputs.shape} and has {access.classes} classes, and {data.name} has {data.shape} "
            f"and {data.classes}: give the data that it is for."
        )
    if (inputs.low > 0).any() or (inputs.high < 255).any():
        raise InputError(
            f"the victim takes values of {inputs.low.min():g} to {inputs.high.max():g} and a picture has 0 to 255: give a victim that "
            "takes pictures as they are."
        )


def finite_networks(zoo: Zoo, folder: Path | None) -> Zoo:
    """The networks that have learnt numbers: training may diverge, and a file be damaged.

    Raises:
        InputError: too few of them have.
    """
    finite = np.logical_and.reduce(
        [np.isfinite(leaf).reshape(len(leaf), -1).all(axis=1) for leaf in jax.tree.leaves(zoo.weights)]
    )
    if finite.sum() <= FEWEST:
        remedy = (
            "lower the rates at which networks learn" if folder is None else f"delete {folder}, or lower those rates"
        )
        raise InputError(
            f"{len(zoo) - finite.sum()} of the {len(zoo)} networks of the zoo have weights that are NaN or infinite, and more than "
            f"{FEWEST} must not: {remedy}."
        )
    return zoo.take(np.flatnonzero(finite))
