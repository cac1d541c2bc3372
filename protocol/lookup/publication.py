# SPDX-License-Identifier: Apache-2.0
"""What anybody may see of a directory as signed files, and how a stranger verifies them. It reads no file.

1. One file for each authority, one for each country, an index, the statements that lead from the network's
   root to the key that signed, and a manifest that names all of them; beside it the manifest's signature.
2. Whoever pinned the fingerprint of the network needs nothing else: no node, no network, no other file.
3. The files say what one node of the network vouches for at one moment. They do not prove that nothing was
   left out: what authorities have signed themselves is for members.
4. A path is one of the few forms below and nothing else, so no file can name a place outside its folder.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import pairwise

from protocol import canonical
from protocol.canonical import (
    JSONObject,
    JSONValue,
    count_of,
    items_of,
    object_of,
    outside_rule,
    require_members,
    text_of,
)
from protocol.directory.bundle import parse_bundle
from protocol.directory.replay import DirectoryState, replay
from protocol.directory.statements import NETWORK_SUBJECT
from protocol.errors import MalformedError, ReasonCode, UnsupportedVersionError, UntrustedError
from protocol.identifiers import (
    AuthorityId,
    Digest,
    DirectoryView,
    KeyId,
    NodeName,
    parse_authority_id,
    parse_digest,
    parse_key_id,
    parse_node_id,
)
from protocol.lookup.public import public_view
from protocol.signing import composite, labels

FORMAT = "anp1:public-directory/1"
INDEX = "index.json"
STATEMENTS = "statements.bundle"
MAX_FILES = 100_000
MAX_FILE_BYTES = 16 * 1024 * 1024
"""One file; an authority with all that it may say stays far below it."""
MAX_MANIFEST_BYTES = 32 * 1024 * 1024
_PATH = re.compile(
    r"index\.json|statements\.bundle|countries/[A-Z]{2}\.json"
    r"|authorities/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.json",
    re.ASCII,
)
_MEMBERS = {"format", "network", "sample", "directory", "at", "authority", "node", "key", "files"}


@dataclass(frozen=True, slots=True)
class PublicFile:
    """One file as the manifest names it.

    Attributes:
        path: below the folder, with `/` between its parts.
        digest: SHA-256 of its octets.
        size: in bytes.
    """

    path: str
    digest: Digest
    size: int

    def verify(self, data: bytes) -> None:
        """Check that these are the octets of the file.

        Raises:
            UntrustedError: they are not.
        """
        if len(data) != self.size or sha256(data).hexdigest() != self.digest:
            raise UntrustedError(f"{self.path} is not the file that the manifest names")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a node signs of all the files.

    Attributes:
        network: fingerprint of root 1.
        sample: whether the root in force says that this is a network for trial.
        view: size and root of the directory from which the files were made.
        at: when they were made; what depends on a day holds for that day.
        publisher: the node that made them.
        key: the id of its signing key.
        files: sorted by path, each path once.
    """

    network: Digest
    sample: bool
    view: DirectoryView
    at: datetime
    publisher: NodeName
    key: KeyId
    files: tuple[PublicFile, ...]

    def to_bytes(self) -> bytes:
        """Write the manifest as it is signed.

        Spec: PROTOCOL.md section 10.9.
        """
        files: list[JSONValue] = [
            {"path": file.path, "sha256": file.digest, "size": file.size} for file in self.files
        ]
        return canonical.to_bytes(
            {
                "format": FORMAT,
                "network": self.network,
                "sample": self.sample,
                "directory": {"size": self.view.size, "root": self.view.root},
                "at": canonical.moment_text(self.at),
                "authority": self.publisher.authority,
                "node": self.publisher.node,
                "key": self.key,
                "files": files,
            }
        )

    def file(self, path: str) -> PublicFile | None:
        """Return what is said of one file, or None."""
        return next((file for file in self.files if file.path == path), None)


def public_files(state: DirectoryState, at: datetime) -> Iterator[tuple[str, bytes]]:
    """Yield path and octets of each file that anybody may see: authorities, then countries and the index.

    The same state and moment give the same files.

    Spec: PROTOCOL.md section 10.9.
    """
    countries: dict[str, list[JSONValue]] = {}
    for entry in state.authorities:
        path = f"authorities/{entry.authority}.json"
        yield path, canonical.to_bytes(public_view(entry, at))
        row: JSONObject = {
            "authority": entry.authority,
            "names": dict(entry.names),
            "kind": entry.kind.value,
            "status": entry.status_at(at).value,
            "file": path,
        }
        countries.setdefault(entry.country, []).append(row)
    index: list[JSONValue] = []
    for country in sorted(countries):
        path = f"countries/{country}.json"
        yield path, canonical.to_bytes({"country": country, "authorities": countries[country]})
        index.append({"country": country, "authorities": len(countries[country]), "file": path})
    yield INDEX, canonical.to_bytes({"countries": index})


def chains_of_trust(authority: AuthorityId) -> frozenset[str]:
    """Return the chains that lead from the network's root to the keys of an authority's nodes."""
    return frozenset({NETWORK_SUBJECT, f"{NETWORK_SUBJECT}{authority}", authority})


def described(files: Mapping[str, bytes]) -> tuple[PublicFile, ...]:
    """Return what a manifest says of these files."""
    return tuple(
        PublicFile(path, Digest(sha256(files[path]).hexdigest()), len(files[path])) for path in sorted(files)
    )


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest; its signature is not verified here.

    Raises:
        MalformedError: too long (`too_large`), not canonical (`bad_json`), unknown members (`unknown_field`),
            a field or path outside its rule, or files out of order (`bad_field`).
        UnsupportedVersionError: another format or version.

    Spec: PROTOCOL.md section 10.9.
    """
    value = canonical.parse_object(data, MAX_MANIFEST_BYTES)
    if value.get("format") != FORMAT:
        raise UnsupportedVersionError("not a public directory of this version")
    require_members(value, _MEMBERS, "manifest")
    view = object_of(value["directory"], "directory")
    require_members(view, {"size", "root"}, "directory")
    sample = value["sample"]
    if not isinstance(sample, bool):
        raise outside_rule("sample")
    files = tuple(_parse_file(item) for item in items_of(value["files"], MAX_FILES, "files"))
    paths = [file.path for file in files]
    if any(first >= second for first, second in pairwise(paths)):
        raise MalformedError("files are not sorted by path, each once", code=ReasonCode.BAD_FIELD)
    return Manifest(
        network=parse_digest(text_of(value["network"], "network")),
        sample=sample,
        view=DirectoryView(
            size=count_of(view["size"], "size"), root=parse_digest(text_of(view["root"], "root"))
        ),
        at=canonical.parse_moment(text_of(value["at"], "at")),
        publisher=NodeName(
            parse_authority_id(text_of(value["authority"], "authority")),
            parse_node_id(text_of(value["node"], "node")),
        ),
        key=parse_key_id(text_of(value["key"], "key")),
        files=files,
    )


def verify_manifest(network: Digest, data: bytes, signature: bytes, statements: bytes) -> Manifest:
    """Verify a manifest with nothing but the fingerprint of its network.

    Args:
        network: pinned by the reader, from another source than the files.
        data: the manifest as it was read.
        signature: what lies beside it.
        statements: the octets of the file `statements.bundle`.

    Raises:
        MalformedError: as `parse_manifest` and `parse_bundle`.
        UntrustedError: another network, statements that do not lead to the key, a key that was not in use at
            that moment, or a signature that does not hold.
        RemoteProtocolError: a statement does not hold; see `judge`.

    Spec: PROTOCOL.md section 10.9.
    """
    manifest = parse_manifest(data)
    if manifest.network != network:
        raise UntrustedError("the files of another network")
    listed = manifest.file(STATEMENTS)
    if listed is None:
        raise UntrustedError("nothing leads from the network's root to the key of the files")
    listed.verify(statements)
    state = replay(network, parse_bundle(statements).statements)
    publisher = manifest.publisher
    node = state.require_sender(publisher.authority, manifest.key, manifest.at)
    if node.node != publisher.node:
        raise UntrustedError("the key of another node")
    if state.network.sample != manifest.sample:
        raise UntrustedError("a manifest that hides whether the network is for trial")
    composite.verify(node.signing, labels.PUBLIC_DIRECTORY, data, signature)
    return manifest


def require_same_files(manifest: Manifest, paths: Collection[str]) -> None:
    """Check that exactly the files of a manifest are there.

    Raises:
        UntrustedError: one is missing, or one is there that it does not name.
    """
    listed = {file.path for file in manifest.files}
    missing = sorted(listed.difference(paths))
    if missing:
        raise UntrustedError(f"{missing[0]} is missing")
    if len(listed) != len(set(paths)):
        raise UntrustedError("a file that the manifest does not name")


def _parse_file(item: JSONValue) -> PublicFile:
    entry = object_of(item, "file")
    require_members(entry, {"path", "sha256", "size"}, "file")
    path, size = text_of(entry["path"], "path"), count_of(entry["size"], "size")
    if not _PATH.fullmatch(path):
        raise outside_rule("path")
    if size > MAX_FILE_BYTES:
        raise outside_rule("size")
    return PublicFile(path=path, digest=parse_digest(text_of(entry["sha256"], "sha256")), size=size)
