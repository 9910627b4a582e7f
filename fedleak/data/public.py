"""Public examples: what an adversary may hold, and the one door through which a server gets at data at all."""

import torch

from fedleak.data.splits import load
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source


def public_examples(source: Source, count: int, lacks: tuple[int, ...] = ()) -> Batch | None:
    """The first of a task's public examples, none of classes that it lacks; None where the adversary holds none."""
    if not count:
        return None
    public = load(source).auxiliary
    if lacks:
        public = public[torch.nonzero(~torch.isin(public.labels, torch.tensor(lacks))).flatten()]
    return public[torch.arange(min(count, len(public)))]
