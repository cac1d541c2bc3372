# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a case beside its messages."""

import pytest

from globe_node.cli.commands import health
from globe_node.cli.display import evidence_lines, print_case
from protocol.canonical import JSONObject


def test_a_member_that_came_back_from_outside_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    group: JSONObject = {
        "status": "open",
        "epoch": 3,
        "members": ["xa-acc", "xb-ibu"],
        "confirmed": True,
        "returned": [{"node": "xb-ibu/main", "epoch": 3, "at": "2026-11-24T10:00:00.000Z"}],
    }
    print_case({"summary": {"subject": "", "group": group}, "records": []}, {})
    assert "xb-ibu/main CAME BACK FROM OUTSIDE 2026-11-24 10:00:00 UTC" in capsys.readouterr().out


def test_that_a_successor_went_on_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    group: JSONObject = {
        "status": "open",
        "hub": "xa-acc/main",
        "epoch": 2,
        "members": ["xa-acc", "xb-ibu", "xc-aco"],
        "continued": [{"by": "xb-ibu/main", "epoch": 3, "at": "2026-11-24T10:00:00.000Z"}],
    }
    print_case({"summary": {"subject": "", "group": group}, "records": []}, {})
    shown = capsys.readouterr().out
    assert "CONTINUED 2026-11-24 10:00:00 UTC by xb-ibu/main" in shown
    assert "The hub is xa-acc/main now" in shown


def test_what_went_again_and_what_was_given_back_is_named() -> None:
    lines = evidence_lines(
        {
            "evidence": [
                {"stage": "resent", "authority": "xb-ibu", "at": "2026-11-24T10:00:00.000Z"},
                {"stage": "returned", "authority": "xc-aco", "at": "2026-11-24T10:00:00.000Z"},
            ]
        }
    )
    assert [" ".join(line.split()) for line in lines] == [
        "sent again to xb-ibu 2026-11-24 10:00:00",
        "given back by xc-aco 2026-11-24 10:00:00",
    ]


def test_health_names_hubs_that_were_convicted() -> None:
    sound: JSONObject = {"running": True, "directory": {"present": True, "listed": True}, "quarantined": 0}
    assert health._problems({**sound, "equivocated": []}) == []
    assert health._problems({**sound, "equivocated": ["019f1d03"]}) == ["a hub gave one place twice"]
