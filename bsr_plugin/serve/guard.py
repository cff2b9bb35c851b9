"""What a browser and its other pages may do with the server, as middleware around the page (ASGI)."""

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse

from bsr_plugin.serve.address import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: What the page may load and where it may send: its own server alone. Gradio's page has scripts and styles inside.
_POLICY = '; '.join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "frame-ancestors 'self'",
    ]
)
_HEADERS = {
    'Content-Security-Policy': _POLICY,
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
}
#: What a server that only this machine reaches is called.
LOOPBACK = ('localhost', '127.0.0.1', '::1', '[::1]')
#: Bytes of a request beside the file in it.
_REST = 1 << 20


def guarded(app: 'ASGIApp', max_bytes: int, hosts: Sequence[str], outside: Sequence[str] = ()) -> 'ASGIApp':
    """Wraps the page.

    Args:
        app: The page.
        max_bytes: Size of the largest upload.
        hosts: Names that the server may be called by; others are what a page elsewhere calls it by that has its name
            point here (DNS rebinding). ``*`` allows all.
        outside: Further names, those of a reverse proxy: its pages may send, too, whatever ``Host`` it passes on.
    """
    guard = _Guard(app, max_bytes + _REST, outside)
    return TrustedHostMiddleware(guard, allowed_hosts=[*hosts, *outside], www_redirect=False)


def hosts_at(server: socket.socket, name: str = 'localhost') -> list[str]:
    """Gives the names that a server may be called by, for :func:`guarded`.

    Args:
        server: The socket that it listens at.
        name: The name or address that the socket was made from.
    """
    address = server.getsockname()[0]
    return [*LOOPBACK, address, f'[{address}]', name] if is_loopback(server) else ['*']


class _Guard:
    """Refuses what other pages send, and bodies that are too large before they are read; adds headers to answers."""

    def __init__(self, app: 'ASGIApp', max_body: int, outside: Sequence[str]) -> None:
        self._app, self._max_body, self._outside = app, max_body, outside

    async def __call__(self, scope: 'Scope', receive: 'Receive', send: 'Send') -> None:
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = None
        if _is_from_another_page(headers, self._outside):
            refusal = PlainTextResponse('The request comes from another page.', status_code=403)
        elif 'transfer-encoding' in headers:
            refusal = PlainTextResponse('The request does not say how long it is.', status_code=411)
        elif int(headers.get('content-length', 0)) > self._max_body:
            refusal = PlainTextResponse('The file is too large.', status_code=413)

        async def send_with_headers(message: 'Message') -> None:
            if message['type'] == 'http.response.start':
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await (refusal or self._app)(scope, receive, send_with_headers)


def _is_from_another_page(headers: Headers, outside: Sequence[str]) -> bool:
    """Whether a browser says so; programs, and pages that are merely opened, say nothing."""
    origin = headers.get('origin')
    if origin is None:
        return False
    place = origin.partition('://')[2]
    return place != headers.get('host') and place.partition(':')[0] not in outside
