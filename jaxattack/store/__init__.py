"""A run folder: what a sweep has produced so far, safe against being killed at any moment.

    run.json                      what decides the results; a folder with other contents is refused
    label.npy                     Int["record"], and a digest behind it that NumPy leaves unread
    chunk-000000-000007.npz       models 0 to 7: `models`, `member` (one bit a record), and each signal
    cost-000000-000007.json       what they cost to make; information only
    weights-000000-000007.npz     what they learnt, where it is kept: one array a leaf, named by its path
    signal-phi-000000-000007.npz  a signal that was asked of them afterwards

A chunk is one file, written under a temporary name, flushed to the disk and renamed: it is whole or it is not there.
Chunk limits carry no meaning, so that a run may go on with another chunk size, or with more models. A chunk with gaps has
a checksum of its models in its name: files of one name hold the same models.

Any number of processes, on any machines that share the folder, may fill it at the same time: each writes files of its
own, and where two of them train the same models, either's are the models. Nothing is pickled.

run_folder  a run folder, opened to be filled or read
identity    what decides the results, and where two of them differ
leaves      what models learnt, as arrays
cost        what a chunk cost
signals     read when they are asked for
"""

from __future__ import annotations

from jaxattack.store.cost import Cost
from jaxattack.store.identity import FORMAT, differences
from jaxattack.store.leaves import leaves_by_path, read_leaves
from jaxattack.store.run_folder import RunFolder

__all__ = ["FORMAT", "Cost", "RunFolder", "differences", "leaves_by_path", "read_leaves"]
