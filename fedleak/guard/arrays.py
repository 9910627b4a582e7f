"""Arrays of a reply beside those that came: the same names, order, shapes and types, and no bytes but theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from flwr.app import Array, RecordDict
from numpy.lib import format as npy
from numpy.typing import NDArray

from fedleak.guard.journal import Refused
from fedleak.guard.policy import Arrays

Elements = NDArray[Any]
ANSWERED_BY = {"fitins.parameters": "fitres.parameters"}
"""Records of Flower's older API whose answer has another name."""
PLACEHOLDER = "_empty"
"""What the older API writes in place of no array."""
NUMPY = "numpy.ndarray"
PREFIX = 10
"""Bytes of numpy's format before its header: magic, version, length."""
NUMBERS = "biuf"


@dataclass(frozen=True)
class Pair:
    """An array as it came and as it would leave, of one shape."""

    name: str
    before: Elements
    after: Elements

    def named(self, patterns: tuple[str, ...]) -> bool:
        return any(fnmatchcase(self.name, pattern) for pattern in patterns)

    @cached_property
    def difference(self) -> Elements:
        """What it changed by, in its own precision or single precision; an array, also where it is a single number."""
        dtype = np.promote_types(np.promote_types(self.before.dtype, self.after.dtype), np.float32)
        return np.asarray(np.subtract(self.after, self.before, dtype=dtype))


def pairs_of(received: RecordDict, reply: RecordDict, rules: Arrays) -> list[Pair]:
    """Arrays of a reply with what each came as; raises `Refused` where they are others than those that came."""
    came = {ANSWERED_BY.get(name, name): _filled(record) for name, record in received.array_records.items()}
    foreign = [name for name in reply.array_records if name not in came]
    if foreign:
        reason = f"{len(foreign)} of its records of arrays answer none that came"
        raise Refused("arrays: names", reason, f"records {foreign}")
    return [
        pair
        for name, arrays in came.items()
        for pair in _pairs(arrays, _filled(reply.array_records.get(name, {})), rules)
    ]


def _filled(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays without the placeholder of the older API."""
    return {name: array for name, array in arrays.items() if name != PLACEHOLDER or array.data}


def _pairs(came: dict[str, Array], leaving: dict[str, Array], rules: Arrays) -> list[Pair]:
    foreign = [name for name in leaving if name not in came]
    if foreign:
        reason = f"{len(foreign)} of its arrays have names that none has of the {len(came)} that came"
        raise Refused("arrays: names", reason, f"arrays {foreign}")
    optional = [name for name in came if any(fnmatchcase(name, pattern) for pattern in rules.missing)]
    missing = [name for name in came if name not in leaving and name not in optional]
    if missing:
        raise Refused("arrays: names", f"{len(missing)} of the {len(came)} arrays that came are missing", f"{missing}")
    if list(leaving) != [name for name in came if name in leaving]:
        raise Refused("arrays: names", "its arrays stand in another order than those that came")
    pairs = [_pair(name, came[name], array, rules) for name, array in leaving.items()]
    for pair in pairs:
        _require_whole(pair, rules)
    return pairs


def _pair(name: str, came: Array, leaving: Array, rules: Arrays) -> Pair:
    before, after = elements(came, name, own=False), elements(leaving, name)
    pair = Pair(name, before, after)
    if after.shape != before.shape:
        raise Refused(
            "arrays: shapes", f"'{name}' has another shape than the {before.shape} that came", f"{after.shape}"
        )
    if after.dtype != before.dtype and not pair.named(rules.counters):
        raise Refused("arrays: types", f"'{name}' is no {before.dtype} as it came", f"{after.dtype}")
    return pair


def elements(array: Array, name: str, *, own: bool = True) -> Elements:
    """What an array holds. One of one's own must be, byte for byte, what numpy writes: nothing behind it, none between.

    Servers may have another numpy, whose header is laid out in another way.
    """
    rule = "arrays: bytes"
    end = PREFIX + int.from_bytes(array.data[8:PREFIX], "little")
    try:
        dtype, shape, fortran, canonical = _header(bytes(array.data[:end]))
    except (ValueError, TypeError, SyntaxError, EOFError) as error:
        raise Refused(rule, f"'{name}' is not in numpy's own format", str(error)) from error
    if array.stype != NUMPY or dtype.kind not in NUMBERS:
        raise Refused(rule, f"'{name}' holds no plain numbers", f"{array.stype!r} of {dtype}")
    extra = len(array.data) - end - dtype.itemsize * prod(shape)
    said = (array.dtype, tuple(array.shape)) in (("", ()), (str(dtype), shape))
    if extra or (own and not (said and canonical)):
        detail = f"{extra} bytes too many; says {array.dtype!r} {array.shape}; canonical: {canonical}"
        raise Refused(rule, f"'{name}' has other bytes than an array of its shape and type", detail)
    flat = np.frombuffer(array.data, dtype, offset=end)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


@lru_cache(maxsize=4096)
def _header(header: bytes) -> tuple[np.dtype[Any], tuple[int, ...], bool, bool]:
    """Type, shape, whether columns come first, and whether it is the header that this numpy writes."""
    buffer, again = BytesIO(header), BytesIO()
    if npy.read_magic(buffer) != (1, 0):
        raise ValueError("expected version 1.0 of the format")
    shape, fortran, dtype = npy.read_array_header_1_0(buffer)
    facts = {"descr": npy.dtype_to_descr(dtype), "fortran_order": fortran, "shape": shape}
    npy.write_array_header_1_0(again, facts)
    return dtype, tuple(shape), fortran, again.getvalue() == header


def _require_whole(pair: Pair, rules: Arrays) -> None:
    """Whole numbers come back as they came, and counters a few steps on; a sum's mean makes fractions of counters."""
    if pair.named(rules.counters):
        steps = float(pair.after) - float(pair.before) if pair.after.size == 1 else float("nan")
        if not (-1 < steps <= rules.max_steps and float(pair.after).is_integer()):
            reason = f"'{pair.name}' counts no steps between none and {rules.max_steps}"
            raise Refused("arrays.counters", reason, f"{steps} steps, {pair.after.dtype} of {pair.after.shape}")
    elif pair.after.dtype.kind != "f" and not np.array_equal(pair.before, pair.after):
        raise Refused("arrays.counters", f"'{pair.name}' holds whole numbers, and not those that came")
