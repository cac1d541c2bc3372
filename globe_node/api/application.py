# SPDX-License-Identifier: Apache-2.0
"""The HTTP server on the socket in the node's home. Not reachable by network, and without accounts.

1. Whoever may open the socket acts for the authority: the home folder is 0700 and the socket 0600.
2. One route, `POST /v1/{operation}`: JSON in, JSON out. `globe_node.api.operations` says what there is.
3. A request waits for its operation; the server stops by letting the operations under way finish.
"""

import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from globe_node.api.answers import answer, error_door
from globe_node.api.operations import Operations
from globe_node.errors import ConfigError
from globe_node.logs import EventLog
from protocol.canonical import read_json
from protocol.errors import MalformedError

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""A hundred drafts, or one with full attachments in base64."""
MAX_SOCKET_PATH_BYTES = 100
SHUTDOWN_SECONDS = 5.0


def build_application(operations: Operations, log: EventLog) -> web.Application:
    """Build the application."""

    async def act(request: web.Request) -> web.Response:
        body = await request.read()
        arguments = read_json(body, MAX_REQUEST_BYTES) if body else {}
        if not isinstance(arguments, dict):
            raise MalformedError("the arguments of an operation are one object")
        return answer(await operations.run(request.match_info["operation"], arguments))

    application = web.Application(middlewares=[error_door(log)], client_max_size=MAX_REQUEST_BYTES)
    application.router.add_post("/v1/{operation}", act)
    return application


@asynccontextmanager
async def serving(application: web.Application, path: Path) -> AsyncIterator[None]:
    """Serve on a socket file while the block runs.

    Args:
        application: what answers.
        path: the socket; one that a dead process left is replaced. The caller holds the node's lock.

    Raises:
        ConfigError: the path is too long for a socket, or the folder can't be written.
    """
    if len(bytes(path)) > MAX_SOCKET_PATH_BYTES:
        raise ConfigError(
            "the path of the home folder is too long for a socket",
            hint=f"Choose a home so that {path.name} in it has a path of {MAX_SOCKET_PATH_BYTES} bytes.",
        )
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.SockSite(runner, _listen(path)).start()
        yield
    finally:
        await runner.cleanup()
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _listen(path: Path) -> socket.socket:
    if path.is_socket():
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise ConfigError(
            "the socket in the home folder can't be made", hint="Check the folder's owner and mode."
        ) from None
    return listener
