# SPDX-License-Identifier: Apache-2.0
"""Measurements: programs that run the product from outside."""
