"""Programs: what a deployment runs, each with its command."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import authority

from fedleak.federation.processes import script

HOST = "127.0.0.1"
"""Nothing listens anywhere else."""
SUPERLINK = "superlink"
Isolation = Literal["subprocess", "process"]


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process."""

    name: str
    command: list[str]
    port: int | None = None
    """Where it answers `GET /health`; None for executors."""
    secure: bool = False
    """Whether it does so under TLS."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What runs where."""

    state: Path
    ports: tuple[int, ...]
    """The SuperLink's, then one for each SuperNode."""
    tls: bool = False
    """With node authentication."""
    isolation: Isolation = "subprocess"
    database: bool = False
    """Whether the SuperLink keeps its state in a file, so that a run survives it."""

    @property
    def clients(self) -> int:
        """How many SuperNodes there are."""
        return len(self.ports) - 1

    @property
    def keys(self) -> Path:
        """The folder of keys and certificates."""
        return self.state / "keys"

    @property
    def home(self) -> Path:
        """What `FLWR_HOME` is to be."""
        return self.state / "home"

    @property
    def app(self) -> Path:
        """The Flower app."""
        return self.state / "app"

    @property
    def ca(self) -> Path | None:
        """The certificate that clients check servers by."""
        return self.keys / authority.AUTHORITY if self.tls else None

    @property
    def superlink(self) -> str:
        """Its address."""
        return f"{HOST}:{self.ports[0]}"

    def log(self, name: str) -> Path:
        """What a program says."""
        return self.state / "logs" / f"{name}.log"

    def programs(self) -> list[Program]:
        """In the order in which they start."""
        nodes = [program for node in range(self.clients) for program in self._of_a_client(node)]
        return [self._superlink(), *self._executor("serverapp", self.ports[0]), *nodes]

    def supernode(self, node: int, key: Path, port: int) -> list[str]:
        """The command of a node."""
        return [
            *(script("flower-supernode", "a deployment"), "--superlink", self.superlink, *self._trusting()),
            *("--host", HOST, "--port", str(port), "--isolation", self.isolation),
            *("--node-config", f"partition-id={node} num-partitions={self.clients}"),
            *(["--auth-supernode-private-key", str(key)] if self.tls else []),
            *(self._showing() if self._apart else []),
        ]

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "state": str(self.state)}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Layout":
        return cls(**{**facts, "state": Path(facts["state"]), "ports": tuple(facts["ports"])})

    @property
    def _apart(self) -> bool:
        """Whether nodes have a certificate too: else the hop from a node to an executor apart from it is in clear."""
        return self.tls and self.isolation == "process"

    def _superlink(self) -> Program:
        command = [
            *(script("flower-superlink", "a deployment"), "--host", HOST, "--port", str(self.ports[0])),
            *("--isolation", self.isolation, "--disable-runtime-dependency-installation"),
            *([*self._showing(), "--enable-supernode-auth"] if self.tls else ["--insecure"]),
            *(["--database", str(self.state / "superlink.db")] if self.database else []),
        ]
        return Program(name=SUPERLINK, command=command, port=self.ports[0], secure=self.tls)

    def _of_a_client(self, node: int) -> list[Program]:
        name, port = f"supernode-{node}", self.ports[node + 1]
        command = self.supernode(node, authority.private_key(self.keys, node), port)
        return [
            Program(name=name, command=command, port=port, secure=self._apart),
            *self._executor(f"clientapp-{node}", port),
        ]

    def _executor(self, name: str, port: int) -> list[Program]:
        """What runs apps, where it is not started by whom it runs them for."""
        if self.isolation == "subprocess":
            return []
        command = [script("flower-superexec", "a deployment"), "--runtime-api-address", f"{HOST}:{port}"]
        return [Program(name=name, command=[*command, *self._trusting()])]

    def _trusting(self) -> list[str]:
        return ["--insecure"] if self.ca is None else ["--root-certificates", str(self.ca)]

    def _showing(self) -> list[str]:
        files = {"certfile": authority.CERTIFICATE, "keyfile": authority.KEY, "ca-certfile": authority.AUTHORITY}
        return [word for flag, name in files.items() for word in (f"--ssl-{flag}", str(self.keys / name))]
