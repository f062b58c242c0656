"""The victims: Flax networks, and the adapters that turn a Flax module into a `jaxattack.types.Model`."""

from jaxattack.models.adapt import Precision, from_factory, from_linen, from_module, from_nnx, in_precision, of_bytes
from jaxattack.models.architecture import Architecture
from jaxattack.models.nets import ARCHITECTURES, build
from jaxattack.models.source import ModelSource, label, model_of
from jaxattack.models.standardise import fitted, folded, standardised, takes_scale

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "ModelSource",
    "Precision",
    "build",
    "fitted",
    "folded",
    "from_factory",
    "from_linen",
    "from_module",
    "from_nnx",
    "in_precision",
    "label",
    "model_of",
    "of_bytes",
    "standardised",
    "takes_scale",
]
