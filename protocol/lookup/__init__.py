# SPDX-License-Identifier: Apache-2.0
"""Whom to ask: what the public sees, how entries are found and ranked, which way a request should go."""
