"""HTTP to a suspect that may be broken or hostile: every answer has a size, a time and a form it may not exceed."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Timer
from typing import Any

from whosenet.errors import MissingExtra, SuspectUnreachable, UsageError
from whosenet.suspects.address import Address, parse_address, secret_values, sent_headers
from whosenet.suspects.secrets import Secrets
from whosenet.suspects.trouble import Away, Busy, Failed, Rejected

MAX_BODY = 1 << 24
"""Bytes of one answer."""
SHOWN = 120
"""Characters of a suspect's own words in a message."""
FOREVER = (401, 403, 404, 405, 407, 410)
"""Statuses that asking again does not change."""
BUSY = (429, 503)
GRACE = 0.5
"""Seconds after the time-out at which a connection that still drips is cut."""


@dataclass(frozen=True)
class Response:
    headers: Mapping[str, str]
    body: bytes

    def json(self, upto: int | None = None) -> Any:
        """The document (in the first `upto` bytes). Raises Failed if it is none."""
        return parsed(self.body[:upto], self.headers.get("content-type", ""))


def parsed(body: bytes, content_type: str = "") -> Any:
    """JSON, or Failed: also for what is nested too deep or holds numbers of a million digits."""
    if body.lstrip()[:1] == b"<" or "html" in content_type:
        raise Failed("it answers with a web page (HTML), not with JSON; is this the address of a model?")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Failed(f"it answers with no JSON: {words(body)!r}") from error


def words(body: bytes) -> str:
    """The beginning of what a suspect says, safe to print."""
    text = body[: 4 * SHOWN].decode("utf-8", "replace")
    return "".join(c if c.isascii() and c.isprintable() else " " for c in text)[:SHOWN].strip()


class Client:
    """One endpoint. TLS certificates are verified, redirects are not followed, no proxy is used for loopback."""

    def __init__(self, url: str, *, timeout: float = 30.0, token_env: str | None = None,
                 headers: Sequence[str] = ()) -> None:  # fmt: skip
        if not timeout > 0:
            raise UsageError(f"the time-out is a number of seconds above 0, got {timeout}")
        self.address = parse_address(url)
        self._timeout = timeout
        self._secrets = Secrets(secret_values(token_env, headers), self.address.query)
        self._open = _opener(self.address, timeout, sent_headers(self.address, token_env, headers))
        self._client = self._open()

    def close(self) -> None:
        self._client.close()

    def get(self, path: str) -> Response:
        return self._exchange("GET", path, b"", {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        return self._exchange("POST", path, body, headers)

    def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """One request. Raises Trouble, or SuspectUnreachable where repeating is useless."""
        import httpx2

        late = Timer(self._timeout + GRACE, self._client.close)
        late.daemon = True
        late.start()
        try:
            return self._stream(method, self.address.url(path), body, headers)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise UsageError(f"{self.address.where} is no address that can be asked; check it") from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.PoolTimeout) as error:
            raise self._unconnected(error) from error
        except httpx2.TimeoutException as error:
            raise Failed(f"no answer within {self._timeout:g} s") from error
        except (httpx2.HTTPError, httpx2.StreamError, RuntimeError, OSError) as error:
            slow = f"no whole answer within {self._timeout:g} s" if self._client.is_closed else ""
            raise Failed(slow or f"the connection broke ({self._words(error) or 'no reason'})") from error
        finally:
            late.cancel()
            if self._client.is_closed:
                self._client = self._open()

    def _stream(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        with self._client.stream(method, url, content=body or None, headers=dict(headers)) as response:
            found = bytearray()
            for chunk in response.iter_raw():
                found += chunk
                if len(found) > MAX_BODY:
                    raise Failed(f"it answers with more than {MAX_BODY >> 20} MiB")
            body = self._secrets.hide(bytes(found))
            heads = {name.lower(): self._secrets.hidden(value) for name, value in response.headers.items()}
            self._check(response.status_code, heads, body)
            return Response(heads, body)

    def _check(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        said = f"HTTP {status}: {words(body)}"
        if 300 <= status < 400:
            target = words(headers.get("location", "").partition("?")[0].encode())
            raise SuspectUnreachable(f"{self.address.where} redirects to {target}; give that address if you trust it")
        if status in FOREVER:
            hint = "; name its token with --token-env VARIABLE" if status in (401, 403) else "; check the address"
            raise SuspectUnreachable(f"{self.address.where} refuses ({said}){hint}")
        if status in BUSY:
            raise Busy(said, _after(headers.get("retry-after", "")))
        if status >= 500 or status in (408, 425):
            raise Failed(said)
        if not 200 <= status < 300:
            raise Rejected(said)
        if headers.get("content-encoding", "identity") != "identity":
            raise Failed("it answers compressed, though asked not to")

    def _words(self, error: Exception) -> str:
        return words(self._secrets.hide(str(error).encode("utf-8", "replace")))

    def _unconnected(self, error: Exception) -> Exception:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
            cause = cause.__cause__ or cause.__context__
        if cause is not None or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return SuspectUnreachable(f"{self.address.where} shows a certificate that cannot be verified; "
                                      "ask its operator, or set SSL_CERT_FILE to your own authority's")  # fmt: skip
        return Away(f"no connection to {self.address.where} ({self._words(error)})")


def _opener(address: Address, timeout: float, headers: dict[str, str]) -> Callable[[], Any]:
    """Makes a new client each time. The headers, which may hold a token, live only in here."""
    try:
        import httpx2
    except ImportError as error:
        raise MissingExtra("suspects", "an endpoint as suspect") from error
    sent = {"Accept": "application/json, application/octet-stream", "Accept-Encoding": "identity",
            "User-Agent": "whosenet", **headers}  # fmt: skip
    return lambda: httpx2.Client(headers=sent, timeout=timeout, follow_redirects=False, trust_env=not address.loopback)


def _after(text: str) -> float | None:
    """Seconds of a Retry-After header: a number, or a date."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
