# SPDX-License-Identifier: Apache-2.0
"""`globe-node directory public` and `verify-public`: what anybody may see, and how a stranger verifies it.

1. What the node made is checked before it is written: each file is the one that the manifest names.
2. Verifying needs the folder and a fingerprint from another source: no node, no home folder, no network.
"""

from datetime import datetime
from pathlib import Path

import click

from globe_node.cli.backend import backend_of, objects, text_of
from globe_node.cli.invocation import Invocation, json_option, pass_invocation, passphrase_option
from globe_node.cli.output import note, print_fields, print_json
from globe_node.cli.pinning import pinned_network
from globe_node.directory import public_folder
from globe_node.errors import UsageError
from protocol.canonical import JSONObject, moment_text
from protocol.lookup.publication import Manifest, parse_manifest, require_same_files
from protocol.octets import parse_base64

STALE_DAYS = 30
"""Older files are shown with a warning: people and offices change."""
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(
    epilog="""\b
Examples:
  globe-node directory public /srv/www/directory
  globe-node directory public /srv/www/directory --json

The folder is replaced as a whole. Serve it with any web server, or hand it over as it is."""
)
@click.argument("folder", metavar="DIR", type=_FOLDER)
@passphrase_option
@json_option
@pass_invocation
def public(invocation: Invocation, *, folder: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Write what anybody may see of the directory as signed files."""
    answer = backend_of(invocation, passphrase_file).call("directory.public")
    files = {text_of(one, "path"): parse_base64(text_of(one, "data")) for one in objects(answer["files"])}
    data = parse_base64(text_of(answer, "manifest"))
    manifest = parse_manifest(data)
    require_same_files(manifest, files)
    for file in manifest.files:
        file.verify(files[file.path])
    public_folder.write_public(folder, data, parse_base64(text_of(answer, "signature")), files)
    _report(manifest, invocation.now(), as_json=as_json)


@click.command(
    "verify-public",
    epilog="""\b
Examples:
  globe-node directory verify-public directory --root FINGERPRINT
  globe-node directory verify-public directory --root "27182 81828 45904 52353 60287 47135"

Needs no node, no home folder and no network. FINGERPRINT is that of the network; it must come
by another way than the files.""",
)
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--root", required=True, metavar="FINGERPRINT", help="Fingerprint of the network.")
@json_option
@pass_invocation
def verify_public(invocation: Invocation, *, folder: Path, root: str, as_json: bool) -> None:
    """Verify files that `directory public` wrote, anywhere."""
    network = pinned_network(root, parse_manifest(public_folder.claimed_manifest(folder)).network)
    if not network:
        raise UsageError("--root is empty", hint="Name the fingerprint of the network.")
    manifest = public_folder.verify_public(folder, network)
    _report(manifest, invocation.now(), as_json=as_json)


def _report(manifest: Manifest, now: datetime, *, as_json: bool) -> None:
    """Say what the files are; whoever reads it decides whether they are new enough."""
    days = (now - manifest.at).days
    found: JSONObject = {
        "network": manifest.network,
        "sample": manifest.sample,
        "made_at": moment_text(manifest.at),
        "made_by": str(manifest.publisher),
        "directory_size": manifest.view.size,
        "directory_root": manifest.view.root,
        "files": len(manifest.files),
    }
    if as_json:
        print_json(found)
    else:
        print_fields({name.replace("_", " "): str(value) for name, value in found.items()})
        note("a network for trial" if manifest.sample else "what one node of the network vouches for")
    if days > STALE_DAYS:
        note(f"made {days} days ago: ask for newer files")
