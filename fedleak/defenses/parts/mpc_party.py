"""One party of a secret-shared evaluation: `python -m fedleak.defenses.parts.mpc_party ... ` in a process of its own.

It reads its shares of the inputs (and of the model) from standard input, computes with the other parties over loopback
by MPyC, and writes its shares of the scores. Parties open masked values alone, to truncate and to compare, under
MPyC's security parameter of `MASK` bits. Ends with the process that started it, or when its time is
over. Imports neither torch nor the rest of fedleak.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

PRIME = 2**127 - 1
"""Of the field that shares are in, which has room for numbers, their fraction and a mask."""
BITS, FRACTION = 56, 20
"""Of a number, and of its fraction: it lies below 2**35."""
MASK = 30
"""MPyC's security parameter: bits by which masks, of all parties together, are longer than what they hide."""
BEAT = 0.5
"""Seconds between two looks at whether a party has somebody to compute for."""


class Loopback(asyncio.SelectorEventLoop):
    """Listens at this machine's loopback alone, where MPyC would listen everywhere."""

    async def create_server(self, factory: Callable[[], Any], *places: Any, **options: Any) -> Any:  # type: ignore[override]
        """As asyncio does, at 127.0.0.1."""
        return await super().create_server(factory, "127.0.0.1", *places[1:], **options)


async def evaluated(mpc: Any, job: dict[str, Any]) -> dict[str, Any]:
    """This party's shares of the scores, seconds, and bytes that it sent to the others."""
    number = mpc.SecFxp(BITS, FRACTION, p=PRIME)

    def shared(rows: Any) -> Any:
        return number.array(number.field.array(np.array(rows, dtype=object)), integral=False)

    if not isinstance(mpc._loop, Loopback):
        sys.exit("MPyC would listen everywhere, as it does not take the event loop that it is given")
    await mpc.start()
    started = time.process_time()
    values = shared(job["inputs"])
    for place, (weight, bias) in enumerate(job["maps"]):
        if place:
            values = values * values if job["activation"] == "square" else values * (values >= 0)
        # Of a public model the shares are the numbers themselves, the same at each party.
        values = values @ shared(weight) + shared(bias) * np.ones((len(job["inputs"]), 1), dtype=int)
    own = await mpc.gather(values)
    seconds = time.process_time() - started
    sent = sum(peer.protocol.nbytes_sent for peer in mpc.parties if peer.pid != mpc.pid)
    await mpc.shutdown()
    return {"shares": [[int(one) for one in row] for row in own.value], "seconds": seconds, "sent": sent}


def end_with(parent: int, seconds: float) -> None:
    """Ends this process when that one is not its parent any more, or after so many seconds."""
    ends = time.monotonic() + seconds

    def watch() -> None:
        while os.getppid() == parent and time.monotonic() < ends:
            time.sleep(BEAT)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Options are MPyC's own: `-P HOST:PORT` for each party, `-I` for this one's number."""
    job = json.load(sys.stdin)
    end_with(job["parent"], job["timeout"])
    os.environ["MPYC_NOUVLOOP"] = "1"  # else it replaces the event loop
    asyncio.set_event_loop(Loopback())
    from mpyc.runtime import mpc  # reads the options

    mpc.options.sec_param = MASK
    sys.stdout.write(json.dumps(mpc.run(evaluated(mpc, job))))


if __name__ == "__main__":
    main()
