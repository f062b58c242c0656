"""The report of an inversion: its findings, figures, tables and words.

Findings are those that every report has (`jaxattack.report`), and

    victim       as an extraction's, and {members, accuracy: {members, others}}, null where they are not at hand
    attack       {name, settings, complete, reason, notes, white_box, stolen, updates}: stolen is null, or
                 {attack, converged, complete, reason, verification, queries, price} of the model that was stolen first and
                 then inverted, verification being as an extraction's; updates
                 is null, or {users, batch, trained} of those whose gradients were inverted
    recognition  {victim, victim_restarts, top1, top5, top1_restarts, restarts, diverged}: shares of the reconstructions, and
                 of all restarts, that the victim and the evaluation model take for their target; null without that model
    evaluation   {model, accuracy, records}: of the evaluation model on the victim's members; or null
    likeness     means over targets of {mse, psnr, ssim, correlation} with the nearest member of the class, or with the
                 user's own record, and {correlation_mean} with its mean; or null
    targets      [{target, score, victim (the label it answers), rank (classes the evaluation model finds likelier), steps,
                 mse, psnr, ssim, correlation, correlation_mean}]
    gallery      [{target, mean, nearest, made, frames: [[step, picture]]}] that number the pictures; empty for tables
    warnings     what is odd about the victim's answers, in sentences
    notes        optional: how the victim and its data are understood, in sentences
    cost         {queries, calls, bytes, price, kept, gradients (one record's each), memory_bytes, device,
                 seconds: {extraction, attack, evaluation, total}}
"""

from __future__ import annotations

from jaxattack.report.inversion.figures import FIGURES, draw
from jaxattack.report.inversion.page import render
from jaxattack.report.inversion.reading import headline
from jaxattack.report.inversion.tables import comma_separated, table
from jaxattack.report.kind import Kind

INVERSION = Kind(
    needed=("victim", "attack", "recognition", "targets", "cost"),
    figures=FIGURES,
    draw=draw,
    render=render,
    files=lambda findings: {"targets.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)
