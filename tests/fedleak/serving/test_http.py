"""A served model at a port answers with the same bits as without one, and bad requests with one sentence."""

import json
import threading
import time

import httpx
import pytest
import torch
import uvicorn

from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.errors import ConfigError, ServiceError
from fedleak.randomness import generator
from fedleak.serving.http import application, inputs_in
from fedleak.serving.http_service import HttpService
from fedleak.serving.loopback import listening, loopback
from fedleak.serving.served_model import ServedModel
from fedleak.tasks import initial_weights, task_of

TASK, WEIGHTS = task_of("digits-mlp"), initial_weights("digits-mlp", 0)
INPUTS = torch.rand(6, *TASK.shape, generator=generator(1))
TABLES = ({"use": "rounding", "digits": 2}, {"use": "rate-limit", "answers": 4, "per": "all"})


def model(queries=10, tables=TABLES):
    return ServedModel(TASK, WEIGHTS, queries=queries, chain=Chain.build(tables))


@pytest.fixture
def started():
    """Serves at a free port, in a thread, and ends it."""
    running = []

    def start(app):
        listener = listening("127.0.0.1", 0)
        config = uvicorn.Config(app, log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(timeout=10)


def same(one, other):
    return torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))


def test_the_client_gets_the_same_bits_as_without_a_port(started):
    plain = ServedModel(TASK, WEIGHTS, queries=10)
    with HttpService(started(application(model(tables=())))) as service:
        assert torch.equal(service.ask(INPUTS), plain.ask(INPUTS))
        assert service.remaining == plain.remaining == 4


def test_refused_rows_and_the_budget_come_across(started):
    plain, served = model(), model()
    with HttpService(started(application(served))) as service:
        assert service.remaining == 4
        for rows in (INPUTS[:3], INPUTS[3:], INPUTS):
            assert same(service.ask(rows), plain.ask(rows))
        assert service.remaining == 0
    assert len(served.log) == 10


def test_it_says_what_is_public_of_it(started):
    about = httpx.get(f"{started(application(model()))}/about", trust_env=False).json()
    assert about == {
        "task": "digits-mlp",
        "classes": 10,
        "shape": [1, 8, 8],
        "range": [0.0, 1.0],
        "defenses": list(TABLES),
        "resolution": 0.01,
        "answer_noise": 0.0,
        "explanations": False,
        "remaining": 4,
    }


def test_bad_bodies_are_one_sentence_and_no_query(started):
    served = model()
    url = started(application(served))
    bodies = [b"", b"[1]", b"nonsense", b'{"inputs": "cat"}', b'{"inputs": [[0.5]]}', b'{"inputs": [], "extra": 1}']
    bodies += [b'{"inputs": []}', b'{"inputs": null}', b'{"inputs": [[[[NaN]]]]}', b'{"inputs": [[1], [1, 2]]}']
    for body in bodies:
        answer = httpx.post(f"{url}/ask", content=body, trust_env=False)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("expected ")
        assert "\n" not in answer.json()["detail"]
    assert len(served.log) == 0


@pytest.mark.parametrize(
    ("body", "got"),
    [(b"{}", "an empty object"), (b"[]", r"\[\]"), (b'{"input": [1]}', r"\{'input': \[1\]\}"), (b"0", "0")],
)
def test_a_body_without_inputs_is_told_what_came(body, got):
    with pytest.raises(ConfigError, match=rf'^expected {{"inputs": .* \(number, 2\) and nothing else, got {got}$'):
        inputs_in(body, (2,))


def test_nobody_is_answered_under_another_machine_s_name(started):
    url = started(application(model()))
    for host, status in (("example.org", 422), ("127.0.0.1.example.org:80", 422), ("localhost:8000", 200)):
        answer = httpx.get(f"{url}/about", headers={"Host": host}, trust_env=False)
        assert answer.status_code == status
        assert status == 200 or "expected an address of this machine's loopback" in answer.json()["detail"]


def test_numbers_beyond_all_ranges_are_clamped():
    body = json.dumps({"inputs": [[1e300, -1e300]]}).encode()
    assert inputs_in(body, (2,)).isfinite().all()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.org", "::", "", "localhost.example.org"])
def test_an_address_that_is_not_loopback_is_one_sentence(host):
    with pytest.raises(ConfigError, match="expected an address of this machine's loopback"):
        loopback(host, "--host")
    with pytest.raises(ConfigError, match="expected an address"):
        HttpService(f"http://{f'[{host}]' if host == '::' else host}:8000")


def test_loopback_has_several_names():
    assert [loopback(host, "") for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1")][0::3] == ["127.0.0.1", "::1"]


def test_a_port_that_is_taken_is_one_sentence():
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"--port: cannot listen at 127.0.0.1, port {port} \(address already"):
            listening("localhost", port)
    listening("127.0.0.1", port).close()


@pytest.mark.parametrize("url", ["https://127.0.0.1:8000", "127.0.0.1:8000", "ftp://127.0.0.1", "http://[::1"])
def test_what_is_no_address_is_one_sentence(url):
    with pytest.raises(ConfigError, match="expected an address"):
        HttpService(url)


def test_where_nobody_answers_it_says_so():
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ServiceError, match="nobody answers"):
        HttpService(f"http://127.0.0.1:{port}")


def stranger(about, answer):
    """An API that is not ours."""
    from fastapi import FastAPI, Request

    app = FastAPI()

    @app.get("/about")
    async def describe():
        return about

    @app.post("/ask")
    async def ask(request: Request):
        return answer

    return app


GOOD = {"classes": 10, "shape": [1, 8, 8], "remaining": 5}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"answers": [[0.1] * 9], "remaining": 1}, "got 9 classes"),
        ({"answers": [[-1.0] * 10], "remaining": 1}, "a negative number"),
        ({"answers": [["cat"] * 10], "remaining": 1}, "no array of numbers"),
        ({"answers": [], "remaining": 1}, "expected 1 answers"),
        ({"answers": [None]}, "expected 1 answers"),
        ([1], "status 200"),
    ],
)
def test_what_is_no_answer_is_one_sentence(started, answer, words):
    with HttpService(started(stranger(GOOD, answer))) as service, pytest.raises(ServiceError, match=words):
        service.ask(INPUTS[:1])


def test_what_is_no_service_is_one_sentence(started):
    with pytest.raises(ServiceError, match="is it `fedleak serve`"):
        HttpService(started(stranger({"classes": "many"}, {})))


def test_no_proxy_of_the_environment_is_asked(started, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with HttpService(started(application(model()))) as service:
        assert service.ask(INPUTS[:1]).isfinite().all()


def test_explanations_come_across_with_what_they_cost(started):
    task, public = task_of("diabetes-mlp"), load("diabetes-mlp").auxiliary.inputs
    given = {"queries": 30, "background": public.mean(0)}
    plain, served = (ServedModel(task, initial_weights(task.name, 0), **given) for _ in range(2))
    with HttpService(started(application(served))) as service:
        assert same(service.explain(public[:3]), plain.explain(public[:3]))
        assert service.remaining == plain.remaining == 8
    with HttpService(started(application(model()))) as service, pytest.raises(ServiceError, match="no explanations"):
        service.explain(INPUTS)
