"""The controls that auditors ask about, as data: what Sluice evidences for each, by which figures, and what it does not
cover. Sources: AICPA Trust Services Criteria (2017, points of focus revised 2022); 45 CFR 164.308, 164.312, 164.528;
NIST SP 800-53 rev. 5 with the FedRAMP baselines. Titles are abridged.
"""

from dataclasses import dataclass
from typing import Final, Literal

Framework = Literal["soc2", "hipaa", "fedramp"]
NAMES: Final[dict[str, str]] = {
    "soc2": "SOC 2 (Trust Services Criteria)",
    "hipaa": "HIPAA Security and Privacy Rules",
    "fedramp": "FedRAMP (NIST SP 800-53 rev. 5)",
}


@dataclass(frozen=True, slots=True)
class Control:
    """One control. `figures` are names of `gateway.audit.summary`; `exceptions` are kinds of exceptions."""

    id: str
    title: str
    evidence: str
    beyond: str  # what it does not cover
    figures: tuple[str, ...]
    exceptions: tuple[str, ...] = ()


_ACCESS: Final = ("Sessions", "Sign-ins refused", "Statements", "Statements refused")
_TRAIL: Final = ("Verification", "Signed heads", "Last signed head", "Signing key")
_HOST: Final = "Access to the host, its disks and its keys is the operating system's and the operator's."
_AROUND: Final = (
    "Connections that do not go through the gateway are not seen; network rules must leave no other way to the databases."
)

SOC2: Final = (
    Control("CC6.1", "Logical access security over protected information",
            "Every statement was decided under a written grant, and refused where none allowed it; labelled columns were "
            "masked for everybody whom no grant lets see them.",
            _AROUND, (*_ACCESS, "Rows with masked columns", "Rows shown in clear, labelled"), ("deny", "disclosed")),
    Control("CC6.2", "Registration and authorization of users before access is given",
            "Who signed in was proven by a token of a configured issuer; refused sign-ins are on record with their reason.",
            "Hiring, registration and removal of people are the identity provider's.",
            ("Sessions", "Sign-ins refused", "People", "Agents"), ("sign-in",)),
    Control("CC6.3", "Access by role, least privilege and separation of duties",
            "Each statement names its grant, who granted it and why; grants that nobody used are listed for removal.",
            "Whether a grant is warranted is for its owner to review.",
            ("Grants used", "Grants not used", "Policy changes"), ("policy", "first")),
    Control("CC6.4", "Physical access to facilities and protected assets",
            "Nothing: this is outside what a gateway sees.", "All of it: rely on the data centre's own reports.", ()),
    Control("CC6.5", "Disposal of data and assets",
            "Parts of the trail past their retention are deleted on record; their seals stay in the signed log.",
            "Disposal of the databases' own data and of disks.", ("Pruned ranges", "Signed heads")),
    Control("CC6.6", "Protection against access from outside the boundary",
            "One way in: each session with its address and application, each attempt that failed.",
            _AROUND, ("Sessions", "Sign-ins refused", "Statements out of hours"), ("sign-in", "off-hours")),
    Control("CC6.7", "Transmission, movement and removal of information",
            "Rows and bytes that left, which columns of them masked and which in clear; bulk reads are listed.",
            "What a recipient does with what was rightfully read.",
            ("Rows returned", "Bytes returned", "Bulk reads", "Rows shown in clear, labelled"), ("bulk", "disclosed")),
    Control("CC6.8", "Prevention and detection of unauthorized or malicious software and changes",
            "Statements that change structure or rights, and those that guardrails refused, are listed.",
            "Malware and changes on hosts.", ("Structure or rights changed", "Statements refused"), ("privileged", "deny")),
    Control("CC7.2", "Monitoring for anomalies",
            "Statements out of hours, bulk reads, first access to tables and refused attempts are listed below.",
            "Judging them: a person must review the list.",
            ("Statements out of hours", "Bulk reads", "First accesses to a table", "Statements refused"),
            ("off-hours", "bulk", "first", "mismatch")),
    Control("CC7.3", "Evaluation of security events",
            "Each exception names its record, which tells who, what, when, under which grant and policy, and how it ended; "
            "the trail that holds it is proven whole.",
            "The evaluation itself, and the response to it.", (*_TRAIL, "Gaps in the trail"), ("gap", "unresolved")),
)  # fmt: skip

HIPAA: Final = (
    Control("164.308(a)(1)(ii)(D)", "Information system activity review",
            "This report, for the period above; run it at each review and keep it.",
            "That somebody read it: keep the reviewer's note beside it.",
            ("Statements", "Statements refused", "Statements out of hours", "Bulk reads"), ("deny", "off-hours", "bulk")),
    Control("164.312(a)(1)", "Access control",
            "Deny by default: statements ran under grants alone; labelled columns were masked where no grant unmasks them.",
            _AROUND, ("Grants used", "Grants not used", "Statements refused", "Rows with masked columns"), ("deny",)),
    Control("164.312(a)(2)(i)", "Unique user identification",
            "The person (and the agent that acts for a person) stands in every record, also behind a shared database role.",
            "One person's token used by another.", ("People", "Agents", "Sessions of agents", "Sessions signed in weakly")),
    Control("164.312(a)(2)(iii)", "Automatic logoff",
            "Sessions opened and closed are on record; a session ends with its token.",
            "Screens and workstations.", ("Sessions", "Sessions closed")),
    Control("164.312(b)", "Audit controls",
            "An intent before each statement and an outcome after it; gaps are told by the trail itself.",
            _AROUND, ("Intents", "Outcomes", "Intents without an outcome here", "Unresolved outcomes"),
            ("gap", "unresolved")),
    Control("164.312(c)(1)", "Integrity",
            "Hash chains and signed heads prove that the trail was not changed; changes to data are statements in it.",
            "Integrity of the database's files and backups.", (*_TRAIL, "Structure or rights changed"), ("privileged",)),
    Control("164.312(c)(2)", "Mechanism to authenticate electronic protected health information",
            "`sluice audit receipt` proves single records of the trail with the public key alone.",
            "Authenticating the health data themselves.", _TRAIL),
    Control("164.312(d)", "Person or entity authentication",
            "Signed tokens of configured issuers; what was refused is on record with its reason.",
            "How the identity provider knows the person.", ("Sessions", "Sign-ins refused"), ("sign-in",)),
    Control("164.312(e)(1)", "Transmission security",
            "Each session with its client address, database and role.",
            "Whether TLS was required is in sluice.toml, not in this report.",
            ("Sessions", "Rows returned", "Bytes returned")),
    Control("164.528", "Accounting of disclosures",
            "Results that held labelled columns in clear, by label and person; `sluice audit disclosed` does it by subject.",
            "Disclosures by other ways than the gateway.",
            ("Rows shown in clear, labelled", "Rows with masked columns"), ("disclosed",)),
)  # fmt: skip

FEDRAMP: Final = (
    Control("AC-2", "Account management",
            "People, agents and grants that were used, by whom granted and why; unused grants.",
            "Creation and removal of accounts at the identity provider.",
            ("People", "Agents", "Grants used", "Grants not used"), ("first",)),
    Control("AC-3", "Access enforcement",
            "Each statement's decision, with the rules that made it.", _AROUND,
            ("Statements", "Statements refused", "Statements held"), ("deny", "hold")),
    Control("AC-4", "Information flow enforcement",
            "Columns with labels that left masked, and those that left in clear.", "Flows past the gateway.",
            ("Rows with masked columns", "Rows shown in clear, labelled", "Rows returned"), ("disclosed", "bulk")),
    Control("AC-5", "Separation of duties",
            "Held statements and who released them; policy changes with what they changed.",
            "Duties outside databases. A signal does not say who sent it: a policy's author is in its own version control.",
            ("Statements held", "Approval decisions", "Policy changes"), ("hold", "policy")),
    Control("AC-6", "Least privilege",
            "Statements that change structure or rights (AC-6(9)); grants that nobody used.", _HOST,
            ("Structure or rights changed", "Grants not used", "Rows shown in clear, labelled"), ("privileged",)),
    Control("AU-2", "Event logging",
            "Sign-ins, statements, refusals, approvals, policy changes and system events of the period.",
            "Events within the database that no statement caused (autovacuum, replication).",
            ("Records", "Sessions", "Statements", "Policy changes", "System events")),
    Control("AU-3", "Content of audit records",
            "What, when, where, source, outcome and identity in every record, refused too; duration and bytes (AU-3(1)); "
            "never a literal (AU-3(3)).",
            "Values: statements are kept without their literals.", ("Intents", "Outcomes")),
    Control("AU-5", "Response to audit logging process failures",
            "No record, no statement: where the trail could not be written, statements were refused, and the trail tells.",
            "Alerting people: connect the metrics.", ("Gaps in the trail", "Unresolved outcomes"), ("gap", "unresolved")),
    Control("AU-6", "Audit record review, analysis and reporting",
            "This report; FedRAMP asks for one at least weekly.", "That somebody acted on it.",
            ("Statements out of hours", "Bulk reads", "First accesses to a table", "Statements refused"),
            ("off-hours", "bulk", "first", "mismatch")),
    Control("AU-8", "Time stamps",
            "UTC in microseconds in each record; order within a chain is by number, not by clock.",
            "The host's clock: synchronize it.", ("Records",)),
    Control("AU-9", "Protection of audit information",
            "Hash chains, a Merkle log of heads signed with Ed25519 (AU-9(3)); `sluice audit ship` copies it (AU-9(2)).",
            _HOST, _TRAIL, ("command",)),
    Control("AU-10", "Non-repudiation",
            "A record's inclusion is provable with the public key alone, with person, agent chain and the token's id.",
            "Stolen tokens; keep their lives short.", ("Signed heads", "Last signed head", "Approval decisions")),
    Control("AU-11", "Audit record retention",
            "What the trail holds, and which ranges were deleted when their time was up.",
            "M-21-31 asks for 12 months active and 18 months cold: set retention_days, and ship.",
            ("Trail begins", "Pruned ranges", "Records")),
    Control("AU-12", "Audit record generation",
            "One trail over all databases behind the gateway, each record with the policy's generation.", _AROUND,
            ("Records", "Databases", "Policy generations")),
)  # fmt: skip

CATALOGUE: Final[dict[str, tuple[Control, ...]]] = {"soc2": SOC2, "hipaa": HIPAA, "fedramp": FEDRAMP}
