"""The address of an endpoint and what may be sent to it. Secrets come from the environment and are never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from whosenet.errors import UsageError

RESERVED = ("authorization", "host", "content-length", "content-type", "transfer-encoding", "connection",
            "accept-encoding", "accept", "inference-header-content-length")  # fmt: skip
ENV = "env:"


@dataclass(frozen=True)
class Address:
    """`where` is the address for people: without query, which may hold a key."""

    scheme: str
    host: str
    where: str
    path: str
    query: str = field(repr=False)

    @property
    def loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def url(self, path: str) -> str:
        """The full address of `path` on the same host, with the query."""
        root = self.where[: len(self.where) - len(self.path)]
        return root + path + (f"?{self.query}" if self.query else "")


def parse_address(text: str) -> Address:
    """Raises UsageError unless it is an http(s) address without a user and password in it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"the suspect's address is no URL ({error}); expected https://HOST/PATH") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("the suspect's address is no URL; expected https://HOST/PATH")
    if parts.username is not None or parts.password is not None:
        raise UsageError("the suspect's address holds a user or password; put a token into an environment variable "
                         "and name the variable with --token-env")  # fmt: skip
    if not parts.path.isprintable() or not text.isascii():
        raise UsageError("the suspect's address holds characters a URL cannot have; encode them as %XX")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    root = f"{parts.scheme}://{name}" + (f":{port}" if port else "")
    path = parts.path.rstrip("/")
    return Address(parts.scheme, parts.hostname, root + path, path, parts.query)


def public(suspect: str) -> str:
    """What the user named as suspect, as it may be shown: of an address neither user, password, query nor fragment."""
    if "://" not in suspect:
        return suspect
    scheme, _, rest = suspect.partition("://")
    place, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def secret_values(token_env: str | None, headers: Sequence[str]) -> list[str]:
    """What comes from the environment and goes into headers. Raises UsageError as sent_headers does."""
    values = [text.partition(":")[2].strip() for text in headers]
    named = [v.removeprefix(ENV) for v in values if v.startswith(ENV)] + ([token_env] if token_env else [])
    return [_secret(variable) for variable in named]


def sent_headers(address: Address, token_env: str | None, headers: Sequence[str]) -> dict[str, str]:
    """What goes with every request. `headers`: `NAME: VALUE`, or `NAME: env:VARIABLE`. Raises UsageError."""
    made = dict(_header(text) for text in headers)
    if token_env:
        made["Authorization"] = f"Bearer {_secret(token_env)}"
    secret = token_env or any(text.partition(":")[2].strip().startswith(ENV) for text in headers)
    if secret and address.scheme == "http" and not address.loopback:
        raise UsageError(f"{address.where} would get the token unencrypted; use https://")
    return made


def _header(text: str) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in text.partition(":"))
    sound = name.replace("-", "").replace("_", "").isalnum() and name.isascii()
    if not colon or not sound or not value.isascii() or not value.isprintable() or not value:
        raise UsageError("a header is given as NAME: VALUE, or NAME: env:VARIABLE for a secret one")
    if name.lower() in RESERVED:
        raise UsageError(f"the header {name} is whosenet's own; a bearer token goes by --token-env VARIABLE")
    return name, _secret(value.removeprefix(ENV)) if value.startswith(ENV) else value


def _secret(variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise UsageError(f"the environment variable {variable[:60]!r} is not set; it should hold the endpoint's token")
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"the environment variable {variable[:60]!r} holds characters no header can have")
    return value
