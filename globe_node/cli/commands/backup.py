# SPDX-License-Identifier: Apache-2.0
"""`globe-node backup` and `restore`: the whole home folder in one sealed file, and back.

1. A backup is made beside the running node; its audit log is checked before the file gets its name.
2. Both ends leave an entry in the audit log.
3. Keys of groups are in no backup; after a restore the groups are joined again.
4. A restored node takes a new incarnation: it is another life of the node, and its peers can see that.
"""

import hashlib
from pathlib import Path

import click

from globe_node.audit import fsck
from globe_node.audit.log import AuditLog, LogName
from globe_node.audit.vault import DerivedPeriodKeys, Vault
from globe_node.cli.backend import backend_of
from globe_node.cli.invocation import Invocation, json_option, pass_invocation, passphrase_option
from globe_node.cli.output import note, print_fields, print_json
from globe_node.errors import StoreError
from globe_node.groups.keeping import leave_out_secrets
from globe_node.home import Home
from globe_node.store.backup import Sealing, restore_backup, write_backup
from globe_node.store.database import recorded_incarnation
from globe_node.store.door import Transaction
from globe_node.store.instance import InstanceFile
from keys import keystore
from keys.at_rest.passphrase_hash import SELDOM
from keys.node_keys import NodeKeys
from protocol.audit.events import AuditEvent, EventKind
from protocol.canonical import moment_text
from protocol.errors import ReasonCode

_PIECE_BYTES = 1024 * 1024


@click.command(
    "backup",
    epilog="""\b
Examples:
  globe-node backup /media/stick/2026-11-24.backup
  globe-node backup nightly.backup --passphrase-file /run/secrets/globe --json

The file is sealed under the passphrase of the node's keys as it is now. Keep that passphrase as
long as the backup. Root and officer keys that are in the keystore folder are in it too.""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@passphrase_option
@json_option
@pass_invocation
def command(invocation: Invocation, *, file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Copy database, keys and settings into one sealed file; the node may be running."""
    home = invocation.home
    passphrase = invocation.passphrase(passphrase_file, of="node keys")
    node_keys = keystore.open_node(home.node_keys, passphrase)
    instance = InstanceFile(home.high_water)
    # read before the copy, which may be ahead of them and not behind
    marks = instance.read().marks if instance.exists() else None

    def check(tx: Transaction, _folder: Path) -> None:
        log = _log_of(node_keys, recorded_incarnation(tx), invocation)
        _require_whole(fsck.verify(tx, vault=log.vault, name=log.name, signer=node_keys.log, marks=marks))

    manifest = write_backup(
        home.folder,
        file,
        sealing=Sealing(passphrase, SELDOM, invocation.entropy),
        about={
            "authority": node_keys.authority,
            "node": node_keys.node,
            "made": moment_text(invocation.now()),
        },
        check=check,
        leave_out=leave_out_secrets,
    )
    digest = _digest_of(file)
    if marks is None:
        note(f"{home.high_water.name} is gone: restore this backup, so that the node begins another life")
    else:
        backend_of(invocation, passphrase_file, node_keys).call("backup.note", {"digest": digest})
    names = sorted(manifest.files)
    if as_json:
        print_json({"file": str(file), "bytes": file.stat().st_size, "sha256": digest, "holds": names})
        return
    print_fields({"file": str(file), "sha256": digest, "holds": ", ".join(names)})
    note("the audit log in it was checked; the passphrase of today opens it")


@click.command(
    "restore",
    epilog="""\b
Examples:
  globe-node --home /srv/globe restore /media/stick/2026-11-24.backup
  globe-node --home /srv/globe restore last.backup --replace

What happened here after the backup was made is not in it. Peers offer again what they have.""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--replace", is_flag=True, help="Move a home that is there aside; nothing is overwritten.")
@passphrase_option
@json_option
@pass_invocation
def restore(
    invocation: Invocation, *, file: Path, replace: bool, passphrase_file: Path | None, as_json: bool
) -> None:
    """Make a home folder of a backup: the same node in a new life."""
    passphrase = invocation.other_passphrase(passphrase_file, of="backup")
    digest = _digest_of(file)

    def check(tx: Transaction, folder: Path) -> None:
        node_keys = keystore.open_node(Home(folder).node_keys, passphrase)
        log = _log_of(node_keys, recorded_incarnation(tx), invocation)
        _require_whole(fsck.verify(tx, vault=log.vault, name=log.name, signer=node_keys.log, marks=None))

    def first_act(tx: Transaction, folder: Path, incarnation: str) -> None:
        node_keys = keystore.open_node(Home(folder).node_keys, passphrase)
        leave_out_secrets(tx)
        event = AuditEvent(kind=EventKind.RESTORE, at=invocation.now(), digest=digest, result="ok")
        _log_of(node_keys, incarnation, invocation).append(tx, [event])

    manifest, aside = restore_backup(
        file,
        invocation.home.folder,
        passphrase=passphrase,
        entropy=invocation.entropy,
        check=check,
        first_act=first_act,
        replace=replace,
    )
    found = {"home": str(invocation.home.folder), **manifest.about}
    if aside is not None:
        found["former home"] = str(aside)
    if as_json:
        print_json(found)
        return
    print_fields(found)
    note("start it with `globe-node run`; it introduces itself to its peers as a new life of this node")


def _log_of(node_keys: NodeKeys, incarnation: str, invocation: Invocation) -> AuditLog:
    name = LogName(node_keys.authority, node_keys.node, incarnation)
    return AuditLog(name, Vault(DerivedPeriodKeys(node_keys.storage)), invocation.entropy)


def _require_whole(report: fsck.Report) -> None:
    if report.problems:
        first = report.problems[0]
        place = first.origin if first.index is None else f"entry {first.index} of {first.origin}"
        raise StoreError(
            f"the audit log is not whole: {place}: {first.what}",
            hint="run `globe-node audit verify`, and keep this home and every older backup",
            code=ReasonCode.LOG_INCONSISTENT,
        )


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_PIECE_BYTES):
            digest.update(block)
    return digest.hexdigest()
