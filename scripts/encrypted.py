"""What encryption hides: a softmax regression asked under CKKS, and all of its weights from 65 questions.

    python scripts/encrypted.py

Every row is one set of parameters of the scheme: how far a decrypted answer is from the model's, how many bytes and seconds a
question takes alone and in a batch, and what equation solving (Tramèr et al. 2016) makes of one question more than features. The
scheme's error stands where rounding and noise stand elsewhere: it is an axis of precision, and what hides the weights is what
hides the answers. Needs the extra `encrypted`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from comparison import keep, save_figure
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from jaxattack.attacks.extraction import Softmax
from jaxattack.audit import extract, open_victim
from jaxattack.audit.encryption import under_encryption
from jaxattack.audit.victim import Victim
from jaxattack.oracle import CKKS
from jaxattack.report.style import SERIES, styled
from jaxattack.report.wording import count, percent, size, small

SCHEMES = (
    CKKS(degree=4096, chain=(40, 20, 40), scale=20),
    CKKS(degree=8192, chain=(60, 30, 60), scale=30),
    CKKS(),
    CKKS(degree=16384, chain=(60, 50, 50, 60), scale=50),
)


def row(victim: Victim, scheme: CKKS, seed: int) -> dict[str, Any]:
    """What one set of parameters costs and gives."""
    hidden = under_encryption(victim, scheme)
    x = np.asarray(victim.x)
    hidden.oracle(x[:1])  # its first call sends the context
    before, begin = hidden.oracle.ledger, time.process_time()
    answer = hidden.oracle(x[:1])
    alone, seconds = hidden.oracle.ledger - before, time.process_time() - begin
    before, begin = hidden.oracle.ledger, time.process_time()
    answer = hidden.oracle(x)
    batch, all_seconds = hidden.oracle.ledger - before, time.process_time() - begin
    logit = np.asarray(victim.ask(x).logit)
    found = extract(under_encryption(victim, scheme), Softmax(), seed=seed, trials=0).findings
    assert found.parameters is not None
    assert found.fidelity.held_out is not None
    return {
        "degree": scheme.degree, "chain": list(scheme.chain), "scale": scheme.scale,
        "error": float(np.abs(answer.logit - logit).max()),
        "labels": float((answer.label == logit.argmax(axis=1)).mean()),
        "bytes": alone.bytes, "cpu_seconds": seconds,
        "batch": len(x), "batch_bytes": batch.bytes, "batch_cpu_seconds": all_seconds,
        "questions": found.cost.attack, "unknowns": found.parameters.unknowns, "weights": found.parameters.max,
        "agreement": found.fidelity.held_out.agreement, "theft_bytes": found.cost.bytes,
    }  # fmt: skip


def table_of(rows: list[dict[str, Any]]) -> Table:
    """A row for each set of parameters."""
    table = Table(
        title="A softmax regression on digits, under encryption",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    heads = (
        "ring", "scale", "logits apart", "same label", "bytes, one question", "CPU s", "CPU s, batch",
        "asked to steal", "weights", "apart", "same label",
    )  # fmt: skip
    for head in heads:
        table.add_column(head, justify="right")
    for one in rows:
        table.add_row(
            count(one["degree"]), f"2^{one['scale']}", small(one["error"]), percent(one["labels"]), size(one["bytes"]),
            f"{one['cpu_seconds']:.2f}", f"{one['batch_cpu_seconds']:.2f} ({one['batch']})", count(one["questions"]),
            count(one["unknowns"]), small(one["weights"]), percent(one["agreement"]),
        )  # fmt: skip
    table.caption = (
        "Asked to steal: one question more than features, and the first one twice to see whether answers repeat. Apart: the largest "
        "difference between a stolen parameter and the victim's."
    )
    table.caption_justify = "left"
    return table


def figure_of(rows: list[dict[str, Any]]) -> Figure:
    """How far stolen weights are off, by how far answers are."""
    figure = Figure(figsize=(3.4, 2.3))
    axes = figure.subplots()
    axes.plot([one["error"] for one in rows], [one["weights"] for one in rows], "o-", markersize=4, color=SERIES[0])
    for one in rows:
        axes.annotate(f"2^{one['scale']}", (one["error"], one["weights"]), xytext=(4, -8), textcoords="offset points")
    axes.set(xscale="log", yscale="log", xlabel="answers apart, at most", ylabel="stolen weights apart, at most")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    victim = open_victim("softmax", data=options.data, seed=options.seed)
    rows = [row(victim, scheme, options.seed) for scheme in SCHEMES]
    with styled():
        save_figure(options.out, "encrypted", figure_of(rows))
    keep(options.out, "encrypted", {"schemes": rows}, [table_of(rows)])


if __name__ == "__main__":
    main()
