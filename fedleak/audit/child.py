"""Child process of an audit: it imports the app, runs it to the end of the audited rounds, and looks at each update.

Nothing of the app is imported anywhere else. What it has to say goes as lines of JSON to a descriptor that it is given.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from fedleak.audit.settings import REPLIED, spoken
from fedleak.errors import FedleakError, sentence


def main() -> int:
    """`python -m fedleak.audit.child SETTINGS.json DESCRIPTOR PARENT`; by its number, a parent that is gone is told."""
    settings = spoken(Path(sys.argv[1]))
    voice = os.fdopen(int(sys.argv[2]), "w", buffering=1)
    lock = threading.Lock()
    groups: list[int] = []

    def say(words: dict[str, Any]) -> None:
        if words["event"] == "groups":
            groups[:] = words["numbers"]
        with lock, suppress(OSError, ValueError):
            voice.write(json.dumps(words) + "\n")

    threading.Thread(target=follow, args=(int(sys.argv[3]), groups, settings.private), daemon=True).start()
    torch.manual_seed(settings.seed)
    try:
        from fedleak.audit.engines import ENGINES  # say which versions of Flower they know
        from fedleak.audit.stage import Stage

        Stage(settings, say).run(ENGINES[settings.engine])
    except FedleakError as error:
        say({"event": "failure", "words": sentence(error)})
        return REPLIED
    say({"event": "done"})
    return 0


def follow(parent: int, groups: Sequence[int], private: Path) -> None:
    """Ends this process and what it started where its parent has gone, however that came about."""
    while os.getppid() == parent:
        time.sleep(1.0)
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    shutil.rmtree(private, ignore_errors=True)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads of the app may wait for ever
