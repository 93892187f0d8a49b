"""A store's URL: what it says, and that it tells nobody its password."""

import pytest

from cardnet.store.address import StoreAddress


def test_a_unix_socket() -> None:
    address = StoreAddress.parse("unix://issuer:pass%2Fword@/run/card%20net/store.sock?db=2")
    assert (address.user, address.password, address.path, address.db) == (
        "issuer",
        "pass/word",
        "/run/card net/store.sock",
        2,
    )
    assert list(address.greeting("cardnet-issuer")) == [
        ("HELLO", 3, "AUTH", "issuer", "pass/word", "SETNAME", "cardnet-issuer"),
        ("SELECT", 2),
    ]


def test_a_host_and_what_is_usual() -> None:
    address = StoreAddress.parse("redis://redis")
    assert (address.path, address.host, address.port, address.db, address.tls) == ("", "redis", 6379, 0, None)
    assert list(address.greeting("cardnet-tsp")) == [("HELLO", 3, "SETNAME", "cardnet-tsp")]


def test_a_database_in_the_path() -> None:
    assert StoreAddress.parse("redis://:password@[::1]:6380/3").db == 3


def test_tls_always_verifies() -> None:
    address = StoreAddress.parse("rediss://redis")
    assert address.tls
    assert address.tls.check_hostname


def test_some_nodes_of_a_cluster() -> None:
    nodes = StoreAddress.parse_cluster("redis+cluster://tsp:pass%2Fword@one:7001,two,[::1]:7003")
    assert [(node.host, node.port) for node in nodes] == [("one", 7001), ("two", 6379), ("::1", 7003)]
    assert {(node.user, node.password, node.path, node.db, node.tls) for node in nodes} == {
        ("tsp", "pass/word", "", 0, None)
    }


def test_a_cluster_over_tls_verifies_every_node() -> None:
    one, two = StoreAddress.parse_cluster("rediss+cluster://one:7001,two:7002")
    assert one.tls is two.tls
    assert one.tls and one.tls.check_hostname


@pytest.mark.parametrize("url", ["redis://one:7001", "rediss://one", "unix:///sock"])
def test_a_single_server_is_no_cluster(url: str) -> None:
    assert StoreAddress.parse_cluster(url) == ()


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://",
        "redis+cluster://user:secret@",
        "redis+cluster://user:secret@one:7001,,two:7002",
        "redis+cluster://user:secret@one:7001,two:port",
        "redis+cluster://user:secret@one:7001,two:99999",
        "redis+cluster://user:secret/x@one:7001",
        "redis+cluster://user:secret@one:7001/1",
        "redis+cluster://user:secret@one:7001,[two",
        "redis+cluster://user:secret@one:7001?secret=x",
        "rediss+cluster://user:secret@one:7001?ssl_ca_certs=/secret/nowhere.pem",
    ],
)
def test_a_cluster_that_makes_no_sense_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="^the store's ") as error:
        StoreAddress.parse_cluster(url)
    assert "secret" not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis",
        "http://user:secret@redis",
        "redis://user:secret/x@redis",
        "redis://user:secret@redis:port",
        "redis://user:secret@redis:99999",
        "redis://user:secret@[redis",
        "redis://user:12?secret=x@redis",
        "redis://user:secret@redis/secret",
        "redis://user:secret@redis/٣",
        "redis://user:secret@redis/-1",
        "rediss://user:secret@redis?ssl_cert_reqs=none",
        "rediss://user:secret@redis?ssl_ca_certs=/secret/nowhere.pem",
    ],
)
def test_one_that_makes_no_sense_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="^the store's ") as error:
        StoreAddress.parse(url)
    assert "secret" not in str(error.value)
    assert error.value.__cause__ is None


def test_the_password_is_not_printed() -> None:
    assert "secret" not in repr(StoreAddress.parse("redis://user:secret@redis"))
