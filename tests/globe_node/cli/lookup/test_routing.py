# SPDX-License-Identifier: Apache-2.0
"""What a person sees of the decision tree."""

from globe_node.cli.lookup.routing import remark_text
from protocol.lookup.advice import AdviceKind


def test_every_remark_has_its_words() -> None:
    for kind in AdviceKind:
        assert remark_text({"kind": kind.value, "detail": "XB"})
    assert (
        remark_text({"kind": "FORMAL_REQUEST_NEEDED", "detail": "XB"}) == "this needs a formal request in XB"
    )
