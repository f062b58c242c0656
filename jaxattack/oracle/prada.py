"""PRADA (Juuti et al. 2019, arXiv 1805.02628): does a stream of questions look like theft?

Benign questions are drawn from a distribution, and how far each is from the earlier ones of its class is close to normal; the
questions of a thief are made, and that distribution is not.

    G_c   the growing set of class c, the class that was answered; its first question joins it, with the distance 0
    d     the least L2 distance of a question to G_c; kept, but for a class's first question
    T_c   0 at first; a question with d > T_c joins G_c, and T_c becomes max(T_c, mean - sd of the distances that joined)
    W     of Shapiro and Wilk, of all d of the classes that have `per_class` of them, without those that are `outliers` standard
          deviations or more from their mean; at questions 1, 11, 21, ... (`every`), once there are more than `sample`
    alarm W < delta

after the authors' program (growing_set.py), with these differences. Distances are in shares of each feature's documented range, a
missing feature in its middle: for pictures that is one factor, on which W does not depend, and the columns of a table are made
alike. Bytes are subtracted as numbers, where theirs wrap around. The first alarm stands; theirs follows W back.

W is a statistic between 0 and 1, no p-value: of ten thousand distances that are nearly normal the p-value is 0 and W is .99. A
question that is repeated has d = 0: a client that repeats its own raises an alarm, whatever it asks, so that `Watch.repeats` says
how many there were.
"""

from __future__ import annotations

import threading
import warnings
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.oracle.ledger import OracleWrapper
from jaxattack.types import Answer, Bias, InputError, Inputs, Oracle, at_least, config

BLOCK = 1024
"""Questions whose distances are computed at once, to as many others."""


@config
class PRADA:
    """Whether distances between questions are normally distributed.

    Attributes:
        delta: an alarm where W is below. The authors' program has 0.9, their paper a value for each data set; 0 for none ever.
        every: so many questions lie between two tests.
        sample: a test needs more distances than that.
        per_class: classes with fewer distances are left out.
        outliers: standard deviations from the mean, from which on a distance is left out.

    Raises:
        InputError: a value out of range.
    """

    name: ClassVar[str] = "prada"
    paper: ClassVar[str] = "Juuti et al. 2019, arXiv 1805.02628"

    delta: float = 0.9
    every: int = 10
    sample: int = 100
    per_class: int = 10
    outliers: float = 3.0

    def __post_init__(self) -> None:
        at_least(1, every=self.every, per_class=self.per_class)
        at_least(3, sample=self.sample)
        if not 0 <= self.delta <= 1:
            raise InputError(f"delta is {self.delta}: give 0 to 1, as W is.")
        if not self.outliers > 0:
            raise InputError(f"outliers is {self.outliers}: give more than 0 standard deviations.")


DETECTORS: dict[str, PRADA] = {PRADA.name: PRADA()}
"""What may watch an oracle, by name."""


class Watch(NamedTuple):
    """What a detector has seen of a stream.

    Attributes:
        questions: watched so far, a repeated one each time.
        repeats: how many of them, up to the alarm, are at distance 0 from the growing set of their class.
        alarm: the number of the question at which the alarm was raised, from 1; None where none was.
        question: the numbers of the questions at which W was tested.
        statistic: W there; the last is that of the alarm, after which nothing is tested.
    """

    questions: int
    repeats: int
    alarm: int | None
    question: Int[np.ndarray, "test"]
    statistic: Float[np.ndarray, "test"]

    @property
    def lowest(self) -> float | None:
        """The lowest W; None where nothing was tested."""
        return float(self.statistic.min()) if len(self.statistic) else None

    def at(self, delta: float) -> int | None:
        """The number of the question at which another delta would have raised the alarm, up to the end of the tests."""
        below = np.flatnonzero(self.statistic < delta)
        return int(self.question[below[0]]) if len(below) else None


def watched(oracle: Oracle, detector: PRADA | None = None) -> Watched:
    """Watch what one client asks; answers stay as they are.

    Args:
        oracle: what is asked, by one client.
        detector: how; None for `PRADA` with its defaults.

    Example:
        >>> terms = ja.Access(level="label", classes=2, inputs=ja.Inputs.box(0, 1, (8,)))
        >>> oracle = ja.oracle.watched(ja.oracle.from_function(lambda x: (x[:, 0] > 0.5).astype(int), terms))
        >>> records = np.random.default_rng(0).random((200, 8))
        >>> _ = oracle(np.stack([records, records + 1e-4], axis=1).reshape(400, 8))  # each, and a step beside it
        >>> oracle.watch.alarm
        111
    """
    return Watched(oracle, PRADA() if detector is None else detector)


class Watched(OracleWrapper):
    """An oracle whose questions are watched as they are answered."""

    def __init__(self, oracle: Oracle, detector: PRADA):
        super().__init__(oracle)
        self._stream = Stream(detector, oracle.access.inputs)
        self._lock = threading.Lock()

    @property
    def watch(self) -> Watch:
        """What has been seen so far."""
        return self._stream.watch

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        answer = self._oracle(x, bias)
        with self._lock:
            self._stream.add(np.asarray(x), np.asarray(answer.label))
        return answer


class _Growing:
    """The growing set of a class: its questions, the distances with which they joined, and all distances."""

    def __init__(self) -> None:
        self.points: list[Float[np.ndarray, "feature"]] = []
        self.joined: list[float] = []
        self.distances: list[float] = []
        self.threshold = 0.0

    def join(self, point: Float[np.ndarray, "feature"], distance: float) -> None:
        self.points.append(point)
        self.joined.append(distance)
        if len(self.points) > 1:
            self.threshold = max(self.threshold, float(np.mean(self.joined) - np.std(self.joined)))


class Stream:
    """The questions of one client under a detector."""

    def __init__(self, detector: PRADA, inputs: Inputs):
        self._detector = detector
        width = inputs.high - inputs.low
        self._low, self._width = inputs.low.ravel(), np.where(width > 0, width, 1.0).ravel()
        self._growing: dict[int, _Growing] = {}
        self._questions = self._repeats = 0
        self._tests: list[tuple[int, float]] = []
        self._alarm: int | None = None

    @property
    def watch(self) -> Watch:
        """What has been seen so far."""
        question, statistic = zip(*self._tests, strict=True) if self._tests else ((), ())
        return Watch(
            self._questions, self._repeats, self._alarm, np.array(question, int), np.array(statistic, np.float64)
        )

    def add(self, x: Shaped[np.ndarray, "query *feature"], label: Int[np.ndarray, "query"]) -> None:
        """Go on with a batch and the classes that were answered."""
        for begin in range(0, len(x), BLOCK):
            self._add(self._shares(x[begin : begin + BLOCK]), label[begin : begin + BLOCK])

    def _shares(self, x: Shaped[np.ndarray, "query *feature"]) -> Float[np.ndarray, "query feature"]:
        shares = (x.reshape(len(x), -1).astype(np.float64) - self._low) / self._width
        return np.where(np.isnan(shares), 0.5, shares)

    def _add(self, x: Float[np.ndarray, "query feature"], label: Int[np.ndarray, "query"]) -> None:
        """A block. All distances are in two matrices a class; what depends on the order is done one by one."""
        if self._alarm is not None:  # what is raised stands, and nothing is learnt from more distances
            self._questions += len(x)
            return
        nearest, within, place = np.full(len(x), np.inf), {}, np.zeros(len(x), int)
        for c in np.unique(label):
            rows = np.flatnonzero(label == c)
            place[rows] = np.arange(len(rows))
            within[c] = rows, distances(x[rows], x[rows])
            if growing := self._growing.get(int(c)):
                for begin in range(0, len(growing.points), BLOCK):
                    points = np.stack(growing.points[begin : begin + BLOCK])
                    nearest[rows] = np.minimum(nearest[rows], distances(x[rows], points).min(axis=1))
        for number in range(len(x)):
            c = label[number]
            growing = self._growing.setdefault(int(c), _Growing())
            distance = float(nearest[number])
            if joins := not growing.points:
                growing.join(x[number], 0.0)
            else:
                growing.distances.append(distance)
                self._repeats += distance == 0.0
                if joins := distance > growing.threshold:
                    growing.join(x[number], distance)
            if joins:
                rows, between = within[c]
                nearest[rows] = np.minimum(nearest[rows], between[place[number]])
            self._questions += 1
            if (self._questions - 1) % self._detector.every == 0 and self._test():
                self._questions += len(x) - number - 1
                return

    def _test(self) -> bool:
        """Test W, and say whether it raises the alarm."""
        detector = self._detector
        parts = [g.distances for g in self._growing.values() if len(g.distances) >= detector.per_class]
        pooled = np.concatenate(parts) if parts else np.empty(0)
        statistic = shapiro_wilk(_within(pooled, detector.outliers), detector.sample)
        if statistic is None:
            return False
        self._tests.append((self._questions, statistic))
        if statistic < detector.delta:
            self._alarm = self._questions
        return self._alarm is not None


def distances(
    x: Float[np.ndarray, "query feature"], points: Float[np.ndarray, "point feature"]
) -> Float[np.ndarray, "query point"]:
    """L2 distances, of differences: of a product of matrices a thief's steps of 1e-9 would be lost in rounding."""
    from scipy.spatial.distance import cdist  # half a second with what it brings, for those alone who watch

    return cdist(x, points)


def _within(distances: Float[np.ndarray, "distance"], deviations: float) -> Float[np.ndarray, "central"]:
    """The distances that are fewer standard deviations from their mean."""
    if not len(distances):
        return distances
    return distances[np.abs(distances - distances.mean()) < deviations * distances.std()]


def shapiro_wilk(distances: Float[np.ndarray, "distance"], sample: int) -> float | None:
    """W of more than so many distances; None of fewer, and where all are equal."""
    from scipy import stats  # as above

    if len(distances) <= sample or np.ptp(distances) == 0:
        return None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*N > 5000", category=UserWarning)  # of p, which is not looked at
        return float(stats.shapiro(distances).statistic)
