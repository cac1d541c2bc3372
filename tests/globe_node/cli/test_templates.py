# SPDX-License-Identifier: Apache-2.0
"""A template is a message as it stands: what a person is given to edit can be sent unchanged."""

from pathlib import Path

import pytest

from globe_node.cli.request_file import read_message_file
from globe_node.cli.templates import TEMPLATES, template_of
from protocol.codes.message_types import MessageType
from protocol.messages.parse import parse_body


@pytest.mark.parametrize("message_type", TEMPLATES)
def test_a_template_can_be_sent_as_it_is(message_type: MessageType, tmp_path: Path) -> None:
    file = tmp_path / "message.toml"
    file.write_text(template_of(message_type), "utf-8")
    message = read_message_file(file)
    assert message["type"] == message_type.value
    body = message["body"]
    assert isinstance(body, dict)
    parse_body(message_type, body)
