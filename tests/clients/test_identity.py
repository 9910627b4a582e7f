"""Identity keys and registries are files of OpenSSH, or one sentence."""

import subprocess
from pathlib import Path
from shutil import which

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fedleak.clients.identity import read_identity, read_registry, seeded_identity, seeded_registry
from fedleak.errors import ConfigError
from fedleak.secure_aggregation.keys import identity_key

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in range(3)]
LINES = [
    f"{number} {key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} a hospital\n"
    for number, key in enumerate(KEYS)
]


def test_an_identity_and_a_registry_are_read(tmp_path: Path) -> None:
    private = KEYS[1].private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    (tmp_path / "own").write_bytes(private)
    (tmp_path / "all").write_text("# who takes part\n\n" + "".join(LINES))
    assert read_identity(tmp_path / "own", "here") == bytes([1] * 32)
    assert read_registry(tmp_path / "all", "here") == {
        n: key.public_key().public_bytes_raw() for n, key in enumerate(KEYS)
    }


@pytest.mark.skipif(which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_what_ssh_keygen_makes_is_read(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "client-0")], check=True)
    (tmp_path / "all").write_text("0 " + (tmp_path / "client-0.pub").read_text())
    own = Ed25519PrivateKey.from_private_bytes(read_identity(tmp_path / "client-0", "here"))
    assert read_registry(tmp_path / "all", "here") == {0: own.public_key().public_bytes_raw()}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "here: expected a line `CLIENT ssh-ed25519 KEY` for each client, cannot read"),
        ("", "for each client, got none in"),
        ("nonsense\n", "for each client, got 'nonsense' in"),
        (LINES[0].replace("0 ", "zero ", 1), "got 'zero ssh-ed25519"),
        (LINES[0].replace("ed25519", "rsa"), "got '0 ssh-rsa"),
        (LINES[0] + LINES[1].replace("1 ", "0 ", 1), "each client and each key once, got client 0 twice"),
        (LINES[0] + LINES[0].replace("0 ", "1 ", 1), "each client and each key once, got the key of client 1 twice"),
    ],
)
def test_a_registry_that_is_none_is_one_sentence(tmp_path: Path, content: str | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "all").write_text(content)
    with pytest.raises(ConfigError, match=sentence):
        read_registry(tmp_path / "all", "here")


def test_an_identity_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    for content, sentence in [(None, "cannot read"), (b"x", "got something else in"), (other, "of another kind in")]:
        if content is not None:
            (tmp_path / "own").write_bytes(content)
        with pytest.raises(ConfigError, match=sentence):
            read_identity(tmp_path / "own", "here")


def test_those_of_an_experiment_follow_from_its_seed() -> None:
    registry = seeded_registry(0, 3)
    assert registry == {client: identity_key(seeded_identity(0, client)) for client in range(3)}
    assert len({*registry.values(), *seeded_registry(1, 3).values()}) == 6
