"""One victim: what is trained on what, and the model folder that serving, extraction and inversion load.

    model.json      architecture, recipe, data, shape, classes, accuracy
    weights.npz     one array a parameter or batch statistic, named by its path
    member.npy      Bool["record"], who it was trained on

Nothing is pickled.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool

from jaxattack.audit.environment import environment
from jaxattack.data import fingerprint, load
from jaxattack.data.membership import Sized
from jaxattack.disk import make_folder, read_array, read_json, write_arrays, write_atomically, write_json
from jaxattack.models import build
from jaxattack.models.nets import Activation
from jaxattack.store import FORMAT, leaves_by_path, read_leaves
from jaxattack.training import Queries, Recipe, check_seed, learners, observe_one, train_one
from jaxattack.training.images import check_images, check_views
from jaxattack.training.signals import require_converged
from jaxattack.types import Dataset, InputError, Learner, Model, Progress, Variables


@dataclass(frozen=True, kw_only=True)
class Victim:
    """What a model is, and on what it is trained.

    Attributes:
        data: digits, iris, wine, breast_cancer, tfds:NAME, FILE.npz or synthetic:NAME; `jaxattack data` lists them.
        records: use this many of its records, chosen at random; all by default.
        model: softmax, mlp:256-128, cnn:16-32, lenet:12, resnet:20, wrn:28-2, resnet9:32, or package.module:factory,
            called as factory(shape, classes) for a jaxattack Model.
        activation: between the layers of mlp and cnn.
        dropout: share of units dropped while training.

    Raises:
        InputError: fewer than 4 records.
    """

    data: str = "digits"
    records: int | None = None
    model: str = "mlp:256"
    activation: Activation = "relu"
    dropout: float = 0.0

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


def architecture(victim: Victim, dataset: Dataset) -> Model:
    """The Model of a victim, for the records of a data set.

    Raises:
        InputError: an unknown architecture, images that it would misread, or a factory that cannot be imported, fails,
            or makes no Model.
    """
    module, _, name = victim.model.partition(":")
    if name.isidentifier():
        return _from_factory(module, name, dataset)
    check_images(dataset)
    return build(victim.model, dataset.shape, dataset.classes, activation=victim.activation, dropout=victim.dropout)


def _from_factory(module: str, name: str, dataset: Dataset) -> Model:
    if "" not in sys.path:
        sys.path.insert(0, "")  # a module in the current folder, where `python -m` finds it too
    try:
        factory = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise InputError(
            f"model {module}:{name} cannot be imported ({_reason(error)}): give package.module:factory."
        ) from error
    try:
        model = factory(dataset.shape, dataset.classes)
        answers = _answers(model, jax.ShapeDtypeStruct((2, *dataset.shape), np.float32))
    except Exception as error:
        raise InputError(
            f"model {module}:{name} failed for records of shape {dataset.shape} and {dataset.classes} classes "
            f"({_reason(error)}): it is called as factory(shape, classes) and returns a jaxattack Model."
        ) from error
    for function, shape in answers.items():
        if shape != (2, dataset.classes):
            raise InputError(
                f"model {module}:{name}: {function} answers 2 records with shape {shape}: answer with logits "
                f"[record, {dataset.classes}]."
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


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


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


def train_victim(
    out: Path,
    *,
    victim: Victim = Victim(),
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
    variables = train_one(model, learner, records, member, seed=seed, progress=progress)
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


def load_victim(folder: Path) -> Trained:
    """A trained victim from its folder.

    Raises:
        InputError: no model folder, or a damaged one.
    """
    description = read_json(folder / "model.json")
    if description.get("format") != FORMAT:
        raise InputError(
            f"{folder} has model format {description.get('format')!r} and this version reads {FORMAT}: train it again."
        )
    try:
        victim, classes = Victim(**description["victim"]), int(description["classes"])
        shape = tuple(int(side) for side in description["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / 'model.json'} describes no model ({error}): train it again.") from error
    stand_in = Dataset(
        x=np.zeros((classes, *shape), np.float32), y=np.arange(classes), classes=classes, name=victim.data
    )
    model = architecture(victim, stand_in)
    variables = read_leaves(folder / "weights.npz", jax.eval_shape(model.init, jax.random.key(0)))
    return Trained(model, variables, read_array(folder / "member.npy"), description)
