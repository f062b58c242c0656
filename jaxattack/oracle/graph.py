"""What the scores of an ONNX graph are, decided by its last node and seen in a few answers.

Before the last node that decides, nodes that move numbers about and change none are passed over, and one that keeps the
numbers of a sigmoid off 0 and 1.

    ================================  ===========================================================================
    the last node                     the scores are
    ================================  ===========================================================================
    Softmax                           probabilities
    LogSoftmax                        logits: the logarithms of probabilities
    Sigmoid of one output             the probability of the second of two classes
    Sigmoid of several outputs        scores of independent labels, which are no probabilities of one label
    another, of one output            a regressor's number; where the graph names two classes, the logit of the second less that
                                      of the first, as the decision function of a linear support vector machine
    another; rows of -z and z         the same, where a node of skl2onnx's kind is in the graph: raw scores before a sigmoid of z
    another; rows that sum to 1       probabilities (an ensemble's mean, a normaliser, a softmax in parts)
    a sum or product; other rows      logits
    another; rows from 0 to 1         scores of independent labels
    another; rows on another scale    refused: see `jaxattack.oracle.likelihood_scale`
    another; other rows               logits
    ================================  ===========================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.types import InputError

Meaning = Literal["probability", "logit", "binary", "margin", "independent", "number"]

_MOVING = {"Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "ZipMap"}
_SIGMOIDS = {"HardSigmoid", "Sigmoid"}
_CLIPPING = {"Clip", "Max", "Min"}
_LINEAR = {"Add", "BatchNormalization", "Conv", "Gemm", "LinearClassifier", "MatMul", "Mul", "Sub", "Sum"}

_CLASSICAL = "ai.onnx.ml"
"""The domain of the operators of models such as trees and support vector machines."""

SUM = 1e-3
"""How far the sum of a row of probabilities may be from 1, in float16 too."""


class Output(NamedTuple):
    """An output of a graph.

    Attributes:
        last: the operator that decides what its numbers are.
        names: of its columns, in order; empty where the graph names none.
        estimator: whether a node of classical models is in the graph, as skl2onnx makes them.
    """

    last: str
    names: tuple[str, ...]
    estimator: bool = False


def read_outputs(path: str | Path, install: str) -> dict[str, Output]:
    """Every output of a graph, by its name.

    Args:
        path: an ONNX file that a runtime has taken.
        install: how the package that reads it is installed, for the message.

    Raises:
        InputError: the package onnx is not installed.
    """
    graph = _graph(path, install)
    makers = {output: node for node in graph.node for output in node.output}
    lists = [names for node in graph.node if (names := _classes(node))]
    several = {*lists}
    default_names = lists[0] if len(several) == 1 else ()
    estimator = any(node.domain == _CLASSICAL for node in graph.node)
    return {
        output.name: _output(output.name, makers, default_names)._replace(estimator=estimator)
        for output in graph.output
    }


def external_files(path: str | Path, install: str) -> list[Path]:
    """The files beside a graph that hold its numbers where the graph does not, each once, in the order of their names.

    Args:
        path: an ONNX file that a runtime has taken, which refuses files outside of its folder.
        install: as `read_outputs`.

    Raises:
        InputError: the package onnx is not installed.
    """
    tensors = [tensor for tensor in _tensors(_graph(path, install)) if tensor.data_location]
    places = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    return [Path(path).parent / place for place in sorted(places)]


def _graph(path: str | Path, install: str) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise InputError(f"{path} needs onnx: {install}.") from error
    return onnx.load(str(path), load_external_data=False).graph


def _tensors(graph: Any) -> Iterator[Any]:
    """Every tensor of a graph, those of the graphs in its nodes too."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def _output(name: str, makers: Mapping[str, Any], default_names: tuple[str, ...]) -> Output:
    names: tuple[str, ...] = ()
    node, last = makers.get(name), ""
    while node is not None:
        names = names or _classes(node)
        if not last or last in _MOVING or (last in _CLIPPING and node.op_type in _SIGMOIDS):
            last = node.op_type
        if node.op_type not in _MOVING | _CLIPPING:
            break
        before = (makers[name] for name in node.input if name in makers)
        node = next((maker for maker in before if maker.op_type != "Constant"), None)  # that of a bound may come first
    return Output(last, names or default_names)


def _classes(node: Any) -> tuple[str, ...]:
    """The labels of the classes that a node of skl2onnx names."""
    for attribute in node.attribute:
        if attribute.name == "classlabels_strings" and attribute.strings:
            return tuple(text.decode("utf-8", "replace") for text in attribute.strings)
        if attribute.name in ("classlabels_int64s", "classlabels_ints") and attribute.ints:
            return tuple(map(str, attribute.ints))
    return ()


def meaning(output: Output, scores: Float[np.ndarray, "query output"]) -> Meaning:
    """What scores are (see the table above).

    Args:
        output: where they come from.
        scores: of a few random records.
    """
    if scores.shape[1] == 1 and output.last not in _SIGMOIDS:
        return "margin" if len(output.names) == 2 else "number"
    if scores.shape[1] == 1:
        return "binary"
    if output.last == "LogSoftmax":
        return "logit"
    if output.estimator and scores.shape[1] == 2 and scores.any() and (scores[:, 0] == -scores[:, 1]).all():
        return "margin"
    if output.last in _SIGMOIDS:
        return "independent"
    if (scores >= 0).all() and (np.abs(scores.sum(axis=1) - 1) < SUM).all():
        return "probability"
    within = bool(((scores >= 0) & (scores <= 1)).all())
    return "independent" if within and output.last not in _LINEAR else "logit"


_TOLD: dict[Meaning, str] = {
    "probability": "probabilities of {width} classes",
    "logit": "logits of {width} classes, whose softmax are the probabilities",
    "binary": "the probability of the second of two classes",
    "margin": "the logit of the second of two classes less that of the first",
    "independent": "scores of {width} independent labels, of which the largest is taken",
    "number": "a regressor's number",
}


def meaning_sentence(path: str | Path, name: str, output: Output, decided: Meaning, width: int) -> str:
    """In a sentence, what was decided of an output."""
    last = f"ends in {output.last}" if output.last else "is the input itself"
    return f"{path}: the output {name} {last} and is read as {_TOLD[decided].format(width=width)}."
