"""The victims: Flax networks, and the adapters that turn a Flax module into a `jaxattack.types.Model`."""

from jaxattack.models.adapt import Precision, from_linen, from_nnx, in_precision, of_bytes
from jaxattack.models.nets import ARCHITECTURES, build

__all__ = ["ARCHITECTURES", "Precision", "build", "from_linen", "from_nnx", "in_precision", "of_bytes"]
