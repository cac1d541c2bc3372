# SPDX-License-Identifier: Apache-2.0
"""The closed code lists of the wire format, each with the attributes that rules are decided by.

No labels for people here: what a person reads is the business of whoever shows it, in their language.
"""
