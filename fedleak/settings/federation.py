"""Federation settings: who trains how, on what weights, against whom, and for how long."""

import json
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from fedleak.errors import ConfigError
from fedleak.learning.facts import Device, LocalTraining, Mode, OptimizerName
from fedleak.settings.adversary import AdversarySettings
from fedleak.settings.base import GOT, Amount, Count, Rate, Settings, Share, Table
from fedleak.settings.canary import Canary
from fedleak.settings.choices import Batches, Releases, Transform, as_table
from fedleak.settings.columns import Columned, Split, require_columns_alone, require_rows_alone
from fedleak.settings.dropouts import Dropouts, require_somebody
from fedleak.settings.model import ModelSettings
from fedleak.settings.partitioners import known_partitioner
from fedleak.settings.server import ServerSettings
from fedleak.settings.skew import Skew
from fedleak.settings.task import TaskSettings

MOST_STEPS = 10_000_000
"""Local steps of one round; more is a mistake in a file, which would otherwise be found out by waiting."""
Beta = Annotated[float, Field(ge=0, lt=1)]


class FederationSettings(Columned):
    """Who trains, on what share of the data, how, and with which Flower strategy."""

    clients: Count = 4
    rounds: Count = 1
    partitioner: Annotated[str, AfterValidator(known_partitioner)] = "IidPartitioner"
    """Of flwr-datasets, by its class: how the clients' examples are shared out."""
    partitioner_options: Table = Field(default={})
    """Keyword arguments of its constructor, as flwr-datasets names them; those that follow from the others left out."""
    examples: Count | None = None
    """What each client keeps at most of its share, drawn at random; nobody trains on the rest. None: all of it."""
    skew: Skew = Skew()
    """What a share of all clients' examples is made to have in common, before they are shared out."""
    canary: Canary = Canary()
    """A secret that a client types into its text, of a format that everybody knows."""
    planted: Annotated[int, Field(ge=0)] = 0
    """So many public examples go to some client or to none, as coins say; membership attacks are asked about them."""
    strategy: str = "FedAvg"
    strategy_options: Table = Field(default={})
    """Keyword arguments of the strategy's constructor, as Flower names them."""
    batch_size: Count = 1
    batches: Batches = 1
    """Batches of one epoch; "all" takes a client's whole share."""
    epochs: Count = 1
    learning_rate: Rate = 0.1
    momentum: Share = 0.0
    weight_decay: Amount = 0.0
    mode: Mode = "train"
    optimizer: OptimizerName = "sgd"
    """As in torch.optim; its state starts empty each round."""
    nesterov: bool = False
    dampening: Share = 0.0
    betas: Annotated[tuple[Beta, Beta], Field(strict=False)] = (0.9, 0.999)
    """Of Adam and AdamW, whose `momentum` they are."""
    epsilon: Rate = 1e-8
    """Of Adam and AdamW."""
    gradient_clipping: Amount = 0.0
    """Euclidean norm that the gradient of each local step is clipped to; 0: not at all."""
    schedule: str = ""
    """Of the learning rate over the local steps of a round: a class of torch.optim.lr_scheduler; empty: constant."""
    schedule_options: Table = Field(default={})
    """Keyword arguments of its constructor, as torch names them; lengths are by default the steps of a round."""
    accumulation: Count = 1
    """Batches whose mean gradient makes one local step."""
    drop_last: bool = False
    """Whether the last batch of an epoch is left out where it is smaller."""
    augmentation: Annotated[tuple[Transform, ...], Field(strict=False)] = ()
    """Transforms of torchvision (transforms.v2) for each batch: names, or tables of a `name` and its options."""
    proximal: Amount = 0.0
    """FedProx's mu: how hard weights are pulled back to those that the server sent."""
    fraction_evaluate: Share = 0.0
    """Share of the clients that evaluate the new model each round."""
    release: Releases | None = None
    """After which rounds the model leaves the federation: "last", "every", or a list of rounds; None: never."""
    dropouts: Dropouts = 0.0
    """Who leaves rounds before they are over: a share of all clients, or tables of a client, a round and a stage."""

    @model_validator(mode="after")
    def _few_steps(self) -> "FederationSettings":
        batches = self.batches if isinstance(self.batches, int) else 1
        if batches * self.epochs > MOST_STEPS:
            raise PydanticCustomError("steps", f"batches x epochs of at most {MOST_STEPS} local steps a round")
        return self

    @model_validator(mode="after")
    def _typed_by_a_client(self) -> "FederationSettings":
        self.canary.require_typist(self.clients)
        return self

    @property
    def split(self) -> Split | None:
        """How the network is cut; None where each client holds examples of its own, and trains the whole."""
        if self.partition == "rows":
            return None
        return Split(parties=self.clients, columns=self.columns, cut=self.cut)

    @property
    def releases(self) -> tuple[int, ...]:
        """The rounds after which the model leaves the federation."""
        match self.release:
            case None:
                return ()
            case "last":
                return (self.rounds,)
            case "every":
                return tuple(range(1, self.rounds + 1))
            case rounds:
                return tuple(sorted(rounds))

    @model_validator(mode="after")
    def _released_once(self) -> "FederationSettings":
        named = self.releases
        if self.release == () or len(set(named)) < len(named) or any(round > self.rounds for round in named):
            wanted = f"release of rounds of the {self.rounds} that there are, each once"
            raise PydanticCustomError("release", wanted, {GOT: list(named)})
        return self

    @model_validator(mode="after")
    def _one_optimizer(self) -> "FederationSettings":
        """What belongs to another optimizer is a mistake, and would be ignored."""
        adam = self.optimizer != "sgd"
        if adam and (self.momentum or self.nesterov or self.dampening):
            raise PydanticCustomError("optimizer", "no momentum, nesterov or dampening beside Adam, which has betas")
        if self.nesterov and (not self.momentum or self.dampening):
            raise PydanticCustomError("optimizer", "nesterov = true with a momentum and without dampening")
        return self

    def training(self, batches: int | None = None) -> LocalTraining:
        """The facts of local training; `batches` resolves "all" once a client knows its share."""
        return LocalTraining(
            batch_size=self.batch_size,
            batches=self.batches if isinstance(self.batches, int) else batches,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            mode=self.mode,
            optimizer=self.optimizer,
            nesterov=self.nesterov,
            dampening=self.dampening,
            betas=self.betas,
            epsilon=self.epsilon,
            gradient_clipping=self.gradient_clipping,
            schedule=self.schedule,
            schedule_options=json.dumps(self.schedule_options, sort_keys=True),
            accumulation=self.accumulation,
            drop_last=self.drop_last,
            augmentation=tuple(json.dumps(as_table(one), sort_keys=True) for one in self.augmentation),
            proximal=self.proximal,
        )


class UtilitySettings(Settings):
    """Rounds after the recorded ones, that nobody attacks, to see how good the model becomes under the defenses.

    The same federation goes on; where a field is None, clients train as in the recorded rounds.
    """

    rounds: Annotated[int, Field(ge=0)] = 0
    """At most; with any, the model is evaluated on the task's test split, after the recorded rounds too."""
    every: Count = 1
    """Rounds from one evaluation to the next; the last round has one of its own."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Training ends after so many evaluations in a row without a rise of the accuracy beyond noise; 0: never early."""
    seeds: tuple[int, ...] = ()
    """Seeds of the experiment under which there are such rounds; none: all. Leaks need many seeds, accuracies few."""
    batch_size: Count | None = None
    batches: Batches | None = None
    epochs: Count | None = None
    learning_rate: Rate | None = None
    momentum: Share | None = None

    def instead_of(self, federation: FederationSettings) -> FederationSettings:
        """How the federation trains in these rounds."""
        return FederationSettings(**{**federation.model_dump(), **self.overrides})

    @property
    def overrides(self) -> Table:
        """What clients do otherwise than in the recorded rounds."""
        return self.model_dump(exclude_none=True, exclude={"rounds", "every", "patience", "seeds"})


class PlanSettings(Settings):
    """What one federation needs to know: this and nothing else travels in Flower's run config."""

    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    task: TaskSettings
    federation: FederationSettings = FederationSettings()
    model: ModelSettings = ModelSettings()
    adversary: AdversarySettings = AdversarySettings()
    server: ServerSettings = ServerSettings()
    """What whoever runs the server does beside averaging; in a file one of the rows `[[servers]]`."""
    utility: UtilitySettings = UtilitySettings()
    device: Device = "cpu"
    """Where clients train, and attacks compute that can do it elsewhere and name no device of their own."""

    @property
    def rounds(self) -> int:
        """The recorded rounds and those after them."""
        return self.federation.rounds + self.utility.rounds

    @property
    def models(self) -> tuple[int, ...]:
        """The rounds after which somebody gets at the model: its weights where it is released, or else its answers."""
        served = (self.federation.rounds,) if self.adversary.queries is not None else ()
        return self.federation.releases or served

    @property
    def phases(self) -> tuple[FederationSettings, ...]:
        """The recorded rounds and, where there are any, those after them: how many, and how the federation trains."""
        if self.utility.rounds == 0:
            return (self.federation,)
        later = self.utility.instead_of(self.federation)
        return self.federation, later.model_copy(update={"rounds": self.utility.rounds})

    @model_validator(mode="after")
    def _somebody_leaves(self) -> "PlanSettings":
        require_somebody(self.federation.dropouts, self.federation.clients, self.rounds)
        return self

    @model_validator(mode="after")
    def _columns_alone(self) -> "PlanSettings":
        if self.federation.split is None:
            require_rows_alone(self.adversary)
        else:
            tables = {"federation": self.federation, "model": self.model, "adversary": self.adversary}
            require_columns_alone(self.federation.strategy, tables)
            if self.device != "cpu":
                raise ConfigError(
                    f'device: expected "cpu" beside federation.partition = "columns", as parties compute on the '
                    f"processor, got {self.device}; leave it out"
                )
        return self

    @model_validator(mode="after")
    def _trained_so_later(self) -> "PlanSettings":
        try:
            self.utility.instead_of(self.federation)
        except ValidationError as error:
            instead = ", ".join(f"{key} = {value}" for key, value in self.utility.overrides.items()) or "nothing else"
            wanted = error.errors()[0]["msg"]
            raise ConfigError(f"utility: expected {wanted}, got {instead} in place of [federation]'s") from error
        return self
