"""Keys: a certificate authority, the certificate that servers show, and a key for each node, as Flower takes them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedleak.io.atomic import write_atomically

NAMES = ("localhost", "127.0.0.1")
"""What the certificate is good for."""
DAYS = 365
AUTHORITY, CERTIFICATE, KEY = "ca.crt", "server.crt", "server.key"


def make_keys(folder: Path, nodes: int, names: Sequence[str] = NAMES) -> list[Path]:
    """Makes what is missing in a folder for its owner alone; returns the files that are new.

    A certificate that has other names, or ends within a day, is made anew. The authority signs one certificate and its
    own key is kept nowhere.
    """
    new = [] if _serves(folder, names) else _certified(folder, names)
    for node in range(nodes):
        if not private_key(folder, node).exists():
            new += node_key(private_key(folder, node))
    return new


def private_key(folder: Path, node: int) -> Path:
    """Where the key of a node lies; its public key beside it."""
    return folder / f"node-{node}.key"


def public_keys(folder: Path) -> list[Path]:
    """Those of all nodes."""
    return sorted(folder.glob("node-*.pub"), key=lambda path: int(path.stem.removeprefix("node-")))


def node_key(path: Path) -> list[Path]:
    """Makes the two keys of a node, in the format of `ssh-keygen -t ecdsa -b 384`, which Flower reads."""
    key, public = ec.generate_private_key(ec.SECP384R1()), path.with_suffix(".pub")
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    shown = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return [write_atomically(file, content, private=path.parent) for file, content in ((path, secret), (public, shown))]


def _serves(folder: Path, names: Sequence[str]) -> bool:
    """Whether the certificate that is there can be shown under these names until tomorrow."""
    if not all((folder / name).exists() for name in (AUTHORITY, CERTIFICATE, KEY)):
        return False
    certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lasts = certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)
    return lasts and set(_alternatives(names)) == set(known)


def _certified(folder: Path, names: Sequence[str]) -> list[Path]:
    signer, own = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    authority, server = _name("fedleak deployment, authority"), _name("fedleak deployment")
    root = _certificate(authority, authority, signer.public_key(), _of_an_authority(signer.public_key()))
    certificate = _certificate(
        server, authority, own.public_key(), _of_a_server(own.public_key(), signer.public_key(), names)
    )
    written = {
        KEY: own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        CERTIFICATE: certificate.sign(signer, hashes.SHA384()).public_bytes(Encoding.PEM),
        AUTHORITY: root.sign(signer, hashes.SHA384()).public_bytes(Encoding.PEM),
    }
    return [write_atomically(folder / name, content, private=folder) for name, content in written.items()]


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, extensions: Iterable[x509.ExtensionType]
) -> x509.CertificateBuilder:
    """One that is valid from an hour ago, as clocks differ."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
    )
    for extension in extensions:
        critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
        builder = builder.add_extension(extension, critical=critical)
    return builder


def _of_an_authority(key: ec.EllipticCurvePublicKey) -> list[x509.ExtensionType]:
    return [
        x509.BasicConstraints(ca=True, path_length=0),
        _usage(signs_certificates=True),
        x509.SubjectKeyIdentifier.from_public_key(key),
    ]


def _of_a_server(
    key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePublicKey, names: Sequence[str]
) -> list[x509.ExtensionType]:
    return [
        x509.BasicConstraints(ca=False, path_length=None),
        _usage(signs_certificates=False),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        x509.SubjectAlternativeName(_alternatives(names)),
        x509.SubjectKeyIdentifier.from_public_key(key),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer),
    ]


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        **dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        ),
        encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_address(name) or x509.DNSName(name) for name in names]


def _address(name: str) -> x509.IPAddress | None:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return None


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
