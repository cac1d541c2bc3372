# SPDX-License-Identifier: Apache-2.0
"""What the sample authorities write to each other: a company and beneficial owner query that is answered.

All authorities, cases and companies are invented. Offices stand where a real message names people.
"""

REQUEST = """\
type = "CONSULT_REQUEST"
handling = ["H0"]
legal_basis = ["UNCAC article 48 paragraph 1 (a)"]
[body]
title = "SAMPLE: who stands behind a company"
[body.practitioner]
office = "Duty desk, asset recovery"
languages = ["en", "fr"]
[body.case]
reference = "SAMPLE-2026-17"
stage = "INVESTIGATION"
[[body.offences]]
uncac = "16.1"
[body.facts]
language = "en"
text = '''
A road contract was won with the help of a consultant. The commission went to Sample Harbour Holding,
a company that is registered with you. The attached extract shows the payment.'''
[[body.help_items]]
id = "h1"
help_type = "COMPANY"
question = "Who are the directors of Sample Harbour Holding?"
why_held_there = "It is registered in your company register."
nexus = "It received the commission."
[[body.help_items]]
id = "h2"
help_type = "BENEF_OWNER"
question = "Who is its beneficial owner, and what would a formal request need?"
why_held_there = "Your register of beneficial owners was opened in 2021."
nexus = "The owner is suspected to be the official who signed the contract."
[body.purpose]
text = "To decide whether to send a formal request, and to word it so that it can be executed."
use = "PREPARE_MLA"
"""

ATTACHMENT = "\n".join(
    [
        "SAMPLE bank statement extract",
        "date;payee;amount;currency",
        "2026-03-02;Sample Harbour Holding;480000;EUR",
    ]
)

ACKNOWLEDGEMENT = """\
type = "ACK"
[body]
reference = "SAMPLE-99/26"
estimated_on = 2026-12-18
[body.handler]
office = "Foreign requests desk"
"""

QUESTION = """\
type = "CLARIFICATION_REQUEST"
[[body.questions]]
id = "q1"
item = "h2"
text = "Two companies bear this name. Which registration number, or which year of foundation, do you mean?"
"""

CLARIFICATION = """\
type = "CLARIFICATION"
[[body.answers]]
question = "q1"
text = "The one that was founded in 2019; its number is on page 1 of the attachment."
"""

ANSWER = """\
type = "ANSWER"
handling = ["H0"]
[body]
final = true
[[body.items]]
item = "h1"
result = "FOUND"
text = "Two directors since 2019; see the data."
found_in = "Register of companies"
[[body.items.data]]
name = "directors"
value = "First sample director; second sample director"
[[body.items]]
item = "h2"
result = "NEEDS_MLA"
text = "The register of beneficial owners is open to foreign authorities on a formal request only."
[body.items.formal]
authority = "SAMPLE Ministry of Justice of Beta, central authority"
requirements = "Facts, the text of the offence, why the owner matters. UNCAC article 46 suffices as a basis."
languages = ["en", "fr"]
estimated_time = "six weeks"
"""

REASON_TO_ADD = "The account that received the commission is kept where you are."

SECOND_ANSWER = """\
type = "ANSWER"
handling = ["H0"]
[body]
final = true
[[body.items]]
item = "h2"
result = "FOUND"
text = "The account was opened by the second director, on her own behalf."
found_in = "Register of accounts"
"""

CONTACTS = """\
[[contact]]
id = "duty"
role = "DUTY"
name = "Duty desk, asset recovery"
functions = ["ASSET_RECOVERY", "FREEZE_URGENT"]
languages = ["en", "fr"]
time_zone = "Africa/Nairobi"
working_days = ["mon", "tue", "wed", "thu", "fri"]
hours = "08:00-16:30"
valid_from = 2026-01-01
confirmed_at = 2026-11-02
[[contact.channels]]
kind = "NODE"
address = ""
"""

PROFILE = """
[profile]
functions = ["ASSET_RECOVERY", "LAW_ENFORCEMENT"]
powers = ["INVESTIGATE"]
networks = [{network = "GLOBE", role = "MEMBER"}]
languages_accepted = ["en", "fr"]
office = {time_zone = "Africa/Nairobi", working_days = ["mon", "tue", "wed", "thu", "fri"]}
service = {ack_hours = 24, answer_days = 14, urgent_hours = 24}
provenance = {submitted_by = "Sample registry office", confirmed_at = 2026-11-02}
"""

LAW_AND_HELP = """
[legal]
treaty_needed = "NO"
uncac_as_basis = {mla = "YES"}
dual_criminality = {coercive = "YES", non_coercive = "NO"}
informal_use_as_evidence = "CONSENT"
provenance = {submitted_by = "Sample registry office", confirmed_at = 2026-11-02}
[[measure]]
help = "COMPANY"
possible = "INFORMAL"
answer_days = 14
provenance = {submitted_by = "Sample registry office", confirmed_at = 2026-11-02}
[[measure]]
help = "BENEF_OWNER"
possible = "MLA_ONLY"
languages = ["en", "fr"]
answer_days = 42
documents = ["Text of the offence", "Summary of the facts"]
requirements = "Why the owner matters to the case."
provenance = {submitted_by = "Sample registry office", confirmed_at = 2026-11-02}
"""
