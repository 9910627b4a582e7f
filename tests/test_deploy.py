"""`scripts/deploy`: keys and flags as Flower takes them; processes that are found again and stopped."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.cli.supernode.register import try_load_public_key
from flwr.supercore.cli.flower_superexec import _parse_args as superexec_arguments
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.superlink.cli.flower_superlink import _parse_args_run_superlink as superlink_arguments
from flwr.supernode.cli.flower_supernode import _parse_args_run_supernode as supernode_arguments

from fedleak.errors import FederationError, OutputError, UserError

ROOT = Path(__file__).resolve().parents[1]
PARSERS = {
    "flower-superlink": superlink_arguments,
    "flower-supernode": supernode_arguments,
    "flower-superexec": superexec_arguments,
}


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "deploy"))
    import deployment

    return deployment


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_keys_are_those_that_flower_reads_and_the_authoritys_own_is_kept_nowhere(
    tmp_path: Path, deployment: ModuleType
) -> None:
    keys = tmp_path / "keys"
    made = deployment.authority.make_keys(keys, 2)
    assert modes(keys) == dict.fromkeys((path.name for path in made), 0o600)
    assert keys.stat().st_mode & 0o777 == 0o700
    names = {"ca.crt", "server.crt", "server.key", "node-0.key", "node-0.pub", "node-1.key", "node-1.pub"}
    assert {path.name for path in made} == names
    for node, public in enumerate(deployment.authority.public_keys(keys)):
        private = load_ssh_private_key(deployment.authority.private_key(keys, node).read_bytes(), None)
        assert public_key_to_bytes(private.public_key()) == try_load_public_key(public)
    ca, server = (x509.load_pem_x509_certificate((keys / name).read_bytes()) for name in ("ca.crt", "server.crt"))
    server.verify_directly_issued_by(ca)
    assert (keys / "server.key").read_bytes().startswith(b"-----BEGIN PRIVATE KEY")


def test_what_is_there_stays_and_other_names_are_certified_anew(
    tmp_path: Path, deployment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = deployment.authority
    authority.make_keys(tmp_path, 1)
    assert authority.make_keys(tmp_path, 1) == []
    assert [path.name for path in authority.make_keys(tmp_path, 2)] == ["node-1.key", "node-1.pub"]
    renewed = authority.make_keys(tmp_path, 2, (*authority.NAMES, "superlink"))
    assert [path.name for path in renewed] == ["server.key", "server.crt", "ca.crt"]
    assert authority.make_keys(tmp_path, 2, (*authority.NAMES, "superlink")) == []
    monkeypatch.setattr(authority, "datetime", Later)
    assert len(authority.make_keys(tmp_path, 2, (*authority.NAMES, "superlink"))) == 3, "it had ended"


class Later(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(UTC) + timedelta(days=365)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("isolation", ["subprocess", "process"])
def test_flower_accepts_the_flags_and_nothing_listens_but_on_loopback(
    tmp_path: Path, deployment: ModuleType, tls: bool, isolation: str
) -> None:
    layout = deployment.Layout(state=tmp_path, ports=(1, 2, 3), tls=tls, isolation=isolation, database=True)
    assert deployment.Layout.of(layout.facts()) == layout
    apart = ["superlink", "serverapp", "supernode-0", "clientapp-0", "supernode-1", "clientapp-1"]
    programs = layout.programs()
    assert [program.name for program in programs] == [
        name for name in apart if isolation == "process" or "app" not in name
    ]
    for program in programs:
        parsed = PARSERS[Path(program.command[0]).name]().parse_args(program.command[1:])
        assert parsed.insecure == (not tls)
        assert all(word.startswith("127.0.0.1") for word in program.command if word.count(".") == 3)
        if program.port is not None:
            assert (parsed.host, parsed.port, parsed.isolation) == ("127.0.0.1", program.port, isolation)
    nodes = [program for program in programs if program.name.startswith("supernode")]
    assert all(("--auth-supernode-private-key" in node.command) == tls for node in nodes)
    assert all(node.secure == (tls and isolation == "process") for node in nodes)
    assert ("--enable-supernode-auth" in programs[0].command) == tls


def test_a_port_that_is_taken_is_one_sentence(deployment: ModuleType) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OutputError, match=r"port \d+ of 127.0.0.1 cannot be had: Address already in use; choose"):
            deployment._require_free(taken.getsockname()[1])


def test_a_folder_of_no_deployment_is_one_sentence(tmp_path: Path, deployment: ModuleType) -> None:
    with pytest.raises(UserError, match="no deployment is known there"):
        deployment.Deployment.read(tmp_path)


SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
DIES = r"print('\x1b[91mERROR\x1b[0m: Exit Code: 305\nNot\nthis\ntime', flush=True); raise SystemExit(1)"


@pytest.fixture
def of(tmp_path: Path, deployment: ModuleType) -> Iterator[Any]:
    """A deployment of Python programs in place of Flower's; what it started is stopped."""
    made = []

    def build(**programs: str) -> Any:
        class Layout(deployment.Layout):
            def programs(self) -> list[Any]:
                return [
                    deployment.Program(name=name, command=[sys.executable, "-c", text])
                    for name, text in programs.items()
                ]

        for folder in ("home", "logs"):
            (tmp_path / folder).mkdir(exist_ok=True)
        made.append(deployment.Deployment(Layout(state=tmp_path, ports=())))
        return made[-1]

    yield build
    for one in made:
        one.down()


def test_a_program_that_ends_at_once_is_named_with_its_reason_and_its_log(of: Any, deployment: ModuleType) -> None:
    own = of(one=DIES)
    own._launch(own.layout.programs()[0])
    own.children["one"].wait()
    with pytest.raises(FederationError) as raised:
        own._await(own.layout.programs())
    reason = "one ended at once (ERROR: Exit Code: 305 Not this); see "
    assert str(raised.value) == f"{reason}{own.layout.log('one')}"


def test_what_was_started_is_known_to_another_process_and_stopped_by_it(of: Any, deployment: ModuleType) -> None:
    own = of(one=SLEEPS, two=SLEEPS)
    for program in own.layout.programs():
        own._launch(program)
    known = deployment.Deployment.read(own.layout.state)
    assert known.started == {name: tuple(place) for name, place in own.started.items()}
    pids = {name: pid for name, (pid, _) in known.started.items()}
    assert all(known.alive(name) for name in pids)
    assert known.down() == pids
    assert not any(own.alive(name) for name in pids)
    assert deployment.Deployment.read(own.layout.state).down() == {}


def test_a_process_that_has_the_number_of_one_that_ended_is_left_alone(of: Any, deployment: ModuleType) -> None:
    own = of(one=SLEEPS)
    with subprocess.Popen([sys.executable, "-c", SLEEPS]) as other:
        own.started = {"one": (other.pid, "long ago")}
        assert not own.alive("one")
        assert own.down() == {}
        assert other.poll() is None
        other.kill()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux tells what a process was started with")
def test_what_its_programs_started_in_sessions_of_their_own_is_stopped_too(of: Any, deployment: ModuleType) -> None:
    start = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], start_new_session=True)"
    own = of(one=f"{start}; {SLEEPS}")
    own._launch(own.layout.programs()[0])
    while len(deployment.marked(own.mark)) < 2:
        time.sleep(0.05)
    os.kill(own.started["one"][0], signal.SIGKILL)
    own.down()
    assert deployment.marked(own.mark) == []


def test_what_the_page_says_of_it_can_be_asked_for(monkeypatch: pytest.MonkeyPatch, deployment: ModuleType) -> None:
    lines = (ROOT / "docs" / "deploy.md").read_text().splitlines()
    asked = [line.split()[2:] for line in lines if line.startswith("python scripts/deploy ")]
    program = importlib.util.spec_from_file_location("deploy_program", ROOT / "scripts" / "deploy" / "__main__.py")
    assert program is not None
    assert program.loader is not None
    module = importlib.util.module_from_spec(program)
    program.loader.exec_module(module)
    assert [module.parser().parse_args(words).command.__name__ for words in asked] == ["up", "status", "down"]


def test_the_command_refuses_in_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "deploy"), "up", "--database", "--state", str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "--database needs --isolation process: a SuperLink takes the apps along that it started itself\n"
    )
    assert not (tmp_path / "s").exists()
