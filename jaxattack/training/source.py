"""The Model that a source becomes for the records that it is trained on."""

from __future__ import annotations

from jaxattack.models import Architecture, ModelSource, model_of
from jaxattack.training.images import check_images
from jaxattack.types import Dataset, Model


def model_for(source: ModelSource, dataset: Dataset) -> Model:
    """The Model for the records of a data set.

    Raises:
        InputError: images that an architecture would misread, or what `jaxattack.models.model_of` refuses.
    """
    if isinstance(source, Architecture):
        check_images(dataset)
    return model_of(source, dataset.shape, dataset.classes)


def as_model(source: ModelSource, dataset: Dataset) -> Model:
    """The same, but a Model as it is: whoever trains one in a loop would pay for tracing it again to be checked."""
    return source if isinstance(source, Model) else model_for(source, dataset)
