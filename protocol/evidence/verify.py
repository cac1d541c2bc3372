# SPDX-License-Identifier: Apache-2.0
"""Reading the evidence of one consultation, offline, with nothing but the fingerprint of the network.

Trusts neither who made the file nor who handed it over. It does not judge what was said.

1. The directory is replayed from its statements; keys come from there and from nowhere else.
2. Every octet of the file is covered: by a signature, by a hash that is signed, or by the one form it has.
3. Nothing that the records speak of may be missing, unless the exporter need not have had it: it was added
   later, or somebody was removed. What nobody refers to can still have been left out: only receipts and the
   other members can show that.
4. That a hub gave one place twice changes nothing in what was said: records are signed apart from the group
   that carried them. The report names the hub beside them.
"""

from collections.abc import Mapping

from protocol.directory.judgement import Outcome
from protocol.directory.replay import DirectoryState, replay
from protocol.errors import RemoteProtocolError
from protocol.evidence.bundle import EvidenceBundle, parse_evidence
from protocol.evidence.course import (
    Course,
    Telling,
    accusation_check,
    chain_check,
    chains_of,
    contradiction_checks,
    course_of,
    deliveries_of,
    identity_checks,
    proven_times,
    record_checks,
    scope_check,
    tellings_of,
)
from protocol.evidence.exhibits import Accusation, Exhibit, Slip, accusations_of, exhibits_of, slips_of
from protocol.evidence.report import Check, Finding, HubFinding, RecordFinding, Report
from protocol.evidence.signers import Signers, earliest_receipts
from protocol.identifiers import Digest


def verify_evidence(data: bytes, root: Digest) -> Report:
    """Check a whole bundle.

    Args:
        data: the file.
        root: fingerprint of the network, from a source the reader trusts.

    Returns:
        A report; what is wrong with a bundle is never raised, and every defect names its part.

    Spec: PROTOCOL.md section 14.2.
    """
    try:
        bundle = parse_evidence(data)
    except RemoteProtocolError as error:
        return Report(None, (Check("bundle", "form", Finding.FAILS, str(error)),))
    if bundle.network != root:
        detail = "another network than the one that is trusted"
        return Report(bundle.consultation, (Check("head", "network", Finding.FAILS, detail),))
    state, directory = _replayed(bundle, root)
    if state is None:
        return Report(bundle.consultation, (directory,))
    exhibits, slips = exhibits_of(bundle), slips_of(bundle)
    signers = Signers(state)
    course = course_of(bundle.consultation, exhibits)
    receipts, sound = _receipt_checks(signers, course, slips)
    records = _record_checks(signers, course, exhibits, sound)
    accusations, convicted = _accusation_checks(signers, course, accusations_of(bundle))
    tellings = tellings_of(sound)
    findings = tuple(_finding(exhibit, tellings) for exhibit in exhibits)
    checks = (directory, *records, *receipts, *accusations)
    return Report(bundle.consultation, checks, findings, convicted)


def _replayed(bundle: EvidenceBundle, root: Digest) -> tuple[DirectoryState | None, Check]:
    """Replay the directory, or name the statement that does not hold."""
    state: DirectoryState | None = None
    for number, statement in enumerate(bundle.statements, 1):
        part = f"statement {number}"
        try:
            if state is None:
                state = replay(root, (statement,))
                continue
            state, verdict = state.advance(statement)
        except RemoteProtocolError as error:
            return None, Check(part, "directory", Finding.FAILS, f"{error} ({error.code})")
        if verdict.outcome is Outcome.KNOWN:
            return None, Check(part, "directory", Finding.FAILS, "it stands twice")
    if state is None:
        return None, Check("statements", "directory", Finding.FAILS, "a directory begins with a root")
    detail = f"{len(bundle.statements)} statements, {len(state.authorities)} authorities"
    return state, Check("statements", "directory", Finding.HOLDS, detail)


def _receipt_checks(
    signers: Signers, course: Course, slips: tuple[Slip, ...]
) -> tuple[list[Check], tuple[Slip, ...]]:
    """Check the receipts; return also those that may be relied on."""
    checks: list[Check] = []
    sound: list[Slip] = []
    for slip in slips:
        found = (signers.receipt(slip), scope_check(slip, course.records))
        checks += found
        if all(check.ok for check in found):
            sound.append(slip)
    checks += contradiction_checks(tuple(sound))
    return checks, tuple(sound)


def _accusation_checks(
    signers: Signers, course: Course, accusations: tuple[Accusation, ...]
) -> tuple[list[Check], tuple[HubFinding, ...]]:
    """Check the proofs against hubs; return also the hubs that they convict."""
    checks: list[Check] = []
    convicted: list[HubFinding] = []
    for one in accusations:
        found = (signers.accusation(one), accusation_check(one, course))
        checks += found
        if all(check.ok for check in found):
            convicted.append(_convicted(one))
    return checks, tuple(convicted)


def _convicted(one: Accusation) -> HubFinding:
    given = tuple((each.commit, each.authenticator, each.created) for each in (one.first, one.second))
    return HubFinding(one.part, one.first.hub, one.first.group_id.hex(), one.first.epoch, given)


def _record_checks(
    signers: Signers, course: Course, exhibits: tuple[Exhibit, ...], sound: tuple[Slip, ...]
) -> list[Check]:
    receipted = earliest_receipts(sound)
    checks = list(identity_checks(exhibits))
    for name, chain in chains_of(exhibits):
        proven = proven_times(chain, receipted)
        for exhibit in chain:
            signature = signers.record_signature(exhibit)
            checks.append(signature)
            if signature.ok:
                digest = exhibit.digest
                checks.append(signers.record_key(exhibit, receipted.get(digest), proven.get(digest)))
            checks += record_checks(exhibit, course)
        checks.append(chain_check(name, chain, course))
    return checks


def _finding(exhibit: Exhibit, tellings: Mapping[str, list[Telling]]) -> RecordFinding:
    content = exhibit.content
    return RecordFinding(
        part=exhibit.part,
        record=exhibit.digest,
        type=content.type,
        author=content.author.authority,
        author_seq=content.author_seq,
        created=content.created,
        deliveries=deliveries_of(exhibit, tellings),
    )
