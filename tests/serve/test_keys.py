"""Keys of the prediction API: their budgets and rates, and that nobody else learns of them; settings that are refused."""

from __future__ import annotations

import httpx
import pytest
from serve.bodies import refused
from serve.victims import CLASSES, FEATURES, WEIGHT, queries, victim

from jaxattack.serve import Key, Settings, application, serving
from jaxattack.types import InputError


def test_keys_have_budgets_and_what_is_left_is_said():
    keys = [Key(name="alice", secret="a-secret", queries=10), Key(name="bob", secret="b-secret")]
    with serving(victim(), keys=keys) as place, httpx.Client(base_url=place) as client:
        alice, bob = ({"Authorization": f"Bearer {name}-secret"} for name in "ab")
        asked = {"inputs": queries(6).tolist()}
        refused(client.post("/predict", json=asked), 401)
        refused(client.post("/predict", json=asked, headers={"Authorization": "Basic a-secret"}), 401)
        refused(client.post("/predict", json=asked, headers={"Authorization": "Bearer \xe9".encode("latin-1")}), 401)
        announced = client.post("/predict", json=asked, headers=alice | {"Batch-Queries": "11"})
        assert refused(announced, 402)["left"] == 10
        assert client.post("/predict", json=asked, headers=alice).status_code == 200
        assert refused(client.post("/predict", json=asked, headers=alice), 402)["left"] == 4
        assert client.post("/predict", json={"inputs": asked["inputs"][:4]}, headers=alice).status_code == 200
        assert client.post("/predict", json=asked, headers=bob).status_code == 200
        metrics = client.get("/metrics", headers=alice).text
        for line in (
            'jaxattack_queries_answered_total{key="alice"} 10',
            'jaxattack_requests_total{key="alice",status="402"} 2',
            'jaxattack_requests_total{key="",status="401"} 3',
        ):
            assert line in metrics.splitlines()
        assert "secret" not in metrics
        assert "bob" not in metrics
        assert 'queries_answered_total{key="bob"} 6' in client.get("/metrics", headers=bob).text
        for path in ("/metrics", "/describe", "/", "/health", "/nowhere"):
            said = client.get(path)
            assert (said.status_code == 401) == (path in ("/metrics", "/describe", "/"))
            assert not any(word in said.text for word in ("alice", "bob", "secret"))


def test_terms_are_open_to_all_by_option():
    key = Key(name="alice", secret="a-secret")
    with serving(victim(), keys=[key], settings=Settings(open_terms=True)) as place:
        assert httpx.get(f"{place}/describe").status_code == 200
        refused(httpx.post(f"{place}/predict", json={"inputs": queries(1).tolist()}), 401)


def test_a_rate_puts_off_and_says_for_how_long():
    keys = [Key(name="slow", secret="s", per_second=4.0)]
    with serving(victim(), keys=keys) as place, httpx.Client(headers={"Authorization": "Bearer s"}) as client:
        assert client.post(f"{place}/predict", json={"inputs": queries(4).tolist()}).status_code == 200
        reply = client.post(f"{place}/predict", json={"inputs": queries(2).tolist()})
        assert 0 < refused(reply, 429)["retry_after"] <= 0.5
        assert reply.headers["retry-after"] == "1"


def test_two_keys_alike_are_refused():
    with pytest.raises(InputError, match="same secret"):
        application(victim(), keys=[Key(name="a", secret="x"), Key(name="b", secret="x")])
    with pytest.raises(InputError, match="same name"):
        application(victim(), keys=[Key(name="a", secret="x"), Key(name="a", secret="y")])


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        (Settings, "records", 0),
        (Settings, "bytes", 0),
        (Settings, "seconds", float("inf")),
        (Settings, "grace", 0),
        (Settings, "price", -1.0),
        (Settings, "kept", 0),
        (Settings, "largest", float("nan")),
        (Key, "queries", 0),
        (Key, "per_second", 0.0),
        (Key, "name", "a b"),
        (Key, "secret", "a b"),
    ],
)
def test_a_value_out_of_range_is_refused_by_field(config, field, value):
    base = {} if config is Settings else {"name": "a", "secret": "s"}
    with pytest.raises(InputError, match=rf"^{field} .*give .*\.$"):
        config(**(base | {field: value}))


def test_a_key_does_not_print_its_secret():
    assert "hidden" not in repr(Key(name="a", secret="hidden"))
    assert WEIGHT.shape == (FEATURES, CLASSES)
