"""Addresses of Redis in the forms that operators write, as redis-py and Celery get them."""

from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection
from pydantic import ValidationError

from shared.queues import celery_app
from shared.redis_address import AddressError, RedisAddress, Tls
from shared.settings import Settings, wrong_settings

SECRET = "pass-word-of-redis"
HOST = st.one_of(
    st.sampled_from(["localhost", "::1"]), st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
)
PLACE = st.tuples(HOST, st.integers(1, 65535))
NAME = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20)
TLS = st.builds(Tls, st.just(Path("/ca & own.pem")), st.none() | st.just(Path("/client.pem")), st.none(), st.booleans())
ACCOUNT = {"user": st.none() | NAME, "password": st.none() | NAME, "database": st.integers(0, 99)}
SINGLE = st.builds(RedisAddress, hosts=st.tuples(PLACE), tls=st.none() | TLS, **ACCOUNT)
SOCKET = st.builds(RedisAddress, socket=st.sampled_from([Path("/run/redis.sock"), Path("/a b/%41?#.sock")]), **ACCOUNT)
WATCHED = st.builds(
    RedisAddress,
    hosts=st.lists(PLACE, min_size=1, max_size=4).map(tuple),
    service=NAME,
    tls=st.none() | TLS,
    sentinel_user=st.none() | NAME,
    sentinel_password=st.none() | NAME,
    **ACCOUNT,
)


@given(st.one_of(SINGLE, SOCKET, WATCHED))
def test_every_address_is_read_as_it_was_written(address: RedisAddress) -> None:
    assert RedisAddress.parse(_written(address)) == address


@given(st.one_of(SINGLE, SOCKET, WATCHED))
def test_celery_connects_to_the_same_place_with_the_same_account(address: RedisAddress) -> None:
    settings = address.celery_settings({"socket_timeout": 30, "global_keyprefix": "catalog:"})
    connection = Connection(
        settings["broker_url"], ssl=settings["broker_use_ssl"], transport_options=settings["broker_transport_options"]
    )
    pool = _pool(connection)
    kwargs, expected = pool.connection_kwargs, address.options()
    for name in ("username", "password", "db"):
        assert kwargs.get(name) == expected.get(name)
    if address.socket is not None:
        assert kwargs["path"] == str(address.socket)
    elif address.service is None:
        assert (kwargs["host"], kwargs["port"]) == address.hosts[0]
    else:
        asked = [node.connection_pool.connection_kwargs for node in pool.sentinel_manager.sentinels]
        assert [(node["host"], node["port"]) for node in asked] == list(address.hosts)
        assert {node["password"] for node in asked} == {address.sentinel_password}
        assert pool.service_name == address.service
    assert kwargs.get("ssl_ca_certs") == expected.get("ssl_ca_certs")
    assert kwargs.get("ssl_check_hostname") == expected.get("ssl_check_hostname")


@given(st.text(max_size=60))
def test_any_other_text_is_an_address_or_a_sentence(text: str) -> None:
    for scheme in ("", "redis://", "unix://", "rediss+sentinel://"):
        with suppress(AddressError):
            RedisAddress.parse(scheme + text).options()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (f"http://:{SECRET}@redis", "must be one of these: redis://"),
        ("redis:6379/0", "must be one of these: redis://"),
        (f"sentinel://:{SECRET}@redis:26379/jobs", "redis\\+sentinel://\\[USER:PASSWORD@\\]HOST"),
        (f"redis://:{SECRET}@", "has no HOST"),
        (f"redis://:{SECRET}@redis:port/0", "port 1 to 65535"),
        (f"redis://:{SECRET}/more@redis/0", "write @ as %40"),
        (f"redis://:more@{SECRET}@redis/0", "has an @ in the user or the password"),
        (f"redis://:{SECRET}#@redis/0", "must not contain #"),
        (f"redis://:{SECRET}@redis/0/shop", "number of a database at its end and nothing else"),
        (f"redis://:{SECRET}@redis/shop:", "every key begins with catalog:"),
        (f"redis://:{SECRET}@redis/-1", "number of a database"),
        (f"redis://:{SECRET}@redis/0?prefix=shop", "may have these parameters behind \\? and no others: db"),
        (f"redis://:{SECRET}@redis?ssl_ca_certs=/ca.pem", "TLS needs rediss://"),
        (f"redis://:{SECRET}@one,two/0", "must name one host; several are for sentinels"),
        (f"redis+sentinel://:{SECRET}@one,two", "must name the service"),
        (f"redis+sentinel://:{SECRET}@one,two/0/1/2", "number of a database"),
        (f"rediss://:{SECRET}@redis?ssl_cert_reqs=none", "no others: db, ssl_ca_certs, ssl_certfile"),
        (f"rediss://:{SECRET}@redis?ssl_ca_certs=/nowhere.pem", "ssl_ca_certs: the file /nowhere.pem cannot be read"),
        (f"rediss://:{SECRET}@redis?ssl_keyfile=/key.pem", "ssl_keyfile without ssl_certfile"),
        (f"unix://:{SECRET}@?db=0", "must have the socket's path"),
        ("unix://run/redis.sock", "three slashes"),
    ],
)
def test_wrong_address_is_a_sentence_that_names_the_setting(address: str, why: str) -> None:
    for field in ("redis_url", "broker_url"):
        with pytest.raises(ValidationError, match=why) as raised:
            Settings(**{field: address})  # type: ignore[arg-type]
        (sentence,) = wrong_settings(raised.value)
        assert sentence.startswith(f"CATALOG_{field.upper()}: ")
        assert SECRET not in sentence


def test_addresses_and_celerys_description_of_the_broker_show_no_password() -> None:
    for address in (
        f"redis://catalog:{SECRET}@redis/1",
        f"unix://catalog:{SECRET}@/redis.sock",
        f"redis+sentinel://:{SECRET}@one,two/jobs/1?sentinel_password={SECRET}",
    ):
        assert SECRET not in repr(RedisAddress.parse(address))
        with celery_app(Settings(broker_url=address)).connection_for_write() as connection:
            assert SECRET not in connection.as_uri()


def _pool(connection: Connection) -> Any:
    """The pool of a channel, which connects to nothing yet."""
    channel_class: Any = connection.transport.Channel  # type: ignore[attr-defined]
    channel = channel_class.__new__(channel_class)
    channel.connection = connection.transport
    for name, value in (connection.transport_options or {}).items():
        setattr(channel, name, value)
    return channel._get_pool()


def _written(address: RedisAddress) -> str:
    def coded(text: str | None) -> str:
        return quote(text or "", safe="")

    user = "" if address.user is address.password is None else f"{coded(address.user)}:{coded(address.password)}@"
    parameters: dict[str, str | None] = {
        "sentinel_username": address.sentinel_user,
        "sentinel_password": address.sentinel_password,
    }
    if tls := address.tls:
        parameters |= {"ssl_ca_certs": str(tls.authorities), "ssl_check_hostname": str(tls.check_host).lower()}
        parameters |= {"ssl_certfile": None if tls.certificate is None else str(tls.certificate)}
    if address.socket is not None:
        parameters["db"] = str(address.database)
    query = "&".join(f"{name}={coded(value)}" for name, value in parameters.items() if value is not None)
    scheme = ("rediss" if address.tls else "redis") + ("+sentinel" if address.service else "")
    hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.hosts)
    if address.socket is not None:
        return f"unix://{user}{quote(str(address.socket))}?{query}"
    service = f"/{coded(address.service)}" if address.service else ""
    return f"{scheme}://{user}{hosts}{service}/{address.database}" + (f"?{query}" if query else "")
