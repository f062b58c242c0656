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
many random starts are descended from (`least_squares`), which finds the function roughly and the representers not.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.equations.families import flat_draft, rbf_logits, remove_mean, score_residual
from jaxattack.attacks.extraction.equations.tape import Tape
from jaxattack.attacks.extraction.equations.terms import equations
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.attacks.search.least_squares import descend, polish
from jaxattack.types import NUMBERS, Access, Draft, InputError, at_least, config

REACHES = (1.0, 0.5, 0.25)
"""Shares of the range that are asked, where answers further out are saturated."""

NEAR = 0.7
"""How far queries lie from the middle."""

FEWEST = 4
"""Features whose halves hold a representer each and one to spare."""

GAP = 100.0
"""Singular values fall by so much where the representers end."""

FITS = 1e-6
"""Root mean square of the equations of a solution."""

DONE = 1e-10
"""A solution that is off by so little is not polished."""

STARTS, DESCENT, POLISH = 4, 600, 12


class Design(NamedTuple):
    """Where differences are taken.

    Attributes:
        base: Float["point feature"], first the middle, then pairs q and -q.
        translate: Float["point feature"], the same moved by v.
        across: Float["point feature"], for the other half.
        first: Int["feature"], the half in which base varies; v takes its second part.
        second: Int["feature"].
    """

    base: np.ndarray
    translate: np.ndarray
    across: np.ndarray
    first: np.ndarray
    second: np.ndarray


@config
class Kernel(Attack):
    """Steal a kernel logistic regression with a Gaussian kernel, its representers included.

    Attributes:
        representers: at most how many there are; by default as many as can be told, one less than half the features.
        gamma: of the kernel exp(-gamma |x - y|^2), in units of the records; None to find out.

    Raises:
        InputError: a value out of range.
    """

    representers: int | None = None
    gamma: float | None = None

    name = "kernel"
    paper = "Tramèr et al. 2016"
    levels = NUMBERS
    pool = False
    every_class = True

    def __post_init__(self) -> None:
        at_least(1, representers=self.representers)
        if self.gamma is not None and not 0 < self.gamma < float("inf"):
            raise InputError(f"gamma is {self.gamma}: give a positive number, or none to find out.")

    def needs(self, access: Access) -> int:
        """The queries of the design, where no answer is saturated."""
        features = int((access.inputs.high > access.inputs.low).sum())
        points = self._points(features, max(equations(access).shape[1], 1))
        return 2 * points * (3 * (features // 2) + (features - features // 2))

    def _most(self, features: int) -> int:
        """Representers that can be told."""
        return max(min(self.representers or features, features // 2 - 1), 1)

    def _points(self, features: int, outputs: int) -> int:
        """Odd, and such that there are more equations at one feature than representers."""
        least = -(-(self._most(features) + 2) // outputs)
        return max(least + 1 - least % 2, 3)

    def run(self, theft: Theft) -> Draft:
        """Steal the regression.

        Returns:
            Parameters ``representer`` ["representer feature"], which are training records where the victim's are,
            ``coefficient`` ["representer cls"], ``gamma`` and ``bias``. Notes: ``representers``, how many; ``gamma``;
            ``residual``, the root mean square over equations.
        """
        tape, rng, report = Tape(self, theft.oracle, alike=True), theft.rng, theft.report
        report("ask for differences", 0, 2)
        start = self._algebra(tape, rng)
        report("fit", 1, 2)
        solution, residual = self._fit(tape, start, rng)
        report("fit", 2, 2)
        reason = ""
        if residual > FITS:
            reason = (
                f"no kernel regression fits: the equations are off by {residual:.1e}; "
                "it takes exact answers and more features in a half than representers."
            )
        return flat_draft(
            rbf_logits,
            _canonical(solution, tape),
            tape.access,
            stop=reason,
            notes={
                "representers": len(solution["representer"]),
                "gamma": float(solution["gamma"] / tape.where.scale[0] ** 2),
                "residual": residual,
            },
        )

    def _algebra(self, tape: Tape, rng: np.random.Generator) -> dict[str, np.ndarray] | None:
        """Steps 1 to 3; None where they do not do."""
        if tape.features < FEWEST:
            tape.ask(rng.uniform(-1, 1, (self.needs(tape.access), tape.features)) * tape.reach)
            return None
        for reach in REACHES:
            design = _design(tape, self._points(tape.features, tape.outputs), reach, rng)
            step = reach * tape.reach
            near = [_differences(tape, points, design.second, step) for points in (design.base, design.translate)]
            if all(np.isfinite(part).all() for pair in near for part in pair):
                break
        else:
            return None
        small = _differences(tape, design.base, design.second, step / 2)[0]
        across = _differences(tape, design.across, design.first, step)[0]
        if not (np.isfinite(small).all() and np.isfinite(across).all()):
            return None
        gamma = None if self.gamma is None else self.gamma * tape.where.scale[0] ** 2
        with np.errstate(all="ignore"):
            try:
                return _solve(design, near, small, across, step, gamma)
            except np.linalg.LinAlgError:
                return None

    def _fit(
        self, tape: Tape, start: dict[str, np.ndarray] | None, rng: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], float]:
        """Step 4, or many starts."""
        residual = score_residual(rbf_logits, tape.access.level, tape.access.classes)
        data = tape.data
        if start is not None:
            kernel = _kernel(start, data.x)
            target = data.target @ tape.basis
            coefficients = np.linalg.lstsq(kernel, target, rcond=1e-13)[0]
            linear = coefficients @ tape.basis.T
            start |= {"coefficient": linear[:-1], "bias": linear[-1]}
            off = float(np.sqrt(np.mean((kernel @ coefficients - target) ** 2)))
            if off <= DONE:
                return start, off
            solution = polish(residual, start, data, tolerance=tape.noise, steps=POLISH)
            return solution.parameters, solution.rms
        size = (STARTS, self._most(tape.features))
        starts = {
            "representer": rng.uniform(-0.5, 0.5, (*size, tape.features)) * tape.reach,
            "coefficient": 0.3 * rng.normal(size=(*size, tape.access.classes)),
            "gamma": np.full(STARTS, 1 / np.sum(tape.reach**2)),
            "bias": np.zeros((STARTS, tape.access.classes)),
        }
        best = descend(residual, starts, data, steps=DESCENT, tolerance=tape.noise)[0]
        mine = _kernel(best, data.x) @ np.concatenate([best["coefficient"], best["bias"][None]])
        return best, float(np.sqrt(np.mean(((mine - data.target) @ tape.basis) ** 2)))


def _design(tape: Tape, points: int, reach: float, rng: np.random.Generator) -> Design:
    """Random signs for queries; v is 0 where they are not, and of no common measure, so that it tells records apart."""
    order = rng.permutation(tape.features)
    second, first = order[: tape.features // 2], order[tape.features // 2 :]
    there = first[: -(len(first) // 2)]
    base = np.zeros((points, tape.features))
    pairs = NEAR * reach * rng.choice([-1.0, 1.0], ((points - 1) // 2, len(there))) * tape.reach[there]
    base[1::2, there], base[2::2, there] = pairs, -pairs
    move = np.zeros(tape.features)
    rest = first[len(there) :]
    move[rest] = reach * rng.uniform(-1, 1, len(rest)) * tape.reach[rest]
    across = np.zeros((points, tape.features))
    across[1:, second] = NEAR * reach * rng.choice([-1.0, 1.0], (points - 1, len(second))) * tape.reach[second]
    return Design(base, base + move, across, first, second)


def _differences(
    tape: Tape, points: np.ndarray, along: np.ndarray, step: np.ndarray
) -> tuple[Float[np.ndarray, "feature point equation"], Float[np.ndarray, "feature point equation"]]:
    """f(q + t e_j) - f(q - t e_j), and the sum of the two."""
    unit = np.zeros((len(along), 1, tape.features))
    unit[np.arange(len(along)), 0, along] = step[along]
    both = np.stack([points[None] + unit, points[None] - unit])
    plus, minus = tape.ask(both.reshape(-1, tape.features)).reshape(*both.shape[:3], -1)
    return plus - minus, plus + minus


def _solve(
    design: Design, near: list, small: np.ndarray, across: np.ndarray, step: np.ndarray, gamma: float | None
) -> dict[str, np.ndarray] | None:
    """Steps 1 to 3: gamma and the representers around the middle; None where the rank is not told."""
    (there, sums), (translate, _) = near
    features, points, outputs = there.shape
    columns = np.concatenate([there.reshape(features, -1), translate.reshape(features, -1)], axis=1)
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    fall = singular[:-1] / np.maximum(singular[1:], 1e-300)
    count = int(np.argmax(fall)) + 1
    if fall[count - 1] < GAP or count > points * outputs:
        return None
    left = left[:, :count]
    start, end = left.T @ there.reshape(features, -1), left.T @ translate.reshape(features, -1)
    shape = left @ np.real(np.linalg.eig(end @ np.linalg.pinv(start))[1])
    part = (np.linalg.pinv(shape) @ there.reshape(features, -1)).reshape(count, points, outputs)
    gamma = _width(part, design.base) if gamma is None else gamma
    if not gamma > 0:
        return None
    damp = np.exp(-gamma * step[design.second] ** 2)[:, None]
    half = small.reshape(features, -1) @ np.linalg.pinv(part.reshape(count, -1))
    big, half = shape / damp, half / damp**0.25
    factor = np.sqrt(np.maximum(np.sum((big**2 / 4 - half**2) * half**4, axis=0) / np.sum(half**8, axis=0), 1e-300))
    sine, part = big * factor, part / factor[:, None, None] / 2
    sine, part = _fix_signs(sine, part, sums, damp)
    angle = _other_half(design, sine, part[:, 0], across, step, gamma)
    return {"representer": angle / (2 * gamma), "gamma": np.asarray(gamma)} if np.isfinite(angle).all() else None


def _other_half(
    design: Design, sine: np.ndarray, middle: np.ndarray, across: np.ndarray, step: np.ndarray, gamma: float
) -> Float[np.ndarray, "representer feature"]:
    """Step 3: w of every representer, from sinh(t w) over one half and b(0)."""
    angle = np.zeros((len(middle), len(step)))
    angle[:, design.second] = (np.arcsinh(sine) / step[design.second][:, None]).T
    away = np.exp(-gamma * (design.across**2).sum(axis=1)[:, None] + design.across @ angle.T)
    system = np.einsum("pr,rk->pkr", away, middle).reshape(-1, len(middle))
    damp = np.exp(-gamma * step[design.first] ** 2)
    other = np.linalg.lstsq(system, across.reshape(len(design.first), -1).T, rcond=1e-13)[0] / (2 * damp)
    angle[:, design.first] = np.arcsinh(other) / step[design.first]
    return angle


def _width(part: Float[np.ndarray, "representer point equation"], base: Float[np.ndarray, "point feature"]) -> float:
    """gamma by b(q) b(-q) = b(0)^2 exp(-2 gamma |q|^2): the median over representers and pairs."""
    middle = part[:, :1]
    grown = (part * middle).sum(axis=2) / (middle**2).sum(axis=2)
    length = (base**2).sum(axis=1)[1::2]
    width = -np.log(grown[:, 1::2] * grown[:, 2::2]) / (2 * length)
    return float(np.median(width[np.isfinite(width)])) if np.isfinite(width).any() else float("nan")


def _fix_signs(sine: np.ndarray, part: np.ndarray, sums: np.ndarray, damp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The signs that the sums ask for: each is 2 beta + 2 exp(-gamma t^2) sum_r cosh b_r."""
    even = 2 * damp * np.sqrt(1 + sine**2)
    rows = np.einsum("jr,rpk->jpkr", even, part).reshape(-1, len(part))
    constant = np.tile(np.eye(part.shape[2]), (sums.shape[0] * sums.shape[1], 1))
    sign = np.linalg.lstsq(np.concatenate([rows, constant], axis=1), sums.ravel(), rcond=1e-13)[0][: len(part)]
    sign = np.where(sign < 0, -1.0, 1.0)
    return sine * sign, part * sign[:, None, None]


def _kernel(parameters: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The kernel of every query and representer, and a 1."""
    one = {"coefficient": np.eye(len(parameters["representer"])), "bias": np.zeros(len(parameters["representer"]))}
    with jax.enable_x64(True):
        kernel = np.asarray(rbf_logits({**parameters, **one}, jnp.asarray(x)))
    return np.concatenate([kernel, np.ones((len(x), 1))], axis=1)


def _canonical(parameters: dict[str, np.ndarray], tape: Tape) -> dict[str, np.ndarray]:
    """For the victim's records, the most influential representer first; from probabilities with zero mean over classes."""
    coefficient, bias = parameters["coefficient"], parameters["bias"]
    if tape.access.level == "probability":
        coefficient, bias = remove_mean(coefficient), remove_mean(bias)
    order = np.argsort(-np.linalg.norm(coefficient, axis=1))
    return {
        "representer": tape.where.records(parameters["representer"]).reshape(len(order), -1)[order],
        "coefficient": coefficient[order],
        "gamma": parameters["gamma"] / tape.where.scale[0] ** 2,
        "bias": bias,
    }
