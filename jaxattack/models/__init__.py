"""The victims: Flax networks, and the adapters that turn a Flax module into a `jaxattack.types.Model`."""

from jaxattack.models.adapt import Precision, from_factory, from_linen, from_nnx, in_precision, of_bytes
from jaxattack.models.architecture import Architecture
from jaxattack.models.nets import ARCHITECTURES, build
from jaxattack.models.standardise import fitted, folded, standardised

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Precision",
    "build",
    "fitted",
    "folded",
    "from_factory",
    "from_linen",
    "from_nnx",
    "in_precision",
    "of_bytes",
    "standardised",
]
