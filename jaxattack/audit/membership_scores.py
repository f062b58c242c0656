"""The scores of a membership audit, record by record under every target: a file, and reading it back.

The file, scores.npz beside a report, is without pickled objects, and holds

    scores/ATTACK  Float ["target record"]        higher means "more likely a member"; one array for each attack
    member         Bool ["target record"]         who each target was trained on
    target         Int ["target"]                 the number of each target among the models
    record         Int ["record"]                 the number of each record in the data
    label          Int ["record"]                 its class
    classes        Text ["cls"], optional         the names of the classes
    ids            Text ["record"], optional      what each record is called

as ``numpy.load("scores.npz")["scores/lira-online"]`` reads it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.audit.record_table import RecordTable
from jaxattack.data.archive import read_ids
from jaxattack.disk import write_arrays
from jaxattack.npz import UnreadableError, open_arrays, printable, reason
from jaxattack.types import InputError, check_arguments, check_ids

SCORES = "scores.npz"
_PREFIX = "scores/"
_NEEDED = ("member", "target", "record", "label")


@dataclass(frozen=True, kw_only=True, eq=False)
class MembershipScores:
    """What attacks say of every record under every target.

    Attributes:
        scores: by attack; higher means "more likely a member".
        member: who each target was trained on.
        target: the number of each target among the models.
        record: the number of each record in the data.
        label: its class.
        names: of the classes; empty where they are numbered alone.
        ids: what each record is called; empty where they are numbered alone.
    """

    scores: Mapping[str, Float[np.ndarray, "target record"]]
    member: Bool[np.ndarray, "target record"]
    target: Int[np.ndarray, "target"]
    record: Int[np.ndarray, "record"]
    label: Int[np.ndarray, "record"]
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


def write_scores(path: Path, table: RecordTable) -> None:
    """Write the scores that a table holds, whole or not at all.

    Raises:
        InputError: the disk is full, or the folder cannot be written to.
    """
    member = table.exposure.member
    arrays = {f"{_PREFIX}{attack}": scores for attack, scores in table.scores.items()}
    arrays |= {
        "member": member,
        "target": np.arange(len(member)),
        "record": table.exposure.number,
        "label": table.label,
    }
    arrays |= {"classes": np.array(table.names)} if table.names else {}
    arrays |= {"ids": np.array(table.ids)} if table.ids else {}
    write_arrays(path, arrays)


@check_arguments("path")
def read_scores(path: str | Path) -> MembershipScores:
    """The scores of a membership audit.

    Args:
        path: a scores.npz, or the folder of a report.

    Raises:
        InputError: it is missing, damaged, or lacks an array; shapes that disagree, or scores that are no numbers.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> audit = ja.membership(
        ...     model=ja.models.Architecture(name="softmax"),
        ...     dataset=ja.load("iris"),
        ...     learner=ja.learners.Standard(recipe=ja.Recipe(epochs=2)),
        ...     attacks=(ja.attacks.Gap(),),
        ...     models=4,
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     files = ja.report.write(Path(folder), audit.findings, records=audit.records)
        ...     scores = ja.read_scores(folder)
        >>> scores.scores["gap"].shape
        (4, 150)
    """
    file = Path(path) / SCORES if Path(path).is_dir() else Path(path)
    try:
        with open_arrays(file) as archive:
            attacks = [name for name in archive.names if name.startswith(_PREFIX)]
            missing = [name for name in _NEEDED if name not in archive.names] + ["scores/ATTACK"] * (not attacks)
            if missing:
                raise InputError(
                    f"{file} has no {' and '.join(missing)} (it holds {printable(archive.names) or 'nothing'}): give the "
                    f"{SCORES} of a membership report."
                )
            optional = [name for name in ("classes", "ids") if name in archive.names]
            arrays = {name: archive.read(name) for name in (*_NEEDED, *attacks, *optional)}
    except FileNotFoundError as error:
        raise InputError(f"{file} does not exist: give the {SCORES} of a membership report.") from error
    except (OSError, UnreadableError) as error:
        raise InputError(f"{file} cannot be read ({reason(error)}): make the report again.") from error
    _check(file, arrays, attacks)
    ids = read_ids(arrays.get("ids"), str(file))
    check_ids(ids, len(arrays["record"]), str(file))
    return MembershipScores(
        scores={name.removeprefix(_PREFIX): arrays[name] for name in attacks},
        **{name: arrays[name] for name in _NEEDED},
        names=tuple(arrays["classes"].tolist()) if "classes" in arrays else (),
        ids=ids,
    )


def _check(file: Path, arrays: Mapping[str, np.ndarray], attacks: list[str]) -> None:
    """Refuse arrays of another kind or shape than the module says."""
    shape = arrays["member"].shape
    due = {"member": ("b", shape), "target": ("iu", shape[:1]), "record": ("iu", shape[1:]), "label": ("iu", shape[1:])}
    due |= dict.fromkeys(attacks, ("f", shape))
    if "classes" in arrays:
        due["classes"] = ("U", arrays["classes"].shape[:1])
    for name, (kinds, expected) in due.items():
        values = arrays[name]
        if values.dtype.kind not in kinds or values.shape != expected or len(shape) != 2:
            raise InputError(
                f"{file}: {printable([name])} has dtype {values.dtype} and shape {values.shape}, beside member of shape "
                f"{shape}: make the report again."
            )
    label, classes = arrays["label"], arrays.get("classes")
    if label.size and (label.min() < 0 or (classes is not None and label.max() >= len(classes))):
        raise InputError(f"{file}: label ranges from {label.min()} to {label.max()}: make the report again.")
    for name in attacks:
        if np.isnan(arrays[name]).any():
            raise InputError(f"{file}: {printable([name])} holds NaN: make the report again.")
