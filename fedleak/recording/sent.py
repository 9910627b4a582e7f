"""What clients of a sum were sent, of several models, whose own messages are not recorded."""

from collections.abc import Mapping
from pathlib import Path

from fedleak.errors import RecordingError
from fedleak.io.tensors import FACTS, beside, read_pair, write_pair
from fedleak.learning.weights import NamedTensors, Weights

SENT = "sent"


def write_sent(recordings: Path, round: int, sent: Mapping[int, Weights]) -> None:
    """Writes each different model of a round once, and which client was sent which."""
    models = {id(one): one for one in sent.values()}
    places = {key: str(place) for place, key in enumerate(models)}
    tensors: NamedTensors = {
        f"{places[key]}/{name}": value for key, one in models.items() for name, value in one.state_dict().items()
    }
    clients = {str(client): places[id(one)] for client, one in sent.items()}
    write_pair(recordings / f"round-{round:04d}" / SENT, tensors, {"clients": clients}, private=recordings)


def read_sent(folder: Path, like: Weights) -> dict[int, Weights]:
    """What the clients of the round in a folder were sent, by client; nothing where it is not kept.

    Raises `RecordingError` where the files are damaged.
    """
    stem = folder / SENT
    if not beside(stem, FACTS).exists():
        return {}
    tensors, facts = read_pair(stem)
    names = list(like.state_dict())
    try:
        return {
            int(client): like.like({name: tensors[f"{place}/{name}"] for name in names})
            for client, place in facts["clients"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordingError(f"{stem} is damaged ({error!r} is missing or wrong); record it again") from error
