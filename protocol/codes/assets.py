# SPDX-License-Identifier: Apache-2.0
"""Kinds of assets. Not their identifiers or values: those are fields of the body."""

from enum import StrEnum


class AssetKind(StrEnum):
    """What kind of thing an asset is. Spec: PROTOCOL.md section 8.5."""

    REAL_ESTATE = "REAL_ESTATE"
    VEHICLE = "VEHICLE"
    FINANCIAL_ACCOUNT = "FINANCIAL_ACCOUNT"
    BUSINESS_INTEREST = "BUSINESS_INTEREST"
    VESSEL = "VESSEL"
    AIRCRAFT = "AIRCRAFT"
    SECURITIES = "SECURITIES"
    CRYPTO = "CRYPTO"
    CASH = "CASH"
    PRECIOUS = "PRECIOUS"
    ART = "ART"
    INSURANCE = "INSURANCE"
    TRUST_INTEREST = "TRUST_INTEREST"
    IP = "IP"
    CLAIM = "CLAIM"
    OTHER = "OTHER"


class MeasureKind(StrEnum):
    """A measure already taken on an asset. Spec: PROTOCOL.md section 8.5."""

    ALERT = "ALERT"
    MONITORING = "MONITORING"
    FREEZE = "FREEZE"
    SEIZURE = "SEIZURE"
    CONFISCATION = "CONFISCATION"
