"""Scores of canaries from any framework: what `jaxattack epsilon` reads.

The file is an .npz, without pickled objects, of

    score       Float ["model canary"], or ["score"], one entry a score; higher for canaries that are in
    member      Bool or 0/1, of the same shape: whether the canary was in
    canary      optional, ["score"]: which canary, a number or a name
    model       optional, ["score"]: which run, a number or a name

Without `model` all scores are of one run; with it and without `canary`, of one canary. With both, each canary has one score
of each model.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from jaxattack.npz import UnreadableError, open_arrays, printable, reason
from jaxattack.types import InputError, check_arguments

NAMES = ("score", "member", "canary", "model")


class CanaryScores(NamedTuple):
    """What an attack says of canaries, and the truth.

    Attributes:
        score: higher for canaries that are in.
        member: whether the canary was in.
    """

    score: Float[np.ndarray, "model canary"]
    member: Bool[np.ndarray, "model canary"]


@check_arguments("path")
def read_canary_scores(path: str | Path) -> CanaryScores:
    """Scores from a file that any framework may have written.

    Args:
        path: an .npz, as in the module's description.

    Raises:
        InputError: it is missing, damaged, or lacks an array; shapes that disagree, or a canary with no score or several
            of one model.
    """
    path = Path(path)
    try:
        with open_arrays(path) as archive:
            arrays = {name: archive.read(name) for name in NAMES if name in archive.names}
            names = printable(archive.names)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: give an .npz with score and member.") from error
    except (OSError, UnreadableError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}): write it with numpy.savez, without objects."
        ) from error
    missing = [name for name in ("score", "member") if name not in arrays]
    if missing:
        raise InputError(f"{path} has no {' and no '.join(missing)}: it holds {names or 'nothing'}; add it.")
    score, member = arrays["score"], arrays["member"]
    if score.dtype.kind not in "fiub" or score.ndim not in (1, 2) or not score.size:
        raise InputError(
            f"{path}: score has dtype {score.dtype} and shape {score.shape}: give numbers [model, canary], or [score]."
        )
    if member.shape != score.shape or member.dtype.kind not in "fiub" or not np.isin(member, (0, 1)).all():
        raise InputError(
            f"{path}: member has dtype {member.dtype} and shape {member.shape}, and score {score.shape}: give 0 or 1 for "
            "each score."
        )
    score, member = score.astype(np.float64), member.astype(bool)
    if score.ndim == 2:
        extra = [name for name in ("canary", "model") if name in arrays]
        if extra:
            raise InputError(f"{path}: score is [model, canary] and there is {extra[0]} too: leave it out.")
        return CanaryScores(score, member)
    return _arranged(path, score, member, arrays.get("canary"), arrays.get("model"))


def _arranged(path: Path, score, member, canary, model) -> CanaryScores:
    """One entry a score to a row a model."""
    if model is None and canary is None:
        return CanaryScores(score[None], member[None])
    rows, models = _places(path, "model", model, score.shape)
    columns, canaries = _places(path, "canary", canary, score.shape)
    counts = (
        np.bincount(rows * canaries + columns, minlength=models * canaries)
        if models * canaries <= 4 * len(score)
        else None
    )
    if counts is None or not (counts == 1).all():
        sizes = f"{models:,} models and {canaries:,} canaries"
        raise InputError(
            f"{path}: there are {len(score):,} scores of {sizes}: give each canary exactly one score of each model."
        )
    arranged = CanaryScores(np.empty((models, canaries)), np.empty((models, canaries), bool))
    arranged.score[rows, columns], arranged.member[rows, columns] = score, member
    return arranged


def _places(path: Path, name: str, values: Shaped[np.ndarray, "score"] | None, shape: tuple[int, ...]):
    """Each score's model or canary as a number from 0, and how many there are."""
    if values is None:
        return np.zeros(shape, int), 1
    if values.shape != shape or values.dtype.kind not in "iubSU":
        raise InputError(
            f"{path}: {name} has dtype {values.dtype} and shape {values.shape}, and score {shape}: give a whole number or a "
            "name for each score."
        )
    kinds, places = np.unique(values, return_inverse=True)
    return places.reshape(shape), len(kinds)
