"""A network of this package as a value: its name, its sizes and what lies between its layers."""

from __future__ import annotations

from jaxattack.models.nets import Activation, build, check
from jaxattack.types import Model, config


@config
class Architecture:
    """A network by its name, for records of any shape that it takes.

    Attributes:
        name: softmax, mlp:256-128, cnn:16-32, lenet:12, resnet:20, wrn:28-2 or resnet9:32, as `jaxattack.models.nets` says.
        activation: between the layers of mlp and cnn.
        dropout: share of units dropped while training, 0 to below 1.

    Raises:
        InputError: an unknown name, sizes that do not fit it, or a share out of range.

    Example:
        >>> Architecture(name="mlp:64-32", activation="tanh").activation
        'tanh'
    """

    name: str = "mlp:256"
    activation: Activation = "relu"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check(self.name, self.dropout)

    def build(self, shape: tuple[int, ...], classes: int) -> Model:
        """The Model for records of a shape; the same arguments give the same object.

        Raises:
            InputError: records that are not images where it needs them, or too small for it.
        """
        return build(self.name, shape, classes, activation=self.activation, dropout=self.dropout)
