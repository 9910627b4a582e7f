"""docker-compose.yml against the pinned Flower: versions, and every flag parsed by Flower's own parsers."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import flwr
import pytest
import yaml
from flwr.supercore.cli.flower_superexec import _parse_args as superexec_arguments
from flwr.superlink.cli.flower_superlink import _parse_args_run_superlink as superlink_arguments
from flwr.supernode.cli.flower_supernode import _parse_args_run_supernode as supernode_arguments

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def parser_of(name: str) -> Any:
    if name == "superlink":
        return superlink_arguments()
    return supernode_arguments() if name.startswith("supernode") else superexec_arguments()


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"tensorboard"}))
def test_flower_accepts_the_flags(name: str) -> None:
    parser_of(name).parse_args(SERVICES[name]["command"])


def test_the_images_are_of_the_pinned_flower() -> None:
    images = {service["image"] for service in SERVICES.values() if service["image"].startswith("flwr/")}
    base = (ROOT / "Dockerfile").read_text().split("FROM ")[1].split()[0]
    assert {image.rpartition(":")[2] for image in images | {base}} == {flwr.__version__}


def test_each_client_has_its_share_and_its_supernode() -> None:
    clients = [name for name in SERVICES if name.startswith("supernode")]
    for index, name in enumerate(sorted(clients)):
        flags = supernode_arguments().parse_args(SERVICES[name]["command"])
        assert flags.node_config == f"partition-id={index} num-partitions={len(clients)}"
        app = superexec_arguments().parse_args(SERVICES[f"clientapp-{index}"]["command"])
        assert app.runtime_api_address == f"{name}:{flags.port}"


def test_only_clients_hold_the_truth_and_the_host_listens_on_loopback() -> None:
    for name, service in SERVICES.items():
        assert ("vault:/runs/vault" in service.get("volumes", [])) == name.startswith("clientapp")
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_compose_itself_accepts_the_file() -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed (Debian: apt-get install docker-compose); no engine is needed")
    result = subprocess.run([compose, "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
