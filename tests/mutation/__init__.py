# SPDX-License-Identifier: Apache-2.0
"""Mutation testing: small defects are planted one by one, and a test has to notice each (`make mutants`)."""
