"""Somebody has a table and classifiers of scikit-learn, and wants to know which records they give away.

Run in an empty folder.
"""

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

import jaxattack as ja

# What one has: a table with names of patients and of classes, and a way to fit a model.
cancer = load_breast_cancer(as_frame=True)
frame = cancer.data[cancer.feature_names[:10]].assign(
    ward=np.where(np.arange(569) % 3, "north", "south"),
    patient=[f"patient {number}" for number in range(569)],
    diagnosis=cancer.target_names[cancer.target],
)
patients = ja.load(frame, label="diagnosis", id="patient")
member = ja.designs.Halves()(models=8, records=len(patients), seed=0)
models = [
    RandomForestClassifier(10, random_state=seed).fit(patients.x[row], patients.y[row])
    for seed, row in enumerate(member)
]

# What one asks.
observations = ja.observe(models, patients, member=member)
findings = ja.score(observations, name="forests")
table = findings.to_frame().sort_values("auc", ascending=False)
print(findings)
print(table[["name", "auc"]].to_string(index=False))
assert isinstance(table, pd.DataFrame)
assert 0.6 < table["auc"].iloc[0] <= 1
assert observations.names == ("benign", "malignant")
assert observations.ids[0] == "patient 0"

# The same table from a file, by its name.
frame.to_csv("patients.csv", index=False)
again = ja.load("patients.csv?label=diagnosis&id=patient")
np.testing.assert_allclose(again.x, patients.x, rtol=1e-6)
