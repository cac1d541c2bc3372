# SPDX-License-Identifier: Apache-2.0
"""The door where errors become answers for the programs of this authority. Not for peers: see `peering`.

1. Every error is `{"error": code, "message": text, "hint": text}`; the code is one of `ReasonCode`.
2. What nobody foresaw answers without its text; the operator's log has its class and place.
3. No answer repeats what was asked.
"""

from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from globe_node.errors import NodeError
from globe_node.logs import EventLog
from keys.errors import KeystoreError
from protocol.canonical import JSONObject, to_bytes
from protocol.errors import ProtocolError, ReasonCode

STATUS = {
    ReasonCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ReasonCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ReasonCode.ID_CONFLICT: HTTPStatus.CONFLICT,
    ReasonCode.ILLEGAL_MOVE: HTTPStatus.CONFLICT,
    ReasonCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ReasonCode.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    ReasonCode.STORAGE_FAILED: HTTPStatus.SERVICE_UNAVAILABLE,
    ReasonCode.STORAGE_FULL: HTTPStatus.INSUFFICIENT_STORAGE,
    ReasonCode.STORE_CORRUPT: HTTPStatus.INTERNAL_SERVER_ERROR,
    ReasonCode.PEER_UNREACHABLE: HTTPStatus.BAD_GATEWAY,
}
"""The HTTP status of a code; every other code is a fault of the request."""


def error_object(error: Exception) -> JSONObject:
    """Return what the asking program gets for an error of ours."""
    hint = error.hint if isinstance(error, NodeError | KeystoreError) else ""
    return {"error": code_of(error), "message": str(error), "hint": hint}


def code_of(error: Exception) -> ReasonCode:
    """Return the reason code of an error of ours."""
    return error.code if isinstance(error, NodeError | ProtocolError) else ReasonCode.STORE_CORRUPT


def answer(value: JSONObject, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """Return an answer in canonical JSON."""
    return web.Response(
        body=to_bytes(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def note_failure(log: EventLog, request: web.Request, error: Exception) -> None:
    """Write a failure that nobody foresaw into the operator's log."""
    log.error("an operation failed", error=error, operation=request.match_info.get("operation", ""))


def error_door(log: EventLog) -> Middleware:
    """Make the middleware that turns errors into answers."""

    @web.middleware
    async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            code = ReasonCode.TOO_LARGE if error.status == 413 else ReasonCode.NOT_FOUND
            return answer({"error": code, "message": error.reason, "hint": ""}, HTTPStatus(error.status))
        except (NodeError, ProtocolError, KeystoreError) as error:
            return answer(error_object(error), STATUS.get(code_of(error), HTTPStatus.BAD_REQUEST))
        except Exception as error:
            note_failure(log, request, error)
            text = "the operation failed for a reason that nobody foresaw"
            hint = "The operator's log names the place. Nothing was half done."
            return answer(
                {"error": ReasonCode.BAD_REQUEST, "message": text, "hint": hint},
                HTTPStatus.INTERNAL_SERVER_ERROR,
            )

    return door
