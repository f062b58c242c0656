"""Decision and regression trees, stolen from what they answer at their leaves (Tramèr et al. 2016)."""

from __future__ import annotations

from jaxattack.attacks.extraction.trees.path_finding import PathFinding
from jaxattack.attacks.extraction.trees.tree import Tree

__all__ = ["PathFinding", "Tree"]
