# SPDX-License-Identifier: Apache-2.0
"""What must hold before the site starts."""

import resource
from importlib import metadata

import pytest
from aiohttp import http_parser

from globe_node.errors import ConfigError
from globe_node.peering.application import RESERVED_DESCRIPTORS, VERSION_FLOORS, verify_runtime
from globe_node.peering.settings import LineLimits, SiteLimits


def refused() -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        verify_runtime(10)
    assert caught.value.hint
    return caught.value


def test_this_runtime_is_fit() -> None:
    verify_runtime(10)


def test_the_slow_parser_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    assert "parser" in str(refused())


@pytest.mark.parametrize("name", VERSION_FLOORS)
def test_an_older_version_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda asked: "0.9.1rc1" if asked == name else real(asked))
    assert name in str(refused())


def test_a_limit_of_descriptors_is_raised_as_far_as_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(64, 100_000)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: limits.append(pair))
    verify_runtime(10)
    assert limits[-1] == (10 + RESERVED_DESCRIPTORS, 100_000)
    limits.append((64, 64))
    assert "descriptors" in str(refused())


def test_the_client_closes_idle_connections_before_the_site_does() -> None:
    assert LineLimits().keep_open_seconds < SiteLimits().idle_seconds
    assert LineLimits().connections_per_peer <= SiteLimits().concurrent_requests
