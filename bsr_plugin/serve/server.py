"""The server: the page behind its guard, until a signal ends it."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from bsr_plugin.serve.guard import guarded, hosts_at
from bsr_plugin.serve.jobs import Jobs
from bsr_plugin.serve.page import CSS

#: Seconds between two looks for old files.
_EVERY = 60
#: Seconds that open connections of pages are given at the end.
_GRACE = 1


def build_app(
    page: gr.Blocks, jobs: Jobs, server: socket.socket, name: str = 'localhost', outside: Sequence[str] = ()
) -> ASGIApp:
    """Puts the page behind its guard, as an ASGI application that removes old files while it runs.

    Args:
        page: The page.
        jobs: What its files are known to.
        server: Where it will be reached.
        name: What it was asked to listen at.
        outside: What a reverse proxy in front of it is called.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=_removing_old_files(jobs))
    host, port = server.getsockname()[:2]
    gr.mount_gradio_app(
        app,
        page,
        '/',
        server_name=host,
        server_port=port,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        ssr_mode=False,
        max_file_size=jobs.limits.bytes,
        theme=_theme(),
        css=CSS,
    )
    # As ``launch`` does: until then Gradio takes any path in a request for an upload.
    page.has_launched = True
    return guarded(app, jobs.limits.bytes, hosts_at(server, name), outside)


class PageServer(uvicorn.Server):
    """Serves an application; at the end it does not wait for open pages, and cuts their connections without a word."""

    def __init__(self, app: ASGIApp, on_start: Callable[[], object]) -> None:
        """Calls ``on_start`` once it answers and signals end it in good order."""
        self._on_start = on_start
        super().__init__(
            uvicorn.Config(
                app, log_level='error', access_log=False, server_header=False, timeout_graceful_shutdown=_GRACE
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the server."""
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the server."""
        logging.getLogger('uvicorn.error').setLevel(logging.CRITICAL)
        await super().shutdown(sockets)


def serve(app: ASGIApp, jobs: Jobs, server: socket.socket, on_start: Callable[[], object]) -> None:
    """Answers at a socket until SIGINT or SIGTERM, whose handler is called then; the job that runs is cancelled.

    Args:
        app: What :func:`build_app` gives.
        jobs: What upscales for it.
        server: The socket, which listens.
        on_start: Called once when the server answers.
    """
    try:
        PageServer(app, on_start).run(sockets=[server])
    finally:
        jobs.close()


def _theme() -> gr.Theme:
    """Gradio's own colours, light and dark, in fonts that every system has: none is fetched."""
    return gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['ui-monospace', 'monospace'])


def _removing_old_files(jobs: Jobs) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Removes old files for as long as the application runs."""

        async def regularly() -> None:
            while True:
                await asyncio.sleep(_EVERY)
                await asyncio.to_thread(jobs.remove_old)

        task = asyncio.create_task(regularly())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return lifespan
