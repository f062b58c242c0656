"""Victims that exist already: a folder of `jaxattack train`, a file of another framework, a service over HTTP.

A model folder knows the records that it was trained on, by their name, the number that was chosen at random and their
fingerprint, and which of them were its members: what is judged is judged on these. Records that changed are refused.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Shaped

from jaxattack.attacks.extraction import Retraining, Softmax
from jaxattack.audit.columns import UNKNOWN, match_columns, require_features, require_whole
from jaxattack.audit.model_folder import Trained, load_victim
from jaxattack.audit.picture_scale import RANGE, as_taken, best_scale, on_scale
from jaxattack.audit.records import choose_records
from jaxattack.audit.victim import Victim, input_ranges, thirds
from jaxattack.data import fingerprint, load, load_from_description
from jaxattack.models import of_bytes
from jaxattack.oracle import connect, from_model, from_onnx, from_skops, label_only, network_of
from jaxattack.types import (
    Dataset,
    ExtractionAttack,
    InputError,
    Inputs,
    Level,
    Model,
    Oracle,
    Precision,
    Variables,
    WhiteBox,
)

Strangers = tuple[Shaped[np.ndarray, "record *feature"], Int[np.ndarray, "record"]]
"""Records that a victim was not trained on, and their classes."""


def open_folder(
    folder: Path, data: str | None, level: Level | None, precision: Precision, price: float, factory: str | None
) -> Victim:
    """A model folder.

    Args:
        folder: what `jaxattack train` wrote.
        data: its own records where they are now, or others to compare on and to start from.
        level: as for every victim.
        precision: the arithmetic.
        price: of a query.
        factory: as `load_victim`.

    Raises:
        InputError: what `load_victim` raises; records that are not the ones it was trained on, or that do not fit it.
    """
    saved = load_victim(folder, factory=factory)
    records, others = _records(folder, saved, data)
    make = partial(
        from_model, saved.model, saved.variables, inputs=input_ranges(records.x), classes=records.classes,
        precision=precision, images=records.x.dtype == np.uint8, price=price,
    )  # fmt: skip
    oracle = make(level=level or "probability")
    unseen = ~saved.member
    x, y = others or (records.x[unseen], records.y[unseen])
    return Victim(
        name=str(folder),
        oracle=oracle,
        twin=make(level="logit"),
        attack=network_attack(saved.description["victim"]["model"]),
        inside=white_box_of(saved.model, saved.variables, records),
        dataset=records,
        member=saved.member,
        **(thirds(x, y, oracle) if len(x) >= 6 else {}),
    )


def network_attack(model: str) -> ExtractionAttack:
    """The extraction attack that fits a network, by the name of its architecture."""
    return Softmax() if model == "softmax" else Retraining(strategy="adaptive")


def white_box_of(model: Model, variables: Variables, dataset: Dataset) -> WhiteBox:
    """A network with its weights, which takes records as the data set has them."""
    taking = of_bytes(model) if dataset.x.dtype == np.uint8 else model
    return WhiteBox(model=taking, variables=variables, inputs=input_ranges(dataset.x), classes=dataset.classes)


def _records(folder: Path, saved: Trained, data: str | None) -> tuple[Dataset, Strangers | None]:
    """The records that a victim was trained on and others, and such as it has nothing to do with, where they are given."""
    about = saved.description
    source = load(data) if data is not None else None
    own = None if source is None else _own(source, about)
    if own is not None:
        return own, None
    name = about["data"]["name"]
    try:
        own = _own(load_from_description(name), about)
    except InputError as error:
        raise InputError(f"{folder} was trained on {name}, which cannot be read ({error})") from error
    if own is None:
        raise InputError(
            f"{folder} was trained on {len(saved.member)} records of {name} with the fingerprint "
            f"{about['data']['sha256'][:12]}, and {name} holds others now: give the records as they were, or train again."
        )
    return own, None if source is None else _strangers(folder, source, own, saved.member)


def _own(source: Dataset, about: dict[str, Any]) -> Dataset | None:
    """The records of a description, chosen anew; None where these are others."""
    try:
        records = choose_records(source, about["victim"]["records"], about["seed"])
    except InputError:
        return None
    return records if fingerprint(records) == about["data"]["sha256"] else None


def _strangers(folder: Path, source: Dataset, own: Dataset, member: Bool[np.ndarray, "record"]) -> Strangers:
    """Those of other records that are no member's equals.

    Raises:
        InputError: records of another shape or type, of classes that the victim lacks, or too few.
    """
    if (source.shape, source.x.dtype) != (own.shape, own.x.dtype) or source.classes > own.classes:
        raise InputError(
            f"data is {source.name} with {source.x.dtype} records of shape {source.shape} and {source.classes} classes, "
            f"and {folder} takes {own.x.dtype} records of shape {own.shape} and has {own.classes}: give others."
        )
    strange = np.flatnonzero(~np.isin(_rows(source.x), _rows(own.x[member])))
    if len(strange) < 6:
        raise InputError(
            f"data is {source.name} and {len(strange)} of its records are none that {folder} was trained on: give others."
        )
    return source.x[strange], source.y[strange]


def _rows(x: Shaped[np.ndarray, "record *feature"]) -> np.ndarray:
    """Each record as one value, equal where all its numbers are."""
    flat = np.ascontiguousarray(x.reshape(len(x), -1))
    return flat.view(np.dtype((np.void, flat.itemsize * flat.shape[1]))).ravel()


def open_file(path: Path, data: str | None, level: Level | None, price: float) -> Victim:
    """A saved model; its data are records to compare on and to start from."""
    make = partial(from_skops if path.suffix == ".skops" else from_onnx, path, price=price)
    records, notes = load(data) if data else None, ()
    shaped = {}
    if records is not None:
        plain = make(level=level)
        records = in_layout(records, plain.access.inputs.shape)
        require_whole(path, records, plain.access.inputs)
        shaped["inputs"] = input_ranges(records.x.reshape(len(records), -1))
        if records.images and not plain.access.inputs.whole:
            records, shaped["inputs"], notes = _on_its_scale(path.name, records, plain)
    oracle = make(level=level, **shaped)
    twin = make(level=level, **shaped)
    network = partial(network_of, path, twin) if path.suffix == ".onnx" else None
    return Victim(
        name=path.name,
        oracle=oracle,
        twin=twin,
        names=oracle.names,
        read_inside=network,
        **strangers_beside(records, oracle, notes),
    )


def _on_its_scale(name: str, records: Dataset, oracle: Oracle) -> tuple[Dataset, Inputs, tuple[str, ...]]:
    """Pictures of bytes on the scale on which a file fits them best, what they range over there, and a sentence that says so.

    Where nothing tells the classes, they stay as they are.
    """
    shape, y = oracle.access.inputs.shape, match_columns(records, oracle).labels(records.y)
    scale, notes = "data", ()
    if y is not None and (known := y != UNKNOWN).any():
        ask = lambda x: oracle(as_taken(name, x, shape))  # noqa: E731 - a name would be called once
        scale, notes = best_scale(ask, records.x[known], y[known], data=records.name, model=name)
        if scale != "data":
            records = replace(records, x=on_scale(records.x, scale).astype(np.float32))
    return records, Inputs.box(*RANGE[scale], (math.prod(records.shape),)), notes


def in_layout(records: Dataset, shape: tuple[int, ...]) -> Dataset:
    """Images with their channels first, where that is how a file takes them."""
    if len(records.shape) != 3 or shape == records.shape or shape != (records.shape[2], *records.shape[:2]):
        return records
    return replace(records, x=np.ascontiguousarray(records.x.transpose(0, 3, 1, 2)))


def strangers_beside(records: Dataset | None, oracle: Oracle, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """Records beside a victim that was trained elsewhere: their classes by its columns, and what is to be said of both.

    Args:
        records: they.
        oracle: the victim.
        more: what is said of the records already, in sentences.

    Raises:
        InputError: records of another size than the victim takes.
    """
    notes = (*getattr(oracle, "notes", ()), *more)
    if records is None:
        return {"notes": notes}
    takes = oracle.access.inputs.shape
    if math.prod(records.shape) != math.prod(takes):
        raise InputError(
            f"data is {records.name} with records of shape {records.shape}, and the victim takes records of shape {takes}: give the "
            "data that it is for."
        )
    require_features(records, oracle)
    columns = match_columns(records, oracle)
    return {"notes": (*notes, *columns.notes), **thirds(records.x, columns.labels(records.y), oracle)}


def open_service(url: str, data: str | None, level: Level | None, key: str | None, price: float | None) -> Victim:
    """A prediction API; its data are records to compare on and to start from.

    Raises:
        InputError: what `connect` raises, a level that it does not answer, or records that it does not take.
    """
    service = connect(url, key=key, price=price)
    answers = service.access.level
    if level not in (None, "label", answers):
        service.close()
        raise InputError(
            f"level is {level!r} and {service.url} answers {answers}: choose {answers} or label, or leave level out."
        )
    oracle = label_only(service) if level == "label" and answers != "label" else service
    try:
        records = load(data) if data else None
        if records is not None:
            require_whole(service.url, records, service.access.inputs)
        more = strangers_beside(records, oracle)
    except InputError:
        service.close()
        raise
    transport = f"over HTTP, at {service.url}"
    return Victim(name=service.url, oracle=oracle, url=service.url, transport=transport, names=service.names, **more)
