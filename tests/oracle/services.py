"""Replies of a prediction API, written by hand."""

from __future__ import annotations

import json

import numpy as np
from serve.victims import CLASSES, INPUTS, Said, logits, probabilities

from jaxattack.oracle.remote.wire import write_access, write_answer
from jaxattack.types import Access, Answer

JSON = "application/json"
NPY = "application/x-npy"
ACCESS = Access(level="probability", classes=CLASSES, inputs=INPUTS)
TERMS = {"access": write_access(ACCESS), "price": 0.0001, "limits": {"records": 100, "bytes": 1 << 20}}


def said(value, status: int = 200) -> Said:
    return Said(status, {"Content-Type": JSON}, json.dumps(value).encode())


def answering(x: np.ndarray) -> Said:
    answer = Answer(logits(x).argmax(1), probabilities(x))
    return Said(200, {"Content-Type": NPY}, write_answer(answer, ACCESS, NPY))
