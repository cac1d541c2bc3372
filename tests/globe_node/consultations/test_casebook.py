# SPDX-License-Identifier: Apache-2.0
from globe_node.consultations.casebook import REMEMBERED_BYTES, REMEMBERED_REQUESTS, Asked, KnownRequests
from protocol.identifiers import Digest

ASKED = Asked(frozenset({"xb-ibu"}), None)


def digest(number: int) -> Digest:
    return Digest(f"{number:064x}")


def test_the_request_used_longest_ago_is_forgotten_first() -> None:
    known = KnownRequests()
    for number in range(REMEMBERED_REQUESTS):
        known.keep(digest(number), ASKED, 100)
    assert known.find(digest(0)) is ASKED
    known.keep(digest(REMEMBERED_REQUESTS), ASKED, 100)
    assert [known.find(digest(number)) is ASKED for number in (0, 1, 2)] == [True, False, True]


def test_a_long_request_is_not_kept_in_memory() -> None:
    known = KnownRequests()
    known.keep(digest(1), ASKED, REMEMBERED_BYTES)
    known.keep(digest(2), ASKED, REMEMBERED_BYTES + 1)
    assert (known.find(digest(1)), known.find(digest(2))) == (ASKED, None)
