# SPDX-License-Identifier: Apache-2.0
from globe_node.errors import (
    ConfigError,
    ExitCode,
    NodeError,
    NotPermittedError,
    PeerUnreachableError,
    SecondApproverError,
)
from protocol.errors import ReasonCode


def test_a_kind_of_error_has_its_code_and_exit_code() -> None:
    error = PeerUnreachableError("xb-acc does not answer", hint="It will be tried again.")
    assert (error.code, error.exit_code) == (ReasonCode.PEER_UNREACHABLE, ExitCode.PEER_UNREACHABLE)
    assert (str(error), error.hint) == ("xb-acc does not answer", "It will be tried again.")


def test_a_code_may_be_given() -> None:
    assert NodeError("no", code=ReasonCode.BUSY).code is ReasonCode.BUSY
    assert NodeError.code is ReasonCode.BAD_REQUEST


def test_exit_codes_are_the_documented_ones() -> None:
    assert [NodeError.exit_code, ConfigError.exit_code, PeerUnreachableError.exit_code] == [1, 2, 3]
    assert [NotPermittedError.exit_code, SecondApproverError.exit_code] == [4, 5]
