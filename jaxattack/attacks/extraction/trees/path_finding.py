"""Decision and regression trees stolen by path finding (Tramèr et al. 2016, Algorithm 1, section 4.2).

A tree answers every record of a leaf alike, so an answer (the label and the confidences, or the value, bit for bit) is
the identity of a leaf. The paper takes a record and looks for the box of its leaf: along every feature it finds, by
bisection, where the identity changes; then it goes on behind each face of the box. With partial queries it descends
from the root, for a query that lacks a feature stops at the node that asks for it.

Here all regions are searched at the same time, one call a round, and less is asked:

- A region is a leaf when a few rows that together reach all its ends answer alike; the paper tests the features one by
  one (`trees.growth`).
- A row inside the box of rows of one identity is not asked (`trees.identity`).
- Thresholds are found to eps by line searches that try numbers of few decimals first (`trees.cuts`).
- Leaves that share an identity do not mislead for long. In the end leaves with shared identities are tested with
  random records, uniform ones and ones scattered over the leaves, and a leaf that they contradict is cut further,
  until enough of them in a row agree.
- Where the budget or the calls end first, what is not yet cut is guessed from the rows asked (`trees.induction`).

What is guaranteed where all identities differ: outside of the brackets around thresholds, each at most eps of its
feature's range wide, the stolen tree equals the victim everywhere and has its leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.asking import fill_withheld, widths
from jaxattack.attacks.extraction.trees.cuts import CutSearch, NoTree
from jaxattack.attacks.extraction.trees.growth import CHECKS, Growth, Node
from jaxattack.attacks.extraction.trees.identity import Identities
from jaxattack.attacks.extraction.trees.induction import induce
from jaxattack.attacks.extraction.trees.rebuild import Boxes, build_tree, merge_boxes
from jaxattack.attacks.extraction.trees.region import Region
from jaxattack.attacks.extraction.trees.transcript import Transcript
from jaxattack.attacks.extraction.trees.tree import Tree
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.attacks.search.lockstep import Task, run, together
from jaxattack.types import (
    NUMBERS,
    Access,
    Answer,
    BudgetSpent,
    Draft,
    InputError,
    Ledger,
    Snapshot,
    at_least,
    config,
)

_FRESH, _SHARE, _MOST = 32, 8, 2000
"""Fresh random records that must agree with the tree; where leaves share identities one for so many queries, at most these.

Of the 48 thefts of `trees.cuts`, 45 complete: half as many at least 42, 2% more queries; double 45, 6% more; one for four 46, 12%
more; for sixteen 45, 2% fewer; half and double as many at most are the same, as no tree took 8,000.

Of the 28 of `growth` one that is complete, of 78 leaves that share 7 of 39 identities, answers 13 of 100,000 uniform records otherwise: the 900
uniform ones among its 1,791 checks miss so few in 89% of cases, the 500 of the comparison in 94%, and `complete` bounds them by .6% alone.
"""

_NEAR, _STEP = 3, 1e-4
"""Neighbouring records asked to see whether answers stay alike, and how far apart in shares of each range.

Float32 tells a thousand numbers in such a step, so that what is no tree differs; a tree of t thresholds does for one in 1 / (t _STEP)^2.
"""


@config
class PathFinding(Attack):
    """Steals a tree, by complete queries or by partial ones.

    Attributes:
        partial: descend with queries that lack features; the service must take those.
        eps: how closely thresholds are found, relative to their feature's range; finer than float32's 6e-8, to which scikit-learn's trees
            read records. Ten times finer takes log2(10) more queries for each threshold that is halved down to it.
        calls: what it aims to stay within, by asking more a call when they run short; after these it starts no
            further round of checks. Of 28 thefts 25 are complete, with half 24 and twice 26, from 3% and 2% fewer queries.

    Raises:
        InputError: a value out of range.
    """

    partial: bool = False
    eps: float = 1e-8
    calls: int = 400

    paper = "Tramèr et al. 2016"
    levels = NUMBERS
    pool = False

    def __post_init__(self) -> None:
        if not 0 < self.eps < 0.5:
            raise InputError(f"eps is {self.eps}: give a share of a feature's range, such as 1e-8.")
        at_least(1, calls=self.calls)

    @property
    def name(self) -> str:
        """``path-finding``, or ``top-down`` with partial queries."""
        return "top-down" if self.partial else "path-finding"

    def needs(self, access: Access) -> int:
        """Enough to see that a tree has but one leaf: as many as reach all ends and categories, or its root and two corners, and neighbours."""
        return _NEAR + (3 if self.partial else max(2, int(access.inputs.categories.max(initial=0))))

    def run(self, theft: Theft) -> Draft:
        """Steal the tree.

        Returns:
            stolen: a `Tree`. notes: leaves; identities, how many different ones; duplicate_identities, how many of them
            several leaves share; inferred, queries that known boxes answered; checked, random records asked in the end;
            agreed, how many of those in a row the tree answers as the victim does.

        Raises:
            InputError: answers without confidences, a service that takes no missing features, or a budget that ends
                before the first answer.
        """
        if self.partial and not theft.access.inputs.missing:
            raise InputError(
                f"{self.name} leaves features out and the victim takes complete records: use path-finding."
            )
        return _Extraction(self, theft).run()


@dataclass
class _Extraction:
    """One run of the attack."""

    attack: PathFinding
    theft: Theft
    checked: int = 0
    agreed: int = 0
    snapshots: list[Snapshot] = field(default_factory=list)

    def __post_init__(self) -> None:
        inputs = self.theft.access.inputs
        self.before, self.rng = self.theft.oracle.ledger, self.theft.rng
        self.identities = Identities(self.theft.oracle)
        self.root = Node(Region.of(inputs))
        self.tolerance = widths(inputs, self.attack.eps)
        self.every = np.ones(len(self.tolerance), bool)
        self.cuts = CutSearch(self.tolerance, self.rng, self._usage)
        self.growth = Growth(cuts=self.cuts, ambiguous=self.identities.ambiguous)

    def run(self) -> Draft:
        nothing = Transcript.nothing(self.root.region, self.every & (not self.attack.partial))
        self.growth.searches.append(self.growth.grow(self.root, nothing))
        try:
            self._require_steps()
            run(Task(together(self.growth.searches), self._ask))
            reason = self._check()
        except BudgetSpent as error:
            if not self.identities.value:
                raise
            reason = f"The budget ended before every region was cut and checked ({error})"
        except NoTree as error:
            reason = str(error)
        if reason:
            induce(self.root, self.identities.complete(self.root.region), self.cuts)
        boxes = merge_boxes(self.root, self.tolerance)
        tree = self._tree(boxes)
        _, shares = np.unique(boxes.identity, return_counts=True)
        return Draft(
            stolen=tree,
            answer=self._answer(tree),
            parameters={name: value for name, value in vars(tree).items() if name != "names"},
            stop=reason,
            snapshots=tuple(self.snapshots),
            notes={
                "leaves": tree.leaves,
                "identities": len(shares),
                "duplicate_identities": int((shares > 1).sum()),
                "inferred": self.identities.inferred,
                "checked": self.checked,
                "agreed": self.agreed,
            },
        )

    @property
    def _cost(self) -> Ledger:
        return self.theft.oracle.ledger - self.before

    def _usage(self) -> float:
        return self._cost.calls / self.attack.calls

    def _require_steps(self) -> None:
        """Refuse a victim whose answers change at every step, before many queries are wasted on it."""
        region = self.root.region
        steps = np.where(region.categorical, 0, _STEP * (region.high - region.low))
        near = region.draw(1, self.rng) + np.arange(_NEAR)[:, None] * steps
        if len(np.unique(self._ask(near.clip(region.low, region.high)))) == _NEAR:
            raise NoTree("The answers change at every step: the victim is no tree.")

    def _ask(self, rows: Float[np.ndarray, "query feature"], *, infer: bool = True) -> np.ndarray:
        if not len(rows):
            return np.empty(0, int)
        identity, cost = self.identities(rows, infer=infer), self._cost
        self.theft.report("calls", cost.calls, max(self.attack.calls, cost.calls))
        # A snapshot takes no query but a tree that has to be made, so there are few: each at twice the queries of the last, so
        # n make log2(n / 25) from a first at 50, and one more from half.
        if self.root.identity >= 0 and cost.queries >= 2 * (self.snapshots[-1].queries if self.snapshots else 50):
            tree = self._tree(merge_boxes(self.root, self.tolerance))
            self.snapshots.append(Snapshot(cost.queries, self._answer(tree)))
        return identity

    def _check(self) -> str:
        """Ask random records until enough agree, and cut further what they contradict; why that is left unfinished."""
        passed: set[Node] = set()
        while True:
            number, shares = np.unique(merge_boxes(self.root, self.tolerance).identity, return_counts=True)
            duplicates = number[shares > 1]
            self.identities.distrust(duplicates)
            leaves = self.root.leaves()
            doubted = [leaf for leaf in leaves if leaf.identity in duplicates and leaf not in passed]
            passed.update(doubted)
            last = self._usage() > 1
            enough = int(np.clip(self._cost.queries // _SHARE, _FRESH, _MOST)) if len(duplicates) else _FRESH
            # Three times as many as agreed so far; of 28 thefts 25 are complete, with half and twice as many too, .8% and 0% more queries.
            count = enough if last else min(max(_FRESH, 3 * self.agreed), max(enough - self.agreed, 0))
            scattered = [self.cuts.scatter(leaf.region, CHECKS) for leaf in doubted]
            fresh = np.concatenate([*scattered, self._fresh(leaves, count)])
            contradicted = self._reopen(leaves, fresh, self._ask(fresh, infer=False))
            self.checked += len(fresh)
            self.agreed = 0 if contradicted else self.agreed + len(fresh)
            if not contradicted and self.agreed >= enough:
                return ""
            if last:
                return (
                    f"Leaves share identities, and {contradicted} of {len(fresh)} random records were answered otherwise "
                    f"than by the tree when the {self.attack.calls} calls were used up: allow more calls."
                )
            run(Task(together(self.growth.searches), self._ask))

    def _fresh(self, leaves: list[Node], count: int) -> Float[np.ndarray, "query feature"]:
        """Random records: one half uniform, the other scattered over leaves drawn alike whatever their size."""
        counts = self.rng.multinomial(count // 2, np.full(len(leaves), 1 / len(leaves)))
        scattered = [self.cuts.scatter(leaves[at].region, int(counts[at])) for at in np.flatnonzero(counts)]
        return np.concatenate([*scattered, self.root.region.draw(count - count // 2, self.rng)])

    def _reopen(self, leaves: list[Node], rows: np.ndarray, identity: np.ndarray) -> int:
        """Start to cut the leaves that rows contradict; how many rows do."""
        fresh, contradicted = Transcript(self.root.region, self.every, rows, identity), 0
        for leaf in leaves:
            inside = fresh.inside(leaf.region)
            if wrong := int((inside.identity != leaf.identity).sum()):
                contradicted += wrong
                self.growth.searches.append(self.growth.grow(leaf, inside))
        return contradicted

    def _tree(self, boxes: Boxes) -> Tree:
        label, value = np.array(self.identities.label), fill_withheld(np.array(self.identities.value))
        return build_tree(
            boxes, self.root.region.allowed, label=label, value=value, names=self.theft.access.inputs.names
        )

    def _answer(self, tree: Tree) -> Callable[[np.ndarray], Answer]:
        def answer(x: np.ndarray) -> Answer:
            leaf = tree.apply(x)
            value = tree.value[leaf]
            return Answer(tree.label[leaf], *((None, value) if self.theft.access.level == "logit" else (value, None)))

        return answer
