"""Under Flower's secure aggregation the guard stands within the masks, and judges what is masked."""

from typing import Any

import numpy as np
import pytest
from flwr.app import Context, Message
from flwr.client import NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.compat.common.recorddict_compat import arrayrecord_to_parameters
from flwr.server import LegacyContext, ServerApp, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow

from fedleak.federation.loopback import LoopbackGrid, server_context
from fedleak.guard.mod import guard

from .conftest import EXAMPLE, Site, trained, weights

CLIENTS = 3


class Participant(NumPyClient):
    """One of three; the first sends ten times what it has learnt, where it is asked to."""

    def __init__(self, number: int, scale: float) -> None:
        self._number, self._scale = number, scale

    def fit(self, parameters: list[Any], config: Any) -> Any:
        after = trained({str(place): one for place, one in enumerate(parameters)}, seed=self._number)
        pairs = zip(parameters, after.values(), strict=True)
        scale = self._scale if self._number == 0 else 1.0
        return [(one + scale * (other - one)).astype(one.dtype) for one, other in pairs], 60, {}


def summed(scale: float) -> tuple[list[np.ndarray[Any, Any]], list[Message]]:
    """The mean that a server learns in one round, and all replies that it sees."""
    replies: list[Message] = []

    def client(context: Context) -> Any:
        return Participant(int(context.node_config["partition-id"]), scale).to_client()

    app = ClientApp(client, mods=[secaggplus_mod, guard])
    grid = LoopbackGrid(app, CLIENTS, {}, lambda message, reply: replies.append(reply))
    server = ServerApp()
    learnt: list[np.ndarray[Any, Any]] = []

    @server.main()
    def main(grid: Any, context: Context) -> None:
        first = ndarrays_to_parameters(list(weights().values()))
        strategy = FedAvg(initial_parameters=first, fraction_evaluate=0.0, min_available_clients=CLIENTS)
        legacy = LegacyContext(context=context, config=ServerConfig(num_rounds=1), strategy=strategy)
        DefaultWorkflow(fit_workflow=SecAggPlusWorkflow(num_shares=3, reconstruction_threshold=2))(grid, legacy)
        record = legacy.state.array_records["parameters"]
        learnt.extend(parameters_to_ndarrays(arrayrecord_to_parameters(record, keep_input=True)))

    server(grid, server_context({}))
    return learnt, replies


@pytest.mark.filterwarnings("ignore")
def test_what_is_masked_is_judged_before(site: Site) -> None:
    site.policy('per = "node"\n' + EXAMPLE)
    learnt, replies = summed(scale=1.0)
    own = [trained({str(place): one for place, one in enumerate(weights().values())}, seed=n) for n in range(CLIENTS)]
    mean = [np.mean([list(one.values())[place] for one in own], axis=0) for place in range(len(learnt))]
    assert site.journal() == []
    assert not [reply for reply in replies if reply.has_error()]
    for one, other in zip(learnt, mean, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_an_update_that_breaks_the_policy_is_never_masked(site: Site) -> None:
    site.policy('per = "node"\n' + EXAMPLE)
    _, replies = summed(scale=8.0)
    assert [row["rule"] for row in site.journal()] == ["arrays.max_norm"]
    assert len([reply for reply in replies if reply.has_error()]) == 1
