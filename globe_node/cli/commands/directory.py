# SPDX-License-Identifier: Apache-2.0
"""`globe-node directory`: who is in the network, and what this authority says about itself.

1. With the running node over its socket, beside a stopped one in its store; the results are the same.
2. Contact points are shown after the look-up was logged, never before.
3. What is published is signed here, by the authority's root key, after it was judged as peers will judge it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from globe_node.cli.backend import Backend, backend_of, objects, text_of
from globe_node.cli.commands.keys import KeyFiles, open_root, root_options
from globe_node.cli.invocation import Invocation, is_asked, json_option, pass_invocation, passphrase_option
from globe_node.cli.lookup.guiding import guide
from globe_node.cli.lookup.publishing import public, verify_public
from globe_node.cli.lookup.routing import route
from globe_node.cli.lookup.searching import search, show
from globe_node.cli.output import is_fancy, note, print_fields, print_json
from globe_node.cli.pinning import pinned_network
from globe_node.directory.declaration import Declaration, operations_for
from globe_node.directory.declaration_file import Said, parse_declaration
from globe_node.directory.publish import suspend_authority, update_in_parts
from globe_node.errors import ExitCode, NotPermittedError, UsageError
from globe_node.home import read_bounded, replace_private
from keys import keystore
from keys.rotation import revocation
from protocol.canonical import JSONObject, JSONValue
from protocol.directory.bundle import MAX_BUNDLE_BYTES, bundle_to_bytes, parse_bundle
from protocol.directory.entries import AuthorityEntry
from protocol.directory.replay import DirectoryState, replay
from protocol.directory.statements import Operation, Suspension, SuspensionReason
from protocol.errors import LocalProtocolError, ReasonCode
from protocol.identifiers import Digest, parse_authority_id, parse_digest, parse_key_id
from protocol.octets import base64_text, parse_base64

_FILE = click.Path(path_type=Path, dir_okay=False)
_PART_BYTES = 4 * 1024 * 1024
"""Octets of statements given to the running node at once."""


@click.group("directory")
def command() -> None:
    """See who is in the network, and say how you are reached."""


command.add_command(search)
command.add_command(show)
command.add_command(route)
command.add_command(guide)
command.add_command(public)
command.add_command(verify_public)


# --- files ------------------------------------------------------------------------------------------------


@command.command(
    "import",
    epilog="""\b
Examples:
  globe-node directory import network.bundle --root FINGERPRINT       the first time
  globe-node directory import network.bundle --root "27182 81828 45904 52353 60287 47135"
  globe-node directory import from-xb.bundle

FINGERPRINT is that of the network: 64 hex digits, or the 30 digits that the officers read to
you. It must come by another way than the file. A node whose settings name it needs no --root.""",
)
@click.argument("bundle", metavar="BUNDLE", type=_FILE)
@click.option("--root", metavar="FINGERPRINT", help="Fingerprint of the network, the first time.")
@passphrase_option
@json_option
@pass_invocation
def import_bundle(
    invocation: Invocation, *, bundle: Path, root: str | None, passphrase_file: Path | None, as_json: bool
) -> int:
    """Take in the statements of a bundle; each is judged."""
    found = parse_bundle(read_bounded(bundle, MAX_BUNDLE_BYTES))
    network = pinned_network(root or invocation.settings().network, found.network)
    backend = backend_of(invocation, passphrase_file)
    counts: Counter[str] = Counter()
    refused: list[JSONObject] = []
    for part, start in _parts(found.statements, whole=not backend.running):
        answer = _give(backend, part, network=network)
        counts.update(_counts(answer))
        refused += [{**one, "index": start + _number(one, "index")} for one in objects(answer["refused"])]
        if is_fancy() and len(part) < len(found.statements):
            note(f"{start + len(part)} of {len(found.statements)}")
    if as_json:
        print_json({"counts": dict(counts), "refused": refused, "statements": len(found.statements)})
    else:
        print_fields({name: str(count) for name, count in sorted(counts.items())})
        for one in refused:
            number = _number(one, "index") + 1
            note(f"statement {number} refused: {text_of(one, 'rule')} ({text_of(one, 'code')})")
    return ExitCode.FAILED if refused else ExitCode.OK


@command.command(
    epilog="""\b
Example:
  globe-node directory export network.bundle"""
)
@click.argument("output", metavar="FILE", type=_FILE)
@passphrase_option
@json_option
@pass_invocation
def export(invocation: Invocation, *, output: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Write all statements into a bundle, for another node or for the officers."""
    held = _Held.of(backend_of(invocation, passphrase_file))
    replace_private(output.absolute(), bundle_to_bytes(held.network, held.statements))
    result: JSONObject = {
        "file": str(output),
        "network": held.network,
        "statements": len(held.statements),
    }
    if as_json:
        print_json(result)
    else:
        print_fields({name: str(value) for name, value in result.items()})


# --- publishing -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Publishing:
    """The options of `publish` as they were given."""

    file: Path | None
    compromised: str | None
    since: datetime | None
    as_json: bool
    passphrase_file: Path | None
    root_file: Path | None
    root_passphrase_file: Path | None

    @property
    def key_files(self) -> KeyFiles:
        """Where the keys are."""
        return KeyFiles(self.passphrase_file, self.root_file, self.root_passphrase_file)


@command.command(
    epilog="""\b
Examples:
  globe-node directory publish --file directory.toml
  globe-node directory publish --root-file /media/safe/root.sealed       new keys or endpoint
  globe-node directory publish --compromised KEY_ID --since 2026-03-01T00:00:00

It compares what the directory says with the file, the node's keys and the endpoint of the
settings, and publishes what differs. --compromised can't be taken back."""
)
@click.option("--file", type=_FILE, help="TOML file with what this authority tells about itself.")
@click.option("--compromised", metavar="KEY_ID", help="Declare that somebody else may hold these keys.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Since when, in UTC.")
@root_options
@passphrase_option
@json_option
@pass_invocation
def publish(invocation: Invocation, /, **_options: object) -> None:
    """Tell the network your contact points, profile, legal frame, node keys and endpoint."""
    asked = _Publishing(**click.get_current_context().params)
    if (asked.compromised is None) != (asked.since is None):
        raise UsageError("--compromised and --since go together", hint="Say which key, and since when.")
    said = Said()
    if asked.file is not None:
        said = parse_declaration(read_bounded(asked.file, MAX_BUNDLE_BYTES), str(asked.file))
    passphrase = invocation.passphrase(asked.passphrase_file, of="node keys")
    node_keys = keystore.open_node(invocation.home.node_keys, passphrase)
    backend = backend_of(invocation, asked.passphrase_file, node_keys)
    held = _Held.of(backend)
    entry = held.entry(node_keys.authority)
    operations: list[Operation]
    if asked.compromised is not None and asked.since is not None:
        key_id = parse_key_id(asked.compromised)
        if entry.node_with_key(key_id) is None:
            raise UsageError("no key of this authority", hint="See: globe-node directory show AUTHORITY")
        operations = [revocation(key_id, compromised_since=asked.since.replace(tzinfo=UTC))]
    else:
        wanted = Declaration(said, node_keys, invocation.settings().peering.endpoint)
        operations = operations_for(wanted, entry, held.network, invocation.now())
    if operations:
        root = open_root(invocation, asked.key_files, passphrase)
        statements = update_in_parts(held.state, root, operations, issued=invocation.now())
        _require_taken(_give(backend, statements, source="own"))
    _report_published([operation.op for operation in operations], backend, as_json=asked.as_json)


@command.command(
    epilog="""\b
Example:
  globe-node directory leave --reason left

Only the officers can let this authority in again, in a later version of the network."""
)
@click.option("--reason", required=True, type=click.Choice([reason.value for reason in SuspensionReason]))
@click.option("--yes", is_flag=True, help="Do not ask.")
@root_options
@passphrase_option
@json_option
@pass_invocation
def leave(invocation: Invocation, /, *, reason: str, yes: bool, as_json: bool, **files: Path | None) -> None:
    """Stop all exchange with this authority, for good."""
    given = KeyFiles(**files)
    if not yes and not is_asked():
        raise UsageError("this can't be taken back", hint="Say --yes if you mean it.")
    passphrase = invocation.passphrase(given.passphrase_file, of="node keys")
    node_keys = keystore.open_node(invocation.home.node_keys, passphrase)
    backend = backend_of(invocation, given.passphrase_file, node_keys)
    held = _Held.of(backend)
    if not yes:
        click.confirm(f"Stop all exchange with {node_keys.authority}, for good?", abort=True, err=True)
    root = open_root(invocation, given, passphrase)
    statement = suspend_authority(
        held.state,
        root.authority,
        Suspension(by="authority", reason=SuspensionReason(reason)),
        signers=[root.signing],
        issued=invocation.now(),
    )
    _require_taken(_give(backend, [statement], source="own"))
    _report_published(["authority-suspend"], backend, as_json=as_json)


# --- inside -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Held:
    """The directory as the node holds it.

    Attributes:
        statements: in an order in which they can be replayed.
    """

    network: Digest
    statements: tuple[bytes, ...]

    @classmethod
    def of(cls, backend: Backend) -> "_Held":
        """Ask the node for it."""
        answer = backend.call("directory.export")
        listed = answer["statements"]
        texts = [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
        network = parse_digest(text_of(answer, "network"))
        return cls(network, tuple(parse_base64(text) for text in texts))

    @property
    def state(self) -> DirectoryState:
        """What the statements add up to."""
        return replay(self.network, self.statements)

    def entry(self, authority: str) -> AuthorityEntry:
        """Return the entry of our own authority.

        Raises:
            LocalProtocolError: it was not admitted yet.
        """
        entry = self.state.authority(parse_authority_id(authority))
        if entry is None:
            raise LocalProtocolError(
                "the officers have not admitted this authority yet", code=ReasonCode.UNKNOWN_AUTHORITY
            )
        return entry


def _parts(statements: Sequence[bytes], *, whole: bool) -> list[tuple[list[bytes], int]]:
    """Divide statements into parts of bounded size, each with the place of its first."""
    parts: list[tuple[list[bytes], int]] = []
    size = _PART_BYTES
    for place, statement in enumerate(statements):
        if (size + len(statement) > _PART_BYTES and not whole) or not parts:
            parts.append(([], place))
            size = 0
        parts[-1][0].append(statement)
        size += len(statement)
    return parts


def _give(
    backend: Backend, statements: Sequence[bytes], *, network: str = "", source: str = "file"
) -> JSONObject:
    arguments: dict[str, JSONValue] = {
        "statements": [base64_text(statement) for statement in statements],
        "source": source,
        "network": network,
    }
    return backend.call("directory.import", arguments)


def _require_taken(answer: JSONObject) -> None:
    """Check that the node took what was signed for it."""
    for one in objects(answer["refused"]):
        raise NotPermittedError(
            f"the node refused the statement: {text_of(one, 'rule')} ({text_of(one, 'code')})",
            hint="The directory changed meanwhile. Run the command again.",
        )


def _counts(answer: JSONObject) -> dict[str, int]:
    counts = answer["counts"]
    names = counts if isinstance(counts, dict) else {}
    return {name: count for name, count in names.items() if isinstance(count, int)}


def _number(value: JSONObject, name: str) -> int:
    number = value.get(name)
    return number if isinstance(number, int) else 0


def _report_published(acts: Sequence[str], backend: Backend, *, as_json: bool) -> None:
    if as_json:
        print_json({"published": list(acts), "running": backend.running})
        return
    if not acts:
        note("nothing to publish: the directory says it already")
        return
    for act, count in sorted(Counter(acts).items()):
        print_fields({act: str(count)})
    if backend.running:
        note("the node tells its neighbours now")
    else:
        note("the node is not running: its neighbours hear of it when it runs, or from an exported bundle")
