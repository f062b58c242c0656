"""What models of any framework say of every record: `observe` asks them, batch by batch, and `jaxattack.score` attacks it.

    observe(models, x, y, member=member)                     in memory, as Observations
    observe(models, x, y, member=member, out="said.npz")     in a file, one model's answers in memory at a time

How each kind of model is asked is said in `jaxattack.oracle.answering`. Models may come from a generator, which loads one
after the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import ArrayLike

from jaxattack.audit.confidences import Kind, check_kind, recognise_kind
from jaxattack.audit.observations import KINDS, as_observations
from jaxattack.data.labels import Labels, read_labels
from jaxattack.disk import write_stream
from jaxattack.npz import Header
from jaxattack.oracle.answering import answering, is_classifier
from jaxattack.oracle.sklearn import class_name
from jaxattack.types import Dataset, InputError, Observations, Progress, at_least, check_arguments, check_ids

Layout = Literal["nhwc", "nchw"]
"""Where a picture has its channels: last, as data sets here have them, or first, as torch takes them."""

NAME = "observations"


@overload
def observe(
    models: Iterable[Any],
    x: Dataset | ArrayLike | Sequence[ArrayLike],
    y: ArrayLike | None = None,
    *,
    member: ArrayLike,
    answers: Kind | None = None,
    classes: Sequence[str] = (),
    ids: Sequence[str] = (),
    layout: Layout = "nhwc",
    transform: Callable[[Any], Any] | None = None,
    batch: int = 256,
    out: None = None,
    progress: Progress | None = None,
) -> Observations:
    """Ask models about all records, in memory."""


@overload
def observe(
    models: Iterable[Any],
    x: Dataset | ArrayLike | Sequence[ArrayLike],
    y: ArrayLike | None = None,
    *,
    member: ArrayLike,
    answers: Kind | None = None,
    classes: Sequence[str] = (),
    ids: Sequence[str] = (),
    layout: Layout = "nhwc",
    transform: Callable[[Any], Any] | None = None,
    batch: int = 256,
    out: str | Path,
    progress: Progress | None = None,
) -> Path:
    """Ask models about all records, one model's answers in memory at a time, into a file."""


@check_arguments("batch", "transform", "out", "progress")
def observe(
    models: Iterable[Any],
    x: Any,
    y: ArrayLike | None = None,
    *,
    member: ArrayLike,
    answers: Kind | None = None,
    classes: Sequence[str] = (),
    ids: Sequence[str] = (),
    layout: Layout = "nhwc",
    transform: Callable[[Any], Any] | None = None,
    batch: int = 256,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Observations | Path:
    """Ask models about all records.

    Args:
        models: torch modules, classifiers of scikit-learn, Flax NNX modules, or anything that takes a batch of records and
            answers with a number a class; a list, or a generator of them.
        x: the records, as the models take them: an array, a pandas frame, a `Dataset`, or a list of arrays, one a model,
            of the same records.
        y: the true class of each record, as `jaxattack.data.labels` takes them; a `Dataset` has its own.
        member: who each model was trained on, 0 or 1 [model, record].
        answers: what the models answer with, logits or probability; by default it is seen by the rows of the first.
        classes: the names of all classes, in the order of the models' columns; by default those of the records.
        ids: what each record is called; by default they are numbered alone.
        layout: nchw for models that take pictures with their channels first, where ``x`` has them last.
        transform: what is done to a batch before a model is asked, such as ``lambda x: x / 255``.
        batch: records asked at once.
        out: an .npz to write, which `jaxattack.read_observations` and the command ``jaxattack score`` take.
        progress: called with ("models", how many, of how many).

    Returns:
        The observations; with ``out`` its path.

    Raises:
        InputError: a model that fails (what its code raised is the cause), or answers with another shape, NaN for every
            record, or what is neither logits nor probabilities; arrays that disagree; a file that cannot be written.

    Example:
        >>> import jaxattack as ja
        >>> from sklearn.linear_model import LogisticRegression
        >>> iris = ja.load("iris")
        >>> member = ja.designs.Halves()(models=4, records=len(iris), seed=0)
        >>> models = [LogisticRegression().fit(iris.x[row], iris.y[row]) for row in member]
        >>> observations = ja.observe(models, iris, member=member)
        >>> observations.signal("phi").shape
        (4, 150, 1)
    """
    at_least(1, batch=batch)
    if isinstance(x, Dataset):
        if y is not None:
            raise InputError("y is given beside a data set, which has its labels: leave it out.")
        x, y, classes, ids = x.x, x.y, classes or x.names, ids or x.ids
    if y is None:
        raise InputError("y is missing: give the true class of each record.")
    truth = np.asarray(member)
    if truth.ndim != 2 or not truth.size or not np.isin(truth, (0, 1)).all():
        raise InputError(f"member has shape {truth.shape}: give 0 or 1 for each [model, record].")
    if out is not None and Path(out).suffix != ".npz":
        raise InputError(f"out is {os.fspath(out)!r}: give a name that ends in .npz.")
    check_ids(ids, truth.shape[1], NAME)
    request = _Request(truth.astype(bool), np.asarray(y), tuple(classes), _view(layout, transform), batch, progress)
    labels, kind, rows = _answer_rows(request, models, _records(x, truth.shape), answers)
    arrays = {"member": request.member, "label": labels.number}
    arrays |= {"classes": np.array(labels.names)} if labels.names else {}
    arrays |= {"ids": np.array(ids)} if ids else {}
    if out is None:
        return as_observations(arrays | {kind: np.stack([*rows])})
    first = next(rows)
    promise = Header((len(truth), *first.shape), first.dtype)
    write_stream(Path(out), arrays, kind, promise, chain([first], rows))
    return Path(out)


class _Request(NamedTuple):
    """How models are asked: the members, labels and names given; what is done to a batch, how long it is, and who is told."""

    member: Bool[np.ndarray, "model record"]
    y: Shaped[np.ndarray, "record *cls"]
    classes: tuple[str, ...]
    view: Callable[[Any], Any]
    batch: int
    progress: Progress | None


def _view(layout: Layout, transform: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """What becomes of a batch before a model is asked."""
    if layout not in ("nhwc", "nchw"):
        raise InputError(f"layout is {layout!r}: give nhwc or nchw.")

    def view(x: Any) -> Any:
        if layout == "nchw":
            if np.ndim(x) != 4:
                raise InputError(f"layout is nchw and a batch has shape {np.shape(x)}: give pictures, or leave it out.")
            x = np.moveaxis(x, -1, 1)
        return x if transform is None else transform(x)

    return view


def _records(x: Any, shape: tuple[int, ...]) -> Callable[[int], Any]:
    """The records as a model takes them, by its number."""
    models, records = shape
    own = isinstance(x, list | tuple) and len(x) == models and all(np.ndim(one) > 1 for one in x)
    every = [one if hasattr(one, "iloc") else np.asarray(one) for one in (x if own else [x])]
    for one in every:
        if len(one) != records:
            raise InputError(f"x has {len(one)} records and member {records}: give the records that member is about.")
    return lambda model: every[model if own else 0]


def _answer_rows(
    request: _Request, models: Iterable[Any], records: Callable[[int], Any], answers: Kind | None
) -> tuple[Labels, Kind, Iterator[Float[np.ndarray, "record cls"]]]:
    """The labels, what the answers are, and the answers of one model after the other: the first one tells of the others."""
    if answers not in (None, *KINDS):
        raise InputError(f"answers is {answers!r}: give logits or probability.")
    every = _load_each(models)
    first = next(every, None)
    if first is None:
        raise InputError("models are none: give at least one.")
    labels = _read_labels(request, None) if is_classifier(first) else None
    one = _ask(request, first, 0, records(0), labels, _numberings(request.y, labels) if labels else ())
    labels = labels or _read_labels(request, one.shape[1])
    numberings = _numberings(request.y, labels)
    kind = answers or recognise_kind(one)

    def others() -> Iterator[Float[np.ndarray, "record cls"]]:
        check_kind(NAME, kind, one, 0)
        yield one
        count = 1
        for count, model in enumerate(every, start=2):
            if count > len(request.member):
                break
            answer = _ask(request, model, count - 1, records(count - 1), labels, numberings).astype(one.dtype)
            check_kind(NAME, kind, answer, count - 1)
            yield answer
        if count != len(request.member):
            number = "more" if count > len(request.member) else f"{count}"
            raise InputError(f"models are {number} and member has {len(request.member)} rows: give one model a row.")

    return labels, kind, others()


def _load_each(models: Iterable[Any]) -> Iterator[Any]:
    """The models, where those of a generator may fail to load."""
    count = 0
    try:
        for model in models:
            yield model
            count += 1
    except Exception as error:  # a generator is the user's code
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"models: making model {count} failed ({reason}): mend what makes them.") from error


def _read_labels(request: _Request, columns: int | None) -> Labels:
    classes = None if request.classes else columns
    labels = read_labels(request.y, "y", classes=classes, names=request.classes)
    if labels.number.shape != request.member.shape[1:]:
        raise InputError(
            f"y has {len(labels.number)} labels and member {request.member.shape[1]} records: give one label a record."
        )
    if columns not in (None, labels.classes):
        raise InputError(f"classes names {labels.classes} and the models answer with {columns} numbers: name each.")
    return labels


def _numberings(y: Shaped[np.ndarray, "record *cls"], labels: Labels) -> tuple[dict[str, int], ...]:
    """The number of each class by what a classifier may have been told of it: its label in y, or its name."""
    by_name = {name: number for number, name in enumerate(labels.names)}
    if y.size > len(labels.number):  # one-hot rows
        return {str(number): number for number in range(labels.classes)}, by_name
    by_label = {class_name(label): int(number) for label, number in zip(y.ravel(), labels.number, strict=True)}
    counted = all(name == str(number) for name, number in by_label.items())
    every = {str(number): number for number in range(labels.classes)} if counted else {}
    return every | by_label, by_name


def _ask(
    request: _Request, model: Any, number: int, x: Any, labels: Labels | None, numberings: Sequence[Mapping[str, int]]
) -> Float[np.ndarray, "record cls"]:
    """What one model says of every record."""
    who = f"model {number} ({getattr(model, '__name__', type(model).__name__)})"
    parts: list[np.ndarray] = []
    with ExitStack() as stack:
        try:
            ask = stack.enter_context(answering(model, numberings, labels.classes if labels else 0))
        except InputError as error:
            raise InputError(f"{who}: {error}") from error
        for begin in range(0, len(x), request.batch):
            rows = slice(begin, begin + request.batch)
            chunk = x.iloc[rows] if hasattr(x, "iloc") else x[rows]
            parts.append(_answer(ask, request.view(chunk), f"{who} of records {begin} to {begin + len(chunk) - 1}"))
            if labels and parts[-1].shape[1] != labels.classes:
                raise InputError(
                    f"{who} answers with {parts[-1].shape[1]} numbers and there are {labels.classes} classes: give models of "
                    "the same classes."
                )
    if request.progress:
        request.progress("models", number + 1, len(request.member))
    return np.concatenate(parts)


def _answer(ask: Callable[[Any], Any], x: Any, what: str) -> Float[np.ndarray, "query cls"]:
    try:
        answer = np.asarray(ask(x))
    except Exception as error:  # a model is the user's code: what it raises is its own
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"asking {what} failed ({reason}): give x as the models take it, or a transform that makes it so."
        ) from error
    if answer.ndim != 2 or len(answer) != len(x) or answer.shape[1] < 2 or answer.dtype.kind not in "fiu":
        raise InputError(
            f"asking {what} gave {answer.dtype} of shape {answer.shape}: answer with one number a class, [{len(x)}, classes]."
        )
    return answer.astype(np.result_type(answer.dtype, np.float32))
