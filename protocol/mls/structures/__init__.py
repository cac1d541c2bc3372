# SPDX-License-Identifier: Apache-2.0
"""The structures of RFC 9420 as values, and their octets both ways. No rule about what they mean together."""
