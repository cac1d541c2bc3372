# SPDX-License-Identifier: Apache-2.0
"""Sample bodies of messages, lean and full; offices instead of names, invented authorities."""

from typing import Any

from protocol.codes.message_types import MessageType
from tests.support.records import sample_id

Object = dict[str, Any]

OFFICE: Object = {"office": "Duty desk, asset recovery"}
BANK: Object = {
    "why_substantial_value": "The commission was paid to an account over there.",
    "grounds_bank_holds_account": "The invoice names a branch in the capital.",
    "banks_or_accounts_specified": ["Sample Harbour Bank"],
    "further_info": "Account number seen: XB00 0000 0001.",
}


def lean_request(**changes: Any) -> Object:
    return {
        "practitioner": OFFICE,
        "case": {"reference": "ACC-2026-17", "stage": "INVESTIGATION"},
        "facts": {"text": "A road contract was won with help of a consultant.", "language": "en"},
        "help_items": [{"id": "h1", "help_type": "COMPANY", "question": "Who are the directors?"}],
        "purpose": {"text": "To decide on a formal request.", "use": "PREPARE_MLA"},
        **changes,
    }


def help_item(help_type: str, **changes: Any) -> Object:
    item = {"id": "h1", "help_type": help_type, "question": "What is known?", **changes}
    if help_type in ("BANK_EXIST", "BANK_DETAIL"):
        item.setdefault("bank", BANK)
    if help_type == "OTHER":
        item.setdefault("other_reason", "No code fits a question about archives.")
    return item


def person(**changes: Any) -> Object:
    return {
        "id": "s1",
        "kind": "PERSON",
        "category": "SUSPECT",
        "names": [
            {
                "name": "Sample Personov",
                "original": "\u041f\u0440\u0438\u043c\u0435\u0440",
                "script": "Cyrl",
                "scheme": "ISO 9:1995",
            }
        ],
        "aliases": ["S. P."],
        "link": "Signed the contract.",
        "addresses": ["1 Sample Street\nSampleton"],
        "documents": [{"type": "passport", "number": "XA0000001", "issuer": "XA"}],
        "evaluation": {"source": "A", "information": "1"},
        "birth_date": "1971-03",
        "birth_place": "Sampleton",
        "nationalities": ["XA", "XB"],
        "pep": True,
        "pep_function": "Deputy director of roads",
        **changes,
    }


def entity(**changes: Any) -> Object:
    return {
        "id": "s2",
        "kind": "ENTITY",
        "category": "LEGAL_ENTITY",
        "names": [{"name": "Sample Roads Ltd"}],
        "register_number": "XB-12345",
        "lei": "529900SAMPLE00000017",
        "seat": "Port Sample",
        "directors": ["Sample Directorov"],
        "beneficial_owners": ["unknown"],
        **changes,
    }


def asset(**changes: Any) -> Object:
    return {
        "id": "as1",
        "kind": "FINANCIAL_ACCOUNT",
        "identifier": "XB00 0000 0001",
        "location": "Port Sample",
        "country": "XB",
        "custodian": "Sample Harbour Bank",
        "holder": "Sample Roads Ltd",
        "value": {"amount": "1250000.50", "currency": "USD", "on": "2026-05-31"},
        "subjects": ["s2"],
        "link": "Received the commission.",
        "measure": {"kind": "ALERT", "by": "Sample court", "since": "2026-06-01", "lapses_on": "2026-08-01"},
        "evaluation": {"source": "B", "information": "3"},
        **changes,
    }


CAVEATS: Object = {
    "restriction": "Not to be shown to the tax authority.",
    "eyes_only": "Head of the asset recovery desk",
    "confidentiality": "HIGH",
    "confidentiality_reason": "A search is planned.",
    "confidentiality_until": "2026-12-31",
    "no_tipping_off": True,
    "evidence_use": "NEVER",
    "onward": ["Sample prosecution service"],
    "rights_concern": True,
    "rights_note": "The penalty must not be death.",
    "classification": "RESTRICTED",
    "retain_until": "2031-07-01",
}
FULL_OFFICE: Object = {
    **OFFICE,
    "name": "Sample Handlerova",
    "function": "investigator",
    "phone": "+00 0 000",
    "languages": ["en", "fr"],
    "log_id": "p-0017",
}

FULL: dict[MessageType, Object] = {
    MessageType.CONSULT_REQUEST: {
        "practitioner": FULL_OFFICE,
        "caveats": CAVEATS,
        "note": "Please call before writing.",
        "title": "Road contract, consultant",
        "case": {
            "reference": "ACC-2026-17",
            "stage": "INVESTIGATION",
            "operation": "SAMPLE ROAD",
            "lead_authority": "Sample prosecution service",
            "started_on": "2026-01-15",
            "related": [sample_id(70)],
            "others_asked": [{"who": "Sample network", "channel": "telephone", "on": "2026-06-20"}],
            "central_authority_informed": True,
            "central_authority_informed_on": "2026-06-21",
        },
        "offences": [
            {
                "uncac": "16.2",
                "provision": "Criminal Code section 291",
                "text": "Whoever, being a foreign public official...",
                "max_penalty": "10 years",
                "limitation_on": "2033-01-01",
                "since": "2019",
                "until": "2021-04",
                "place": "Sampleton",
            }
        ],
        "facts": {
            "text": "A road contract was won with help of a consultant.",
            "language": "en",
            "origin": "HUMAN",
            "evaluation": {"source": "A", "information": "2"},
            "attachments": ["a1"],
        },
        "subjects": [person(), entity()],
        "assets": [asset()],
        "help_items": [
            help_item("COMPANY", nexus="The company was paid.", why_held_there="It is registered there."),
            help_item(
                "BANK_EXIST",
                id="h2",
                necessity="No other way is left.",
                coercive=False,
                subjects=["s2"],
                assets=["as1"],
                procedure_wishes="By letter.",
                max_amount={"amount": "2000000", "currency": "USD"},
            ),
            help_item("OTHER", id="h3"),
        ],
        "purpose": {"text": "To decide on a formal request.", "use": "PREPARE_MLA"},
        "urgency": {
            "level": "URGENT_DIRECT",
            "criterion": "d",
            "reason": "The account is being emptied.",
            "event_on": "2026-07-03",
        },
        "reply_by": "2026-07-02T12:00:00.000Z",
        "undertakings": ["SPECIALITY", "FEEDBACK"],
    },
    MessageType.ACK: {
        "handler": FULL_OFFICE,
        "reference": "ACA-99/26",
        "estimated_on": "2026-07-10",
        "update_every_days": 3,
    },
    MessageType.CLARIFICATION_REQUEST: {
        "questions": [
            {"id": "q1", "item": "h2", "text": "Which branch?"},
            {"id": "q2", "text": "Is the case public?"},
        ],
        "due_on": "2026-07-15",
    },
    MessageType.CLARIFICATION: {
        "answers": [
            {"question": "q1", "text": "The branch at the port.", "attachments": ["a1"]},
            {"question": "q2", "text": "No."},
        ],
        "subjects": [person(id="s3")],
        "assets": [asset(id="as2", subjects=["s3"])],
    },
    MessageType.ANSWER: {
        "final": False,
        "items": [
            {
                "item": "h1",
                "result": "FOUND",
                "text": "Two directors since 2019.",
                "data": [{"name": "Director", "value": "Sample Directorov"}],
                "attachments": ["a1"],
                "found_in": "Company register of XB",
                "as_of": "2026-06-30",
                "evaluation": {"source": "A", "information": "1"},
                "handling": ["H1", "H2"],
                "third_party_origin": "XC",
                "permitted_uses": ["analysis"],
            },
            {
                "item": "h2",
                "result": "NEEDS_MLA",
                "formal": {
                    "requirements": "A court order is needed.",
                    "authority": "Ministry of Justice of XB",
                    "threshold": "Reasonable suspicion.",
                    "obstacles": "Notice to the holder.",
                    "languages": ["en"],
                    "estimated_time": "three months",
                },
            },
            {"item": "h3", "result": "PENDING", "reason": "P02", "expected_on": "2026-07-20"},
        ],
        "subjects": [person(id="s9")],
        "assets": [asset(id="as9", subjects=["s9"])],
    },
    MessageType.REFUSAL: {
        "total": False,
        "grounds": [
            {"items": ["h2"], "reason": "R10", "explanation": "No offence here.", "provision": "s. 12"},
            {"items": ["h1"], "reason": "R20", "explanation": "Not our register."},
        ],
        "consulted": "A call on 2 July found no other terms.",
        "competent": "Registry of Port Sample",
    },
    MessageType.WITHDRAWAL: {"practitioner": OFFICE, "reason": "The suspect was acquitted."},
    MessageType.CLOSE: {"note": "Thank you."},
}
FULL[MessageType.MEMBERS] = {
    "added": ["xc-fiu"],
    "removed": ["xb-aca"],
    "roster": ["xa-acc", "xc-fiu"],
    "reason": "The account is kept in the neighbouring State.",
    "request": FULL[MessageType.CONSULT_REQUEST],
}
LEAN: dict[MessageType, Object] = {
    MessageType.CONSULT_REQUEST: lean_request(),
    MessageType.ACK: {"handler": OFFICE, "update_every_days": 30},
    MessageType.CLARIFICATION_REQUEST: {"questions": [{"id": "q1", "text": "Which company?"}]},
    MessageType.CLARIFICATION: {"answers": [{"question": "q1", "text": "Sample Roads Ltd."}]},
    MessageType.ANSWER: {"final": True, "items": [{"item": "h1", "result": "NOT_HELD"}]},
    MessageType.REFUSAL: {
        "total": True,
        "grounds": [{"reason": "R21", "explanation": "Nobody is free before autumn."}],
    },
    MessageType.WITHDRAWAL: {},
    MessageType.CLOSE: {},
    MessageType.MEMBERS: {
        "removed": ["xb-aca"],
        "roster": ["xa-acc", "xc-fiu"],
        "reason": "Its part is done.",
    },
}
