# SPDX-License-Identifier: Apache-2.0
import copy
import pickle

import pytest

from keys.secret import SecretBytes

PLANTED = b"planted-secret-value-0123456789ab"


def test_it_gives_the_bytes_only_when_asked() -> None:
    secret = SecretBytes(PLANTED)
    assert secret.reveal() == PLANTED
    assert len(secret) == len(PLANTED)
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r}", f"{[secret]}"):
        assert "planted" not in text


def test_equality_is_of_content() -> None:
    assert SecretBytes(b"a") == SecretBytes(b"a")
    assert SecretBytes(b"a") != SecretBytes(b"b")
    assert SecretBytes(b"a") != b"a"


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy, hash])
def test_it_is_not_pickled_copied_or_hashed(act: object) -> None:
    assert callable(act)
    with pytest.raises(TypeError):
        act(SecretBytes(PLANTED))


def test_it_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        SecretBytes(PLANTED).note = "x"  # type: ignore[attr-defined]  # that is the point
