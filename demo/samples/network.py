# SPDX-License-Identifier: Apache-2.0
"""Signs invented authorities into a directory bundle, or shows them as entries without any signature.

1. Keys are derived from the seed: whoever knows it has them all. The root says that it is a sample network.
2. The same seed, size and day give the same payloads and statement ids; signatures may differ.
3. Entries without signatures are for measuring alone: no node takes them.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from demo.samples.generator import SampleAuthority
from globe_node.directory.publish import found_network, prove_root
from keys.node_keys import AuthorityRoot, OfficerKey
from protocol.directory.dsse import parse_signed_statement, sign_statement
from protocol.directory.entries import AuthorityEntry
from protocol.directory.judgement import Holdings
from protocol.directory.replay import DirectoryState, state_of
from protocol.directory.statements import (
    Admission,
    Content,
    Officer,
    Operation,
    PutContact,
    PutLegalFrame,
    PutMeasure,
    PutProfile,
    Root,
    Statement,
    Thresholds,
    Update,
)
from protocol.identifiers import AuthorityId, Digest
from protocol.interfaces import Signer

OFFICERS = ("officer-1", "officer-2", "officer-3")
ADMISSION = timedelta(days=365)
CONTACTS_EACH = 50
"""Contact points of one statement, so that it stays far below its bound."""


class SeededEntropy:
    """The same octets for the same words; implements `protocol.interfaces.Entropy`. Keeps no secret."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._draws = 0

    def random_bytes(self, size: int) -> bytes:
        """Return the next octets."""
        self._draws += 1
        return hashlib.shake_256(f"{self._words}:{self._draws}".encode()).digest(size)


def sign_network(samples: Iterable[SampleAuthority], *, seed: int, issued: datetime) -> Iterator[bytes]:
    """Yield the statements of a sample network: its root, then admission and updates of each authority."""
    officers = [OfficerKey.generate(office, SeededEntropy(f"{seed}/{office}")) for office in OFFICERS]
    founded = found_network(_root(officers), [officer.signing for officer in officers], issued)
    network = founded.state.network.fingerprint
    yield founded.root
    for sample in samples:
        root = AuthorityRoot.generate(sample.authority, SeededEntropy(f"{seed}/{sample.authority}"))
        admission = _admission(sample, network, root, issued)
        signers = [officer.signing for officer in officers[:2]]
        yield _signed(network, sample.authority, admission, signers, issued=issued)
        prev = ""
        for seq, operations in enumerate(_operations(sample), 1):
            update = Update(ops=tuple(operations))
            statement = _signed(
                network, sample.authority, update, [root.signing], issued=issued, place=(seq, prev)
            )
            prev = parse_signed_statement(statement).statement_id
            yield statement


def unsigned_state(samples: Iterable[SampleAuthority], *, seed: int, issued: datetime) -> DirectoryState:
    """Return the directory that these authorities would make, without signatures and keys of nodes."""
    officers = [OfficerKey.generate(office, SeededEntropy(f"{seed}/{office}")) for office in OFFICERS]
    founded = found_network(_root(officers), [officer.signing for officer in officers], issued)
    root_key = AuthorityRoot.generate(AuthorityId("any"), SeededEntropy(f"{seed}/any")).signing.admitted
    entries = {
        sample.authority: AuthorityEntry(
            authority=sample.authority,
            country=sample.country,
            names=sample.names,
            kind=sample.kind,
            root_key=root_key,
            not_after=issued + ADMISSION,
            contacts=sample.contacts,
            profile=sample.profile,
            legal=sample.legal,
            measures=sample.measures,
        )
        for sample in samples
    }
    held = founded.state.held
    chains: dict[str, tuple[Digest, ...]] = {
        name: (Digest(hashlib.sha256(name.encode()).hexdigest()),) for name in entries
    }
    return state_of(
        Holdings(
            network=held.network,
            chains={**held.chains, **chains},
            pending={},
            admitted=entries,
            entries=entries,
            names={},
            uses=held.uses,
        )
    )


def _root(officers: list[OfficerKey]) -> Root:
    return Root(
        name="Sample network, invented for trial",
        sample=True,
        officers=tuple(
            Officer(name=officer.office, organisation="Sample secretariat", key=officer.signing.public_key)
            for officer in officers
        ),
        thresholds=Thresholds(root=2, admit=2, suspend=1),
    )


def _admission(sample: SampleAuthority, network: Digest, root: AuthorityRoot, issued: datetime) -> Admission:
    return Admission(
        country=sample.country,
        names=sample.names,
        kind=sample.kind,
        root_key=root.signing.public_key,
        proof=prove_root(network, root),
        not_after=issued + ADMISSION,
    )


def _operations(sample: SampleAuthority) -> Iterator[list[Operation]]:
    contacts: list[Operation] = [PutContact(contact=contact) for contact in sample.contacts]
    told: list[Operation] = [PutProfile(profile=sample.profile), PutLegalFrame(legal=sample.legal)]
    told += [PutMeasure(measure=measure) for measure in sample.measures]
    yield told + contacts[:CONTACTS_EACH]
    if contacts[CONTACTS_EACH:]:
        yield contacts[CONTACTS_EACH:]


def _signed(
    network: Digest,
    authority: AuthorityId,
    content: Content,
    signers: Sequence[Signer],
    *,
    issued: datetime,
    place: tuple[int, str] = (1, ""),
) -> bytes:
    statement = Statement(
        network=network, subject=authority, seq=place[0], prev=place[1], issued=issued, content=content
    )
    return sign_statement(statement.to_payload(), signers).to_bytes()
