# SPDX-License-Identifier: Apache-2.0
"""Entries as a person sees them: what is not known is left out, ages are said."""

from dataclasses import replace

import pytest

from globe_node.api.directory_acts import entry_object
from globe_node.cli.lookup.entries import print_entry
from protocol.directory.entries import AuthorityEntry
from tests.support.clock import START
from tests.support.directory import sample_legal, sample_measure, sample_network, sample_profile

BARE = sample_network().state.authorities[0]


def shown(entry: AuthorityEntry, capsys: pytest.CaptureFixture[str]) -> str:
    print_entry(entry_object(entry, START), START.date())
    return " ".join(capsys.readouterr().out.split())


def test_what_an_authority_tells_is_shown_with_its_age(capsys: pytest.CaptureFixture[str]) -> None:
    entry = replace(BARE, profile=sample_profile(), legal=sample_legal(), measures=(sample_measure(),))
    text = shown(entry, capsys)
    assert "networks GLOBE (member)" in text
    assert "at any hour Telephone of the duty desk" in text
    assert "dual criminality coercive YES" in text
    assert "BANK_DETAIL MLA_ONLY en Certified copy of the order" in text
    assert "20 days ago" in text


def test_what_is_not_known_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(BARE, capsys)
    assert "profile confirmed" not in text
    assert "law confirmed" not in text
    legal = shown(replace(BARE, legal=sample_legal(limitation_rules="")), capsys)
    assert "limitation" not in legal
