"""What a run of ownership keeps: models and evidence as arrays, costs and proofs as JSON. What is there is not made again.

    OUT/ownership.json                     whose the folder is
    OUT/models/NAME-DIGEST.npz, .json      models of one kind, and what they cost
    OUT/evidence/NAME-DIGEST.npz, .json    what a test prepared
    OUT/proofs/NAME-DIGEST.json            what a test says of models of one kind

A digest is of all that decides the file beside what the folder is of. A JSON is written last: without it the arrays do not
count. Files may come from anybody: nothing in them is run, and what does not fit is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxattack.audit.findings import values
from jaxattack.audit.matrix.cells import digest
from jaxattack.disk import make_folder, read_arrays, read_json, write_arrays, write_json
from jaxattack.store import differences, leaves_by_path, read_leaves
from jaxattack.types import Evidence, FolderError, InputError, Ledger, Proof, Variables

FORMAT = 2
"""It rises as well where a test proves otherwise than before: watermarks in 2, by what references match."""

COST = ("steps", "seconds", "queries", "price")


class Models(NamedTuple):
    """Models of one kind.

    Attributes:
        variables: what they learnt; every leaf leads with ``model``.
        cost: what each cost: steps, seconds, queries, price.
    """

    variables: Variables
    cost: Mapping[str, float]


class OwnershipFolder:
    """The folder of one owner.

    Args:
        path: made where missing.
        identity: all that decides everything in it beside tests and copies, as plain values.

    Raises:
        InputError: it is something else's.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self._path = path
        self._read: set[Path] = set()
        here = values({"format": FORMAT, **identity})
        file = path / "ownership.json"
        if not file.exists():
            if path.is_dir() and any(path.iterdir()):
                raise InputError(f"{path} holds files that are no run of ownership: give an empty or a new folder.")
            make_folder(path)
            write_json(file, here)
        elif other := [*differences(here, read_json(file))]:
            place, was, now = other[0]
            if place == "format":
                raise InputError(
                    f"{path} was made by another version, whose tests prove otherwise: give another folder."
                )
            raise InputError(
                f"{path} is of another owner ({place:.80} was {was!r:.80} and is now {now!r:.80}): give another folder."
            )

    def models(self, name: str, decides: Any, like: Variables, make: Callable[[], Models]) -> Models:
        """Models of one kind.

        Args:
            name: of the kind.
            decides: all that decides them.
            like: their shapes.
            make: makes them where they are not there.
        """
        file = self._file("models", name, decides)
        if file.exists():
            cost = _read_fields(file, dict.fromkeys(COST, (int, float)))
            if not all(0 <= value < 2**53 for value in cost.values()):
                raise FolderError(f"{file} is damaged: delete this file; what it describes is made again.")
            variables = read_leaves(file.with_suffix(".npz"), like)
            # A training that diverges is refused before it is kept: what is not finite here was put here.
            if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables)):
                raise FolderError(
                    f"{file.with_suffix('.npz')} holds what is NaN or infinite: delete it and the .json beside it; its models are "
                    "made again."
                )
            return Models(variables, cost)
        copies = make()
        write_arrays(file.with_suffix(".npz"), leaves_by_path(copies.variables))
        write_json(file, copies.cost)
        return copies

    def evidence(self, name: str, decides: Any, make: Callable[[], tuple[Evidence, float]]) -> tuple[Evidence, float]:
        """What a test prepared, and the seconds that it took."""
        file = self._file("evidence", name, decides)
        if file.exists():
            about = _read_fields(file, {"test": str, "gradients": int, "notes": dict, "seconds": (int, float)})
            seconds = about.pop("seconds")
            self._read.add(file)
            return Evidence(arrays=read_arrays(file.with_suffix(".npz")), **about), seconds
        evidence, seconds = make()
        write_arrays(file.with_suffix(".npz"), evidence.arrays)
        about = {"test": evidence.test, "gradients": evidence.gradients, "notes": evidence.notes, "seconds": seconds}
        write_json(file, values(about))
        return evidence, seconds

    @contextmanager
    def holding(self, name: str, decides: Any) -> Iterator[None]:
        """While evidence is held against suspects: refuse evidence that was read here and does not fit its test.

        Args:
            name: as `evidence` has it.
            decides: as `evidence` has it.

        Raises:
            FolderError: it does not fit.
        """
        file = self._file("evidence", name, decides)
        try:
            yield
        except FolderError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            if file not in self._read:
                raise
            raise FolderError(
                f"{file.with_suffix('.npz')} does not fit {name} ({error}): delete it and the .json beside it; the evidence is "
                "prepared again."
            ) from error

    def proofs(
        self, name: str, decides: Any, count: int, make: Callable[[], tuple[Sequence[Proof], float]]
    ) -> tuple[Sequence[Proof], float]:
        """What a test says of each of so many models of one kind, and the seconds that each took."""
        file = self._file("proofs", name, decides)
        if file.exists():
            about = _read_fields(file, {"proofs": list, "seconds": (int, float)})
            try:
                if len(about["proofs"]) != count:
                    raise TypeError(f"{len(about['proofs'])} proofs of {count} models")
                return [_proof(one) for one in about["proofs"]], about["seconds"]
            except (KeyError, TypeError, InputError) as error:
                raise FolderError(
                    f"{file} is damaged ({error}): delete this file; its suspects are asked again."
                ) from error
        proofs, seconds = make()
        write_json(file, values({"proofs": [asdict(proof) for proof in proofs], "seconds": seconds}))
        return proofs, seconds

    def _file(self, room: str, name: str, decides: Any) -> Path:
        make_folder(self._path / room)
        word = re.sub(r"[^A-Za-z0-9.]+", "-", name)[:60]
        return self._path / room / f"{word}-{digest([name, repr(decides)])}.json"


def _read_fields(file: Path, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of a file that has these keys, each of its kind.

    Raises:
        InputError: it has not.
    """
    contents = read_json(file)
    if {*contents} != {*kinds} or not all(isinstance(contents[name], kind) for name, kind in kinds.items()):
        raise FolderError(f"{file} is damaged: delete this file; what it describes is made again.")
    return contents


def _proof(one: Mapping[str, Any]) -> Proof:
    """A proof as a file has it.

    Raises:
        TypeError: something in it is of another kind.
        InputError: a value out of range.
    """
    numbers = {field.name: one["cost"][field.name] for field in fields(Ledger)}
    numbers |= {"score": one["score"], "gradients": one["gradients"], "p_value": one["p_value"] or 0}
    for name, number in numbers.items():
        if not isinstance(number, int | float) or (name != "score" and number < 0):
            raise TypeError(f"{name} is {number!r:.60}")
    return Proof(**{**one, "cost": Ledger(**one["cost"])})
