"""The parts of a data set: who holds an example."""

from enum import IntEnum


class Part(IntEnum):
    """Who holds an example."""

    CLIENTS = 0
    TEST = 1
    AUXILIARY = 2
