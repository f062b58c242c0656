"""The options of poison, and what they are as values."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxattack.audit import Part
from jaxattack.audit.poisoning import Poisoning
from jaxattack.cli.options import Numbers
from jaxattack.npz import UnreadableError, read_npy, reason
from jaxattack.types import InputError, config


@config
class Poisoned:
    """What an attacker has put into its training set.

    Attributes:
        poison: copies with a wrong label of each target, in every model's training set, as 4; several numbers give a curve, which
            begins at 0. Each has a run folder of its own, copies-N.
        targets: how many records are poisoned, chosen at random; or a .npy file of their places.
    """

    poison: Numbers = ()
    targets: str = "100"


def poisoning_from(poisoned: Poisoned, part: Part | None) -> Poisoning | None:
    """What is poisoned, from the words of a command line; None for nothing.

    Raises:
        InputError: targets that are neither a number nor a file of whole numbers, or that nothing poisons, or parts, in which
            poison is not trained.
    """
    if not poisoned.poison:
        if poisoned.targets != Poisoned().targets:
            raise InputError(
                f"targets is {poisoned.targets} and nothing poisons them: give --poison too, as --poison 4."
            )
        return None
    if not any(poisoned.poison):
        raise InputError("poison is 0, which poisons nothing: give a number of copies, as 4, or leave poison out.")
    if part is not None:
        raise InputError(
            f"part is {part} and poison {poisoned.poison}: give one; poisoned runs are not trained in parts."
        )
    if poisoned.targets.isdecimal():
        return Poisoning(copies=poisoned.poison, targets=int(poisoned.targets))
    try:
        places = read_npy(Path(poisoned.targets))
    except (OSError, UnreadableError) as error:
        raise InputError(
            f"targets is {poisoned.targets}, and that file cannot be read ({reason(error)}): give how many records, or write "
            "their places, whole numbers from 0, with numpy.save."
        ) from error
    if places.ndim != 1 or not np.issubdtype(places.dtype, np.integer):
        raise InputError(
            f"targets is {poisoned.targets}, an array of {places.dtype} with shape {places.shape}: give how many records, or "
            "a .npy file of their places, whole numbers from 0."
        )
    return Poisoning(copies=poisoned.poison, targets=tuple(places.tolist()))
