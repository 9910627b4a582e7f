"""docker-compose.yml against the pinned Flower: versions, and every flag parsed by Flower's own parsers."""

import shutil
import subprocess
import sys
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


BESIDE = ("tensorboard", "report", "keys", "enroll")
"""Services that run no program of Flower."""
FLOWER = sorted(set(SERVICES) - set(BESIDE))


def parser_of(name: str) -> Any:
    if name.startswith("superlink"):
        return superlink_arguments()
    return supernode_arguments() if name.startswith("supernode") else superexec_arguments()


def in_profile(profile: str) -> set[str]:
    return {name for name, service in SERVICES.items() if profile in service["profiles"]}


@pytest.mark.parametrize("name", FLOWER)
def test_flower_accepts_the_flags(name: str) -> None:
    parsed = parser_of(name).parse_args(SERVICES[name]["command"])
    assert parsed.insecure == (SERVICES[name]["profiles"] == ["plain"])


@pytest.mark.parametrize("name", ["keys", "enroll"])
def test_the_program_that_deploys_accepts_the_flags(name: str) -> None:
    program = ROOT / SERVICES[name]["entrypoint"][1]
    command = [sys.executable, str(program), *SERVICES[name]["command"], "--help"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_each_profile_is_whole_and_starts_one_after_the_other() -> None:
    for profile in ("plain", "tls"):
        inside = in_profile(profile)
        for name in inside:
            for other, how in SERVICES[name].get("depends_on", {}).items():
                assert other in inside
                looked_at = "healthcheck" in SERVICES[other]
                assert how["condition"] == ("service_healthy" if looked_at else "service_completed_successfully")
        assert {"tensorboard", "report"} <= inside
        ports = [port for name in inside for port in SERVICES[name].get("ports", [])]
        assert len(ports) == len(set(ports)) == 3


def test_who_listens_is_asked_for_its_health_as_it_is_to_be_asked() -> None:
    for name in FLOWER:
        assert ("healthcheck" in SERVICES[name]) == name.startswith("super")
    for name in [name for name in FLOWER if name.startswith("super")]:
        flags = parser_of(name).parse_args(SERVICES[name]["command"])
        code = SERVICES[name]["healthcheck"]["test"][3]
        compile(code, name, "exec")
        assert f"{'http' if flags.insecure else 'https'}://127.0.0.1:{flags.port}/health" in code


def test_the_certificate_has_the_names_that_it_is_asked_by() -> None:
    names = {flag.partition("=")[2] for flag in SERVICES["keys"]["command"] if flag.startswith("--name=")}
    assert names == {name for name in in_profile("tls") if name.startswith("super")}


def test_nobody_is_root() -> None:
    assert {service["user"] for service in SERVICES.values()} == {"app"}


def test_the_images_are_of_the_pinned_flower() -> None:
    images = {service["image"] for service in SERVICES.values() if service["image"].startswith("flwr/")}
    base = (ROOT / "Dockerfile").read_text().split("FROM ")[1].split()[0]
    assert {image.rpartition(":")[2] for image in images | {base}} == {flwr.__version__}


@pytest.mark.parametrize("profile", ["plain", "tls"])
def test_each_client_has_its_share_and_its_supernode(profile: str) -> None:
    clients = sorted(name for name in in_profile(profile) if name.startswith("supernode"))
    for index, name in enumerate(clients):
        flags = supernode_arguments().parse_args(SERVICES[name]["command"])
        assert flags.node_config == f"partition-id={index} num-partitions={len(clients)}"
        own = superexec_arguments().parse_args(SERVICES[name.replace("supernode", "clientapp")]["command"])
        assert own.runtime_api_address == f"{name}:{flags.port}"


def test_only_clients_hold_the_truth_and_the_host_listens_on_loopback() -> None:
    for name, service in SERVICES.items():
        volumes = service.get("volumes", [])
        assert ("vault:/runs/vault" in volumes) == name.startswith("clientapp")
        assert ("recordings:/runs/recordings" in volumes) == name.startswith("serverapp")
        assert name in ("keys", "enroll") or all(volume.endswith(":ro") for volume in volumes if "keys" in volume)
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("profile", ["plain", "tls"])
def test_compose_itself_accepts_the_file(profile: str) -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed (Debian: apt-get install docker-compose); no engine is needed")
    command = [compose, "--profile", profile, "config", "--quiet"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
