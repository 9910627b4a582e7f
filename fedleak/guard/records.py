"""Records of a reply: a copy that holds nothing else, and the rules on metrics, config entries and sizes."""

from collections.abc import Iterator
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from fedleak.guard.journal import Refused, figure
from fedleak.guard.policy import NUM_EXAMPLES, Entry, Figure, Policy, Replies

OLDER = {
    "fitins.parameters": "fitres",
    "evaluateins.parameters": "evaluateres",
    "getparametersins.config": "getparametersres",
    "getpropertiesins.config": "getpropertiesres",
}
"""How the records of a reply begin in Flower's older API, by the record that came."""
PLAIN: tuple[Any, ...] = (bool, int, float, str, bytes)
STATUS_CODES = range(5)
STATUS_MESSAGES = ("", "Success")


def copy_of(content: RecordDict) -> RecordDict:
    """What a content holds, in objects of one's own: what is checked is what leaves, whoever still has the first."""
    copy = RecordDict()
    for name, record in content.items():
        copy[_text(name)] = _copied(record)
    return copy


def _copied(record: object) -> ArrayRecord | MetricRecord | ConfigRecord:
    if isinstance(record, ArrayRecord):
        return ArrayRecord({_text(name): _array(array) for name, array in record.items()})
    if isinstance(record, MetricRecord | ConfigRecord):
        values: dict[str, Any] = {_text(name): _plain(value) for name, value in record.items()}
        return MetricRecord(values) if isinstance(record, MetricRecord) else ConfigRecord(values)
    raise Refused("records", "it has a record of a kind that Flower does not have", type(record).__name__)


def _array(array: Array) -> Array:
    shape = tuple(int(size) for size in array.shape)
    return Array(dtype=_text(array.dtype), shape=shape, stype=_text(array.stype), data=bytes(array.data))


def _text(text: object) -> str:
    plain = str(text)
    if not isinstance(text, str) or type(plain) is not str:
        raise Refused("records", "it has a name that is no text", type(text).__name__)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    for kind in PLAIN:
        if (
            isinstance(value, kind) and type(plain := kind(value)) is kind
        ):  # numpy's double is a float, and leaves as one
            return plain
    raise Refused("records", "it has a value of a kind that Flower does not have", type(value).__name__)


def hold(received: RecordDict, reply: RecordDict, message_type: str, policy: Policy) -> None:
    """Raises `Refused` where a record breaks a rule; arrays are looked at elsewhere."""
    if policy.max_bytes is not None and (size := bytes_of(reply)) > policy.max_bytes:
        raise Refused("max_bytes", f"it has {figure(size)} bytes, and at most {policy.max_bytes} may leave")
    rules, where = policy.messages[message_type], f"messages.{message_type}"
    if reply.array_records and not rules.arrays:
        raise Refused(f"{where}.arrays", f"it has arrays, which no answer to {message_type} may have")
    older = next((reply_name for name, reply_name in OLDER.items() if name in received), None)
    figures: set[str] = set()
    for name, record in reply.items():
        if isinstance(record, ArrayRecord):
            continue
        if older is not None and name == f"{older}.status":
            _hold_status(dict(record))
        elif isinstance(record, MetricRecord) or (older is not None and name == f"{older}.metrics"):
            _require_name(name, rules, older, where)
            for key, value in record.items():
                _hold_figure(key, value, rules, where)
                figures.add(_same(key))
        else:
            _require_name(name, rules, older, where)
            for key, value in record.items():
                _hold_entry(key, value, rules, where)
    lacking = [key for key, one in rules.metrics.items() if one.required and _same(key) not in figures]
    if lacking:
        raise Refused(f"{where}.metrics", f"the metric '{lacking[0]}' is needed, and missing")


def bytes_of(content: RecordDict) -> int:
    """The size of all names and values."""
    return sum(len(name.encode()) + sum(_sizes(record)) for name, record in content.items())


def _sizes(record: Any) -> Iterator[int]:
    for name, value in record.items():
        yield len(name.encode())
        for one in value if isinstance(value, list) else [value]:
            yield len(one.data) if isinstance(one, Array) else _size(one)


def _size(value: bool | int | float | str | bytes) -> int:
    if isinstance(value, str | bytes):
        return len(value.encode() if isinstance(value, str) else value)
    return 8


def _require_name(name: str, rules: Replies, older: str | None, where: str) -> None:
    own = {f"{older}.{end}" for end in ("num_examples", "loss", "metrics", "properties")} if older else set()
    if name not in rules.records and name not in own:
        raise Refused(f"{where}.records", "it has a record of a name that is not allowed", repr(name))


def _same(key: str) -> str:
    """The count of examples is spelled in two ways, by the newer and the older API."""
    return NUM_EXAMPLES if key == "num_examples" else key


def _hold_figure(key: str, value: Any, rules: Replies, where: str) -> None:
    known = {_same(name): rule for name, rule in rules.metrics.items()}
    rule = known.get(_same(key))
    if rule is None:
        raise Refused(f"{where}.metrics", "it has a metric of a name that is not allowed", repr(key))
    if type(value) not in (int, float):
        kind = f"a list of {len(value)}" if isinstance(value, list) else type(value).__name__
        raise Refused(f"{where}.metrics", f"the metric '{_same(key)}' is no single number", kind)
    _hold_number(f"the metric '{_same(key)}'", value, rule, f"{where}.metrics")


def _hold_number(what: str, value: int | float, rule: Figure | Entry, where: str) -> None:
    if rule.min is not None and rule.max is not None and not rule.min <= value <= rule.max:
        reason = f"{what} is not within {figure(rule.min)} and {figure(rule.max)}"
        raise Refused(where, reason, repr(value))
    if not isinstance(rule, Figure):
        return
    if rule.whole and value != int(value):
        raise Refused(where, f"{what} is no whole number", repr(value))
    if rule.decimals is not None and round(value, rule.decimals) != value:
        raise Refused(where, f"{what} has more than {rule.decimals} decimals", repr(value))


def _hold_entry(key: str, value: Any, rules: Replies, where: str) -> None:
    rule, where = rules.config.get(key), f"{where}.config"
    if rule is None:
        raise Refused(where, "it has a config entry of a name that is not allowed", repr(key))
    if type(value).__name__ != rule.type:
        raise Refused(where, f"the config entry '{key}' is no {rule.type}", type(value).__name__)
    if rule.values is not None and value not in rule.values:
        raise Refused(where, f"the config entry '{key}' is none of those that are allowed", repr(value)[:80])
    if rule.max_length is not None and isinstance(value, str | bytes) and _size(value) > rule.max_length:
        raise Refused(where, f"the config entry '{key}' is longer than {rule.max_length} bytes", f"{_size(value)}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        _hold_number(f"the config entry '{key}'", value, rule, where)


def _hold_status(status: dict[str, Any]) -> None:
    known = set(status) <= {"code", "message"} and status.get("message", "") in STATUS_MESSAGES
    if not (known and status.get("code", 0) in STATUS_CODES):
        raise Refused("records", "its status has words of its own", repr(status)[:80])
