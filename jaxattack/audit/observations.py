"""Scores from any framework: observations that other code wrote, attacked without a JAX model.

The file is an .npz, without pickled objects, of

    member      Bool or 0/1 ["model record"]          who each model was trained on
    label       ["record"]                            the true class of each record, as `jaxattack.data.labels` takes them
    classes     Text ["cls"], optional                the names of all classes, in the order of the columns
    ids         ["record"], optional                  what each record is called, as `jaxattack.data.archive` has it
    logits      Float ["model record cls"] or ["model record query cls"]; logarithms of probabilities are logits
    or
    probability Float, of the same shape: rows that sum to 1
    or
    phi         Float ["model record"] or ["model record query"]: log p_y - log(1 - p_y)
    and any other signal of `jaxattack.signals`, of the same shape.

Or a folder of them as .npy files, member.npy, label.npy, phi.npy and so on: signals are then left on the disk and read where
they are used, so that more fits than memory holds (`jaxattack.npz.map_npy`). What is scored is the same. Signals in float32
alone are read so; what is computed from logits, or converted, is in memory.

Query 0 is the record itself. From logits or probabilities every signal is computed, as `jaxattack.audit.confidences`
says; phi alone serves the attacks that read phi. Records of which a signal is NaN are left out and counted; infinite signals are
bounded (`jaxattack.audit.infinite_signals`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from jaxattack import signals
from jaxattack.attacks.membership import ATTACKS, by_label, signals_of
from jaxattack.audit.confidences import BELOW, Kind, read_confidences, told_places
from jaxattack.audit.infinite_signals import bound_signal
from jaxattack.data.archive import read_ids
from jaxattack.data.labels import read_labels
from jaxattack.npz import UnreadableError, free_memory, map_npy, open_arrays, printable, read_npy, reason
from jaxattack.signals import Phi
from jaxattack.types import InputError, MembershipAttack, Observations, check_arguments, check_ids

END = 0.05
"""How near to 0 numbers end, or begin, that end there."""

KINDS: tuple[Kind, ...] = ("logits", "probability")
_READ = ("member", "label", "classes", "ids")
_SHAPED = (*_READ, *KINDS)


@check_arguments("path")
def read_observations(
    path: str | Path, attacks: Sequence[MembershipAttack] = (), *, target: int | None = None
) -> Observations:
    """Observations from a file that any framework may have written.

    Args:
        path: an .npz, or a folder, as in the module's description.
        attacks: attacks that are to be run beside the registered ones; from logits, what they read is computed too.
        target: a model whose members need not be known; there -1 stands for what is not (`Observations.unknown`).

    Raises:
        InputError: it is missing, damaged, or lacks an array; or what `as_observations` refuses.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/o.npz", logits=np.zeros((4, 6, 3)), member=np.eye(4, 6), label=[0, 1, 2] * 2)
        ...     observations = ja.read_observations(f"{folder}/o.npz")
        >>> observations.models, observations.records
        (4, 6)
    """
    try:
        arrays = (_from_folder if Path(path).is_dir() else _from_archive)(Path(path))
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist: give an .npz with member, label, and logits, probability or phi."
        ) from error
    except (OSError, UnreadableError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}): write it with numpy.savez, without objects."
        ) from error
    return as_observations(arrays, attacks, target=target, name=str(path))


def _from_archive(path: Path) -> dict[str, np.ndarray]:
    with open_arrays(path) as archive:
        return {name: archive.read(name) for name in archive.names}


def _from_folder(folder: Path) -> dict[str, np.ndarray]:
    return {file.stem: (read_npy if file.stem in _READ else map_npy)(file) for file in sorted(folder.glob("*.npy"))}


def as_observations(
    arrays: Mapping[str, ArrayLike],
    attacks: Sequence[MembershipAttack] = (),
    *,
    target: int | None = None,
    name: str = "observations",
) -> Observations:
    """Observations from arrays in memory, of the names, shapes and kinds that a file has them by.

    Args:
        arrays: as in the module's description: ``{"member": ..., "label": ..., "logits": ...}``.
        attacks: attacks that are to be run beside the registered ones; from logits, what they read is computed too.
        target: a model whose members need not be known; there -1 stands for what is not (`Observations.unknown`).
        name: what to call them in messages.

    Raises:
        InputError: an array is missing or none of numbers; shapes that disagree, labels that are none, probabilities under
            the name logits, or NaN in most records.

    Example:
        >>> import jaxattack as ja
        >>> import numpy as np
        >>> logits = np.random.default_rng(0).normal(size=(4, 6, 3))  # [model, record, cls]
        >>> member = np.arange(24).reshape(4, 6) % 2 == 0
        >>> ja.as_observations({"logits": logits, "member": member, "label": [0, 1, 2, 0, 1, 2]}).models
        4
    """
    if not isinstance(arrays, Mapping):
        raise InputError(f"arrays is {arrays!r:.60}: give arrays by name, as member, label and logits.")
    arrays = {key: _array(name, key, values) for key, values in arrays.items()}
    missing = [key for key in ("member", "label") if key not in arrays]
    if missing or not {*KINDS, "phi"} & arrays.keys():
        lacking = " and ".join(missing) or "logits, probability or phi"
        raise InputError(f"{name} has no {lacking}: it holds {printable(arrays) or 'nothing'}; add it.")
    member, unknown = _member(name, arrays["member"], target)
    confident: Kind | None = next((kind for kind in KINDS if kind in arrays), None)
    if {*KINDS} <= arrays.keys():
        raise InputError(f"{name} holds logits and probability: keep one of them.")
    values = _by_class(name, confident, arrays[confident], member) if confident else None
    columns = None if values is None else values.shape[-1]
    names = _names(name, arrays.get("classes"), columns)
    labels = read_labels(arrays["label"], f"{name}: label", classes=columns, names=names)
    if labels.number.shape != member.shape[1:]:
        raise InputError(
            f"{name}: label has shape {labels.number.shape} and member {member.shape}: give one label a record."
        )
    ids = read_ids(arrays.get("ids"), name)
    check_ids(ids, member.shape[1], name)
    notes: list[str] = []
    if confident and not names and np.asarray(arrays["label"]).dtype.kind in "US":
        notes.append(
            f"{name}: label is text and classes names no columns: those of {confident} are taken for {printable(labels.names)}, in this order."
        )
    own = {key: _by_query(name, key, values, member, notes) for key, values in arrays.items() if key not in _SHAPED}
    if confident and values is not None:
        own = _signals_of(name, confident, values, labels.number, attacks, notes) | own
    return Observations(
        signals=own,
        member=member,
        unknown=unknown,
        label=labels.number,
        names=labels.names,
        ids=ids,
        notes=tuple(notes),
    )


def _array(where: str, name: str, values: ArrayLike) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError as error:  # lists of unequal lengths
        raise InputError(f"{where}: {name} is no array ({error}): give rows of equal lengths.") from error
    if array.dtype.hasobject:
        raise InputError(f"{where}: {name} holds Python objects: give an array of numbers or text.")
    return array


def _names(where: str, classes: np.ndarray | None, columns: int | None) -> list[str]:
    if classes is None:
        return []
    if classes.ndim != 1 or classes.dtype.kind != "U":
        raise InputError(f"{where}: classes has dtype {classes.dtype}: give the name of each class, or leave it out.")
    if columns not in (None, len(classes)):
        raise InputError(f"{where}: classes names {len(classes)} and there are {columns} columns: name each.")
    return classes.tolist()


def _member(
    where: str, member: np.ndarray, target: int | None
) -> tuple[Bool[np.ndarray, "model record"], Bool[np.ndarray, "model record"] | None]:
    """Who was trained on what, and where that is not known, if anywhere."""
    if member.ndim != 2 or not member.size or member.dtype.kind not in "fiub":
        raise InputError(
            f"{where}: member has dtype {member.dtype} and shape {member.shape}: give 0 or 1 for each [model, record]."
        )
    wrong = member[~np.isin(member, (0, 1) if target is None else (-1, 0, 1))]
    if wrong.size:
        remedy = (
            ", or the number of the model as target, whose members need not be known" if (wrong == -1).all() else ""
        )
        raise InputError(f"{where}: member holds {wrong[0]}: give 0 or 1 for each [model, record]{remedy}.")
    unknown = [model for model, row in enumerate(member) if model != target and (row < 0).any()]
    if unknown:
        raise InputError(f"{where}: member of model {unknown[0]} is -1 somewhere and that is no target: give 0 or 1.")
    return member > 0, member < 0 if (member < 0).any() else None


def _numbers(where: str, name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "fiub":
        raise InputError(f"{where}: {name} has dtype {values.dtype}: give numbers.")
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _by_query(
    where: str, name: str, values: np.ndarray, member: np.ndarray, notes: list[str]
) -> Float[np.ndarray, "model record query"]:
    """A signal in float32, as it is where it is so already, and finite or NaN; where it was not finite, a note says so."""
    if name not in signals.ALWAYS:
        signals.lookup(name)
    if values.ndim not in (2, 3) or values.shape[:2] != member.shape or not values.size:
        raise InputError(
            f"{where}: {name} has shape {values.shape} and member {member.shape}: give [model, record] or "
            "[model, record, query]."
        )
    if values.dtype != np.float32 and 4 * values.size > (room := free_memory()):
        raise InputError(
            f"{where}: {name} has dtype {values.dtype}, takes {4 * values.size:,} bytes as float32 and {room:,} are free: give it "
            "as float32, which is read from a folder's file as it is needed."
        )
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is told
        values = _numbers(where, name, values).astype(np.float32, copy=False)
    values, bounds = bound_signal(where, name, values)
    notes += bounds
    if any(np.isnan(row).any() for row in values):  # a model at a time, for the signal's memory
        notes.append(told_places(where, name, np.isnan(values)))
    if name == Phi.name:
        notes += _doubts_of_phi(
            where, float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))
        )
    return values if values.ndim == 3 else values[..., None]


def _doubts_of_phi(where: str, least: float, most: float) -> list[str]:
    """In a sentence, that numbers under the name phi look like others; none where they do not.

    Logarithms of confidences end at 0, and losses begin there. phi has no such end: it passes 0 where a confidence passes 1/2.

    Raises:
        InputError: they are confidences.
    """
    if -BELOW <= least < most <= 1 + BELOW:
        raise InputError(
            f"{where}: phi lies from 0 to 1 everywhere, as confidences in the label do: give log p - log(1 - p), or every class "
            "under the name probability."
        )
    if -END < most <= 0 and least < most:
        return [
            f"{where}: phi is never above 0 and up to {most:.2g}, as logarithms of the confidence in the label are: if these are such, "
            "give log p - log(1 - p), without which attacks find less."
        ]
    if 0 <= least < END and least < most:
        return [
            f"{where}: phi is never below 0 and down to {least:.2g}, as losses are: if these are such, give log p - log(1 - p), or "
            "attacks take members for others."
        ]
    return []


def _by_class(
    where: str, name: str, values: np.ndarray, member: np.ndarray
) -> Float[np.ndarray, "model record *query cls"]:
    if values.ndim in (3, 4) and values.shape[:2] == member.shape and values.shape[-1] < 2:
        columns = "0 and z" if name == "logits" else "1 - p and p"
        output = "z" if name == "logits" else "p"
        raise InputError(
            f"{where}: {name} has shape {values.shape}, which is {values.shape[-1]} class: give a column a class, of a model with "
            f"one output {output} for two classes {columns}."
        )
    if values.ndim not in (3, 4) or values.shape[:2] != member.shape or not values.size:
        raise InputError(
            f"{where}: {name} has shape {values.shape} and member {member.shape}: give [model, record, cls] or "
            "[model, record, query, cls]."
        )
    return _numbers(where, name, values)


_compute = jax.jit(signals.compute, static_argnames="names")


def _signals_of(
    where: str,
    kind: Kind,
    values: Float[np.ndarray, "model record *query cls"],
    label: Int[np.ndarray, "record"],
    attacks: Sequence[MembershipAttack],
    notes: list[str],
) -> dict[str, Float[np.ndarray, "model record query *value"]]:
    """Every signal that an attack reads, one model at a time; notes say how the file was read."""
    by_query = values if values.ndim == 4 else values[:, :, None]
    read = read_confidences(where, kind, by_query, label)
    read_by_attacks = signals_of((*ATTACKS.values(), *by_label(attacks).values()))
    names = tuple(dict.fromkeys((*signals.ALWAYS, *(signal.name for signal in read_by_attacks))))
    labels = jnp.repeat(jnp.asarray(label), by_query.shape[2])
    by_name: dict[str, list[np.ndarray]] = {name: [] for name in names}
    bad = np.zeros(by_query.shape, bool)
    for model, z in enumerate(read.logits()):
        bad[model] = ~np.isfinite(z)
        unread = bad[model].any(axis=-1)
        for name, signal in _compute(names, z.reshape(-1, z.shape[-1]), labels).items():
            by_record = np.asarray(signal).reshape(*unread.shape, *signal.shape[1:])
            by_record = np.where(unread.reshape(*unread.shape, *[1] * (by_record.ndim - 2)), np.nan, by_record)
            by_name[name].append(by_record)
    if bad.any():
        notes.append(told_places(where, kind, bad.reshape(values.shape)))
    if kind == "probability":
        rounded = "" if read.decimals is None else f", rounded to {read.decimals} decimals"
        notes.append(f"{where}: probability is read as such{rounded}; signals are those of its logarithm.")
    if count := read.saturated():
        notes.append(
            f"{where}: {count} of {values[..., 0].size} answers give the label a probability of 0 or 1: phi is bounded by "
            f"what the file tells apart, taking 0 for less than {read.step:.2g}."
        )
    return {name: np.stack(signal) for name, signal in by_name.items()}
