# SPDX-License-Identifier: Apache-2.0
"""Which places are asked for, and which records stand in them: together they find exactly what is missing."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from globe_node.consultations.resending.asking import missing_ranges
from globe_node.consultations.resending.hearing import chosen
from globe_node.consultations.resending.records import Kept
from protocol.groups.testimony.control import ALL_THAT_FOLLOW, MAX_RANGES, SequenceRange
from protocol.identifiers import AuthorityId, RecordId

A, B, C = (AuthorityId(name) for name in ("xa-acc", "xb-ibu", "xc-aco"))
FIRST, SECOND = "0" * 16, "f" * 16


def archive_of(author: AuthorityId, *lives: tuple[str, int]) -> list[Kept]:
    """The records of one author: each life has so many."""
    places = [(life, number) for life, count in lives for number in range(1, count + 1)]
    return [
        Kept(position, RecordId(f"{author} {life} {number}"), author, life, number)
        for position, (life, number) in enumerate(places, 1)
    ]


def test_who_has_nothing_asks_for_everything() -> None:
    assert missing_ranges([], [A, B]) == tuple(SequenceRange(name, "", 1, ALL_THAT_FOLLOW) for name in (A, B))


def test_gaps_and_what_follows() -> None:
    kept = [one for one in archive_of(A, (FIRST, 7)) if one.author_seq in (1, 2, 4, 7)]
    assert [(one.first, one.last) for one in missing_ranges(kept, [A])] == [
        (3, 3),
        (5, 6),
        (8, ALL_THAT_FOLLOW),
    ]


def test_an_earlier_life_may_have_a_tail_that_was_missed() -> None:
    kept = archive_of(A, (SECOND, 2), (FIRST, 1))
    assert [(one.incarnation, one.first, one.last) for one in missing_ranges(kept, [A])] == [
        (FIRST, 2, ALL_THAT_FOLLOW),
        (SECOND, 3, ALL_THAT_FOLLOW - 1),
    ]


def test_there_are_never_too_many_ranges() -> None:
    names = [AuthorityId(f"x{number:03}") for number in range(20)]
    kept = [
        one
        for name in names
        for one in archive_of(name, (FIRST, 9), (SECOND, 9))
        if one.author_seq in (2, 5, 8)
    ]
    ranges = missing_ranges(kept, names)
    assert len(ranges) <= MAX_RANGES
    assert {one.authority for one in ranges} == set(names)


lives = st.lists(st.integers(1, 12), min_size=1, max_size=3).map(
    lambda counts: [(f"{number:x}" * 16, count) for number, count in enumerate(counts)]
)


@given(lives, st.data())
def test_what_is_missing_is_chosen(made: list[tuple[str, int]], data: st.DataObject) -> None:
    whole = archive_of(A, *made)
    kept = data.draw(st.lists(st.sampled_from(whole), unique=True))
    kept.sort()
    ranges = missing_ranges(kept, [A])
    for one, following in pairwise(ranges):
        assert (one.incarnation, one.last + 1) < (following.incarnation, following.first)
    found = set(chosen(whole, ranges))
    missing = {one.record_id for one in whole} - {one.record_id for one in kept}
    assert missing <= found
    by_life = {life: [one for one in ranges if one.incarnation == life] for life, _ in made}
    exact = [life for life, listed in by_life.items() if len(listed) > 1]
    assert not {one.record_id for one in kept if one.incarnation in exact} & found


def test_only_the_named_author_and_life() -> None:
    whole = [*archive_of(A, (FIRST, 2), (SECOND, 2)), *archive_of(B, (FIRST, 2))]
    assert chosen(whole, (SequenceRange(A, FIRST, 2, 2),)) == [f"{A} {FIRST} 2"]
    assert chosen(whole, (SequenceRange(A, "", 2, 2),)) == [f"{A} {FIRST} 2", f"{A} {SECOND} 2"]
    assert chosen(whole, (SequenceRange(C, "", 1, ALL_THAT_FOLLOW),)) == []
    assert chosen(whole, (SequenceRange(A, FIRST, 3, ALL_THAT_FOLLOW),)) == [
        f"{A} {SECOND} 1",
        f"{A} {SECOND} 2",
    ]
    both = (SequenceRange(A, FIRST, 3, ALL_THAT_FOLLOW), SequenceRange(A, SECOND, 2, 2))
    assert chosen(whole, both) == [f"{A} {SECOND} 2"]
    assert chosen(whole, (SequenceRange(A, FIRST, 3, ALL_THAT_FOLLOW - 1),)) == []
