"""Messages of an app, of either of Flower's APIs: their arrays, their numbers, and the round that they are of."""

from collections.abc import Mapping

import torch
from flwr.app import ConfigRecord, Message, RecordDict

from fedleak.errors import echo
from fedleak.federation import wire


def arrays(content: RecordDict) -> dict[str, torch.Tensor]:
    """A copy of the first record of arrays, without the older API's placeholder; empty where there is none."""
    if not content.array_records:
        return {}
    record = wire.arrays_of(content)
    return {name: torch.from_numpy(array.numpy().copy()) for name, array in record.items() if name != "_empty"}


def more(content: RecordDict) -> tuple[str, ...]:
    """Names of the records of arrays besides the first."""
    return tuple(content.array_records)[1:]


def reported(content: RecordDict) -> dict[str, float]:
    """All numbers of a reply that are in clear, by RECORD.KEY where the name alone is not enough."""
    found = {}
    records: dict[str, Mapping[str, object]] = {**content.metric_records, **content.config_records}
    for name, record in records.items():
        for key, value in record.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[key if key not in found else f"{name}.{key}"] = float(value)
    return found


def texts(content: RecordDict) -> dict[str, str]:
    """All strings of a reply, which are in clear, and bytes and lists by their length; names as of `reported`."""
    found: dict[str, str] = {}
    records: dict[str, Mapping[str, object]] = {**content.metric_records, **content.config_records}
    for name, record in records.items():
        for key, value in record.items():
            if isinstance(value, str | bytes | list) and value:
                found[key if key not in found else f"{name}.{key}"] = _shown(value)
    return found


def _shown(value: str | bytes | list[object]) -> str:
    if isinstance(value, str):
        return echo(value)
    return f"{len(value)} bytes" if isinstance(value, bytes) else f"a list of {len(value)}"


def round_of(message: Message) -> int | None:
    """The round that a message says it is of."""
    for record in message.content.config_records.values():
        if isinstance(record, ConfigRecord) and isinstance(record.get(wire.ROUND), int):
            return int(record[wire.ROUND])  # type: ignore[arg-type]
    group = message.metadata.group_id
    return int(group) if group.isdigit() else None
