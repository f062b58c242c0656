"""Where records come from (`load`), and who is a member of which model's training set (`design`)."""

from __future__ import annotations

from jaxattack.data.archive import save
from jaxattack.data.arrays import fingerprint, from_arrays
from jaxattack.data.designs import Design, Exact, Halves, Mask, Poisson, Sized, design
from jaxattack.data.frames import from_frame
from jaxattack.data.scale import unscaled_columns
from jaxattack.data.shadow_data import label_by, marginals, noisy
from jaxattack.data.sources import load, load_from_description, names
from jaxattack.data.synthetic import gaussian, random_labels

__all__ = [
    "Design",
    "Exact",
    "Halves",
    "Mask",
    "Poisson",
    "Sized",
    "design",
    "fingerprint",
    "from_arrays",
    "from_frame",
    "gaussian",
    "label_by",
    "load",
    "load_from_description",
    "marginals",
    "names",
    "noisy",
    "random_labels",
    "save",
    "unscaled_columns",
]
