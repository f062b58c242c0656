"""A model of any framework as one function: a batch of records to a number a class.

| model | asked |
| --- | --- |
| a torch module | in evaluation mode, without gradients, on the device and in the precision of its parameters |
| a classifier of scikit-learn | by ``predict_proba``; its ``classes_`` are put where the labels have them, those that it lacks at 0 |
| a Flax NNX module | in evaluation mode |
| any other callable | as ``model(x)`` |

Torch is never imported: who has a module of it has imported it. Afterwards each part of a module is in the mode that it was
in. Records of a table are flattened for scikit-learn; a pandas frame is handed on as it is.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float

from jaxattack.models import from_module
from jaxattack.npz import printable
from jaxattack.oracle.sklearn import class_name
from jaxattack.types import InputError

Ask = Callable[[Any], Float[np.ndarray, "query cls"]]
"""x["query *feature"] -> what the model says of every class."""


def is_classifier(model: Any) -> bool:
    """Whether it is a classifier of scikit-learn's interface, whose classes have names of their own."""
    return hasattr(model, "classes_")


@contextmanager
def answering(model: Any, numberings: Sequence[Mapping[str, int]], classes: int) -> Iterator[Ask]:
    """A model, ready to be asked.

    Args:
        model: as the module says.
        numberings: the numbers of the classes by what a classifier of scikit-learn may call them, such as by labels and by names;
            one that knows all of its classes is taken.
        classes: how many there are.

    Raises:
        InputError: it is no model, or a classifier with several outputs, without probabilities, or of other classes or of such
            as two numberings know differently.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        with _evaluating(model, torch) as ask:
            yield ask
    elif is_classifier(model):
        yield _by_name(model, numberings, classes)
    elif isinstance(model, nnx.Module):
        network, variables = from_module(model)
        apply = jax.jit(network.apply)
        yield lambda x: np.asarray(apply(variables, x))
    elif callable(model):
        yield lambda x: _numbers(model(x))
    else:
        raise InputError(f"it is a {type(model).__name__}: give something that is called with a batch of records.")


@contextmanager
def _evaluating(module: Any, torch: Any) -> Iterator[Ask]:
    """A torch module in evaluation mode; its parts are put back into their modes."""
    modes = [(part, part.training) for part in module.modules()]
    weight = next(chain(module.parameters(), module.buffers()), torch.empty(0))

    def ask(x: Any) -> np.ndarray:
        batch = torch.tensor(np.asarray(x)).to(weight.device)
        if batch.is_floating_point() and weight.is_floating_point():
            batch = batch.to(weight.dtype)
        with torch.no_grad():
            return _numbers(module(batch))

    module.eval()
    try:
        yield ask
    finally:
        for part, mode in modes:
            part.training = mode


def _numbers(answer: Any) -> np.ndarray:
    """What a model said as an array: a tensor of any device, or the output of a Hugging Face model."""
    answer = getattr(answer, "logits", answer)
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu()
        answer = answer if str(answer.dtype) == "torch.float64" else answer.float()  # NumPy has no bfloat16
    return np.asarray(answer)


def _by_name(model: Any, numberings: Sequence[Mapping[str, int]], classes: int) -> Ask:
    kind = type(model).__name__
    if not hasattr(model, "predict_proba"):
        raise InputError(
            f"{kind} has no predict_proba: put it into scikit-learn's CalibratedClassifierCV, or give a function."
        )
    if isinstance(model.classes_, list):
        raise InputError(f"{kind} has several outputs: give an estimator of one.")
    own = [class_name(label) for label in model.classes_]
    known = [[numbers[name] for name in own] for numbers in numberings if {*own} <= numbers.keys()]
    if not known:
        unknown = next((name for name in own if not any(name in numbers for numbers in numberings)), own[0])
        raise InputError(f"{kind} knows a class {unknown!r} that no label names: name all classes in classes.")
    if any(columns != known[0] for columns in known):
        raise InputError(
            f"{kind} knows the classes {printable(own)}, which may be numbers of classes or other classes' names: give y as the models "
            "were told it, beside x, and no data set."
        )
    (columns, *_) = known

    def ask(x: Any) -> np.ndarray:
        with warnings.catch_warnings():  # it was fitted on a table with names, and warns of plain arrays
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            probability = np.asarray(model.predict_proba(x if hasattr(x, "iloc") else x.reshape(len(x), -1)))
        every = np.zeros((len(probability), classes), probability.dtype)
        every[:, columns] = probability
        return every

    return ask
