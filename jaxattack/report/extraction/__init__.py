"""The report of an extraction: its findings, figures, tables and words.

Findings are those that every report has (`jaxattack.report`), and

    victim      {name, level, classes, features, top, decimals, precision, transport}
    attack      {name, settings, converged, complete, reason, notes, verification}: converged, its own procedure came to its
                end; complete, that and no disagreement on fresh inputs; verification is
                {trials, disagreements, bound, places: {place: {trials, disagreements}}}, bound being the upper end of the
                one-sided 95% interval of the share of disagreement
    fidelity    by records asked, "held_out" (null without such records) and "uniform" (drawn from what the service takes):
      records, agreement, interval              labels on which both agree, with its 95% Clopper-Pearson interval
      total_variation                           {mean, max} between confidences, or null
      difference                                largest |f - f'| between outputs, or null
      accuracy                                  {victim, stolen} against the true labels, or null
    curve       [{queries, held_out, uniform}]: agreement with what had been stolen after so many queries
    parameters  null where the truth is unknown or cannot be lined up, else
      unknowns, max, rms                        how many; the errors |theta - theta'| after alignment
      parts             [{name, true, stolen}]: values for the scatter plot, thinned
    weights     {shape, true, stolen}: a linear victim's weights by class, where records are pictures; or null
    errors      {of, edges, count, exact}: queries by the decimal logarithm of their error, and how many have none; or null
    tree        {text, nodes: [{x, depth, parent, words, leaf}]}; the nodes are empty where they do not fit on a page; or null
    warnings    what is odd about the victim's answers, in sentences
    notes       optional: how the victim and its data are understood, in sentences
    cost        {queries, attack, verification, comparison, calls, bytes, price, kept (queries answered in an earlier
                start), unknowns, memory_bytes, device,
                seconds: {victim, attack, total}}; queries are all that was asked, and the three after it its parts:
                comparison is null where the victim is at hand and comparing costs nothing
"""

from __future__ import annotations

from jaxattack.report.extraction.figures import FIGURES, draw
from jaxattack.report.extraction.page import render
from jaxattack.report.extraction.reading import headline
from jaxattack.report.extraction.tables import comma_separated, table
from jaxattack.report.kind import Kind

EXTRACTION = Kind(
    needed=("victim", "attack", "fidelity", "cost"),
    figures=FIGURES,
    draw=draw,
    render=render,
    files=lambda findings: {
        "fidelity.csv": comma_separated(findings),
        **({"tree.txt": findings["tree"]["text"]} if findings["tree"] else {}),
    },
    table=table,
    headline=headline,
)
