"""Train one victim into the model folder that `jaxattack.audit.model_folder` reads.

    model.json      architecture, recipe, data, shape, classes, accuracy
    weights.npz     one array a parameter or batch statistic, named by its path
    member.npy      Bool["record"], who it was trained on

Nothing is pickled.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from jaxattack.audit.environment import environment
from jaxattack.audit.model_source import identity
from jaxattack.audit.records import Standardise, choose_records, scaled_columns
from jaxattack.data import fingerprint
from jaxattack.data.designs import Sized
from jaxattack.disk import make_folder, read_json, write_array, write_arrays, write_json
from jaxattack.models import Architecture, folded
from jaxattack.models.source import ModelSource, label
from jaxattack.signals import require_converged
from jaxattack.store import FORMAT, leaves_by_path
from jaxattack.training import Queries, Recipe, check_seed, learners, observe_one, train_one
from jaxattack.training.alone import check_alone
from jaxattack.training.images import check_views
from jaxattack.training.learners import Standard
from jaxattack.training.source import model_for
from jaxattack.types import (
    Dataset,
    InputError,
    InputWarning,
    Learner,
    Model,
    Progress,
    Variables,
    check_arguments,
)


@check_arguments("out", "dataset", "learner", "records", "standardise", "members", "seed", "progress")
def train_victim(
    out: str | Path,
    *,
    model: ModelSource,
    dataset: Dataset,
    learner: Learner = Standard(),
    records: int | None = None,
    standardise: Standardise = "members",
    members: int | None = None,
    seed: int = 0,
    replace: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train one model and write its folder; the same model that is there already stays as it is.

    Args:
        out: the model folder.
        model: what it is, as `jaxattack.models.source` says.
        dataset: the records.
        learner: how it learns.
        records: use this many of them, chosen at random; all by default.
        standardise: what is done to columns far from one scale.
        members: how many records it is trained on, chosen at random; half of them by default.
        seed: decides everything random.
        replace: train whatever is there, and put it in its place.
        progress: called after each epoch.

    Returns:
        The contents of model.json.

    Raises:
        InputError: bad input, more members than records, a folder that holds another model, or one that cannot be written to.
    """
    out = Path(out)
    check_seed(seed)
    chosen = choose_records(dataset, records, seed)
    count = len(chosen) // 2 if members is None else members
    if count > len(chosen):
        raise InputError(f"members is {count} and there are {len(chosen)} records: ask for at most that many.")
    member = Sized(members=count)(1, len(chosen), seed)[0]
    network = model_for(model, chosen)
    check_alone(learner)
    learner.check(network)
    check_views(learner, Queries(), chosen)
    settings = {
        "format": FORMAT,
        "victim": {
            "data": dataset.name,
            "records": records,
            "standardise": standardise,
            **identity(model, network, chosen.shape),
        },
        "recipe": asdict(learner.recipe),
        **learners.identity(learner, count),
        "seed": seed,
        "data": {"name": chosen.name, "records": len(chosen), "sha256": fingerprint(chosen)},
        "shape": list(chosen.shape),
        "classes": chosen.classes,
        "members": count,
    }
    if not replace and (out / "model.json").exists():
        return _same_model(out, settings)
    make_folder(out)
    (out / "model.json").unlink(missing_ok=True)  # an old description must not stand beside new weights
    columns = _foldable(scaled_columns(standardise, chosen, learner), model, chosen)
    variables = train_one(network, learner, chosen, member, columns=columns, seed=seed, progress=progress)
    variables = folded(variables) if columns else variables
    observed = observe_one(network, chosen, variables)
    require_converged(observed["phi"][None], [0])
    accuracies = _accuracies(observed["correct"][:, 0], member)
    description = {**settings, **accuracies, "environment": environment()}
    write_arrays(out / "weights.npz", leaves_by_path(variables))
    write_array(out / "member.npy", member)
    write_json(out / "model.json", description)
    return description


def train_on_scale(
    source: ModelSource,
    network: Model,
    recipe: Recipe,
    dataset: Dataset,
    member: Bool[np.ndarray, "record"],
    *,
    seed: int,
    progress: Progress | None = None,
) -> tuple[Variables, tuple[str, ...]]:
    """What a network learns, with columns far from one scale put on that of its members, and a sentence that says so.

    Args:
        source: what it is.
        network: made of it.
        recipe: how it is trained.
        dataset: the records.
        member: who is in.
        seed: decides everything random.
        progress: called after each epoch.

    Returns:
        Variables of the network, which takes records as they are; and no sentence where no column is far from one scale.
    """
    columns = _foldable(scaled_columns("members", dataset, Standard(recipe=recipe)), source, dataset)
    variables = train_one(network, recipe, dataset, member, columns=columns, seed=seed, progress=progress)
    if not columns:
        return variables, ()
    far = f"{sum(columns)} column{'s' * (sum(columns) > 1)} of {dataset.name} far from one scale"
    return folded(variables), (f"{label(source)} is trained with {far} put on that of its members.",)


def _same_model(out: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The description of the model that is there.

    Raises:
        InputError: it is another than these settings ask for.
    """
    there = read_json(out / "model.json")
    settings_now = json.loads(json.dumps(settings))
    other = [name for name, value in settings_now.items() if there.get(name) != value]
    if other:
        raise InputError(
            f"{out} holds another model ({', '.join(other)} differ): give another folder, or replace it (--force, or "
            "replace=True)."
        )
    return there


def _foldable(columns: tuple[bool, ...], model: ModelSource, records: Dataset) -> tuple[bool, ...]:
    """The columns put on a scale, where the weights of the model can take the scale up."""
    if not columns or isinstance(model, Architecture):
        return columns
    warnings.warn(
        f"{sum(columns)} columns of {records.name} are far from one scale, and the weights of {label(model)} cannot take a "
        "scale up: it is trained on them as they are.",
        InputWarning,
        stacklevel=3,
    )
    return ()


def _accuracies(right: np.ndarray, member: Bool[np.ndarray, "record"]) -> dict[str, float | None]:
    return {
        "train_accuracy": float(right[member].mean()),
        "test_accuracy": None if member.all() else float(right[~member].mean()),
    }
