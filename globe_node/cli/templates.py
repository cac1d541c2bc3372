# SPDX-License-Identifier: Apache-2.0
"""Sample message files, one for each type: what a person edits and sends. Each is a message as it stands.

The case is invented and marked as a sample; lines that may be left out stand behind `#`.
"""

from collections.abc import Mapping

from protocol.codes.message_types import MessageType

_HEAD = """\
# {what}
# Edit, then send it with: {how}
# Lines behind # may be left out. All texts are a sample.
type = "{type}"
"""
_HOW_REPLY = "globe-node consult reply CONSULTATION --file THIS_FILE"

_BODIES: Mapping[MessageType, tuple[str, str]] = {
    MessageType.CONSULT_REQUEST: (
        "A question to another authority, before any formal request.",
        """\
# H1 no use in court without permission, H2 no onward sharing without permission (both hold if none is named),
# H0 use for the stated purpose, H3 a restriction in words, NF-xx never for that authority or country.
handling = ["H1", "H2"]
legal_basis = ["UNCAC article 48 paragraph 1 (a)"]

[body]
title = "SAMPLE: who directs a company"

[body.practitioner]
office = "Duty desk, asset recovery"
# phone = "+00 0 000"
# languages = ["en", "fr"]

[body.case]
reference = "SAMPLE-2026-17"
# PRE_INVESTIGATION, INVESTIGATION, PROSECUTION, TRIAL, CONFISCATION, POST_CONVICTION, CIVIL, ADMIN
stage = "INVESTIGATION"
# central_authority_informed = false

[[body.offences]]
uncac = "16.1"
# provision = "Criminal Code section 291"

[body.facts]
language = "en"
text = \"\"\"
A road contract was won with the help of a consultant. Payments went to a company that is
registered with you.\"\"\"

[[body.help_items]]
id = "h1"
# CONTACT, LEGAL_REQ, DUAL_CRIM, EXECUTABLE, COMPANY, BENEF_OWNER, LAND, BANK_EXIST, ASSET_LOCATE, ...
help_type = "COMPANY"
question = "Who are the directors of Sample Roads Ltd?"
why_held_there = "It is registered in your company register."
nexus = "The company received the commission."

[body.purpose]
text = "To decide whether to send a formal request."
# INTELLIGENCE, PREPARE_MLA, ASSET_TRACING, CIVIL, OTHER
use = "PREPARE_MLA"
""",
    ),
    MessageType.ACK: (
        "Tells the other side who handles its request, and when an answer is likely.",
        """\

[body]
reference = "SAMPLE-99/26"
estimated_on = 2026-12-31

[body.handler]
office = "Foreign requests desk"
""",
    ),
    MessageType.CLARIFICATION_REQUEST: (
        "A question back; the clock of the request stops until it is answered.",
        """\

[body]
# due_on = 2026-12-15

[[body.questions]]
id = "q1"
# the item of the request it is about; leave out if it is about the whole request
item = "h1"
text = "Which year do you need?"
""",
    ),
    MessageType.CLARIFICATION: (
        "The answer to questions back.",
        """\

[[body.answers]]
question = "q1"
text = "From 2019 on."
""",
    ),
    MessageType.ANSWER: (
        "The answer, item by item.",
        """\

[body]
# false while more will come
final = true

[[body.items]]
item = "h1"
# FOUND, NOT_FOUND, NOT_HELD, NEEDS_MLA, REFUSED, PARTIAL, PENDING
result = "FOUND"
text = "The register names two directors; see the data."
found_in = "Register of companies"

[[body.items.data]]
name = "directors"
value = "Sample Directorov; Sample Second"
""",
    ),
    MessageType.REFUSAL: (
        "A refusal or postponement; reasons are always given.",
        """\

[body]
# false if only some items are refused; then each ground names its items
total = true
# true with a reason P01 or P02
postponement = false
# what was tried before to find terms and conditions
# consulted = "We asked on the telephone whether a formal request is possible."

[[body.grounds]]
# R01 not held, R02 incomplete, R06 essential interests, R07 would jeopardise, R14 formal request needed, ...
reason = "R14"
explanation = "Our law allows this only on a formal request."
# provision = "Act on legal assistance, section 5"
""",
    ),
    MessageType.WITHDRAWAL: (
        "The help is not needed any more.",
        """\

[body]
reason = "The information came from another source."
""",
    ),
    MessageType.CLOSE: (
        "The asking authority takes the consultation as ended.",
        """\

[body]
note = "Thank you."
""",
    ),
}


TEMPLATES = tuple(_BODIES)
"""Types that have a template; a change of the members has commands of its own."""


def template_of(message_type: MessageType) -> str:
    """Return a message file of this type, ready to be edited."""
    what, rest = _BODIES[message_type]
    how = _HOW_REPLY
    if message_type is MessageType.CONSULT_REQUEST:
        how = "globe-node consult send --to AUTHORITY --file THIS_FILE"
    return _HEAD.format(what=what, how=how, type=message_type.value) + rest
