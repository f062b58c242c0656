"""Kernel logistic regression and its representers (Tramèr et al. 2016, section 4.1.3): training records leak.

    f_k(x) = sum_r a_rk exp(-gamma |x - x_r|^2) + beta_k,    r = 1..s

In coordinates u around the middle of the range, with w_r = 2 gamma u_r and b_rk(q) the part of representer r in f_k(q), a
step t along a feature j in which q is 0 gives

    f_k(q + t e_j) - f_k(q - t e_j) = 2 exp(-gamma t^2) sum_r sinh(t w_rj) b_rk(q),
    b_rk(q + v) = b_rk(q) exp(-gamma |v|^2 + w_r.v)    for v that is 0 where q is not.

Features are cut in halves A and B; q varies over A and j over B.

1. The matrix of these differences, j by (q, k), has rank s; it and that of queries moved by one v share their column
   space, and the eigenvectors of the pencil of the two are sinh(t w_rj) up to a factor for each r.
2. b(q) b(-q) = b(0)^2 exp(-2 gamma |q|^2) gives gamma; the differences at half the step give the factors, as
   sinh(2 c)^2 = 4 sinh(c)^2 (1 + sinh(c)^2), up to signs; the sums f(q + t e_j) + f(q - t e_j) give the signs.
3. With q over B and j over A the same equation is linear in sinh(t w_rj), the rest being known.
4. Least squares for a and beta, and Levenberg-Marquardt for everything, on all answers.

No query depends on gamma or s. It takes more features in a half than representers, and answers that are exact: otherwise
step 4 begins with random representers, which finds the function roughly and the representers not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

from jaxattack.attacks.extraction.asking import require_real
from jaxattack.attacks.extraction.equations.families import draft, or_constant, rbf_logits, remove_mean, score_residual
from jaxattack.attacks.extraction.equations.tape import Tape, coordinates
from jaxattack.attacks.extraction.equations.terms import equations
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.attacks.search.coordinates import Coordinates
from jaxattack.attacks.search.least_squares import Fit, polish
from jaxattack.types import NUMBERS, Access, Draft, at_least, config

REACHES = (1.0, 0.5, 0.25)
"""Shares of the range that are asked, where answers further out are saturated. Of 46 regressions, with 2 to 20 representers, 41 are complete,
from as many queries with all that is said here and below; from half the range at most representers are told by .65 of a digit less."""

NEAR = 0.7
"""How far queries lie from the middle. Half 41; 1 41, .2 of a digit less."""

FEWEST = 4
"""Features whose halves hold a representer each, and one to spare."""

GAP = 100.0
"""Singular values fall by so much where the representers end. A tenth and ten times 41."""

FITS, DONE = 1e-6, 1e-10
"""Root mean squares of the equations of a solution, and of one that is not polished. A hundredth of the first 37, as float32 fits no better; of
the second 43, in 17 times the time, and 60 times on the digits, whose records are right to 8e-9 without; a hundred times 41."""

POLISH = 12
"""Steps of Levenberg-Marquardt at most. Half and double 41, .003 of a digit less and more."""


class Design(NamedTuple):
    """Where differences are taken: queries that vary in one half of the features, the same moved by v, and in the other."""

    base: Float[np.ndarray, "point feature"]
    translate: Float[np.ndarray, "point feature"]
    across: Float[np.ndarray, "point feature"]
    first: np.ndarray
    second: np.ndarray


@config
class Kernel(Attack):
    """Steal a kernel logistic regression with a Gaussian kernel, its representers included.

    Attributes:
        representers: at most how many there are; by default as many as can be told, one less than half the features.

    Raises:
        InputError: a value out of range.
    """

    representers: int | None = None

    name = "kernel"
    paper = "Tramèr et al. 2016"
    levels = NUMBERS
    pool = False
    every_class = True

    def __post_init__(self) -> None:
        at_least(1, representers=self.representers)

    def needs(self, access: Access) -> int:
        """The queries of the design, where no answer is saturated."""
        features = int((access.inputs.high > access.inputs.low).sum())
        points = self._points(features, max(equations(access).shape[1], 1))
        return 2 * points * (2 * (features // 2) + features)

    def _most(self, features: int) -> int:
        """Representers that can be told."""
        return max(min(self.representers or features, features // 2 - 1), 1)

    def _points(self, features: int, outputs: int) -> int:
        """Odd, and such that there are more equations at one feature than representers."""
        least = -(-(self._most(features) + 2) // outputs)
        return max(least + 1 - least % 2, 3)

    @or_constant
    def run(self, theft: Theft) -> Draft:
        """Steal the regression.

        Returns:
            Parameters ``representer`` ["representer feature"], which are training records where the victim's are,
            ``coefficient`` ["representer cls"], ``gamma`` and ``bias``. Notes: ``representers``, how many; ``gamma``;
            ``residual``, the root mean square over equations.
        """
        require_real(self.name, theft.access.inputs)
        where = coordinates(self.name, theft.oracle, alike=True)
        tape = Tape(theft.oracle, where)
        theft.report("ask for differences", 0, 2)
        start = self._algebra(tape, where, theft.rng)
        theft.report("fit", 1, 2)
        if start is None:
            # Where records may be, in the inner half of the range, and so wide that a corner of it is exp(-1) from the middle.
            place = theft.rng.uniform(-0.5, 0.5, (self._most(len(where.reach)), len(where.reach))) * where.reach
            start = {"representer": place, "gamma": np.asarray(1 / np.sum(where.reach**2))}
        solution = _fit(tape, start)
        theft.report("fit", 2, 2)
        stolen = _canonical(solution.parameters, tape, where)
        reason = ""
        if solution.rms > FITS:
            reason = (
                f"no kernel regression fits: the equations are off by {solution.rms:.1e}; "
                "it takes exact answers and more features in a half than representers."
            )
        notes = {
            "representers": len(stolen["representer"]),
            "gamma": float(stolen["gamma"]),
            "residual": solution.rms,
        }
        return draft(rbf_logits, stolen, tape.access, stop=reason, notes=notes)

    def _algebra(self, tape: Tape, where: Coordinates, rng: np.random.Generator) -> dict[str, np.ndarray] | None:
        """Steps 1 to 3; None where they do not do."""
        features = len(where.reach)
        if features < FEWEST:
            tape.ask(rng.uniform(-1, 1, (self.needs(tape.access), features)) * where.reach)
            return None
        for share in REACHES:
            step = share * where.reach
            design = _design(step, self._points(features, tape.basis.shape[1]), rng)
            near = [_differences(tape, points, design.second, step) for points in (design.base, design.translate)]
            if np.isfinite(near).all():
                break
        else:
            return None
        small = _differences(tape, design.base, design.second, step / 2)[0]
        across = _differences(tape, design.across, design.first, step)[0]
        try:
            with np.errstate(all="ignore"):
                return _solve(design, near, small, across, step)
        except np.linalg.LinAlgError:  # of saturated answers too
            return None


def _fit(tape: Tape, start: dict[str, np.ndarray]) -> Fit:
    """Step 4."""
    data = tape.data
    kernel = np.exp(-start["gamma"] * cdist(data.x, start["representer"], "sqeuclidean"))
    kernel, target = np.pad(kernel, ((0, 0), (0, 1)), constant_values=1.0), data.target @ tape.basis
    linear = np.linalg.lstsq(kernel, target)[0]
    rms = float(np.sqrt(np.mean((kernel @ linear - target) ** 2)))
    linear = linear @ tape.basis.T
    solution = Fit(start | {"coefficient": linear[:-1], "bias": linear[-1]}, rms)
    if rms <= DONE:
        return solution
    residual = score_residual(rbf_logits, tape.access.level, tape.access.classes)
    with np.errstate(over="ignore"):  # of a step that is refused, as gamma would be negative
        return polish(residual, solution.parameters, data, tolerance=float(np.median(tape.off)), steps=POLISH)


def _design(reach: Float[np.ndarray, "feature"], points: int, rng: np.random.Generator) -> Design:
    """Random signs for queries; v is 0 where they are not, and of no common measure, so that it tells records apart."""
    order = rng.permutation(len(reach))
    second, first = order[: len(reach) // 2], order[len(reach) // 2 :]
    there, rest = np.split(first, [len(first) - len(first) // 2])
    base, move, across = np.zeros((points, len(reach))), np.zeros(len(reach)), np.zeros((points, len(reach)))
    base[1::2, there] = NEAR * rng.choice([-1.0, 1.0], ((points - 1) // 2, len(there))) * reach[there]
    base[2::2] = -base[1::2]
    move[rest] = rng.uniform(-1, 1, len(rest)) * reach[rest]
    across[1:, second] = NEAR * rng.choice([-1.0, 1.0], (points - 1, len(second))) * reach[second]
    return Design(base, base + move, across, first, second)


def _differences(
    tape: Tape, points: np.ndarray, along: np.ndarray, step: np.ndarray
) -> tuple[Float[np.ndarray, "feature point equation"], Float[np.ndarray, "feature point equation"]]:
    """f(q + t e_j) - f(q - t e_j), and the sum of the two."""
    unit = np.diag(step)[along][:, None]
    both = np.stack([points + unit, points - unit])
    plus, minus = tape.values(both.reshape(-1, len(step))).reshape(*both.shape[:3], -1)
    return plus - minus, plus + minus


def _solve(
    design: Design, near: list, small: np.ndarray, across: np.ndarray, step: np.ndarray
) -> dict[str, np.ndarray] | None:
    """Steps 1 to 3: gamma and the representers around the middle; None where the rank is not told."""
    (there, sums), (translate, _) = near
    features, points, outputs = there.shape
    there, translate = there.reshape(features, -1), translate.reshape(features, -1)
    left, singular, _ = np.linalg.svd(np.concatenate([there, translate], axis=1), full_matrices=False)
    fall = singular[:-1] / np.maximum(singular[1:], np.finfo(float).tiny)
    count = int(np.argmax(fall)) + 1
    if fall[count - 1] < GAP or count > points * outputs:
        return None
    left = left[:, :count]
    shape = left @ np.real(np.linalg.eig(left.T @ translate @ np.linalg.pinv(left.T @ there))[1])
    part = (np.linalg.pinv(shape) @ there).reshape(count, points, outputs)
    gamma = _width(part, design.base)
    if not gamma > 0:
        return None
    damp = np.exp(-gamma * step**2)
    half = small.reshape(features, -1) @ np.linalg.pinv(part.reshape(count, -1))
    big, half = shape / damp[design.second, None], half / damp[design.second, None] ** 0.25
    square = np.sum((big**2 / 4 - half**2) * half**4, axis=0) / np.sum(half**8, axis=0)
    factor = np.sqrt(np.maximum(square, np.finfo(float).tiny))
    sine, part = big * factor, part / factor[:, None, None] / 2
    sign = _signs(2 * damp[design.second, None] * np.sqrt(1 + sine**2), part, sums)
    angle = np.zeros((count, len(step)))
    angle[:, design.second] = (np.arcsinh(sine * sign) / step[design.second, None]).T
    away = np.exp(-gamma * (design.across**2).sum(axis=1)[:, None] + design.across @ angle.T)
    system = np.einsum("pr,rk->pkr", away, part[:, 0] * sign[:, None]).reshape(-1, count)
    other = np.linalg.lstsq(system, across.reshape(len(design.first), -1).T)[0] / (2 * damp[design.first])
    angle[:, design.first] = np.arcsinh(other) / step[design.first]
    return {"representer": angle / (2 * gamma), "gamma": np.asarray(gamma)} if np.isfinite(angle).all() else None


def _width(part: Float[np.ndarray, "representer point equation"], base: Float[np.ndarray, "point feature"]) -> float:
    """gamma by b(q) b(-q) = b(0)^2 exp(-2 gamma |q|^2): the median over representers and pairs."""
    middle = part[:, :1]
    grown = (part * middle).sum(axis=2) / (middle**2).sum(axis=2)
    width = -np.log(grown[:, 1::2] * grown[:, 2::2]) / (2 * (base[1::2] ** 2).sum(axis=1))
    return float(np.median(width[np.isfinite(width)])) if np.isfinite(width).any() else float("nan")


def _signs(even: np.ndarray, part: np.ndarray, sums: np.ndarray) -> Float[np.ndarray, "representer"]:
    """The signs that the sums ask for: each is 2 beta + 2 exp(-gamma t^2) sum_r cosh b_r."""
    rows = np.einsum("jr,rpk->jpkr", even, part).reshape(-1, len(part))
    constant = np.tile(np.eye(part.shape[2]), (sums.shape[0] * sums.shape[1], 1))
    sign = np.linalg.lstsq(np.concatenate([rows, constant], axis=1), sums.ravel())[0][: len(part)]
    return np.where(sign < 0, -1.0, 1.0)


def _canonical(p: dict[str, np.ndarray], tape: Tape, where: Coordinates) -> dict[str, np.ndarray]:
    """For the victim's records, the most influential representer first; from probabilities with zero mean over classes."""
    coefficient, bias = p["coefficient"], p["bias"]
    if tape.access.level == "probability":
        coefficient, bias = remove_mean(coefficient), remove_mean(bias)
    order = np.argsort(-np.linalg.norm(coefficient, axis=1))
    return {
        "representer": where.records(p["representer"]).reshape(len(order), -1)[order],
        "coefficient": coefficient[order],
        "gamma": p["gamma"] / where.scale[0] ** 2,
        "bias": bias,
    }
