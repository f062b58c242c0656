"""What a chunk cost to make: information only."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from jaxattack.disk import read_json
from jaxattack.error import FolderError, InputError


class Cost(NamedTuple):
    """What a chunk cost to make.

    Attributes:
        gradient_steps: of all its models together.
        compile: seconds, on the first chunk that a process makes.
        train: seconds.
        observe: seconds.
        device: on what and how placed, in words.
    """

    gradient_steps: int
    compile: float
    train: float
    observe: float
    device: str


def read_cost(file: Path) -> Cost:
    """What a chunk of models cost.

    Raises:
        FolderError: the file is damaged, or holds what nothing can cost.
    """
    try:
        cost = Cost(**read_json(file))
        # Beyond 2^53 a whole number is no float, and sums of costs are.
        if not isinstance(cost.device, str) or not all(0 <= number < 2**53 for number in cost[:-1]):
            raise ValueError("no such cost is possible")
    except (InputError, TypeError, ValueError) as error:
        raise FolderError(f"{file} is damaged: delete this file; only what its models cost is forgotten.") from error
    return cost
