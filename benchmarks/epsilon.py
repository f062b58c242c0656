"""Lower bounds on epsilon against games whose truth is known: how near they come, and how often they lie above it.

    python benchmarks/epsilon.py [--repeats 10000] [--out benchmarks/results/epsilon.json]

Games, delta 1e-5, 95% confidence:

    null        scores that know no coin
    response    randomised response with epsilon 1
    gaussian    score mu b + N(0, 1), a canary each; or one canary in as many runs
    shared      one loss of the Gaussian pair for all canaries: breaks what the bounds with independent losses assume

Each cell gives the median bound, its share of the truth (of the bound's own claim) and how often it lay above it, beside the
most that a right bound does but once in 740 times, nominal + 3 standard errors. Games with a leak are repeated a quarter as
often as those without, ten thousand canaries a tenth of that, and one_run_fdp, which takes longest, a tenth again. Bounds of
one run depend on counts alone and are cached.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.stats import norm

from jaxattack.audit.environment import environment
from jaxattack.disk import write_json
from jaxattack.metrics import epsilon as bounds

DELTA, ALPHA = 1e-5, 0.05
ONE_RUN = (bounds.one_run, bounds.one_run_fdp, bounds.one_run_gdp, bounds.gaussian)
MANY_RUNS = (bounds.many_runs, bounds.many_runs_gdp)
SLOW = 10  # one_run_fdp takes as many times as long as the others
LEAKS = 4  # a leak shows how near the bounds come, which takes fewer repeats than how often they err
Game = tuple[str, float, int, bool]  # name, parameter, canaries or runs, whether they are runs


def draw(game: Game, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and coins of one experiment."""
    name, value, count, _ = game
    rng = np.random.default_rng([seed, count, round(1000 * value)])
    coin = rng.random(count) < 0.5
    if name in ("null", "gaussian"):
        return value * coin + rng.normal(size=count), coin
    loss = value if name == "response" else abs(value * (value / 2 + rng.normal()))
    told = rng.random(count) < 1 / (1 + math.exp(-loss))
    return np.where(told, coin, ~coin).astype(float), coin


def truth(game: Game, bound: Callable[..., bounds.Bound]) -> float:
    """Epsilon of the game's mechanism as the bound's claim has it."""
    name, value, _, _ = game
    if name == "response":
        gdp = bounds.gaussian_epsilon(2 * float(norm.ppf(1 / (1 + math.exp(-value)))), DELTA)
        return value if bound in (bounds.one_run, bounds.many_runs) else gdp
    return bounds.gaussian_epsilon(value, DELTA)


def games() -> Iterator[Game]:
    """All games."""
    yield "null", 0.0, 1000, False
    yield "null", 0.0, 1000, True
    yield "response", 1.0, 1000, False
    for count in (1000, 10_000):
        for mu in (0.5, 1.0, 2.0, 3.0):
            yield "gaussian", mu, count, False
    yield "gaussian", 1.0, 1000, True
    yield "shared", 1.0, 1000, False


def cell(game: Game, bound: Callable[..., bounds.Bound], repeats: int) -> dict[str, object]:
    """One bound in one game."""
    name, value, count, runs = game
    begin, found = time.perf_counter(), []
    for seed in range(repeats):
        scores, coin = draw(game, seed)
        scores, coin = (scores[:, None], coin[:, None]) if runs else (scores, coin)
        found.append(bound(scores, coin, delta=DELTA, alpha=ALPHA).epsilon)
    real = truth(game, bound)
    above = float(np.mean(np.array(found) > real + 1e-6))
    allowed = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / repeats)
    assumed = not (name == "shared" and bound in (bounds.one_run_gdp, bounds.gaussian)) and not (
        name == "response" and bound is bounds.gaussian
    )
    return {
        "game": name, "parameter": value, "counts": f"{count:,} {'runs' if runs else 'canaries'}", "bound": bound.__name__,
        "repeats": repeats, "truth": real, "median": float(np.median(found)), "above": above, "allowed": allowed,
        "assumptions_hold": assumed, "holds": above <= allowed, "seconds": time.perf_counter() - begin,
    }  # fmt: skip


def main() -> None:
    """Print the table and write it."""
    parser = argparse.ArgumentParser(description="Lower bounds on epsilon against games whose truth is known.")
    parser.add_argument("--repeats", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "epsilon.json")
    given = parser.parse_args()
    rows = []
    for game in games():
        repeats = given.repeats * 1000 // game[2] // (1 if game[0] == "null" else LEAKS)
        for bound in MANY_RUNS if game[3] else ONE_RUN:
            rows.append(cell(game, bound, max(repeats // (SLOW if bound is bounds.one_run_fdp else 1), 3)))
            print(json.dumps(rows[-1]), flush=True)
    broken = [row for row in rows if row["assumptions_hold"] and not row["holds"]]
    write_json(given.out, {"delta": DELTA, "alpha": ALPHA, "cells": rows, "environment": environment()})
    print(f"{len(rows)} cells; {len(broken)} whose assumptions hold lie above the truth too often.")


if __name__ == "__main__":
    main()
