"""A victim opened for extraction: the oracle an attack is handed, and beside it what it takes to judge the result.

    softmax, mlp:20, cnn:16-32     a network of this package, trained on the data
    dae:1000-300                   such a network with sigmoids, whose hidden layers were first denoising autoencoders
    ovr, svm, tree, ...            an estimator of scikit-learn, fitted on the data (`jaxattack.audit.estimators`)
    relu:20-10-1                   a ReLU network with random weights
    head:64-1000                   the last layer of a language model, with random weights
    FOLDER                         what `jaxattack train` wrote
    FILE.skops, FILE.onnx          a saved model
    http://...                     a prediction API

The truth stays on this side: the attack sees the oracle alone, and what is compared with it afterwards is asked of a
twin that does not count. A prediction API has no twin: there comparing costs queries, which the attack's own cost leaves out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Int, Shaped

from jaxattack.attacks.extraction import ReluNetwork, logits
from jaxattack.audit.estimators import ESTIMATORS
from jaxattack.audit.victim import Victim, architecture, load_victim
from jaxattack.data import fingerprint, load
from jaxattack.data.membership import Sized
from jaxattack.models import of_bytes
from jaxattack.oracle import (
    PRICE,
    connect,
    from_function,
    from_head,
    from_model,
    from_onnx,
    from_skops,
    random_head,
)
from jaxattack.oracle.identity import content, fingerprint_of, probes
from jaxattack.oracle.local import answered
from jaxattack.training import Recipe, denoising_start, train_one
from jaxattack.training.images import check_images
from jaxattack.types import (
    Access,
    Answer,
    Dataset,
    InputError,
    Inputs,
    Level,
    Model,
    Oracle,
    Precision,
    Progress,
    Variables,
    WhiteBox,
)

Make = Callable[[Level | None], Oracle]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A victim, and what judges what is stolen of it.

    Attributes:
        name: in a few words.
        oracle: what the attack asks.
        twin: answers as fully as the victim can, uncounted.
        method: the attack that fits it, by name.
        x: records that it was not trained on; None where there are none at hand.
        y: their classes.
        pool: other such records, the attacker's own.
        truth: the network or the projection that it is, where that is known and nothing else tells.
        remote: it is a prediction API of somebody else's process.
        inside: its weights, where it is a network of this package.
        dataset: the records that it was trained on and others, where they are at hand.
        member: which of them it was trained on.
    """

    name: str
    oracle: Oracle
    twin: Callable[[np.ndarray], Answer]
    method: str
    x: Shaped[np.ndarray, "record *feature"] | None = None
    y: Int[np.ndarray, "record"] | None = None
    pool: Shaped[np.ndarray, "record *feature"] | None = None
    truth: Any = None
    remote: bool = False
    inside: WhiteBox | None = None
    dataset: Dataset | None = None
    member: Bool[np.ndarray, "record"] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it from other victims, as plain values; its name is for people and does not count.

        ``content`` is what answers, as `jaxattack.oracle.identity` says; of a service its address, since what answers
        there is known by its answers alone; of any other function the twin's answers to fixed records, to six digits.
        ``data`` are the records that it and others were trained on, ``members`` its own, ``pool`` the attacker's own.
        """
        mask = None if self.member is None else {"count": int(self.member.sum()), "sha256": fingerprint_of(self.member)}
        data = None if self.dataset is None else {"records": len(self.dataset), "sha256": fingerprint(self.dataset)}
        return {
            "victim": self.name,
            "content": content(self.oracle) or ({"url": self.name} if self.remote else self._answers()),
            "data": data,
            "members": mask,
            "pool": None if self.pool is None else fingerprint_of(self.pool),
        }

    def _answers(self) -> dict[str, str]:
        answer = self.twin(probes(self.oracle.access.inputs))
        scores = [part for part in answer if part is not None]
        return {"answers": fingerprint_of([[f"{value:.6g}" for value in part.ravel().tolist()] for part in scores])}


def open_victim(
    name: str,
    *,
    data: str | None = None,
    members: int | None = None,
    fresh: bool = False,
    level: Level | None = None,
    precision: Precision = "float64",
    seed: int = 0,
    price: float = PRICE,
    key: str | None = None,
    progress: Progress | None = None,
) -> Opened:
    """Open a victim by name.

    Args:
        name: as the module says.
        data: records, as `jaxattack.load` names them: what it is trained on, or for a victim that is trained already the
            records to compare on and to start from. Digits where something must be trained.
        members: how many records it is trained on, chosen at random; half of them by default.
        fresh: leave a network of this package at its first weights.
        level: how much it answers; as fully as its kind usually does by default.
        precision: the arithmetic of a network.
        seed: decides its training.
        price: of a query, in dollars.
        key: for a prediction API that asks for one.
        progress: called while it is trained.

    Raises:
        InputError: no such victim, or a level or data that do not fit it.
    """
    if name.startswith(("http://", "https://")):
        return _remote(name, data, key, price)
    path, kind = Path(name), name.partition(":")[0]
    if path.is_dir():
        return _folder(path, level, precision, price)
    if path.suffix in (".skops", ".onnx"):
        return _file(path, data, level, price)
    if kind == "relu":
        return _random_relu(name, level or "logit", seed, price)
    if kind == "head":
        return _random_head(name, level or "logit", precision, seed, price)
    dataset = load(data or "digits")
    if name in ESTIMATORS:
        return _estimator(name, dataset, _members(dataset, members, seed), level, seed, price)
    member = _members(dataset, members, seed)
    if kind == "dae":
        widths = tuple(_sizes(name, "dae:1000-300, the widths of its hidden layers", 1))
        check_images(dataset)
        model = denoising_start(widths, dataset.x[member], dataset.classes, seed=seed)
    else:
        model = architecture(Victim(data=dataset.name, model=name), dataset)
    return _trained(name, model, dataset, member, fresh, level, precision, seed, price, progress)


def _members(dataset: Dataset, members: int | None, seed: int) -> Bool[np.ndarray, "record"]:
    return Sized(members=len(dataset) // 2 if members is None else members)(1, len(dataset), seed)[0]


def documented(x: Shaped[np.ndarray, "record *feature"]) -> Inputs:
    """What a service that was trained on these records would document: each feature's range.

    Bytes range from 0 to 255; a feature that never changes, from its value to one more.
    """
    if x.dtype == np.uint8:
        return Inputs.box(0, 255, x.shape[1:])
    low, high = x.min(axis=0).astype(np.float64), x.max(axis=0).astype(np.float64)
    return Inputs(low=low, high=np.where(high > low, high, low + 1), categories=np.zeros(x.shape[1:], np.int64))


def _method(oracle: Oracle) -> str:
    """What is tried on a victim of which nothing but its terms is known."""
    return "adaptive-retraining" if oracle.access.level == "label" else "hypotheses"


def _thirds(x: np.ndarray, y: np.ndarray, oracle: Oracle) -> dict[str, Any]:
    """Records that the victim has not seen: one in three the attacker's own, the others to compare on."""
    flat = x.reshape(len(x), *oracle.access.inputs.shape).astype(np.float64)
    own = np.arange(len(flat)) % 3 == 0
    return {"x": flat[~own], "y": np.asarray(y)[~own], "pool": flat[own]}


def _trained(
    name: str,
    model: Model,
    dataset: Dataset,
    member: Bool[np.ndarray, "record"],
    fresh: bool,
    level: Level | None,
    precision: Precision,
    seed: int,
    price: float,
    progress: Progress | None,
) -> Opened:
    if fresh:
        variables = model.init(jax.random.fold_in(jax.random.key(seed), 0))
    else:
        variables = train_one(model, Recipe(), dataset, member, seed=seed, progress=progress)
    make = partial(
        from_model, model, variables, inputs=documented(dataset.x), classes=dataset.classes, precision=precision,
        images=dataset.x.dtype == np.uint8, price=price,
    )  # fmt: skip
    oracle = make(level=level or "probability")
    method = "softmax" if name == "softmax" else "adaptive-retraining"
    return Opened(
        name=f"{name} on {dataset.name}",
        oracle=oracle,
        twin=make(level="logit"),
        method=method,
        inside=_inside(model, variables, dataset),
        dataset=dataset,
        member=member,
        **_thirds(dataset.x[~member], dataset.y[~member], oracle),
    )


def _inside(model: Model, variables: Variables, dataset: Dataset) -> WhiteBox:
    """A network with its weights, which takes records as the data set has them."""
    taking = of_bytes(model) if dataset.x.dtype == np.uint8 else model
    return WhiteBox(model=taking, variables=variables, inputs=documented(dataset.x), classes=dataset.classes)


def _estimator(
    name: str, dataset: Dataset, member: Bool[np.ndarray, "record"], level: Level | None, seed: int, price: float
) -> Opened:
    kind = ESTIMATORS[name]
    x = dataset.x.reshape(len(dataset), -1)
    try:
        make = kind.fit(x[member].astype(np.float64), dataset.y[member], documented(x), seed)
    except ValueError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InputError(
            f"{name} cannot be fitted on the {member.sum()} records of {dataset.name} that are its members "
            f"({reason}): give other data, or more members."
        ) from error
    oracle = make(level or kind.level, price)
    return Opened(
        name=f"{name} on {dataset.name}",
        oracle=oracle,
        twin=make(kind.fullest, price),
        method=kind.method,
        dataset=dataset,
        member=member,
        **_thirds(dataset.x[~member], dataset.y[~member], oracle),
    )


def _random_relu(name: str, level: Level, seed: int, price: float) -> Opened:
    """A network with weights and biases from a normal distribution, scaled by the width before them."""
    widths = _sizes(name, "relu:20-10-1, inputs first and outputs last", 3)
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(widths))
    network = ReluNetwork(
        tuple(rng.normal(size=(after, before)) / np.sqrt(before) for before, after in pairs),
        tuple(rng.normal(size=after) / np.sqrt(before) for before, after in pairs),
    )
    inputs = Inputs.box(-1, 1, (widths[0],))

    def make(level: Level) -> Oracle:
        answer = lambda x: answered(logits(network, x), level)  # noqa: E731 - a name would be called once
        access = Access(level=level, classes=widths[-1], inputs=inputs)
        return from_function(
            answer, access, price=price, content=lambda: {"parameters": fingerprint_of(dict(network.parameters))}
        )

    hidden = "-".join(map(str, widths[1:-1]))
    return Opened(
        name=name,
        oracle=make(level),
        twin=make("logit"),
        method="relu" if len(widths) == 3 else f"relu-deep?hidden={hidden}",
        truth=network,
    )


def _random_head(name: str, level: Level, precision: Precision, seed: int, price: float) -> Opened:
    """A language model's last layer, random, over random hidden states."""
    hidden, vocabulary = _sizes(name, "head:64-1000, hidden size and vocabulary", 2)
    states, projection, inputs = random_head(vocabulary, hidden, seed=seed)
    make = partial(from_head, states, projection, inputs=inputs, precision=precision, price=price)
    # Answers that hide most logits can be stolen from only where a caller may raise them.
    oracle = make(level=level, bias=0.0 if level == "logit" else 100.0)
    truth = projection if level == "logit" else projection - projection.mean(axis=0)
    return Opened(name=name, oracle=oracle, twin=make(level="logit"), method="lm-head", truth=truth)


def _sizes(name: str, form: str, least: int) -> list[int]:
    try:
        sizes = [int(size) for size in name.partition(":")[2].split("-")]
    except ValueError:
        sizes = []
    if len(sizes) < least or min(sizes) < 1 or (least == 2 and len(sizes) > 2):
        raise InputError(f"victim is {name!r}: write {form}.")
    return sizes


def _folder(folder: Path, level: Level | None, precision: Precision, price: float) -> Opened:
    trained = load_victim(folder)
    about = trained.description
    records = load(about["data"]["name"]) if about["data"]["records"] else None
    assert records is not None
    make = partial(
        from_model, trained.model, trained.variables, inputs=documented(records.x), classes=about["classes"],
        precision=precision, images=records.x.dtype == np.uint8, price=price,
    )  # fmt: skip
    oracle = make(level=level or "probability")
    unseen = ~trained.member if len(trained.member) == len(records) else np.zeros(len(records), bool)
    more = _thirds(records.x[unseen], records.y[unseen], oracle) if unseen.sum() >= 6 else {}
    method = "softmax" if about["victim"]["model"] == "softmax" else "adaptive-retraining"
    return Opened(
        name=str(folder),
        oracle=oracle,
        twin=make(level="logit"),
        method=method,
        inside=_inside(trained.model, trained.variables, records),
        dataset=records,
        member=~unseen,
        **more,
    )


def _file(path: Path, data: str | None, level: Level | None, price: float) -> Opened:
    make = partial(from_skops if path.suffix == ".skops" else from_onnx, path, price=price)
    records = load(data) if data else None
    shaped = {"inputs": documented(records.x.reshape(len(records), -1))} if records is not None else {}
    oracle = make(level=level, **shaped)
    more = _thirds(records.x, records.y, oracle) if records is not None else {}
    return Opened(name=path.name, oracle=oracle, twin=make(level=level, **shaped), method=_method(oracle), **more)


def _remote(url: str, data: str | None, key: str | None, price: float) -> Opened:
    oracle = connect(url, key=key, price=price)
    records = load(data) if data else None
    more = _thirds(records.x, records.y, oracle) if records is not None else {}
    return Opened(name=oracle.url, oracle=oracle, twin=oracle, method=_method(oracle), remote=True, **more)
