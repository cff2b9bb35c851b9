"""What a browser and its other pages may do with the server, as middleware around the page (ASGI)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse

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


def guarded(app: 'ASGIApp', max_bytes: int, hosts: Sequence[str]) -> 'ASGIApp':
    """Wraps the page.

    Args:
        app: The page.
        max_bytes: Size of the largest upload.
        hosts: Names that the server may be called by; others are what a page elsewhere calls it by that has its name
            point here (DNS rebinding). ``*`` allows all.
    """
    return TrustedHostMiddleware(_Guard(app, max_bytes + _REST), allowed_hosts=list(hosts), www_redirect=False)


class _Guard:
    """Refuses bodies that are too large before they are read, and adds headers to every answer."""

    def __init__(self, app: 'ASGIApp', max_body: int) -> None:
        self._app, self._max_body = app, max_body

    async def __call__(self, scope: 'Scope', receive: 'Receive', send: 'Send') -> None:
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = None
        if 'transfer-encoding' in headers:
            refusal = PlainTextResponse('The request does not say how long it is.', status_code=411)
        elif int(headers.get('content-length', 0)) > self._max_body:
            refusal = PlainTextResponse('The file is too large.', status_code=413)

        async def send_with_headers(message: 'Message') -> None:
            if message['type'] == 'http.response.start':
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await (refusal or self._app)(scope, receive, send_with_headers)
