#!/usr/bin/env bash
# A newcomer has installed the package, runs README's first command, and opens a page. BRIEF trains fewer models.
# Run in an empty folder: PYTHON and JAXATTACK name the interpreter and the command, where they are not on the path.
set -euo pipefail
python="${PYTHON:-python}" jaxattack="${JAXATTACK:-jaxattack}"

"$jaxattack" membership --out digits-run ${BRIEF:+--models 8 --epochs 2 --attacks lira-online loss}

"$python" - <<'PY'
import json
import pathlib

run = pathlib.Path("digits-run")
page = (run / "report.html").read_text()
findings = json.loads((run / "report.json").read_text())
assert findings["title"] in page, findings["title"]
for name in ("records.csv", "roc.svg", "roc.png", "config.toml"):
    assert (run / name).stat().st_size, name
strongest = findings["attacks"][0]
print(f"{strongest['name']} finds {strongest['tpr']['0.01']:.1%} of the members at 1% false positives")
PY
