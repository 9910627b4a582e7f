"""Random generators from (seed, purpose, ...), and sums on one thread: same words, same bits, on any worker."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator


def seed_of(*words: object) -> int:
    """A 63-bit seed from words such as `(7, "batch", client, round)`; different words, independent seeds."""
    digest = hashlib.blake2b(repr(words).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(*words: object) -> Generator:
    """A CPU generator seeded by `words`."""
    return Generator().manual_seed(seed_of(*words))


@contextmanager
def seeded(*words: object) -> Iterator[None]:
    """Seeds the global generators of torch and `random` inside the block and puts them back after it.

    For code that is not ours and takes no generator: dropout layers, Flower's sampling of clients.
    """
    kept = random.getstate()
    with torch.random.fork_rng(devices=[]):
        # torch's own goes through every backend, and where there is no GPU takes longer than a client's whole step.
        devices = torch.cuda.is_available() or torch.backends.mps.is_available()
        seed = torch.manual_seed if devices else torch.default_generator.manual_seed
        seed(seed_of(*words))
        random.seed(seed_of(*words))
        try:
            yield
        finally:
            random.setstate(kept)


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block torch sums on one thread, so that every worker of every engine gets the same bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
