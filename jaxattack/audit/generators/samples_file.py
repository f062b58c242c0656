"""Samples of generators that somebody else trained, with the records that are asked about, as one .npz without pickled objects:

    samples             Number ["target sample *feature"], or ["sample *feature"] of one generator
    records             Number ["record *feature"]          under attack
    member              0 or 1 ["target record"], or ["record"] of one generator: the truth, by which the attack is judged
    pool                Number ["own *feature"]             other records of the kind, in no generator here
    reference_samples   Number ["reference sample *feature"], optional: of generators trained on the pool

All are on one scale: bytes from 0 to 255, or numbers, which are put between the least and the largest of the records and the pool,
feature by feature.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from jaxattack.attacks.membership.generators import Evidence, GeneratorView
from jaxattack.audit.victim import input_ranges
from jaxattack.npz import UnreadableError, open_arrays, printable, reason
from jaxattack.training.generators.prior import LEAST
from jaxattack.types import InputError

_NEEDED, _OPTIONAL = ("samples", "records", "member", "pool"), "reference_samples"


class SampleFile(NamedTuple):
    """What a file holds.

    Attributes:
        evidence: what an attacker has.
        member: the truth, Bool["target record"].
    """

    evidence: Evidence
    member: Bool[np.ndarray, "target record"]


def read_samples(path: str | Path) -> SampleFile:
    """Read such a file.

    Raises:
        InputError: it is missing, damaged or lacks an array; or arrays that disagree in shape, or hold what is no number.
    """
    path = Path(path)
    try:
        with open_arrays(path) as archive:
            if missing := [name for name in _NEEDED if name not in archive.names]:
                raise InputError(
                    f"{path} has no {' and '.join(missing)} (it holds {printable(archive.names) or 'nothing'}): add what is missing."
                )
            names = [*_NEEDED, *([_OPTIONAL] if _OPTIONAL in archive.names else [])]
            arrays = {name: archive.read(name) for name in names}
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: give an .npz of samples.") from error
    except (OSError, UnreadableError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): write it again.") from error
    _check(path, arrays)
    records, pool, samples, member = (arrays[name] for name in ("records", "pool", "samples", "member"))
    shape = records.shape[1:]
    if samples.ndim == records.ndim:
        samples, member = samples[None], member.reshape(1, -1)
    if member.shape != (len(samples), len(records)):
        raise InputError(
            f"{path}: member has shape {arrays['member'].shape} and there are {len(samples)} targets and {len(records)} records."
        )
    ranges = input_ranges(np.concatenate([records, pool]))

    def unit(x: np.ndarray) -> np.ndarray:
        share = (x - ranges.low) / (ranges.high - ranges.low)
        return share.reshape(*x.shape[: x.ndim - len(shape)], -1).clip(0, 1).astype(np.float32)

    references = arrays.get(_OPTIONAL)
    evidence = Evidence(
        records=unit(records),
        shape=shape or (1,),
        pool=unit(pool),
        targets=GeneratorView(unit(samples)),
        references=None if references is None else GeneratorView(unit(references)),
    )
    return SampleFile(evidence, member.astype(bool))


def _check(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Refuse what is of another kind or shape than the module says."""
    shape = arrays["records"].shape[1:]
    due = {"records": (1,), "pool": (1,), "samples": (1, 2), _OPTIONAL: (2,)}
    for name, axes in due.items():
        array = arrays.get(name)
        if array is None:
            continue
        if (
            array.dtype.kind not in "biuf"
            or array.ndim - len(shape) not in axes
            or array.shape[array.ndim - len(shape) :] != shape
        ):
            raise InputError(
                f"{path}: {name} has dtype {array.dtype} and shape {array.shape}, beside records of shape {shape}: give numbers, "
                f"after {' or '.join(map(str, axes))} axes of their own."
            )
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds NaN or infinity: leave those records out.")
        if array.dtype.kind != arrays["records"].dtype.kind and "u" in (array.dtype.kind, arrays["records"].dtype.kind):
            raise InputError(
                f"{path}: {name} is {array.dtype} and records is {arrays['records'].dtype}: give all on one scale, in one type."
            )
        if len(array) < (LEAST if name in ("records", "pool") else 1) or not array.size:
            raise InputError(f"{path}: {name} has {len(array)} rows: give at least {LEAST} records, and a sample.")
    member = arrays["member"]
    if member.dtype.kind not in "biuf" or not np.isin(member, (0, 1)).all():
        raise InputError(
            f"{path}: member holds something but 0 and 1: give 1 for the records that a target was trained on."
        )
