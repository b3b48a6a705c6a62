"""Who may talk to the viewer: this machine's browser with the token of this start, and pages of the viewer alone."""

from __future__ import annotations

import json
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-phonoscope-token"
_READING = ("GET", "HEAD")

# Everything comes from the page's own address; sounds and exports are made in the page as blobs.
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


class Guard:
    """Lets a request pass only to the right host, from the right page, with the token of this start.

    The host is checked against DNS rebinding, the origin against other pages in the same browser. The token comes in
    the address once (the page then has a cookie, which scripts cannot read and other sites' pages do not send), or in
    the header ``X-Phonoscope-Token``.

    Parameters
    ----------
    token
        Of this start; see `new_token`.
    port
        Port that the viewer listens on; names the cookie too, since cookies do not know ports.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.origins = {f"http://{host}" for host in self.hosts}
        self.cookie = f"phonoscope_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to whom the viewer does not know, and add the security headers to every answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        in_address = scope["path"] == "/" and self._right(given)
        refusal = self._refusal(scope["method"], headers, in_address)
        extra = dict(SECURITY_HEADERS)
        if in_address:
            extra["set-cookie"] = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name.lower() for name, _ in message["headers"]}
                added = [(k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in known]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        if refusal is None:
            await self.app(scope, receive, sending)
            return
        body = json.dumps({"error": refusal}).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        extra.pop("set-cookie", None)
        await sending({"type": "http.response.start", "status": 403, "headers": head})
        await sending({"type": "http.response.body", "body": body})

    def _refusal(self, method: str, headers: dict[str, str], in_address: bool) -> str | None:
        """Why a request is refused, in a plain sentence; None if it is not."""
        if headers.get("host", "").lower() not in self.hosts:
            return "This viewer answers to its own address on this machine only."
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in self.origins:
            return "This viewer answers its own pages only."
        if origin is None and method not in _READING:
            return "A request that changes something must say from which page it comes."
        if in_address or self._right(headers.get(HEADER, "")) or self._right(self._of_cookie(headers)):
            return None
        return "Open the address that phonoscope printed, with its token: this one is of another start, or has none."

    def _right(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self.token.encode())

    def _of_cookie(self, headers: dict[str, str]) -> str:
        try:
            jar = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return ""
        return jar[self.cookie].value if self.cookie in jar else ""


def new_token() -> str:
    """Return a token that nobody guesses, 256 bits."""
    return secrets.token_urlsafe(32)
