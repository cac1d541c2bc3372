# SPDX-License-Identifier: Apache-2.0
"""The ceiling: what the primitives alone cost for one message, timed in this run. No part of the node runs.

Counted is only work that the promises of the product leave no way around, with the fastest library at hand,
for a message in a consultation that runs:

- sender: canonical JSON, SHA-256, 1/k composite signature, a message of the group (Ed25519 signature, five
  HMAC-SHA384 for ratchet and sender data, AES-256-GCM twice), AEAD at rest of the record and of the ratchet,
  two audit leaves (16 salted digests each), six durable rows, 1/k request, 1/k verification of the receipt;
- receiver: 1/k request, parsing, SHA-256, the same of the group with a verification, 1/k verification of the
  composite signature, AEAD at rest twice, two audit leaves, six durable rows, 1/k composite signature of the
  receipt.

k is the number of envelopes in a request. Both nodes share the two cores, so the ceiling is
2 seconds of processor time divided by the sum.
"""

import asyncio
import datetime
import hashlib
import json
import os
import sqlite3
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nacl.signing
from aiohttp import ClientSession, TCPConnector, web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bench import mls
from bench.figures import Figure, rounded
from bench.primitives import primitives

CONTENT = os.urandom(1536).hex()[:2048]
"""2 KiB of text, as a body holds it."""
BATCH = 100
ROWS = 6
LEAVES = 2
DIGESTS = 16


def measure() -> dict[str, Figure]:
    """Time every primitive; return microseconds each and the ceiling in messages per second."""
    cost = {**_signatures(), **_group(), **_at_rest(), **_bytes(), **_rows(), "request_us": _request()}
    both_ways = (
        cost["encode_us"]
        + cost["parse_us"]
        + 2 * cost["digest_us"]
        + cost["encrypt_us"]
        + cost["decrypt_us"]
        + 2 * cost["at_rest_us"]
        + 2 * cost["ratchet_at_rest_us"]
        + 2 * LEAVES * cost["leaf_us"]
        + 2 * cost["row_with_body_us"]
        + 2 * (ROWS - 1) * cost["row_us"]
    )
    shared = 2 * (cost["sign_us"] + cost["verify_us"]) + cost["request_us"]
    total = both_ways + shared / BATCH
    return {
        "primitives_us": {name: rounded(value) for name, value in cost.items()},
        "message_us": rounded(total),
        "per_s": rounded(2e6 / total),
    }


def _each(action: Callable[[], object], times: int) -> float:
    """Microseconds of processor time of one call: the least of five rounds."""
    rounds = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(times):
            action()
        rounds.append((time.process_time() - started) / times * 1e6)
    return min(rounds)


def _signatures() -> dict[str, float]:
    digest = hashlib.sha512(b"a root").digest()
    edwards, lattice = nacl.signing.SigningKey.generate(), mldsa.MLDSA65PrivateKey.generate()
    edwards_signature, lattice_signature = edwards.sign(digest).signature, lattice.sign(digest)
    edwards_public, lattice_public = edwards.verify_key, lattice.public_key()
    return {
        "sign_us": _each(lambda: edwards.sign(digest), 200) + _each(lambda: lattice.sign(digest), 50),
        "verify_us": _each(lambda: edwards_public.verify(digest, edwards_signature), 200)
        + _each(lambda: lattice_public.verify(lattice_signature, digest), 100),
    }


def _group() -> dict[str, float]:
    """Microseconds that the primitives of one message of a group take, at either end."""
    sums = mls.sums(primitives(), keys_of_joiner=0)
    return {name: sums[name] for name in ("encrypt_us", "decrypt_us")}


def _at_rest() -> dict[str, float]:
    key, content, ratchet = os.urandom(32), CONTENT.encode() * 2, os.urandom(300)

    def seal(plaintext: bytes) -> bytes:
        return nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, b"row", bytes(24), key)

    return {
        "at_rest_us": _each(lambda: seal(content), 1000),
        "ratchet_at_rest_us": _each(lambda: seal(ratchet), 1000),
    }


def _bytes() -> dict[str, float]:
    record = {"body": CONTENT, **{f"field-{number}": "a value of some length" for number in range(20)}}
    written = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    disclosure, vault = os.urandom(64), AESGCM(os.urandom(32))

    def leaf() -> bytes:
        for _ in range(DIGESTS):
            hashlib.sha256(disclosure).digest()
        hashlib.shake_256(disclosure).digest(DIGESTS * 18)
        return vault.encrypt(bytes(12), disclosure * 8, b"")

    return {
        "encode_us": _each(lambda: json.dumps(record, sort_keys=True, ensure_ascii=False).encode(), 1000),
        "parse_us": _each(lambda: json.JSONDecoder().decode(written.decode()), 1000),
        "digest_us": _each(lambda: hashlib.sha256(written).digest(), 2000),
        "leaf_us": _each(leaf, 500),
    }


def _rows() -> dict[str, float]:
    """Microseconds for one durable row when 100 are committed together, with and without a body."""
    with tempfile.TemporaryDirectory(prefix="ceiling-") as folder:
        return {
            "row_with_body_us": _row(Path(folder) / "bodies.db", 4096),
            "row_us": _row(Path(folder) / "rows.db", 300),
        }


def _row(path: Path, size: int) -> float:
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE r(id INTEGER PRIMARY KEY, b BLOB) STRICT;"
    )
    value, groups = os.urandom(size), 60
    started = time.process_time()
    for _ in range(groups):
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO r(b) VALUES (?)", [(value,)] * BATCH)
        database.execute("COMMIT")
    spent = time.process_time() - started
    database.close()
    return spent / groups / BATCH * 1e6


def _request() -> float:
    """Microseconds of processor time of one request over mutual TLS 1.3, both ends, on a kept connection."""
    return asyncio.run(_request_over_tls())


async def _request_over_tls() -> float:
    with tempfile.TemporaryDirectory(prefix="ceiling-") as folder:
        server_side, client_side = _contexts(Path(folder))

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    application = web.Application(client_max_size=1 << 22)
    application.router.add_post("/", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_side)
    await site.start()
    port = runner.addresses[0][1]
    async with ClientSession(connector=TCPConnector(ssl=client_side)) as session:

        async def ask(times: int) -> None:
            for _ in range(times):
                async with session.post(f"https://127.0.0.1:{port}/", data=CONTENT.encode()) as response:
                    await response.read()

        await ask(50)
        started, times = time.process_time(), 500
        await ask(times)
        spent = time.process_time() - started
    await runner.cleanup()
    return spent / times * 1e6


def _contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ceiling")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, None)
    )
    file = folder / "identity"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    contexts = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in contexts:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(file)
        context.load_verify_locations(file)
    return contexts
