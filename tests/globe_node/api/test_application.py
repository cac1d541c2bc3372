# SPDX-License-Identifier: Apache-2.0
"""The socket at home: who may open it, what comes back, and that nothing leaks."""

import asyncio
import http.client
import json
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from globe_node.api.application import MAX_REQUEST_BYTES, build_application, serving
from globe_node.errors import ConfigError, NotFoundError, StoreError
from globe_node.logs import open_log
from protocol.canonical import JSONObject
from protocol.errors import LocalProtocolError, ReasonCode
from tests.support.clock import FixedClock

SECRET = "a sentence that must not leak"


class Failing:
    """Operations that fail in the way their name says."""

    async def run(self, name: str, arguments: JSONObject) -> JSONObject:
        errors: dict[str, Exception] = {
            "missing": NotFoundError("not here", hint="look elsewhere"),
            "rule": LocalProtocolError("a rule", code=ReasonCode.TOO_LARGE),
            "disk": StoreError("full", code=ReasonCode.STORAGE_FULL),
            "surprise": ZeroDivisionError(SECRET),
        }
        if name in errors:
            raise errors[name]
        return {"name": name, "arguments": arguments}


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Path, Path]]:
    """The path of the socket and of the log."""
    path, log = folder / "node.sock", folder / "log"
    with log.open("w") as stream:
        application = build_application(Failing(), open_log(stream, FixedClock().now))  # type: ignore[arg-type]
        async with serving(application, path):
            yield path, log


async def ask(path: Path, target: str, body: bytes = b"", method: str = "POST") -> tuple[int, Any]:
    """Status and JSON of one request."""

    def exchange() -> tuple[int, Any]:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request(method, target, body)
        response = connection.getresponse()
        found = json.loads(response.read())
        connection.close()
        return response.status, found

    return await asyncio.to_thread(exchange)


async def test_the_socket_is_for_its_owner_alone_and_goes_away(tmp_path: Path) -> None:
    async with served(tmp_path) as (path, _):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await ask(path, "/v1/hello", b'{"a": 1}') == (200, {"name": "hello", "arguments": {"a": 1}})
    assert not path.exists()


@pytest.mark.parametrize(
    ("target", "body", "status", "code"),
    [
        ("/v1/missing", b"", 404, "not_found"),
        ("/v1/rule", b"", 413, "too_large"),
        ("/v1/disk", b"", 507, "storage_full"),
        ("/v1/hello", b"{", 400, "bad_json"),
        ("/v1/hello", b"[]", 400, "bad_json"),
        ("/v1/hello", b'{"a": 1, "a": 2}', 400, "bad_json"),
        ("/v1/hello", b'{"a": 1.5}', 400, "bad_json"),
        ("/elsewhere", b"", 404, "not_found"),
        ("/v1/hello", b"x" * (MAX_REQUEST_BYTES + 1), 413, "too_large"),
    ],
)
async def test_errors_have_a_code_and_a_status(
    target: str, body: bytes, status: int, code: str, tmp_path: Path
) -> None:
    async with served(tmp_path) as (path, _):
        found = await ask(path, target, body)
    assert (found[0], found[1]["error"]) == (status, code)
    assert set(found[1]) == {"error", "message", "hint"}


async def test_another_method_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as (path, _):
        assert (await ask(path, "/v1/hello", method="PUT"))[0] == 405


async def test_a_surprise_leaks_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as (path, log):
        status, found = await ask(path, "/v1/surprise", json.dumps({"text": SECRET}).encode())
    assert status == 500
    assert SECRET not in json.dumps(found)
    line = log.read_text()
    assert SECRET not in line
    assert "ZeroDivisionError" in line


async def test_a_socket_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "node.sock"))
    dead.close()
    async with served(tmp_path) as (path, _):
        assert (await ask(path, "/v1/hello"))[0] == 200


async def test_a_path_too_long_for_a_socket_is_refused_with_what_to_do(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    with pytest.raises(ConfigError, match="too long"):
        async with served(deep):
            pass
