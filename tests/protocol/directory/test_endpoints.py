# SPDX-License-Identifier: Apache-2.0
"""Where a node may be reached, and the many spellings of places where it may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.directory.endpoints import HostPort, is_address_allowed, parse_endpoint
from protocol.errors import ReasonCode
from tests.support.refusals import refused, value_or_reason


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://node.acc.example", HostPort("node.acc.example", 443, is_address=False)),
        ("https://node.acc.example:8443", HostPort("node.acc.example", 8443, is_address=False)),
        ("https://xn--mnchen-3ya.example", HostPort("xn--mnchen-3ya.example", 443, is_address=False)),
        ("https://93.184.216.34:65535", HostPort("93.184.216.34", 65535, is_address=True)),
        ("https://[2606:2800:220:1::1]", HostPort("2606:2800:220:1::1", 443, is_address=True)),
    ],
)
def test_good_endpoints(url: str, expected: HostPort) -> None:
    assert parse_endpoint(url, sample=False) == expected
    assert parse_endpoint(url, sample=True) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://127.0.0.1:20001", HostPort("127.0.0.1", 20001, is_address=True)),
        ("https://10.1.2.3", HostPort("10.1.2.3", 443, is_address=True)),
        ("https://[::1]:8443", HostPort("::1", 8443, is_address=True)),
        ("https://169.254.1.1", HostPort("169.254.1.1", 443, is_address=True)),
        ("https://localhost:8443", HostPort("localhost", 8443, is_address=False)),
    ],
)
def test_only_a_sample_network_may_stay_at_home(url: str, expected: HostPort) -> None:
    assert parse_endpoint(url, sample=True) == expected
    refused(lambda: parse_endpoint(url, sample=False), ReasonCode.ENDPOINT_FORBIDDEN)


@pytest.mark.parametrize("sample", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://node.acc.example",
        "HTTPS://node.acc.example",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://node.acc.example/",
        "https://node.acc.example/path",
        "https://node.acc.example?q",
        "https://node.acc.example#f",
        "https://user@node.acc.example",
        "https://user:word@node.acc.example",
        "https://node.acc.example:443",
        "https://node.acc.example:22",
        "https://node.acc.example:25",
        "https://node.acc.example:0",
        "https://node.acc.example:01024",
        "https://node.acc.example:65536",
        "https://node.acc.example:",
        "https://node.acc.example:8443 ",
        "https://node.acc.example\n",
        "https://Node.acc.example",
        "https://node..example",
        "https://node.acc.example.",
        "https://-node.example",
        "https://node_a.example",
        "https://node",
        "https://münchen.example",
        "https://node.acc。example",
        "https://xn--a.example",
        "https://xn--node-.example",
        "https://xn--.example",
        "https://xn--99999999999.example",
        "https://ab--cd.example",
        "https://node.localhost",
        "https://printer.local",
        "https://db.internal",
        "https://router.home.arpa",
        "https://abc.onion",
        "https://2130706433",
        "https://127.1",
        "https://0x7f.1",
        "https://0x7f.0.0.1",
        "https://0177.0.0.1",
        "https://127.0.0.01",
        "https://node.0x7f",
        "https://0.0.0.0",
        "https://224.0.0.1",
        "https://255.255.255.255",
        "https://[::]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:7f00:1]",
        "https://[0:0:0:0:0:0:0:1]",
        "https://[fe80::1%25eth0]",
        "https://[2002:7f00:1::]",
        "https://[64:ff9b::7f00:1]",
        "https://[ff02::1]",
        "https://[::1",
        "https://::1",
        "https://[2606:2800:220:1::1",
        "https://169.254.169.254",
        "https://[fd00:ec2::254]",
        "https://" + "a" * 64 + ".example",
        "https://" + ".".join(["a" * 60] * 5),
    ],
)
def test_forbidden_endpoints(url: str, sample: bool) -> None:
    refused(lambda: parse_endpoint(url, sample=sample), ReasonCode.ENDPOINT_FORBIDDEN)


@pytest.mark.parametrize(
    ("address", "real", "sample"),
    [
        ("93.184.216.34", True, True),
        ("127.0.0.1", False, True),
        ("192.168.1.1", False, True),
        ("100.64.0.1", False, False),
        ("169.254.169.254", False, False),
        ("::1", False, True),
        ("fe80::1", False, True),
        ("::ffff:10.0.0.1", False, False),
        ("::ffff:93.184.216.34", False, False),
        ("64:ff9b::a00:1", False, False),
        ("2002:a00:1::", False, False),
        ("2001:0:a00:1::", False, False),
        ("240.0.0.1", False, False),
        ("not an address", False, False),
        ("fe80::1%eth0", False, False),
        ("", False, False),
    ],
)
def test_addresses_at_connect(address: str, real: bool, sample: bool) -> None:
    assert is_address_allowed(address, sample=False) is real
    assert is_address_allowed(address, sample=True) is sample


HOSTS = st.text(alphabet="0123456789abcdefx.:[]%@-/", max_size=40)


@given(st.text(max_size=60) | HOSTS.map("https://{}".format), st.booleans())
def test_any_text_gives_a_value_or_one_reason(url: str, sample: bool) -> None:
    value = value_or_reason(lambda: parse_endpoint(url, sample=sample))
    assert value is ReasonCode.ENDPOINT_FORBIDDEN or isinstance(value, HostPort)


@given(st.ip_addresses())
def test_every_address_gets_the_same_judgement_as_text_and_at_connect(address: object) -> None:
    text = str(address)
    url = f"https://[{text}]" if ":" in text else f"https://{text}"
    value = value_or_reason(lambda: parse_endpoint(url, sample=False))
    assert isinstance(value, HostPort) is is_address_allowed(text, sample=False)
