# SPDX-License-Identifier: Apache-2.0
"""The rules of the network: bytes, trust and meaning.

It opens nothing, waits for nothing, asks no clock, draws no randomness and writes no log. Everything it
needs to know about the world is an argument, and everything it decides is a return value.
"""

PROTOCOL_VERSION = 1
