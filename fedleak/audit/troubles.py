"""Troubles of an app, each in a sentence that says what to do."""

import socket
from typing import Any

from fedleak.errors import FedleakError, first_line

NETWORKED = ("requests", "urllib3", "httpx", "httpcore", "huggingface_hub", "aiohttp")
"""Packages whose errors say that something was sought on the network."""


class AuditError(FedleakError):
    """The app could not be audited; the message says what came."""


class Unclear(Exception):  # noqa: N818  no error: what was not understood, in words
    """What in a training cannot be done again, and why."""


class NodeConfig(dict[str, Any]):
    """A node's config, which says how to give what is not in it."""

    def __missing__(self, key: str) -> Any:
        raise NoSuchSettingError(f"the node config has no '{key}'; give it with --node-config {key}=VALUE")


class NoSuchSettingError(KeyError):
    """What a node's config does not have."""

    def __str__(self) -> str:
        return str(self.args[0])


def reason(error: BaseException) -> str:
    """What went wrong in a client, in a line, and what to do about it where that is known."""
    chain, words = [error], ""
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    first = next((one for one in chain if isinstance(one, NoSuchSettingError)), chain[0].__cause__ or chain[0])
    if any(
        type(one).__module__.partition(".")[0] in NETWORKED or isinstance(one, socket.gaierror | ConnectionError)
        for one in chain
    ):
        words = "; it asks for the network: put the data where the app looks first, or run where there is one"
    return f"{type(first).__name__}: {first_line(first)}{words}"
