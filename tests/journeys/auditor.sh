#!/usr/bin/env bash
# An auditor has one trained model and wants to know which records it gives away.
# Run in an empty folder: PYTHON and JAXATTACK name the interpreter and the command, where they are not on the path.
set -euo pipefail
python="${PYTHON:-python}" jaxattack="${JAXATTACK:-jaxattack}"

# The model that the auditor has: a random forest of scikit-learn, trained by somebody on half of these records.
"$python" - <<'PY'
import numpy as np
import skops.io
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

x, y = load_digits(return_X_y=True)
x, y = x[:600], y[:600]
members = np.random.default_rng(5).permutation(len(y))[:300]
model = RandomForestClassifier(50, random_state=0).fit(x[members], y[members])
skops.io.dump(model, "model.skops")
np.savez("records.npz", x=x.astype(np.float32), y=y)
np.save("members.npy", members)

# Forests trained on other random halves of the same records: what the auditor compares the model with.
rng, member, probability = np.random.default_rng(6), [], []
for seed in range(1, 7):
    half = rng.permuted(np.arange(len(y)) % 2 == 0)
    for side in (half, ~half):
        member.append(side)
        probability.append(RandomForestClassifier(50, random_state=seed).fit(x[side], y[side]).predict_proba(x))
np.savez("forests.npz", member=np.stack(member), label=y, probability=np.stack(probability))
PY

# Beside forests; the members are known, so that the report says how often it is right.
"$jaxattack" membership --target model.skops --data records.npz --members members.npy --references forests.npz --out beside-forests

# Without knowing a member, beside networks that are trained here: verdicts alone.
"$jaxattack" membership --target model.skops --data records.npz --model mlp:32 --models 8 --epochs 15 --out beside-networks

"$python" - <<'PY'
import csv
import json
import pathlib

known = json.loads(pathlib.Path("beside-forests/report.json").read_text())
verdicts, claimed = known["verdicts"], known["attacks"][0]["known"]
assert verdicts["wrong"] <= 0.01 * verdicts["non_members"], verdicts
assert verdicts["right"] > 5 * verdicts["wrong"], verdicts
assert claimed["auc"] > 0.7, claimed["auc"]

unknown = json.loads(pathlib.Path("beside-networks/report.json").read_text())
assert all(attack["known"] is None for attack in unknown["attacks"])
with open("beside-networks/records.csv") as file:
    rows = list(csv.DictReader(file))
assert len(rows) == 600
assert {row["verdict"] for row in rows} <= {"member", "undecided"}
print(f"beside forests {verdicts['right']} of {verdicts['members']} members are found, {verdicts['wrong']} are called so wrongly")
PY
