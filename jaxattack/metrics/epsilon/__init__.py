"""Lower bounds on the epsilon of differential privacy, from how well an attack tells runs or canaries apart.

Each bound refutes a claim at a confidence of 1 - alpha: if the claim held, the bound would lie above the claimed epsilon in
at most the share alpha of experiments. What the claim is, and which experiments may be counted, differs:

| bound | counts | what must be independent | refutes |
| --- | --- | --- | --- |
| `many_runs` | runs with one canary in or out | the runs | (eps, delta) |
| `many_runs_gdp` | the same | the runs | mu-GDP, read as its eps at delta |
| `one_run` | m canaries of a run | their coins | (eps, delta) |
| `one_run_fdp` | the same | their coins | the trade-off of the Gaussian mechanism with (eps, delta) |
| `one_run_gdp` | the same | their coins and their losses | mu-GDP, read as its eps at delta |
| `gaussian` | canaries with normal scores of one variance | the scores | mu-GDP, read as its eps at delta |

Scores are higher for canaries that are in. A threshold, a number of guesses or a canary that is chosen by the outcome must be
paid for: `many_runs` chooses on some runs and counts on others, and the bounds of one run try 12 numbers of guesses at a
twelfth of alpha each.

bound              a bound, and what all of them are made with
gaussian_privacy   mu-GDP and its epsilon at delta
many_runs_bounds   one canary, many runs
one_run_bounds     many canaries, one run
normal_scores      canaries with normal scores
"""

from __future__ import annotations

from jaxattack.metrics.epsilon.bound import Bound, check_scores, upper_rate
from jaxattack.metrics.epsilon.gaussian_privacy import gaussian_epsilon, gaussian_mu
from jaxattack.metrics.epsilon.many_runs_bounds import many_runs, many_runs_gdp
from jaxattack.metrics.epsilon.normal_scores import gaussian
from jaxattack.metrics.epsilon.one_run_bounds import one_run, one_run_fdp, one_run_gdp

__all__ = [
    "Bound",
    "check_scores",
    "gaussian",
    "gaussian_epsilon",
    "gaussian_mu",
    "many_runs",
    "many_runs_gdp",
    "one_run",
    "one_run_fdp",
    "one_run_gdp",
    "upper_rate",
]
