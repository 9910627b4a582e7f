"""What do federated-learning updates leak? A real federation, a curious server that taps it, honest scores."""

import os.path as _path

__version__ = "0.1.0"

# In a checkout the party folders (attacks, clients, server) lie beside this package; in a wheel, inside it.
_here = _path.dirname(_path.realpath(__file__))  # noqa: PTH120  loads nothing: threads may import this at once
if not _path.isdir(_path.join(_here, "attacks")):  # noqa: PTH112, PTH118
    __path__.append(_path.dirname(_here))  # noqa: PTH120
