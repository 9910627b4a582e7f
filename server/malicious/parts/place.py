"""Place of a lying server: what it has to work with beside the messages of a round."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from flwr.app import Message

from fedleak.contracts.chain import Chain
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.federation.plan import FederationPlan
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import NamedTensors
from fedleak.recording.files import read_recording, write_recording
from fedleak.recording.payload import Payload, stem_of
from fedleak.recording.recording import Recording

from ...layer import Layer
from ...recorder import Recorder
from ...roster import Roster

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a server lies: between a protocol and its clients, and who they are."""

    plan: FederationPlan
    roster: Roster
    recorder: Recorder
    grid: Layer
    """Down to the clients, through the tap."""
    speak: Callable[[Layer, Recorder], Layer]
    """The run's protocol over a grid; what it opens goes to the recorder."""

    def lies_in(self, round: int) -> bool:
        """Whether the server lies in a round: in one that is recorded, once it has begun."""
        return self.plan.server.begins <= round and self.plan.recorded(round)

    def client_of(self, message: Message) -> int:
        """Whom a message is for."""
        return self.roster.client_of(message.metadata.dst_node_id)

    def recorded(self, kind: Payload, client: int, round: int) -> Recording | None:
        """What was recorded of a client, or of all, in a round; None: nothing."""
        return _read(Path(self.plan.recordings), kind, client, round)

    def keep(
        self,
        client: int,
        round: int,
        payload: NamedTensors,
        examples: int,
        training: LocalTraining | None = None,
        chain: Chain | None = None,
    ) -> None:
        """Records in place of what the victim sent what the server got of it; nothing where it sent nothing."""
        seen = self.recorded("masked", client, round)
        if seen is None:
            return
        known = self.recorder.known_training(examples) if training is None else training
        opened = replace(seen, kind="weights", payload=payload, num_examples=examples, training=known)
        write_recording(Path(self.plan.recordings), replace(opened, chain=opened.chain if chain is None else chain))

    def keep_opened(self, victim: int, opened: Recording) -> None:
        """Records a sum that has nothing of anybody else in it as what the victim sent."""
        self.keep(victim, opened.round, opened.payload, opened.num_examples or 0)

    def sum_over(self, grid: Layer, sent: Sequence[Message], timeout: float | None) -> Recording | None:
        """The sum that one more round opens over a grid, for the server alone; None where none is opened."""
        with TemporaryDirectory(prefix="fedleak-") as folder:
            own = Recorder(plan=self.plan.model_copy(update={"recordings": folder}))
            round = wire.round_of(sent[0].content)
            with self.aside(round):
                list(self.speak(grid, own).send_and_receive(sent, timeout=timeout))
            return _read(Path(folder), "aggregate", 0, round)

    @contextmanager
    def aside(self, round: int) -> Iterator[None]:
        """Within the block it is no error of the run that clients refuse, and no round is lost."""
        failures = self.roster.failures
        known = len(failures)
        try:
            yield
        except FederationError as error:
            logger.info("round %d, the server lies and is not believed: %s", round, error)
        finally:
            new = [one for one in failures[known:] if one.client is not None]
            failures[known:] = [replace(one, round=round, planned=one.planned or not one.user_error) for one in new]


def _read(folder: Path, kind: Payload, client: int, round: int) -> Recording | None:
    path = (folder / stem_of(kind, (client,), round)).with_suffix(".json")
    return read_recording(path) if path.exists() else None
