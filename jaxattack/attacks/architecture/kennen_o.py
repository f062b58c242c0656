"""Kennen-o: what a network is, read from its answers to records by a classifier an attribute (Oh et al. 2018, section 4.2).

The answers of networks whose attributes are known to ``questions`` records are what a classifier learns from; a victim is asked
the same questions. The paper asks 100, of its 5,000 networks learns from half, and its classifier is a perceptron of two
hidden layers of 1,000 units; `classifier.Perceptron` is smaller, for zoos of hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.architecture.answers import Output, features, usual_output
from jaxattack.attacks.architecture.classifier import Perceptron, TrainedClassifier, fit_classifier
from jaxattack.attacks.architecture.zoo import Zoo
from jaxattack.models.attribute_grid import ATTRIBUTES
from jaxattack.types import EVERY_LEVEL, Access, Answer, InputError, Level, Progress, at_least, config


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifierReader:
    """Reads answers by a classifier.

    Attributes:
        questions: on the scale of the networks.
        output: what of the answers is read.
        classes: that they have.
        classifier: of them.
    """

    questions: Float[np.ndarray, "query *feature"]
    output: Output
    classes: int
    classifier: TrainedClassifier

    def __call__(self, answer: Answer) -> Float[np.ndarray, "net attribute value"]:
        """The logarithm of the posterior."""
        return self.classifier(features(answer, self.output, self.classes))


@config
class KennenO:
    """Ask records, and read the answers by a classifier.

    Attributes:
        questions: records that are asked.
        output: score, rank or label; by default the fullest that the victim's level gives.
        components: principal components of the answers that are read, at most.
        perceptron: that reads them.
        epochs: passes over as many networks as the zoo has.
        batch: networks a step.

    Raises:
        InputError: a value out of range.
    """

    questions: int = 100
    output: Output | None = None
    components: int = 256
    perceptron: Perceptron = Perceptron()
    epochs: int = 30
    batch: int = 64

    name = "kennen-o"
    paper: ClassVar[str] = "Oh et al. 2018, arXiv 1711.01768"
    levels: ClassVar[tuple[Level, ...]] = EVERY_LEVEL
    fewest_classes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        at_least(1, questions=self.questions, components=self.components, epochs=self.epochs, batch=self.batch)

    @property
    def records(self) -> int:
        """How many records it asks."""
        return self.questions

    def fit(
        self,
        zoo: Zoo,
        codes: Int[np.ndarray, "net attribute"],
        nets: Sequence[int] | Int[np.ndarray, "some"],
        pool: Float[np.ndarray, "record *feature"],
        access: Access,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> ClassifierReader:
        """Learn to read attributes, as `jaxattack.types.ArchitectureAttack` says.

        Raises:
            InputError: fewer records than questions, or confidences to read of a victim that answers with labels alone.
        """
        questions = draw_questions(pool, self.questions, seed)
        output = self.output or usual_output(access.level)
        answers = features(zoo.answer(questions, access), output, access.classes)
        classifier = fit_classifier(
            self.perceptron, answers, codes, np.asarray(nets), components=self.components, epochs=self.epochs,
            batch=self.batch, seed=seed,
        )  # fmt: skip
        if progress:
            progress("classifiers", len(ATTRIBUTES), len(ATTRIBUTES))
        return ClassifierReader(questions=questions, output=output, classes=access.classes, classifier=classifier)


def draw_questions(
    pool: Float[np.ndarray, "record *feature"], questions: int, seed: int
) -> Float[np.ndarray, "query *feature"]:
    """Records of the pool, each at most once.

    Raises:
        InputError: there are fewer.
    """
    if questions > len(pool):
        raise InputError(f"questions is {questions} and there are {len(pool)} records to ask: give at most so many.")
    return pool[np.random.default_rng([seed, 3]).choice(len(pool), questions, replace=False)]
