#!/usr/bin/env bash
# A researcher compares a defence with none, and wants a figure and a table for a paper.
# Run in an empty folder: PYTHON and JAXATTACK name the interpreter and the command, where they are not on the path.
set -euo pipefail
python="${PYTHON:-python}" jaxattack="${JAXATTACK:-jaxattack}"

# Two ways to learn, on the same records and with the same members.
"$jaxattack" membership --data digits --records 600 --models 8 --epochs 15 --quiet --out plain
"$jaxattack" membership --data digits --records 600 --models 8 --epochs 15 --learner relaxloss?alpha=1.0 --quiet --out relaxed

# Side by side: what differs, how surely, and what it costs.
"$jaxattack" compare plain relaxed --names "no defence" RelaxLoss --out side-by-side

# The figure of the paper: one attack on both, then several attacks on one, under the names of the paper.
"$jaxattack" compare plain relaxed --declare lira-online --figure roc --names "no defence" RelaxLoss --out figures
"$jaxattack" report plain --figure roc --attacks lira-online rmia-online loss --names LiRA RMIA "loss, one model" --format svg --out figures

"$python" - <<'PY'
import json
import pathlib

told = json.loads(pathlib.Path("side-by-side/report.json").read_text())
assert [run["name"] for run in told["runs"]] == ["no defence", "RelaxLoss"]
assert told["pairs"][0]["records"] == 600 and told["pairs"][0]["models"] == 8
assert "learner.loss.alpha" in {row["name"] for row in told["changes"]}
assert pathlib.Path("figures/roc.pdf").read_bytes().startswith(b"%PDF")
svg = pathlib.Path("figures/roc.svg").read_text()
assert "loss, one model (AUC" in svg and "LiRA (AUC" in svg
table = pathlib.Path("side-by-side/attacks.tex").read_text()
assert r"\toprule" in table and "lira-online &" in table
test = told["pairs"][0]["test_accuracy"]
lira = next(attack for attack in told["attacks"] if attack["name"] == "lira-online")["differences"][0]["auc"]
print(f"AUC of lira-online {lira['difference']:+.3f} {lira['interval']}, test accuracy {test['difference']:+.3f}")
PY
