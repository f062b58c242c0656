"""The report of a privacy audit: its findings, figure, tables and words.

Findings are those that every report has (`jaxattack.report`), and

    experiment   {models, canaries, coins, ins, replaces (whether a canary that is in displaces another record), calibrated,
                 delta, confidence}
    bounds       [{name, claim, assumes, counts (what trials are), epsilon, trials, errors, why}]: each alone at the
                 confidence; epsilon is null where the experiment does not allow the bound, and why says why
    headline     {name, epsilon, claim, declared, tried, alpha}: the bound to quote, at alpha; null where none is allowed
    upper        [{name, epsilon}] that bound epsilon from above, at the same delta; epsilon is null where there is no bound
                 (no noise); or null where none is known
    training     null, or {private: {noise, clip, rate, steps}, kind, background, accuracy,
                 preflight: {start, out, in: {lowest, median, highest} loss of the canaries before training, and after it
                 without and with them; silent: canaries without a loss}};
                 accuracy and preflight are null for gradient canaries
    notes        what is odd about the experiment, in sentences
    cost         {memory_bytes, device, seconds: {train, observe, bounds, total}}
"""

from __future__ import annotations

from jaxattack.report.epsilon.figures import FIGURES, draw
from jaxattack.report.epsilon.page import render
from jaxattack.report.epsilon.reading import headline
from jaxattack.report.epsilon.tables import comma_separated, table
from jaxattack.report.kind import Kind

EPSILON = Kind(
    needed=("experiment", "bounds", "cost"),
    figures=FIGURES,
    draw=draw,
    render=render,
    files=lambda findings: {"bounds.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)
