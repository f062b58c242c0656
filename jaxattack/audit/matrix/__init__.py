"""The matrix: every attack against every defence, with what each costs.

run         the whole of it, from what is asked for to the findings
plan        what is asked for: columns, attacks, how many models
columns     the models of each column, trained once and asked behind its defences
membership  membership cells: static, adaptive, repeated
victims     extraction and inversion cells, on one model of each column
cells       the folder of what was measured, each cell under a digest of all that decides it
findings    cells and columns as `jaxattack.audit.findings.matrix` documents them
"""

from __future__ import annotations

from jaxattack.audit.matrix.plan import Column, MatrixAudit
from jaxattack.audit.matrix.run import MatrixResult, matrix, run_matrix

__all__ = ["Column", "MatrixAudit", "MatrixResult", "matrix", "run_matrix"]
