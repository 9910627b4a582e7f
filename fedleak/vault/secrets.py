"""Secret in the vault: what a client was made to type into its text."""

import json
from dataclasses import dataclass
from pathlib import Path

from fedleak.errors import RecordingError
from fedleak.io.atomic import write_atomically
from fedleak.learning.secret_format import MASKED, SecretFormat

SECRET = "secret.json"


@dataclass(frozen=True, kw_only=True)
class TypedSecret:
    """A secret with the text around it, which is public."""

    format: SecretFormat
    secret: str

    def asked(self, masked: tuple[int, ...]) -> SecretFormat:
        """What an adversary is told who does not know some digits; none said: who knows none."""
        return self.format.masking(self.secret, masked)


def deposit_secret(vault: Path, typed: TypedSecret) -> None:
    """Stores the secret of a federation."""
    facts = {"before": typed.format.before, "after": typed.format.after, "secret": typed.secret}
    write_atomically(vault / SECRET, json.dumps(facts).encode(), private=vault)


def typed_secret(vault: Path) -> TypedSecret | None:
    """The secret of a federation, None where it has none; raises `RecordingError` where it is damaged."""
    path = vault / SECRET
    if not path.exists():
        return None
    try:
        facts = json.loads(path.read_bytes())
        secret = str(facts["secret"])
        format = SecretFormat(before=facts["before"], after=facts["after"], known=MASKED * len(secret))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path} is not the secret of a client ({error}); record it again") from error
    return TypedSecret(format=format, secret=secret)
