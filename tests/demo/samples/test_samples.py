# SPDX-License-Identifier: Apache-2.0
"""Sample networks: the same for the same seed, marked as samples, and accepted by every rule."""

from datetime import timedelta
from pathlib import Path

import pytest

from demo.samples.__main__ import main
from demo.samples.generator import SampleAuthority, sample_authorities
from demo.samples.network import sign_network, unsigned_state
from demo.samples.words import SAMPLE
from protocol.directory.bundle import parse_bundle
from protocol.directory.dsse import parse_signed_statement
from protocol.directory.judgement import network_fingerprint
from protocol.directory.names import skeleton
from protocol.directory.replay import replay
from tests.support.clock import START

DAY = START.date()


def made(authorities: int, contacts: int, seed: int = 1) -> list[SampleAuthority]:
    return list(sample_authorities(authorities, contacts, seed=seed, day=DAY))


def test_the_seed_and_the_number_decide() -> None:
    assert made(20, 200) == made(20, 200)
    assert made(20, 200)[7].profile == made(10, 100)[7].profile
    assert made(20, 200) != made(20, 200, seed=2)


def test_the_numbers_are_kept() -> None:
    assert sum(len(sample.contacts) for sample in made(7, 50)) == 50
    assert [len(sample.contacts) for sample in made(3, 0)] == [0, 0, 0]
    for authorities, contacts in ((0, 0), (64_001, 0), (1, 101), (1, -1)):
        with pytest.raises(ValueError, match="no network"):
            made(authorities, contacts)


def test_every_name_says_that_it_is_a_sample() -> None:
    for sample in made(120, 120):
        assert "sample" in sample.authority
        for language, name in sample.names.items():
            assert name.startswith(SAMPLE[language])
        assert all(contact.name.startswith("Sample ") for contact in sample.contacts)


def test_names_are_never_confused() -> None:
    owners: dict[str, str] = {}
    for sample in made(600, 0):
        for shape in map(skeleton, sample.names.values()):
            assert owners.setdefault(shape, sample.authority) == sample.authority


def test_a_node_would_take_all_of_it() -> None:
    samples = made(6, 130)
    statements = list(sign_network(samples, seed=1, issued=START))
    state = replay(network_fingerprint(parse_signed_statement(statements[0]).payload), statements)
    assert state.network.sample
    shown = unsigned_state(samples, seed=1, issued=START)
    assert [entry.contacts for entry in state.authorities] == [entry.contacts for entry in shown.authorities]
    assert [entry.profile for entry in state.authorities] == [entry.profile for entry in shown.authorities]
    assert state.authorities[0].not_after == START + timedelta(days=365)


def test_the_command_writes_a_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "samples.bundle"
    words = [str(file), "--authorities", "2", "--contacts", "3", "--day", "2026-03-01"]
    assert main(words) == 0
    bundle = parse_bundle(file.read_bytes())
    assert f"--root {bundle.network}" in capsys.readouterr().out
    assert len(bundle.statements) == 5
