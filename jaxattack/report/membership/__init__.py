"""The report of a membership audit: its findings, figures, tables and words.

Findings are those that every report has (`jaxattack.report`), and

    format, kind        1 and "membership"
    title               one line
    command             optional: what to type to run the audit again
    claim               {attack, rate, choices, declared}: what the headline speaks of. The rate is "0.001" where that allows
                        ten false positives, else the lowest that does, or null; choices is from how many attacks the one
                        was chosen, 1 where it was declared beforehand
    comparison          {attack, baseline, tpr: {rate: {difference, interval, better}}, auc: the same} or null: what the
                        claimed attack finds more than the loss threshold, paired on records and models; the interval
                        allows for the choice as tpr_interval_corrected does, and better says that it lies above 0
    attacks             strongest first (by the true-positive rate at the claim's rate, then by AUC), each with
      name, description, references (optional: whether it reads other models), records (how many it scored), seconds
      auc, balanced_accuracy, advantage         pooled over all targets; the last two cross-fitted over halves of the records
      tpr, tpr_interval, false_positives, resolvable
                        by false-positive rate "0.1" to "0.00001": the rate, its 95% interval for new records and new models
                        (`jaxattack.metrics.uncertainty`), how many non-members were accused, and whether the rate allows
                        one false positive at all
      tpr_interval_corrected
                        the same widened for the choice among the attacks (Bonferroni), but for a declared one
      auc_interval      95%, of the AUC
      tied              share of scores equal to the largest
      per_target        {auc, balanced_accuracy: {mean, sd}, tpr: {rate: {mean, sd}}} over targets
      per_record        {rate: {above, chance, dispersion, p_value}}: at the pooled threshold, the share of records whose own
                        false-positive rate is above twice the pooled one, the share that chance explains, how dispersed the
                        records' rates are (1: as by chance), and the p-value of that all records have one rate
      transferred       {rate: {fpr, tpr: {mean, sd}}}: thresholds set on the other targets
      ppv               {prior: {rate: precision}}
      roc               {false_positives, true_positives (counts, one a point), negatives, positives}
      band              {fpr, low, high}: the 95% interval of the curve at a few rates
      histogram         {edges, member, non_member}: counts of scores
      by_models         [{models, targets, auc, tpr, tpr_interval}]: the same attack among fewer models, pooled over disjoint
                        groups of them, and among all
      by_queries        [{queries, targets, auc, tpr, tpr_interval}]: the same attack with fewer of the views that were asked
                        about, down to the record alone; empty for attacks that read one view, and where one was asked
    models              {count, records, scored (those that every attack scored), classes, members, train_accuracy,
                        test_accuracy: {mean, sd} or null}
    calibration         {tpr, tpr_interval: {rate: ... or null}, auc, auc_interval, roc}: what a threshold of each record's own
                        on phi finds (`jaxattack.metrics.calibration`), which holds the false-positive rate for every record;
                        null where the models do not resolve the rate
    vulnerable          {attack, records: [{record, label, vulnerability, beyond_chance, detected, falsely}]}, worst first;
                        whether it is exposed beyond chance (false discovery rate 5% over all records), and the last two at
                        the attack's threshold of 1% false positives
    vulnerability       {edges, count, stability, beyond_chance}: all records by the AUC of their own phi over the models,
                        the rank correlation of that between two halves of the models, and how many records are exposed
                        beyond chance
    poison              optional: {attack, targets, records, curve: [{copies, targets, others: {targets, auc, tpr,
                        tpr_interval}}]}: what the attack finds of the poisoned records and of all others, by the number
                        of copies with a wrong label; all else in the findings is of the run with the most
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
    needed=("attacks", "claim", "models", "vulnerable", "vulnerability"),
    figures=FIGURES,
    draw=draw,
    render=render,
    files=lambda findings: {"attacks.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)
