"""Arrays of observations that tests write to a file, and what they change of them."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

RNG = np.random.default_rng(0)
MODELS, RECORDS, CLASSES = 6, 40, 3
MEMBER = RNG.permuted(np.arange(MODELS)[:, None] % 2 == np.zeros(RECORDS, int), axis=0)
LABEL = RNG.integers(0, CLASSES, RECORDS)
LOGITS = RNG.normal(0, 2, (MODELS, RECORDS, CLASSES)) + 2 * MEMBER[..., None] * (np.arange(CLASSES) == LABEL[:, None])
ARRAYS = {"member": MEMBER, "label": LABEL, "logits": LOGITS}


def phi_of(logits):
    z = np.asarray(logits, np.float64)
    label = np.broadcast_to(LABEL[(None, slice(None)) + (None,) * (z.ndim - 3)], z.shape[:-1])[..., None]
    others = np.where(np.arange(CLASSES) == label, -np.inf, z)
    return np.take_along_axis(z, label, axis=-1)[..., 0] - logsumexp(others, axis=-1)


def replaced(**changes):
    return {name: value for name, value in (ARRAYS | changes).items() if value is not None}


def at(array, place, value):
    changed = np.array(array, np.float64)
    changed[place] = value
    return changed


def scored(found):
    return {entry.name: (entry.auc, entry.tpr) for entry in found.attacks}
