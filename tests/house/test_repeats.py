"""For every method it is settled whether it may be asked again when a connection breaks."""

import json

from cardnet.identity import MAY_CALL
from cardnet.repeats import ASKED_AGAIN, NOT_ASKED_AGAIN, SERVICE_CONFIG


def test_every_method_is_settled_one_way_or_the_other() -> None:
    assert set(MAY_CALL) == ASKED_AGAIN | NOT_ASKED_AGAIN
    assert not ASKED_AGAIN & NOT_ASKED_AGAIN


def test_grpc_is_told_the_same() -> None:
    [config] = json.loads(SERVICE_CONFIG)["methodConfig"]
    assert {f"/{name['service']}/{name['method']}" for name in config["name"]} == ASKED_AGAIN
