"""Open a victim by name.

    softmax, mlp:20, cnn:16-32     a network of this package, trained on the data
    dae:1000-300                   such a network with sigmoids, whose hidden layers were first denoising autoencoders
    ovr, svm, tree, ...            an estimator of scikit-learn, fitted on the data (`jaxattack.audit.estimators`)
    relu:20-10-1                   a ReLU network with random weights
    head:64-1000                   the last layer of a language model, with random weights
    FOLDER                         what `jaxattack train` wrote
    FILE.skops, FILE.onnx          a saved model
    http://...                     a prediction API

A victim that is trained here is trained anew by every command, and is the same one where the device computes the same sums
in the same order, as CPUs do. Where its weights differ, a run folder of the first is refused: train it once with
`jaxattack train`, and give the folder.

What a kind of victim has no use for is refused rather than ignored:

    kind         data  members  fresh  level  precision  seed  price  key  factory
    network      x     x        x      x      x          x     x
    estimator    x     x               x                 x     x
    relu                               x                 x     x
    head                               x      x          x     x
    folder       x                     x      x                x           x
    file         x                     x                       x
    service      x                     x                       x      x
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Bool

from jaxattack.audit.columns import fitted_columns, within
from jaxattack.audit.estimators import ESTIMATORS
from jaxattack.audit.external_victims import network_attack, open_file, open_folder, open_service, white_box_of
from jaxattack.audit.model_source import source_of
from jaxattack.audit.random_victims import head_sizes, random_language_head, random_relu, relu_widths, sizes
from jaxattack.audit.train import train_on_scale
from jaxattack.audit.victim import Victim, input_ranges, thirds
from jaxattack.data import load
from jaxattack.data.designs import Sized
from jaxattack.oracle import PRICE, from_model
from jaxattack.oracle.remote.address import mask_url
from jaxattack.training import Recipe, denoising_start, train_one
from jaxattack.training.images import check_images
from jaxattack.training.source import model_for
from jaxattack.types import (
    Dataset,
    ExtractionAttack,
    InputError,
    Level,
    Model,
    Precision,
    Progress,
    Variables,
    check_arguments,
    within_memory,
)

Kind = Literal["network", "estimator", "relu", "head", "folder", "file", "service"]

TAKES: dict[Kind, frozenset[str]] = {
    "network": frozenset({"data", "members", "fresh", "level", "precision", "seed", "price"}),
    "estimator": frozenset({"data", "members", "level", "seed", "price"}),
    "relu": frozenset({"level", "seed", "price"}),
    "head": frozenset({"level", "precision", "seed", "price"}),
    "folder": frozenset({"data", "level", "precision", "price", "factory"}),
    "file": frozenset({"data", "level", "price"}),
    "service": frozenset({"data", "level", "price", "key"}),
}
"""What `open_victim` takes for each kind of victim."""

_ABOUT: dict[Kind, str] = {
    "network": "is a network that is trained here",
    "estimator": "is an estimator that is fitted here",
    "relu": "has random weights and no records",
    "head": "has random weights and no records",
    "folder": "is trained already, and knows its records and members",
    "file": "is trained already, elsewhere",
    "service": "is trained already and asked over HTTP",
}


def kind_of(name: str) -> Kind:
    """What kind of victim a name is of."""
    kind = name.partition(":")[0]
    if name.startswith(("http://", "https://")):
        return "service"
    if Path(name).is_dir():
        return "folder"
    if Path(name).suffix in (".skops", ".onnx"):
        return "file"
    if kind in ("relu", "head"):
        return kind
    return "estimator" if name in ESTIMATORS else "network"


def require_trained(name: str) -> None:
    """Refuse the name of a victim that would be trained here, where a model is audited that exists already.

    Raises:
        InputError: it is no folder, no file of a model and no address.
    """
    if kind_of(name) not in ("folder", "file", "service"):
        raise InputError(
            f"target is {name!r}, which is no model that is trained already: give a folder of jaxattack train, a .skops or .onnx "
            "file, a prediction API's address, or an .npz of its answers."
        )


@check_arguments("name")
def open_victim(
    name: str,
    *,
    data: str | None = None,
    members: int | None = None,
    fresh: bool = False,
    level: Level | None = None,
    precision: Precision | None = None,
    seed: int | None = None,
    price: float | None = None,
    key: str | None = None,
    factory: str | None = None,
    check: Callable[[Victim], object] | None = None,
    progress: Progress | None = None,
) -> Victim:
    """Open a victim by name.

    Args:
        name: as the module says.
        data: records, as `jaxattack.load` names them: what it is trained on, or for a victim that is trained already the
            records to compare on and to start from. Digits where something must be trained. For a model folder they may
            also be its own records, where those have moved.
        members: how many records it is trained on, chosen at random; half of them by default.
        fresh: leave a network of this package at its first weights.
        level: how much it answers; as fully as its kind usually does by default.
        precision: the arithmetic of a network; float64 by default.
        seed: decides its training or its random weights; 0 by default.
        price: of a query, in dollars; by default what a service documents, and `PRICE` elsewhere.
        key: for a prediction API that asks for one.
        factory: package.module:factory, where a model folder names that: code, which is imported only where it is
            written out here.
        check: called with a network of this package at its first weights: what it raises is raised before training.
        progress: called while it is trained.

    Raises:
        InputError: no such victim, something that its kind has no use for, or a level or data that do not fit it.

    Example:
        >>> victim = ja.open_victim("logistic", data="iris", members=100)
        >>> victim.oracle.access.classes, int(victim.member.sum())
        (3, 100)
    """
    kind = kind_of(name)
    if kind in ("relu", "head"):
        (relu_widths if kind == "relu" else head_sizes)(name)  # a name that is none is said first
    _refuse_useless(
        name, kind, data=data, members=members, fresh=fresh or None, precision=precision, seed=seed, key=key,
        factory=factory,
    )  # fmt: skip
    if kind == "service":
        return open_service(name, data, level, key, price)
    price, precision, seed = PRICE if price is None else price, precision or "float64", seed or 0
    if kind == "folder":
        return open_folder(Path(name), data, level, precision, price, factory)
    if kind == "file":
        return open_file(Path(name), data, level, price)
    if kind == "relu":
        return random_relu(name, level or "logit", seed, price)
    if kind == "head":
        return random_language_head(name, level or "logit", precision, seed, price)
    dataset = load(data or "digits")
    member = Sized(members=len(dataset) // 2 if members is None else members)(1, len(dataset), seed)[0]
    if kind == "estimator":
        return _estimator(name, dataset, member, level, seed, price)
    model = _network(name, dataset, member, seed)

    def with_weights(variables: Variables) -> Victim:
        return network_victim(
            f"{name} on {dataset.name}", model, variables, dataset, member, attack=network_attack(name), level=level,
            precision=precision, price=price,
        )  # fmt: skip

    if check is not None and not fresh:
        check(with_weights(_first_weights(model, seed)))
    variables, notes = _variables(name, model, dataset, member, fresh, seed, progress)
    return replace(with_weights(variables), notes=notes)


def _refuse_useless(name: str, kind: Kind, **fields: Any) -> None:
    """Refuse what a kind of victim has no use for.

    Raises:
        InputError: it names the first such field that is not None.
    """
    for field, value in fields.items():
        if value is not None and field not in TAKES[kind]:
            words = "given" if field == "key" else repr(value)
            raise InputError(f"{field} is {words} and {mask_url(name)} {_ABOUT[kind]}: leave {field} out.")


def _network(name: str, dataset: Dataset, member: Bool[np.ndarray, "record"], seed: int) -> Model:
    """The architecture of a network that is trained here.

    Raises:
        InputError: there is none of that name, it does not take such records, or it has more weights than memory holds.
    """
    if name.partition(":")[0] != "dae":
        return model_for(source_of(name), dataset)
    widths = tuple(sizes(name, "dae:1000-300, the widths of its hidden layers", 1))
    check_images(dataset)
    pairs = pairwise((math.prod(dataset.shape), *widths, dataset.classes))
    within_memory(sum(before * after for before, after in pairs), victim=name)
    return denoising_start(widths, dataset.x[member], dataset.classes, seed=seed)


def _variables(
    name: str,
    model: Model,
    dataset: Dataset,
    member: Bool[np.ndarray, "record"],
    fresh: bool,
    seed: int,
    progress: Progress | None,
) -> tuple[Variables, tuple[str, ...]]:
    """What a network learns of its members, or its first weights; and what is to be said of it."""
    if fresh:
        return _first_weights(model, seed), ()
    if dataset.images:  # of which a denoising autoencoder is no source
        return train_one(model, Recipe(), dataset, member, seed=seed, progress=progress), ()
    return train_on_scale(source_of(name), model, Recipe(), dataset, member, seed=seed, progress=progress)


def _first_weights(model: Model, seed: int) -> Variables:
    return model.init(jax.random.fold_in(jax.random.key(seed), 0))


def network_victim(
    name: str,
    model: Model,
    variables: Variables,
    dataset: Dataset,
    member: Bool[np.ndarray, "record"],
    *,
    attack: ExtractionAttack | None = None,
    level: Level | None = None,
    precision: Precision = "float64",
    price: float = PRICE,
) -> Victim:
    """A trained network, with the records that it was trained on and others.

    Args:
        name: in a few words.
        model: the architecture.
        variables: what it learnt.
        dataset: the records.
        member: which of them it was trained on; of the others one in three is the attacker's own.
        attack: the extraction that fits it; None for what its terms allow.
        level: how much it answers; confidences by default.
        precision: its arithmetic.
        price: of a query.
    """
    make = partial(
        from_model, model, variables, inputs=input_ranges(dataset.x), classes=dataset.classes, precision=precision,
        images=dataset.x.dtype == np.uint8, price=price,
    )  # fmt: skip
    oracle = make(level=level or "probability")
    return Victim(
        name=name,
        oracle=oracle,
        twin=make(level="logit"),
        attack=attack,
        inside=white_box_of(model, variables, dataset),
        dataset=dataset,
        member=member,
        **thirds(dataset.x[~member], dataset.y[~member], oracle),
    )


def _estimator(
    name: str, dataset: Dataset, member: Bool[np.ndarray, "record"], level: Level | None, seed: int, price: float
) -> Victim:
    kind = ESTIMATORS[name]
    x = dataset.x.reshape(len(dataset), -1)
    try:
        make, estimator = kind.fit(x[member].astype(np.float64), dataset.y[member], input_ranges(x), seed)
    except ValueError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InputError(
            f"{name} cannot be fitted on the {member.sum()} records of {dataset.name} that are its members "
            f"({reason}): give other data, or more members."
        ) from error
    oracle = make(level or kind.level, price)
    number = oracle.access.classes == 1
    columns = fitted_columns(dataset, member)
    records, scored = (dataset, member) if number else within(dataset, member, columns)
    return Victim(
        name=f"{name} on {dataset.name}",
        oracle=oracle,
        twin=make(kind.fullest, price),
        attack=kind.attack,
        estimator=estimator,
        dataset=records,
        member=scored,
        notes=() if number else columns.notes,
        **thirds(dataset.x[~member], None if number else columns.labels(dataset.y[~member]), oracle),
    )
