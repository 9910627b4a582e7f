"""HTTP service: the client of a prediction API behind a loopback port."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any

import httpx
import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.served import Service
from fedleak.errors import ConfigError, ServiceError, first_line
from fedleak.serving.callable_service import as_rows, require_answers
from fedleak.serving.loopback import loopback

SECONDS = 60.0
"""How long an answer may take."""


class HttpService(Service):
    """A service at an address such as http://127.0.0.1:8000, as `fedleak serve` opens it.

    The operator there keeps the budget. Raises `ConfigError` for an address that is not loopback; `ServiceError` where
    nobody answers, or with what is no answer.
    """

    def __init__(self, url: str, *, seconds: float = SECONDS) -> None:
        """Asks what the service is, and nothing else."""
        try:
            given = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"expected an address such as http://127.0.0.1:8000, got '{url}'") from error
        if given.scheme != "http":
            raise ConfigError(f"expected an address such as http://127.0.0.1:8000, got '{url}'")
        self.url = given.copy_with(host=loopback(given.host, url))
        # No proxy of the environment, and nowhere that an answer points to: either could lead off this machine.
        self._client = httpx.Client(base_url=self.url, timeout=seconds, trust_env=False, follow_redirects=False)
        with ExitStack() as opened:
            opened.callback(self.close)
            self._learn()
            opened.pop_all()  # it stays open where all went well

    def _learn(self) -> None:
        about = self._fetch("GET", "/about")
        try:
            self.classes = int(about["classes"])
            self.shape = tuple(int(length) for length in about["shape"])
            self._remaining = int(about["remaining"])
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceError(
                f"{self.url}/about: expected classes, shape and remaining, got other ({first_line(error)}); is it "
                "`fedleak serve`?"
            ) from error

    @property
    def remaining(self) -> int:
        """What the last answer said."""
        return self._remaining

    def ask(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, "asked classes"]:
        """As `Service.ask`; of rows that hide some of the probabilities the sum is not looked at."""
        said = self._fetch("POST", "/ask", {"inputs": inputs.detach().cpu().float().tolist()})
        rows, remaining = said.get("answers"), said.get("remaining")
        if not isinstance(rows, list) or not isinstance(remaining, int) or len(rows) != len(inputs):
            raise ServiceError(f"{self.url}: expected {len(inputs)} answers and what remains, got other")
        answers = torch.full((len(inputs), self.classes), torch.nan)
        shown = [place for place, row in enumerate(rows) if row is not None]
        if shown:
            given = as_rows([rows[place] for place in shown])
            answers[shown] = require_answers(given, len(shown), self.classes, tolerance=None)
        self._remaining = remaining
        return answers.to(inputs.device)

    def explain(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, "asked columns classes"]:
        """As `Service.explain`."""
        said = self._fetch("POST", "/explain", {"inputs": inputs.detach().cpu().float().tolist()})
        rows, remaining = said.get("explanations"), said.get("remaining")
        if not isinstance(rows, list) or not isinstance(remaining, int) or len(rows) != len(inputs):
            raise ServiceError(f"{self.url}: expected {len(inputs)} explanations and what remains, got other")
        width = max((len(row) for row in rows if row is not None), default=self.classes)
        found = torch.full((len(inputs), width), torch.nan)
        for place, row in enumerate(rows):
            if row is not None:
                found[place] = as_rows(row)
        self._remaining = remaining
        return found.reshape(len(inputs), -1, self.classes).to(inputs.device)

    def close(self) -> None:
        """Lets go of the connection."""
        self._client.close()

    def __enter__(self) -> "HttpService":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fetch(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        try:
            answer = self._client.request(method, path, json=body)
            said = answer.json()
        except httpx.HTTPError as error:
            raise ServiceError(f"{self.url}: nobody answers ({first_line(error)}); start `fedleak serve`") from error
        except ValueError as error:
            raise ServiceError(f"{self.url}{path}: expected JSON, got status {answer.status_code}") from error
        if answer.status_code != httpx.codes.OK or not isinstance(said, dict):
            detail = said.get("detail") if isinstance(said, dict) else None
            raise ServiceError(f"{self.url}{path}: {detail or f'status {answer.status_code}'}")
        return said
