"""Deploy a federation of fedleak on this machine: SuperLink, SuperNodes and executors as processes, on 127.0.0.1 alone.

    python scripts/deploy up --tls --clients 4
    python scripts/deploy status
    python scripts/deploy down

`up` prints how to run a federation on it. Everything about a deployment lies in its folder (`--state`), which is for
its owner alone: keys, logs, process ids, what `flwr` has to know. Exit status: 0; 1 where something does not run; 2
where it is asked for what cannot be.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import authority
from deployment import FACTS, Deployment, register
from programs import Layout

from fedleak.errors import FedleakError, UserError
from fedleak.federation.plan import FederationPlan
from fedleak.federation.processes import CONNECTION, free_port, write_home
from fedleak.io.atomic import make_private
from fedleak.settings.base import parse_settings

TASK = "digits-mlp"
"""What a federation does that is told nothing else."""


def up(asked: argparse.Namespace) -> int:
    """Starts a deployment, one that is known in the folder only where it has ended."""
    if asked.database and asked.isolation != "process":
        raise UserError("--database needs --isolation process: a SuperLink takes the apps along that it started itself")
    state, out = asked.state.resolve(), asked.out.resolve()
    if (state / FACTS).exists():
        known = Deployment.read(state)
        running = [name for name in known.started if known.alive(name)]
        if running:
            raise UserError(f"{asked.state}: {', '.join(running)} run already; stop them by `down`, or give --state")
    count = asked.clients + 1
    ports = tuple(asked.port + place if asked.port else free_port() for place in range(count))
    layout = Layout(state=state, ports=ports, tls=asked.tls, isolation=asked.isolation, database=asked.database)
    places = {part: str(out / part / "none") for part in ("recordings", "vault")}
    Deployment(layout).up(
        parse_settings(FederationPlan, {"task": TASK, **places, "federation": {"clients": asked.clients}})
    )
    kept = ", known by their keys, under TLS" if asked.tls else ", in clear"
    say(f"up: a SuperLink at {layout.superlink} and {asked.clients} SuperNodes{kept}. Run a federation, then `down`:")
    say(f"  export FLWR_HOME={layout.home}")
    say(f"  flwr run {layout.app} {CONNECTION} --stream -c 'task=\"digits-lenet\" federation.rounds=2'")
    say(f"  fedleak verify {out}")
    return 0


def down(asked: argparse.Namespace) -> int:
    """Stops it."""
    stopped = Deployment.read(asked.state.resolve()).down()
    say("down: " + (", ".join(f"{name} ({pid})" for name, pid in stopped.items()) or "nothing ran any more"))
    return 0


def restart(asked: argparse.Namespace) -> int:
    """Starts what has ended."""
    started = Deployment.read(asked.state.resolve()).start()
    say("started: " + (", ".join(started) or "nothing, as everything runs"))
    return 0


def status(asked: argparse.Namespace) -> int:
    """Says of each process how it is."""
    known = Deployment.read(asked.state.resolve())
    ill = False
    for program, what in known.health():
        pid = known.started.get(program.name, (0, ""))[0]
        say(f"{program.name:<14}{pid or '-':<9}{what or 'is well'}")
        ill = ill or bool(what)
    return int(ill)


def keys(asked: argparse.Namespace) -> int:
    """Makes keys and certificates, for programs that something else starts."""
    made = authority.make_keys(asked.state.resolve(), asked.clients, (*authority.NAMES, *asked.name))
    say("made: " + (", ".join(path.name for path in made) or "nothing, as all were there"))
    return 0


def enroll(asked: argparse.Namespace) -> int:
    """Makes a SuperLink that something else started know the nodes of a folder of keys."""
    folder = asked.state.resolve()
    if not authority.public_keys(folder):
        raise UserError(f"{asked.state}: expected public keys of nodes there, found none; make them by `keys`")
    home = folder / "home"
    make_private(home)
    write_home(home, asked.superlink, folder / authority.AUTHORITY)
    register(folder, home)
    say(f"enrolled: {', '.join(path.stem for path in authority.public_keys(folder))}")
    return 0


def say(line: str) -> None:
    """A line on the terminal."""
    sys.stdout.write(line + "\n")


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    whole = argparse.ArgumentParser(
        prog="python scripts/deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    folder = Path("runs/deployment")
    for command in (up, down, restart, status, keys, enroll):
        said = (command.__doc__ or "").rstrip(".")
        one = commands.add_parser(command.__name__, help=said, description=said)
        one.set_defaults(command=command)
        one.add_argument("--state", type=Path, default=folder, metavar="DIR", help=f"its folder; {folder} by default")
        if command in (up, keys):
            one.add_argument("--clients", type=_positive, default=2, metavar="N", help="how many SuperNodes; 2")
        if command is up:
            one.add_argument("--out", type=Path, default=Path("runs/deployed"), metavar="RUN",
                             help="the folder of the run: recordings and vault; runs/deployed")  # fmt: skip
            one.add_argument("--port", type=int, default=18000,
                             help="the SuperLink's, the nodes' follow; 18000; 0: any that are free")  # fmt: skip
            one.add_argument("--isolation", choices=("subprocess", "process"), default="subprocess",
                             help="whether executors are started by SuperLink and SuperNodes, or apart")  # fmt: skip
            one.add_argument("--database", action="store_true",
                             help="keep its state in a file: a run survives the SuperLink; with process")  # fmt: skip
            how = one.add_mutually_exclusive_group()
            how.add_argument("--plain", dest="tls", action="store_false", help="in clear, every node taken (default)")
            how.add_argument("--tls", action="store_true", help="TLS, and nodes known by their keys")
        if command is keys:
            one.add_argument("--name", action="append", default=[], help="another name of the servers; repeatable")
        if command is enroll:
            one.add_argument("--superlink", required=True, metavar="HOST:PORT", help="where it is")
    return whole


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected at least 1")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what is asked for; a fault is one sentence."""
    asked = parser().parse_args(arguments)
    try:
        return int(asked.command(asked))
    except FedleakError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, UserError) else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
