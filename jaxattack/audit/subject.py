"""One victim: what is trained on what, and the model folder that `jaxattack.audit.model_folder` reads.

    model.json      architecture, recipe, data, shape, classes, accuracy
    weights.npz     one array a parameter or batch statistic, named by its path
    member.npy      Bool["record"], who it was trained on

Nothing is pickled.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from jaxattack.audit.environment import environment
from jaxattack.data import fingerprint, load, unscaled_columns
from jaxattack.data.designs import Sized
from jaxattack.disk import make_folder, write_arrays, write_atomically, write_json
from jaxattack.models import build, folded
from jaxattack.models.nets import Activation
from jaxattack.signals import require_converged
from jaxattack.store import FORMAT, leaves_by_path
from jaxattack.training import Queries, Recipe, check_seed, learners, observe_one, train_one
from jaxattack.training.images import check_images, check_views
from jaxattack.types import Dataset, InputError, InputWarning, Learner, Model, Progress, config


@config
class Subject:
    """What a model is, and on what it is trained.

    Attributes:
        data: digits, iris, wine, breast_cancer, tfds:NAME, FILE.npz or synthetic:NAME; `jaxattack data` lists them.
        records: use this many of its records, chosen at random; all by default.
        model: softmax, mlp:256-128, cnn:16-32, lenet:12, resnet:20, wrn:28-2, resnet9:32, or package.module:factory,
            called as factory(shape, classes) for a jaxattack Model.
        activation: between the layers of mlp and cnn.
        dropout: share of units dropped while training.
        standardise: members, for columns of a table that are far from one scale: each model takes off its own members'
            mean and divides by their standard deviation; or none, for columns as they are.

    Raises:
        InputError: fewer than 4 records, or another way to standardise.
    """

    data: str = "digits"
    records: int | None = None
    model: str = "mlp:256"
    activation: Activation = "relu"
    dropout: float = 0.0
    standardise: Literal["members", "none"] = "members"

    def __post_init__(self) -> None:
        if self.records is not None and self.records < 4:
            raise InputError(f"records is {self.records}: give at least 4.")


def choose_records(dataset: Dataset, records: int | None, seed: int) -> Dataset:
    """So many records at random, in the order of the data set; all of them for None.

    Raises:
        InputError: there are fewer.
    """
    if records is None or records == len(dataset):
        return dataset
    if records > len(dataset):
        raise InputError(f"records is {records} and {dataset.name} has {len(dataset)}: ask for at most that many.")
    # A spawn key of its own, so that the choice of records and the choice of members are independent.
    chosen = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, 0))).permutation(len(dataset))
    return dataset.take(np.sort(chosen[:records]))


def scaled_columns(victim: Subject, records: Dataset, learner: Learner) -> tuple[bool, ...]:
    """Which columns each model puts on the scale of its members.

    Raises:
        InputError: the learner's privacy does not cover what the scale tells of the members.
    """
    columns = unscaled_columns(records) if victim.standardise == "members" else ()
    if columns and isinstance(getattr(learner, "gradient", None), learners.DPSGD):
        raise InputError(
            f"{sum(columns)} columns of {records.name} are far from one scale, and dp-sgd does not cover a scale found on "
            "the members: scale the table by figures that are public, or give standardise none."
        )
    return columns


def architecture(victim: Subject, dataset: Dataset) -> Model:
    """The Model of a victim, for the records of a data set.

    Raises:
        InputError: an unknown architecture, images that it would misread, or a factory that cannot be imported, fails,
            or makes no Model.
    """
    if not is_factory(victim.model):
        check_images(dataset)
    return network(victim, dataset.shape, dataset.classes)


def is_factory(model: str) -> bool:
    """Whether an architecture is a function of the user's own, package.module:factory."""
    return model.partition(":")[2].isidentifier()


def network(victim: Subject, shape: tuple[int, ...], classes: int) -> Model:
    """As `architecture`, for records of a shape."""
    module, _, name = victim.model.partition(":")
    if is_factory(victim.model):
        return _from_factory(module, name, shape, classes)
    return build(victim.model, shape, classes, activation=victim.activation, dropout=victim.dropout)


def _from_factory(module: str, name: str, shape: tuple[int, ...], classes: int) -> Model:
    if "" not in sys.path:
        sys.path.insert(0, "")  # a module in the current folder, where `python -m` finds it too
    try:
        factory = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise InputError(
            f"model {module}:{name} cannot be imported ({reason_of(error)}): give package.module:factory."
        ) from error
    try:
        model = factory(shape, classes)
        answers = _answers(model, jax.ShapeDtypeStruct((2, *shape), np.float32))
    except Exception as error:
        raise InputError(
            f"model {module}:{name} failed for records of shape {shape} and {classes} classes "
            f"({reason_of(error)}): it is called as factory(shape, classes) and returns a jaxattack Model."
        ) from error
    for function, given in answers.items():
        if given != (2, classes):
            raise InputError(
                f"model {module}:{name}: {function} answers 2 records with shape {given}: answer with logits "
                f"[record, {classes}]."
            )
    return model


def _answers(model: Model, records: jax.ShapeDtypeStruct) -> dict[str, tuple[int, ...]]:
    """The shapes that a model's functions answer with; nothing is computed."""
    key = jax.random.key(0)
    variables = jax.eval_shape(model.init, key)
    deployed = jax.eval_shape(model.apply, variables, records)
    trained, rest = jax.eval_shape(model.forward, variables, records, key)
    if jax.tree.structure(rest) != jax.tree.structure(variables.rest):
        raise ValueError("forward returns another structure of rest than init")
    return {"apply": deployed.shape, "forward": trained.shape}


def reason_of(error: Exception) -> str:
    """Why a model was not made, on one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def train_victim(
    out: Path,
    *,
    victim: Subject = Subject(),
    recipe: Recipe | Learner = Recipe(),
    members: int | None = None,
    seed: int = 0,
    dataset: Dataset | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train one model and write its folder.

    Args:
        out: the model folder; a model that is there is replaced.
        victim: what it is.
        recipe: how it is trained; a recipe alone is `jaxattack.training.learners.Standard` with it.
        members: how many records it is trained on, chosen at random; half of them by default.
        seed: decides everything random.
        dataset: the records, where they are not to be loaded by name.
        progress: called after each epoch.

    Returns:
        The contents of model.json.

    Raises:
        InputError: bad input, more members than records, or a folder that cannot be written to.
    """
    check_seed(seed)
    records = choose_records(dataset if dataset is not None else load(victim.data), victim.records, seed)
    count = len(records) // 2 if members is None else members
    if count > len(records):
        raise InputError(f"members is {count} and there are {len(records)} records: ask for at most that many.")
    member = Sized(members=count)(1, len(records), seed)[0]
    model = architecture(victim, records)
    learner = learners.as_learner(recipe)
    learner.check(model)
    check_views(learner.recipe, Queries(), records)
    make_folder(out)
    (out / "model.json").unlink(missing_ok=True)  # an old description must not stand beside new weights
    columns = scaled_columns(victim, records, learner)
    if columns and is_factory(victim.model):
        warnings.warn(
            f"{sum(columns)} columns of {records.name} are far from one scale, and the weights of {victim.model} cannot take "
            "a scale up: it is trained on them as they are.",
            InputWarning,
            stacklevel=2,
        )
        columns = ()
    variables = train_one(model, learner, records, member, columns=columns, seed=seed, progress=progress)
    variables = folded(variables) if columns else variables
    observed = observe_one(model, records, variables)
    require_converged(observed["phi"][None], [0])
    right = observed["correct"][:, 0]
    description = {
        "format": FORMAT,
        "victim": asdict(victim),
        "recipe": asdict(learner.recipe),
        **learners.identity(learner, count),
        "seed": seed,
        "data": {"name": records.name, "records": len(records), "sha256": fingerprint(records)},
        "shape": list(records.shape),
        "classes": records.classes,
        "members": count,
        "train_accuracy": float(right[member].mean()),
        "test_accuracy": float(right[~member].mean()) if count < len(records) else None,
        "environment": environment(),
    }
    write_arrays(out / "weights.npz", leaves_by_path(variables))
    write_atomically(out / "member.npy", lambda file: np.save(file, member, allow_pickle=False))
    write_json(out / "model.json", description)
    return description
