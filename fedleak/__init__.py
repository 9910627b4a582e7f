"""What do federated-learning updates leak? A real federation, a curious server that taps it, honest scores."""

from pathlib import Path

__version__ = "0.1.0"

# In a checkout the party folders (attacks, clients, server) lie beside this package; in a wheel, inside it.
_here = Path(__file__).resolve().parent
if not (_here / "attacks").is_dir():
    __path__.append(str(_here.parent))
