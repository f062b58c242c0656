"""Read a model folder, which may come from anybody: what it promises is held against its files before memory is taken.

Nothing in a folder is unpickled, run or imported. `jaxattack.disk` says how its files are read.
"""

from __future__ import annotations

import re
import warnings
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool

from jaxattack.audit.model_source import is_factory, load_factory
from jaxattack.disk import read_array, read_arrays, read_json
from jaxattack.models import Architecture
from jaxattack.models.source import ModelSource, label, model_of, reason_of
from jaxattack.npz import Archive
from jaxattack.oracle.identity import of_code
from jaxattack.release import release
from jaxattack.store import FORMAT, read_leaves
from jaxattack.types import InputError, InputWarning, Model, Variables, check_arguments


class Trained(NamedTuple):
    """A trained victim, read from its folder.

    Attributes:
        model: the architecture.
        variables: what it learnt.
        member: Bool["record"], which records of its data it was trained on.
        description: the contents of model.json.
    """

    model: Model
    variables: Variables
    member: Bool[np.ndarray, "record"]
    description: dict[str, Any]


@check_arguments("folder")
def load_victim(folder: str | Path, *, factory: str | ModelSource | None = None) -> Trained:
    """A trained victim from its folder, which may come from anybody: nothing in it is run or imported.

    Args:
        folder: what `train_victim` wrote.
        factory: where the model is no network of this package, what makes it: the object that it was trained as, or the
            name package.module:factory. That is imported only if it is written out here, by somebody who trusts the
            module; a folder cannot name code to be run.

    Raises:
        InputError: no model folder, a damaged one, one that promises what its files do not hold, a factory that is not named
            here, or one whose code is another now.

    Warns:
        InputWarning: an object as factory, or a version of JAX, Flax or jaxattack, by which it cannot be told whether the code is
            the same.
    """
    folder = Path(folder)
    file = folder / "model.json"
    if folder.is_dir() and not file.exists():
        raise InputError(f"{folder} holds no model{_contents(folder)}: give a folder that `jaxattack train` wrote.")
    description = read_json(file)
    if description.get("format") != FORMAT:
        raise InputError(
            f"{folder} has model format {description.get('format')!r:.80} and this version reads {FORMAT}: train it again."
        )
    try:
        name, shape, classes = _described(description)
        source = _source(file, name, description["victim"], factory)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file} describes no model ({error}): train it again.") from error
    weights = folder / "weights.npz"
    if isinstance(source, Architecture):
        _refuse_promise(file, weights, name)
    try:
        model = model_of(source, shape, classes)
        like = jax.eval_shape(model.init, jax.random.key(0))
    except InputError as error:
        raise InputError(f"{file} describes no model ({error})") from error
    except (TypeError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise InputError(
            f"{file} describes no model that can be built, of records of shape {shape} and {classes} classes "
            f"({reason_of(error)}): train it again."
        ) from error
    variables = read_leaves(weights, like)
    if "code" in description["victim"]:
        _check_code(file, description, of_code(model, shape), named=isinstance(factory, str))
    member = read_array(folder / "member.npy", "train it again")
    records, members = description["data"]["records"], description["members"]
    if member.dtype != bool or member.shape != (records,) or member.sum() != members:
        raise InputError(
            f"{folder / 'member.npy'} holds {member.dtype} of shape {member.shape}, {int(member.astype(bool).sum())} of them "
            f"members, and {file} tells of {members} members of {records} records: train it again."
        )
    return Trained(model, variables, member, description)


def _check_code(file: Path, description: dict[str, Any], code: str, *, named: bool) -> None:
    """Refuse weights under other code than they were trained as, which would answer with other numbers.

    The code is that of one version of the packages that trace it, and an object's first weights are part of it: where these may
    be what differs, there is a warning alone.

    Raises:
        InputError: the code of a factory that is named has changed.
    """
    name = description["victim"]["model"]
    if description["victim"]["code"] == code:
        return
    environment = description.get("environment")
    versions = environment if isinstance(environment, dict) else {}
    if named and all(versions.get(package) == release(package) for package in ("jax", "flax", "jaxattack")):
        raise InputError(
            f"{file}: the code of {name:.200} is another than its weights were trained as: give it as it was, or train again."
        )
    warnings.warn(
        f"{file}: whether {name:.200} is the code that its weights were trained as cannot be told: it is traced otherwise here, as "
        "with another version of JAX, Flax or jaxattack, or other first weights. Compare its accuracy.",
        InputWarning,
        stacklevel=3,
    )


def _contents(folder: Path) -> str:
    """What a folder without a model holds, for a sentence."""
    if (folder / "run.json").exists():
        return ", but a run of many (`jaxattack membership`)"
    if (folder / "cells").is_dir():
        return ", but a matrix (`jaxattack matrix`)"
    return ", but a report" if (folder / "report.json").exists() else ""


def _source(file: Path, name: str, about: dict[str, Any], factory: str | ModelSource | None) -> ModelSource:
    """What the model is; code is run only where a caller gives or names it.

    Raises:
        InputError: the file names code and the caller none, or the other way round, or another.
    """
    code = "code" in about or is_factory(name)
    if factory is None:
        if code:
            raise InputError(
                f"{file} names the factory {name!r:.200}, code that would run here: read it, and if you trust it name it too "
                "(--factory, or factory=)."
            )
        try:
            return Architecture(name=name, activation=about["activation"], dropout=about["dropout"])
        except InputError as error:
            raise InputError(f"{file} describes no model ({error}): train it again.") from error
    if code and not isinstance(factory, str):
        return factory
    if not code or factory != name:
        what = f"the factory {name!r:.200}" if code else f"the model {name!r:.80}, no factory"
        factory_name = factory if isinstance(factory, str) else label(factory)
        raise InputError(f"factory is {factory_name!r} and {file} names {what}: give that, or leave factory out.")
    return load_factory(name)


def _described(description: dict[str, Any]) -> tuple[str, tuple[int, ...], int]:
    """What a description calls its model, the shape of its records, and its classes.

    Raises:
        KeyError, TypeError, ValueError: something is missing, or is nothing of its kind.
    """
    about, data, shape = description["victim"], description["data"], description["shape"]
    _require("model", about["model"], str)
    _require("records", about.get("records"), int, type(None))
    _require("data.name", data["name"], str)
    _require("data.sha256", data["sha256"], str)
    for name, least in (("classes", 2), ("members", 1), ("seed", 0)):
        _at_least(name, description[name], least)
    _at_least("data.records", data["records"], description["members"])
    _require("shape", shape, list)
    if not 1 <= len(shape) <= 3:
        raise ValueError(f"shape has {len(shape)} sides")
    for side in shape:
        _at_least("a side of shape", side, 1)
    return about["model"], tuple(shape), description["classes"]


def _require(name: str, value: Any, *kinds: type) -> None:
    if type(value) not in kinds:
        raise ValueError(f"{name} is {value!r:.80}")


def _at_least(name: str, value: Any, least: int) -> None:
    _require(name, value, int)
    if value < least:
        raise ValueError(f"{name} is {value!r:.80}")


def _refuse_promise(file: Path, weights: Path, model: str) -> None:
    """Refuse an architecture of more layers or units than the file has arrays or numbers, before it is built.

    A layer has an array at least, and a unit a number.
    """
    arrays: list[int] = []

    def count(archive: Archive) -> None:
        arrays.extend(prod(archive.header(name).shape) for name in archive.names)

    read_arrays(weights, (), check=count)
    kind, _, text = model.partition(":")
    sizes = re.findall(r"[0-9]+", text)
    layers = int(sizes[0]) if kind in ("resnet", "wrn") and sizes and len(sizes[0]) < 10 else len(sizes)
    if layers > len(arrays) or any(len(size) > 12 or int(size) > sum(arrays) for size in sizes):
        raise InputError(
            f"{file} names the model {model!r:.80} and {weights} holds {sum(arrays)} numbers in {len(arrays)} arrays: "
            "it is of another architecture."
        )
