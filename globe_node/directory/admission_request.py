# SPDX-License-Identifier: Apache-2.0
"""What an authority hands to the network's officers in order to be admitted: a file of public facts.

It admits nobody: officers compare the fingerprint of the root key with the authority itself, by another way.

1. The authority's root key proves that its holder asks for this network; a request made for one network is
   worth nothing in another.
2. Nobody signs the file as a whole: what officers admit is what they read and compared.
"""

from typing import Annotated, Literal, Self

from pydantic import Field

from globe_node.directory.publish import prove_root
from keys.node_keys import AuthorityRoot
from protocol import canonical
from protocol.canonical import JSONObject
from protocol.directory.contacts import AuthorityKind
from protocol.directory.fields import (
    AuthorityIdField,
    Country,
    DigestField,
    Fields,
    Language,
    Line,
    Moment,
    Octets,
    bad_field,
    read_fields,
)
from protocol.directory.statements import MAX_NAMES, Admission, possession_message
from protocol.identifiers import Digest, KeyId
from protocol.signing import composite, labels

MAX_REQUEST_BYTES = 64 * 1024


class AuthorityFacts(Fields):
    """What an authority says about itself when it asks.

    Attributes:
        names: legal name by language tag.
    """

    country: Country
    names: Annotated[dict[Language, Line], Field(min_length=1, max_length=MAX_NAMES)]
    kind: AuthorityKind


class AdmissionRequest(AuthorityFacts):
    """A request for admission.

    Attributes:
        network: fingerprint of the network it is made for.
        root_key: raw composite public key of the authority.
        proof: signature of that key over `possession_message`.
    """

    v: Literal[1] = 1
    network: DigestField
    authority: AuthorityIdField
    root_key: Annotated[Octets, Field(repr=False)]
    proof: Annotated[Octets, Field(repr=False)]

    @classmethod
    def made_by(cls, root: AuthorityRoot, network: Digest, facts: AuthorityFacts) -> Self:
        """Make the request of an authority for one network."""
        return cls(
            country=facts.country,
            names=facts.names,
            kind=facts.kind,
            network=network,
            authority=root.authority,
            root_key=root.signing.public_key,
            proof=prove_root(network, root),
        )

    @property
    def root_key_id(self) -> KeyId:
        """What officers compare with the authority, as digits, before they sign."""
        return composite.parse_public_key(self.root_key).key_id

    def to_bytes(self) -> bytes:
        """Write the file."""
        return canonical.to_bytes(self.to_object()) + b"\n"

    def admission(self, not_after: Moment) -> Admission:
        """Return what officers sign to admit this authority until a moment."""
        return Admission(
            country=self.country,
            names=self.names,
            kind=self.kind,
            root_key=self.root_key,
            proof=self.proof,
            not_after=not_after,
        )


def parse_admission_request(data: bytes) -> AdmissionRequest:
    """Read a request and check its proof.

    Raises:
        MalformedError: not a request (`bad_json`, `unknown_field`, `bad_field`, `too_large`).
        UntrustedError: the root key can't be admitted, or the proof does not hold.
    """
    value = canonical.read_json(data, MAX_REQUEST_BYTES)
    if not isinstance(value, dict):
        raise bad_field("a request is an object")
    members: JSONObject = value
    request = read_fields(AdmissionRequest, members)
    public_key = composite.parse_public_key(request.root_key)
    message = possession_message(request.network, request.authority)
    composite.verify(public_key, labels.POSSESSION, message, request.proof)
    return request
