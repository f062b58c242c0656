"""Scores from any framework: observations that other code wrote, attacked without a JAX model.

The file is an .npz, without pickled objects, of

    member      Bool or 0/1 ["model record"]          who each model was trained on
    label       Int ["record"]                        the true class of each record, from 0
    logits      Float ["model record cls"] or ["model record query cls"]
    or
    phi         Float ["model record"] or ["model record query"]: log p_y - log(1 - p_y)
    and any other signal of `jaxattack.training.signals`, of the same shape.

Query 0 is the record itself. From logits every signal is computed; phi alone serves the attacks that read phi.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.membership import ATTACKS, lookup, signals_for
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.evaluation import evaluate
from jaxattack.npz import UnreadableError, open_arrays, printable, reason
from jaxattack.training import signals
from jaxattack.types import InputError, Observations, Progress

_SHAPED = ("member", "label", "logits")


def read_observations(path: Path, attacks: Sequence[str] = ()) -> Observations:
    """Observations from a file that any framework may have written.

    Args:
        path: an .npz, as in the module's description.
        attacks: attacks that are to be run beside the registered ones; from logits, what they read is computed too.

    Raises:
        InputError: it is missing, damaged, or lacks an array; NaN, shapes that disagree, or labels out of range.
    """
    try:
        with open_arrays(path) as archive:
            arrays = {name: archive.read(name) for name in archive.names}
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: give an .npz with member, label, and logits or phi.") from error
    except (OSError, UnreadableError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}): write it with numpy.savez, without objects."
        ) from error
    missing = [name for name in ("member", "label") if name not in arrays]
    if missing or not {"logits", "phi"} & arrays.keys():
        lacking = " and ".join(missing) or "logits or phi"
        raise InputError(f"{path} has no {lacking}: it holds {printable(arrays) or 'nothing'}; add it.")
    member, label = _member(path, arrays["member"]), arrays["label"]
    if not np.issubdtype(label.dtype, np.integer) or label.shape != member.shape[1:]:
        raise InputError(
            f"{path}: label has dtype {label.dtype} and shape {label.shape} and member {member.shape}: "
            "give one whole-number label a record."
        )
    given = {name: _by_query(path, name, values, member) for name, values in arrays.items() if name not in _SHAPED}
    if "logits" in arrays:
        given = _signals_of(path, arrays["logits"], label, member, attacks) | given
    elif label.min() < 0:
        raise InputError(f"{path}: label ranges from {label.min()} to {label.max()}: number the labels from 0.")
    return Observations(signals=given, member=member, label=label)


def _member(path: Path, member: np.ndarray) -> np.ndarray:
    if member.ndim != 2 or not member.size or not np.isin(member, (0, 1)).all():
        raise InputError(f"{path}: member has shape {member.shape}: give 0 or 1 for each [model, record].")
    return member.astype(bool)


def _finite(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.number) and values.dtype != np.bool_:
        raise InputError(f"{path}: {name} has dtype {values.dtype}: give numbers.")
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused below
        values = values.astype(np.float32, copy=False)
    bad = ~np.isfinite(values)
    if bad.any():
        raise InputError(
            f"{path}: {name} is NaN or infinite in {int(bad.sum())} places, first at {tuple(map(int, np.argwhere(bad)[0]))}: "
            "mend them, or give logits, from which phi stays finite."
        )
    return values


def _by_query(path: Path, name: str, values: np.ndarray, member: np.ndarray) -> Float[np.ndarray, "model record query"]:
    if name not in signals.ALWAYS:
        signals.lookup(name)
    if values.ndim not in (2, 3) or values.shape[:2] != member.shape:
        raise InputError(
            f"{path}: {name} has shape {values.shape} and member {member.shape}: give [model, record] or "
            "[model, record, query]."
        )
    return _finite(path, name, values if values.ndim == 3 else values[..., None])


_compute = jax.jit(signals.compute, static_argnames="names")


def _signals_of(
    path: Path, logits: np.ndarray, label: Int[np.ndarray, "record"], member: np.ndarray, attacks: Sequence[str]
) -> dict[str, Float[np.ndarray, "model record query"]]:
    """Every signal that an attack reads, from logits, one model at a time."""
    if logits.ndim not in (3, 4) or logits.shape[:2] != member.shape or logits.shape[-1] < 2:
        raise InputError(
            f"{path}: logits has shape {logits.shape} and member {member.shape}: give [model, record, cls] or "
            "[model, record, query, cls]."
        )
    if label.min() < 0 or label.max() >= logits.shape[-1]:
        raise InputError(
            f"{path}: label ranges from {label.min()} to {label.max()} and logits have {logits.shape[-1]} classes: "
            "number the labels from 0."
        )
    logits = logits if logits.ndim == 4 else logits[:, :, None]
    names = tuple(dict.fromkeys((*signals.ALWAYS, *signals_for(attacks))))
    labels = jnp.repeat(jnp.asarray(label), logits.shape[2])
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for one in logits:
        values = _compute(names, _finite(path, "logits", one).reshape(-1, one.shape[-1]), labels)
        for name in names:
            found[name].append(np.asarray(values[name]).reshape(one.shape[:2]))
    return {name: np.stack(values) for name, values in found.items()}


def score(
    observations: Observations,
    attacks: tuple[str, ...] | None = None,
    *,
    declare: str | None = None,
    name: str = "observations",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Attack observations that other code made.

    Args:
        observations: at least four models.
        attacks: which; by default every attack whose signals are there.
        declare: the one chosen beforehand, as in `jaxattack.MembershipAudit`.
        name: for the title.
        progress: called as work is done.

    Returns:
        The findings, as `jaxattack.report` documents them.

    Raises:
        InputError: fewer than 4 models, or an attack that cannot score these observations.
    """
    begin = time.perf_counter()
    if observations.models < 4:
        raise InputError(f"{name} has {observations.models} models: give at least 4.")
    able = [key for key, attack in ATTACKS.items() if {*attack.signals} <= {*observations.signals}]
    chosen = able if attacks is None else list(attacks)
    evaluated = evaluate(observations, lookup(chosen), declare=declare, progress=progress)
    queries = observations.signal("phi").shape[2] if "phi" in observations.signals else 1
    seconds = time.perf_counter() - begin
    return {
        "format": 1,
        "kind": "membership",
        "title": f"{name} · {observations.models} models",
        **evaluated,
        "cost": {
            "models": observations.models,
            "gradient_steps": 0,
            "queries": observations.models * observations.records * queries,
            "seconds": {"score": seconds, "total": seconds},
            "memory_bytes": peak_memory(),
            "device": device(),
        },
        "config": {"observations": name, "attacks": chosen},
        "environment": environment(),
    }
