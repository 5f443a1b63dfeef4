"""The address of a Redis: parsed from a setting, and translated for redis-py and for Celery."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

FORMS = (
    "redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]",
    "rediss://…, the same with TLS",
    "unix://[USER:PASSWORD@]/PATH/OF/SOCKET[?db=DATABASE]",
    "redis+sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]/SERVICE[/DATABASE]",
    "rediss+sentinel://…, the same with TLS",
)
_ESCAPE = "in names and passwords, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"
_PORT, _SENTINEL_PORT = 6379, 26379
_TLS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}
_SENTINEL = {"sentinel_username", "sentinel_password"}


class AddressError(ValueError):
    """A malformed address; the message says what to write instead, and quotes nothing that may be a password."""


@dataclass(frozen=True)
class Tls:
    """How a connection is encrypted; the server's certificate is always checked."""

    authorities: Path | None = None
    """PEM file of the authorities to trust; the system's by default."""
    certificate: Path | None = None
    """PEM file of the client's own certificate, for a server that asks for one."""
    key: Path | None = None
    """Its private key, if it is not in the same file."""
    check_host: bool = True
    """Whether the certificate must be for the host's name."""

    def options(self) -> dict[str, Any]:
        """Return redis-py's options of an encrypted connection."""
        files = {"ssl_ca_certs": self.authorities, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        present = {name: str(path) for name, path in files.items() if path is not None}
        return {"ssl_cert_reqs": "required", "ssl_check_hostname": self.check_host, **present}


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis is, and who asks."""

    hosts: tuple[tuple[str, int], ...] = ()
    """The server's host and port, or those of the sentinels; empty with a socket."""
    socket: Path | None = None
    service: str | None = None
    """What the sentinels call the server and its replicas."""
    database: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_user: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    @classmethod
    def parse(cls, text: str) -> "RedisAddress":
        """Read one of the `FORMS`; raises `AddressError`."""
        scheme, separator, rest = text.strip().partition("://")
        if not separator or scheme not in _PARSERS:
            raise AddressError(f"must be one of these: {'; '.join(FORMS)}")
        rest, _, query = rest.partition("?")
        if "#" in rest or "#" in query:
            raise AddressError(f"must not contain #; {_ESCAPE}")
        authority, slash, path = rest.partition("/")
        return _PARSERS[scheme](authority, slash + path, query, tls=scheme.startswith("rediss"))

    def missing_file(self) -> str | None:
        """Return a sentence about a file of the address that cannot be read; `None` if all can."""
        if self.tls is None:
            return None
        named = {
            "ssl_ca_certs": self.tls.authorities,
            "ssl_certfile": self.tls.certificate,
            "ssl_keyfile": self.tls.key,
        }
        for name, path in named.items():
            if path is not None:
                try:
                    with path.open("rb"):
                        pass
                except OSError as error:
                    return f"{name}: the file {path} cannot be read ({error.strerror})"
        return None

    def options(self) -> dict[str, Any]:
        """Return redis-py's options of a client of the server; where it is, only if no sentinels say that."""
        place: dict[str, Any] = {}
        if self.socket is not None:
            place = {"unix_socket_path": str(self.socket)}
        elif self.service is None:
            place = dict(zip(("host", "port"), self.hosts[0], strict=True))
        return {**place, "db": self.database, **_present(self.user, self.password), **self._encrypted()}

    def sentinel_options(self) -> dict[str, Any]:
        """Return redis-py's options of a client of a sentinel, without its place."""
        return {**_present(self.sentinel_user, self.sentinel_password), **self._encrypted()}

    def _encrypted(self) -> dict[str, Any]:
        return {} if self.tls is None else {"ssl": True, **self.tls.options()}

    def celery_settings(self, transport_options: Mapping[str, Any]) -> dict[str, Any]:
        """Return Celery's settings for a broker at this address.

        Args:
            transport_options: Options of every connection, beside those that the address needs.
        """
        options = dict(transport_options)
        if self.service is not None:
            sockets = {name: value for name, value in options.items() if name.startswith("socket_")}
            options |= {"master_name": self.service, "sentinel_kwargs": {**sockets, **self.sentinel_options()}}
        ssl = None if self.tls is None else self.tls.options()
        return {"broker_url": self._celery_url(), "broker_use_ssl": ssl, "broker_transport_options": options}

    def _celery_url(self) -> str:
        user = _user_part(self.user, self.password)
        if self.socket is not None:
            return f"redis+socket://{user}{quote(str(self.socket))}?virtual_host={self.database}"
        scheme = "sentinel" if self.service is not None else "redis" if self.tls is None else "rediss"
        return ";".join(f"{scheme}://{user}{_place(*host)}/{self.database}" for host in self.hosts)


def _present(user: str | None, password: str | None) -> dict[str, str]:
    return {name: value for name, value in (("username", user), ("password", password)) if value is not None}


def checked(text: str) -> str:
    """Return the address as it is; raises `AddressError` if it is malformed or names a file that cannot be read."""
    if problem := RedisAddress.parse(text).missing_file():
        raise AddressError(problem)
    return text.strip()


def _server(authority: str, path: str, query: str, *, tls: bool) -> RedisAddress:
    user, password, hosts = _authority(authority, _PORT)
    if len(hosts) != 1:
        raise AddressError("must name one host; several are for sentinels: redis+sentinel://HOST,HOST/SERVICE")
    parameters = _parameters(query, (_TLS if tls else set()) | {"db"})
    if path.strip("/") and "db" in parameters:
        raise AddressError("names the database twice: write it behind the host, as in redis://HOST:6379/0")
    database = _database(path.removeprefix("/") or parameters.get("db", ""), "redis://HOST:6379/0")
    return RedisAddress(
        hosts=hosts, database=database, user=user, password=password, tls=_tls(parameters) if tls else None
    )


def _unix(authority: str, path: str, query: str, *, tls: bool) -> RedisAddress:
    user, password = _user(authority.removesuffix("@") if authority.endswith("@") else authority)
    if authority and not authority.endswith("@"):
        raise AddressError(f"must be {FORMS[2]}, with three slashes if there is no user: unix:///run/redis.sock?db=0")
    socket = unquote(path)
    if socket.strip("/") == "":
        raise AddressError("must have the socket's path: unix:///run/redis.sock?db=0")
    database = _database(_parameters(query, {"db"}).get("db", ""), "unix:///run/redis.sock?db=0")
    return RedisAddress(socket=Path(socket), database=database, user=user, password=password)


def _sentinels(authority: str, path: str, query: str, *, tls: bool) -> RedisAddress:
    user, password, hosts = _authority(authority, _SENTINEL_PORT)
    service, _, database = path.removeprefix("/").partition("/")
    if not service:
        raise AddressError(f"must name the service that the sentinels watch: {FORMS[3]}")
    parameters = _parameters(query, _SENTINEL | (_TLS if tls else set()))
    return RedisAddress(
        hosts=hosts,
        service=unquote(service),
        database=_database(database, "redis+sentinel://HOST:26379/SERVICE/0"),
        user=user,
        password=password,
        sentinel_user=parameters.get("sentinel_username"),
        sentinel_password=parameters.get("sentinel_password"),
        tls=_tls(parameters) if tls else None,
    )


_PARSERS = {
    "redis": _server,
    "rediss": _server,
    "unix": _unix,
    "redis+sentinel": _sentinels,
    "rediss+sentinel": _sentinels,
}


def _authority(text: str, port: int) -> tuple[str | None, str | None, tuple[tuple[str, int], ...]]:
    """Split user, password and hosts, with `port` for those that name none."""
    who, at, where = text.rpartition("@")
    user, password = _user(who) if at else (None, None)
    return user, password, tuple(_host(part, port) for part in where.split(","))


def _user(text: str) -> tuple[str | None, str | None]:
    if "@" in text:
        raise AddressError(f"has an @ in the user or the password; {_ESCAPE}")
    user, _, password = text.partition(":")
    return unquote(user) or None, unquote(password) or None


def _host(text: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, named = parts.hostname, parts.port
    except ValueError:
        host, named = None, None
    if not host or parts.path or text.endswith(":") or any(character.isspace() for character in text):
        raise AddressError(f"has no HOST or HOST:PORT where one is expected (port 1 to 65535); {_ESCAPE}")
    if named == 0:
        raise AddressError("has the port 0, but a port is 1 to 65535")
    return host, port if named is None else named


def _database(text: str, example: str) -> int:
    if text == "":
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise AddressError(
            f"must have the number of a database at its end and nothing else, as in {example}. There is no prefix to "
            f"choose: every key begins with catalog:. If this is a part of the password: {_ESCAPE}"
        )
    return int(text)


def _parameters(query: str, known: set[str]) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(not value for _, value in pairs) or len(dict(pairs)) < len(pairs):
        raise AddressError("must have a value for each parameter behind ?, and each of them once")
    if unknown := dict(pairs).keys() - known:
        offered = ", ".join(sorted(known))
        hint = " TLS needs rediss:// or rediss+sentinel://." if unknown & _TLS else ""
        raise AddressError(
            f"may have these parameters behind ? and no others: {offered}.{hint} If the ? is a part of "
            f"the password: {_ESCAPE}"
        )
    return dict(pairs)


def _tls(parameters: Mapping[str, str]) -> Tls:
    check = parameters.get("ssl_check_hostname", "true").lower()
    if check not in ("true", "false"):
        raise AddressError("must have true or false for ssl_check_hostname")
    if "ssl_keyfile" in parameters and "ssl_certfile" not in parameters:
        raise AddressError("has ssl_keyfile without ssl_certfile")
    authorities, certificate, key = (
        Path(parameters[name]) if name in parameters else None
        for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
    )
    return Tls(authorities, certificate, key, check == "true")


def _user_part(user: str | None, password: str | None) -> str:
    if user is None and password is None:
        return ""
    secret = "" if password is None else f":{quote(password, safe='')}"
    return f"{quote(user or '', safe='')}{secret}@"


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
