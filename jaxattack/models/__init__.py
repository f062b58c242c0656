"""The victims: Flax networks, and the adapters that turn a Flax module into a `jaxattack.types.Model`."""

from jaxattack.models.adapt import from_linen, from_nnx, of_bytes
from jaxattack.models.nets import ARCHITECTURES, build

__all__ = ["ARCHITECTURES", "build", "from_linen", "from_nnx", "of_bytes"]
