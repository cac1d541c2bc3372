# SPDX-License-Identifier: Apache-2.0
"""How an epoch begins, the same for all who come to it: its context, its secrets, the group value.

1. A pre-shared key that is not at hand is an error. Nothing is put in its place.
2. An arrival is computed from the commit as it travels; whoever receives one compares the confirmation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from protocol.errors import ReasonCode, RemoteProtocolError
from protocol.mls import schedule, secret_tree
from protocol.mls.group import RESUMPTIONS, Group, PastEpoch, ResumptionPsk
from protocol.mls.schedule import Beginning, Psk
from protocol.mls.structures.extensions import Extensions
from protocol.mls.structures.group_info import GroupContext
from protocol.mls.structures.messages import FramedContent, WireFormat
from protocol.mls.structures.proposals import ExternalPskId, PskId
from protocol.mls.structures.vectors import octets_of
from protocol.mls.suites import Suite
from protocol.mls.tree.path import NodeKeys
from protocol.mls.tree.ratchet_tree import RatchetTree
from protocol.octets import Writer


# --- pre-shared keys --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class KnownPsks:
    """Pre-shared keys that the application has.

    Attributes:
        external: by their id.
        resumption: of other groups, or of this group before we joined it, by group id and epoch.
    """

    external: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    resumption: Mapping[tuple[bytes, int], bytes] = field(default_factory=dict, repr=False)


NO_PSKS = KnownPsks()
"""Nothing at hand."""


def find_psks(psk_ids: Sequence[PskId], known: KnownPsks, group: Group | None) -> list[Psk]:
    """Look up pre-shared keys, in order.

    Raises:
        RemoteProtocolError: one of them is not at hand (`no_key`).

    Spec: RFC 9420 sections 8.4 and 12.4.2.
    """
    return [Psk(octets_of(psk_id), _find_psk(psk_id, known, group)) for psk_id in psk_ids]


def _find_psk(psk_id: PskId, known: KnownPsks, group: Group | None) -> bytes:
    if isinstance(psk_id, ExternalPskId):
        found = known.external.get(psk_id.psk_id)
    else:
        found = known.resumption.get((psk_id.group_id, psk_id.epoch))
        if group is not None and psk_id.group_id == group.group_id:
            found = group.resumption_psk(psk_id.epoch) or found
    if found is None:
        raise RemoteProtocolError("a pre-shared key that we do not have", code=ReasonCode.NO_KEY)
    return found


# --- arriving ---------------------------------------------------------------------------------------------
def provisional_context(context: GroupContext, tree: RatchetTree, extensions: Extensions) -> GroupContext:
    """Return the context of the next epoch, with the transcript hash of this one.

    Spec: RFC 9420 section 12.4.1.
    """
    return replace(context, epoch=context.epoch + 1, tree_hash=tree.tree_hash(), extensions=extensions)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What goes into the key schedule beside the context.

    Attributes:
        init_secret: of the epoch before, or from outside.
        commit_secret: from the path, or zeros.
        psk_secret: of all pre-shared keys together.
    """

    init_secret: bytes = field(repr=False)
    commit_secret: bytes = field(repr=False)
    psk_secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What every member of a new epoch comes to.

    Attributes:
        context: of the epoch.
        joiner_secret: for those who are added.
        beginning: secrets.
        confirmation_tag: as we compute it.
    """

    context: GroupContext
    joiner_secret: bytes = field(repr=False)
    beginning: Beginning
    confirmation_tag: bytes = field(repr=False)


def arrive(
    suite: Suite,
    interim: bytes,
    *,
    provisional: GroupContext,
    inputs: Inputs,
    wire_format: WireFormat,
    content: FramedContent,
    signature: bytes,
) -> Arrival:
    """Begin the epoch that a commit leads to.

    Args:
        suite: the suite of the group.
        interim: interim transcript hash of the epoch before.
        provisional: from `provisional_context`.
        inputs: for the key schedule.
        wire_format: how the commit travels.
        content: the commit.
        signature: of the commit.

    Spec: RFC 9420 sections 8, 8.2 and 12.4.
    """
    commit = Writer().u16(wire_format).raw(content.to_bytes()).op(signature).to_bytes()
    confirmed = schedule.confirmed_transcript_hash(suite, interim, commit)
    context = replace(provisional, confirmed_transcript_hash=confirmed)
    encoded = context.to_bytes()
    joiner = schedule.joiner_secret(suite, inputs.init_secret, inputs.commit_secret, encoded)
    beginning = schedule.begin_epoch(suite, joiner, inputs.psk_secret, encoded)
    tag = schedule.confirmation_tag(suite, beginning.confirmation_key, confirmed)
    return Arrival(context, joiner, beginning, tag)


def enter(
    context: GroupContext,
    beginning: Beginning,
    *,
    tree: RatchetTree,
    node_keys: NodeKeys,
    signature_private: bytes,
    past: tuple[PastEpoch, ...] = (),
    resumptions: tuple[ResumptionPsk, ...] = (),
) -> Group:
    """Return the group in an epoch that begins.

    Args:
        context: of the epoch.
        beginning: its secrets.
        tree: its members.
        node_keys: our leaf and private keys.
        signature_private: of our leaf.
        past: epochs before.
        resumptions: of epochs before, the latest first.
    """
    suite = tree.suite
    confirmed = context.confirmed_transcript_hash
    tag = schedule.confirmation_tag(suite, beginning.confirmation_key, confirmed)
    return Group(
        suite=suite,
        context=context,
        tree=tree,
        node_keys=node_keys,
        signature_private=signature_private,
        interim_transcript_hash=schedule.interim_transcript_hash(suite, confirmed, tag),
        confirmation_tag=tag,
        secrets=beginning.secrets,
        secret_tree=secret_tree.plant(beginning.encryption_secret, tree.leaf_count),
        past=past,
        resumptions=(ResumptionPsk(context.epoch, beginning.secrets.resumption_psk), *resumptions)[
            :RESUMPTIONS
        ],
    )
