"""Data sets, one a file; the clients' shares are private, so attacks and the server cannot import this."""

from fedleak.data.partitioning import partition
from fedleak.data.splits import Splits, load

__all__ = ["Splits", "load", "partition"]
