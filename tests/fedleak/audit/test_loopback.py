"""Loopback engine of an audit: clients are called in their order, whatever order a strategy chose."""

from pathlib import Path

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from fedleak.audit.loopback import AuditGrid
from fedleak.audit.settings import AuditSettings
from fedleak.audit.stage import Stage


@pytest.mark.parametrize("at_once", [True, False])
def test_clients_are_called_in_their_order_and_replies_come_in_that_of_the_messages(
    tmp_path: Path, at_once: bool
) -> None:
    called = []
    app = ClientApp()

    @app.query()
    def query(message: Message, context: Context) -> Message:
        called.append(context.node_id)
        return Message(RecordDict(), reply_to=message)

    settings = AuditSettings(
        folder=tmp_path, name="x", server="a:b", client="c:d", config={}, node_config={}, clients=4, out=tmp_path
    )
    grid = AuditGrid(Stage(settings, lambda _: None), app)
    sent = [grid.create_message(RecordDict(), "query", node, "") for node in (3, 1, 4, 2)]
    replies = grid.send_and_receive(sent) if at_once else grid.pull_messages(grid.push_messages(sent))
    assert called == [1, 2, 3, 4]
    assert [reply.metadata.src_node_id for reply in replies] == [3, 1, 4, 2]
