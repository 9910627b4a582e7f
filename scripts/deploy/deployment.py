"""A deployment: started, watched and stopped by what it wrote about itself into its folder."""

import json
import os
import re
import secrets
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import authority
from processes_by_id import MARK, born, end, marked
from programs import HOST, SUPERLINK, Layout, Program

from fedleak.errors import FederationError, OutputError, UserError
from fedleak.federation.engine import CLIENT_APP, SERVER_APP
from fedleak.federation.plan import FederationPlan
from fedleak.federation.processes import CONNECTION, environment, last_words, script, start, write_app, write_home
from fedleak.io.atomic import make_private, open_privately, write_atomically

FACTS = "deployment.json"
START_SECONDS = 90.0
POLL_SECONDS = 0.25
_FRAME = re.compile("[─│╭╮╰╯]")
"""What `flwr` draws around a fault."""


@dataclass
class Deployment:
    """Programs of a layout, those that were started with their process ids."""

    layout: Layout
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    started: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By name the process id and when it was born."""
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, repr=False)
    """Those of them that this very process started."""

    @classmethod
    def read(cls, state: Path) -> "Deployment":
        """That of a folder; raises where there is none."""
        try:
            facts = json.loads((state / FACTS).read_bytes())
            started = {name: (int(pid), str(when)) for name, (pid, when) in facts["started"].items()}
            return cls(Layout.of(facts["layout"]), facts["mark"], started)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{state}: no deployment is known there ({error}); start one by `up`") from error

    def alive(self, name: str) -> bool:
        """Whether the very process that was started still runs."""
        pid, when = self.started.get(name, (0, ""))
        return bool(when) and born(pid) == when

    def up(self, plan: FederationPlan) -> None:
        """Starts everything, or nothing: what runs is stopped where the rest does not start."""
        for port in self.layout.ports:
            _require_free(port)
        make_private(self.layout.state)
        for folder in (self.layout.home, self.layout.log("").parent, Path(plan.recordings), Path(plan.vault)):
            make_private(folder)
        if self.layout.tls:
            authority.make_keys(self.layout.keys, self.layout.clients)
        write_home(self.layout.home, self.layout.superlink, self.layout.ca)
        write_app(self.layout.app, plan.to_run_config(), SERVER_APP, CLIENT_APP)
        try:
            self.start()
        except BaseException:
            self.down()
            raise

    def start(self) -> list[str]:
        """Starts what does not run, the SuperLink first, and waits until it answers; returns the names."""
        programs = [program for program in self.layout.programs() if not self.alive(program.name)]
        new = [program.name for program in programs]
        for program in programs:
            if program.name == SUPERLINK:
                self._launch(program)
                self._await([program])
        if SUPERLINK in new and self.layout.tls:
            register(self.layout.keys, self.layout.home)
        rest = [program for program in programs if program.name != SUPERLINK]
        for program in rest:
            self._launch(program)
        self._await(rest)
        self._await_nodes()
        return new

    def down(self) -> dict[str, int]:
        """Stops the processes that it started, and those that they started; returns the ids of the former by name."""
        running = {name: pid for name, (pid, _) in self.started.items() if self.alive(name)}
        end(pid for name, pid in running.items() if name != SUPERLINK)
        end([pid for name, pid in running.items() if name == SUPERLINK])
        end(marked(self.mark))
        for child in self.children.values():
            child.wait()
        self.started = {}
        if self.layout.state.is_dir():
            self._write()
        return running

    def health(self) -> Iterator[tuple[Program, str]]:
        """Each program with what is wrong with it, nothing where it is well."""
        for program in self.layout.programs():
            if program.name not in self.started:
                yield program, "was stopped"
            elif not self.alive(program.name):
                yield program, f"has ended{last_words(self.layout.log(program.name))}"
            else:
                yield program, "" if self._answers(program) else f"does not answer at port {program.port}"

    def surroundings(self, program: Program) -> dict[str, str]:  # noqa: ARG002  each may have its own
        """The environment of a program."""
        return {**environment(self.layout.home), MARK: self.mark}

    def _launch(self, program: Program) -> None:
        again = program.name in self.started
        with open_privately(self.layout.log(program.name), "ab" if again else "wb") as log:
            process = start(program.command, Path.cwd(), self.surroundings(program), log)
        self.children[program.name] = process
        self.started[program.name] = (process.pid, born(process.pid))
        self._write()

    def _await(self, programs: list[Program]) -> None:
        deadline = time.monotonic() + START_SECONDS
        waiting = programs
        while waiting:
            self._require_alive(programs)
            waiting = [program for program in waiting if not self._answers(program)]
            if waiting and time.monotonic() > deadline:
                name = waiting[0].name
                told = last_words(self.layout.log(name))
                raise FederationError(f"{name} did not answer within {START_SECONDS:.0f} s{told}")
            time.sleep(POLL_SECONDS)

    def _await_nodes(self) -> None:
        """Waits until the SuperLink has all nodes: one that it does not take answers for a moment, then ends."""
        deadline = time.monotonic() + START_SECONDS
        while (connected := online(self.layout.home)) < self.layout.clients:
            self._require_alive(self.layout.programs())
            if time.monotonic() > deadline:
                wanted = f"{self.layout.clients} SuperNodes"
                raise FederationError(
                    f"expected {wanted} at the SuperLink within {START_SECONDS:.0f} s, got {connected}"
                )
            time.sleep(POLL_SECONDS)

    def _require_alive(self, programs: list[Program]) -> None:
        for program in programs:
            if not self.alive(program.name):
                raise FederationError(f"{program.name} ended at once{last_words(self.layout.log(program.name))}")

    def _answers(self, program: Program) -> bool:
        return program.port is None or healthy(program.port, self.layout.ca if program.secure else None)

    def _write(self) -> None:
        facts = {"layout": self.layout.facts(), "mark": self.mark, "started": self.started}
        state = self.layout.state
        write_atomically(state / FACTS, (json.dumps(facts, indent=1) + "\n").encode(), private=state)


def healthy(port: int, ca: Path | None) -> bool:
    """Whether a SuperLink or SuperNode says that it is well; `ca`: whose certificates are good, None for no TLS."""
    trust = None if ca is None else ssl.create_default_context(cafile=ca)
    secure = [] if trust is None else [urllib.request.HTTPSHandler(context=trust)]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *secure)
    try:
        with opener.open(f"http{'s' if secure else ''}://{HOST}:{port}/health", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:  # refused, or not yet able to answer
        return False


def register(keys: Path, home: Path) -> None:
    """Makes a SuperLink know the nodes by their public keys."""
    for key in authority.public_keys(keys):
        done = _flwr(home, "supernode", "register", str(key), CONNECTION, "--name", key.stem)
        told = " ".join(_FRAME.sub(" ", done.stdout + done.stderr).split())
        if done.returncode and "already in use" not in told:
            raise FederationError(f"the SuperLink did not take the key {key}: {told or 'it gives no reason'}")


def online(home: Path) -> int:
    """How many nodes a SuperLink has; none where it does not say."""
    done = _flwr(home, "supernode", "list", CONNECTION, "--format", "json")
    try:
        return sum(node["status"] == "online" for node in json.loads(done.stdout)["nodes"])
    except (ValueError, KeyError, TypeError):
        return 0


def _flwr(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [script("flwr", "a deployment"), *arguments]
    return subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise OutputError(
                f"port {port} of {HOST} cannot be had: {os.strerror(error.errno or 0)}; choose others by --port, "
                "or --port 0 for any that are free"
            ) from error
