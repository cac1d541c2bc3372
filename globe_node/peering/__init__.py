# SPDX-License-Identifier: Apache-2.0
"""The line to other nodes: HTTP/1.1 over mutual TLS 1.3, both ways, with everything hostile kept bounded."""
