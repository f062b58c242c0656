"""The report of a membership audit: its findings, figures, tables and words.

Findings are those that every report has (`jaxattack.report`), and

    format, kind        1 and "membership"
    title               one line
    command             optional: what to type to run the audit again
    attacks             strongest first (by the true-positive rate at a false-positive rate of 0.001, then by AUC), each with
      name, description, references (optional: whether it reads other models), records (how many it scored), seconds
      auc, balanced_accuracy, advantage         pooled over all targets; the last two cross-fitted over halves of the records
      tpr, tpr_interval, false_positives, resolvable
                        by false-positive rate "0.1" to "0.00001": the rate, its 95% Clopper-Pearson interval, how many
                        non-members were accused, and whether the rate allows one false positive at all
      tied              share of scores equal to the largest
      per_target        {auc, balanced_accuracy: {mean, sd}, tpr: {rate: {mean, sd}}} over targets
      per_group         {rate: {targets, groups, mean, sd} or null}: the rate over disjoint groups of so many targets, as few
                        as allow ten false positives; null where one target allows them or there are not two groups
      transferred       {rate: {fpr, tpr: {mean, sd}}}: thresholds set on the other targets
      ppv               {prior: {rate: precision}}
      roc               {false_positives, true_positives (counts, one a point), negatives, positives}
      histogram         {edges, member, non_member}: counts of scores
      by_models         [{models, targets, auc, tpr, tpr_interval}]: the same attack among fewer models, pooled over disjoint
                        groups of them, and among all
    models              {count, records, scored (those that every attack scored), classes, members, train_accuracy,
                        test_accuracy: {mean, sd} or null}
    vulnerable          {attack, records: [{record, label, vulnerability, detected, falsely}]}, worst first; the last two at
                        the attack's threshold of 1% false positives
    vulnerability       {edges, count, stability}: all records by the AUC of their own phi over the models, and the rank
                        correlation of that between two halves of the models
    cost                {models, gradient_steps, queries, seconds: {compile, train, observe, score, report, total},
                        memory_bytes, device}
    notes               optional: how the input was read and what was left out, in sentences
    config, environment plain values
"""

from __future__ import annotations

from jaxattack.report.kind import Kind
from jaxattack.report.membership.figures import FIGURES, draw
from jaxattack.report.membership.page import render
from jaxattack.report.membership.reading import headline
from jaxattack.report.membership.tables import comma_separated, table

MEMBERSHIP = Kind(
    needed=("attacks", "models", "vulnerable", "vulnerability"),
    figures=FIGURES,
    draw=draw,
    render=render,
    files=lambda findings: {"attacks.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)
