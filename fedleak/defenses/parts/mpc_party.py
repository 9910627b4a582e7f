"""One party of a secret-shared evaluation: `python -m fedleak.defenses.parts.mpc_party ... ` in a process of its own.

It reads its shares of the inputs (and of the model) from standard input, computes with the other parties over loopback
by MPyC, and writes its shares of the scores. No value is ever opened. Imports neither torch nor the rest of fedleak.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

PRIME = 2**127 - 1
"""Of the field that shares are in; MPyC asks for 30 bits more than numbers and their fraction have, for secrecy."""
BITS, FRACTION = 56, 20
"""Of a number, and of its fraction."""


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


def main() -> None:
    """Options are MPyC's own: `-P HOST:PORT` for each party, `-I` for this one's number."""
    asyncio.set_event_loop(Loopback())
    from mpyc.runtime import mpc  # reads the options

    sys.stdout.write(json.dumps(mpc.run(evaluated(mpc, json.load(sys.stdin)))))


if __name__ == "__main__":
    main()
