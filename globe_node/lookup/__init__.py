# SPDX-License-Identifier: Apache-2.0
"""Whom to ask: finding authorities and contact points in the directory, and the way a request should go."""
