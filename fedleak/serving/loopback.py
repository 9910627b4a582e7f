"""Loopback: the only addresses that fedleak serves at, or asks."""

import ipaddress
import socket

from fedleak.errors import ConfigError

NAMES = {"localhost": "127.0.0.1"}
"""Resolved here, so that no file of the system can make it another machine's."""
WAITING = 128
"""Connections that may wait to be accepted."""


def loopback(host: str, where: str) -> str:
    """The address, as numbers; raises `ConfigError` where it is not of this machine's loopback."""
    address = NAMES.get(host, host)
    try:
        if ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:  # a name
        pass
    raise ConfigError(
        f"{where}: expected an address of this machine's loopback such as 127.0.0.1, got '{host}'; fedleak serves and "
        "asks nobody else"
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there, at a free port for 0; raises `ConfigError` where it cannot."""
    address = loopback(host, "--host")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port is free as soon as nobody listens
        opened.bind((address, port))
        opened.listen(WAITING)
    except OSError as error:
        opened.close()
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"--port: cannot listen at {address}, port {port} ({reason}); name another port") from error
    return opened
