"""A request as tests show it."""

from typing import Any

from gateway.approvals.view import View

SECRET = "ada@example.com"  # a literal of the statement: it must be nowhere but where approvers look


def a_view(**changes: Any) -> View:
    usual: dict[str, Any] = {
        "id": "h0123456789",
        "kind": "statement",
        "title": "UPDATE of public.customers",
        "user": "ada",
        "issuer": "company",
        "actors": ("agent-7",),
        "database": "prod",
        "environment": "production",
        "reason": "repair of a wrong import",
        "ticket": "OPS-17",
        "statement": f"UPDATE customers SET city = 'Bern' WHERE email = '{SECRET}' AND age > $1",
        "parameters": ("secret-41",),
        "shape": "UPDATE customers SET city = $2 WHERE email = $3 AND age > $1",
        "tables": ("public.customers",),
        "labels": ("email",),
        "rules": ("built-in: broad updates",),
        "words": "it changes many rows",
        "risk": "high",
        "risk_why": "it meets 40000 rows",
        "since": 1_790_000_000.0,
        "until": 1_790_000_300.0,
        "url": "https://sluice.example.com/approvals/h0123456789",
        "approvals": ("production writes",),
        "approver_users": ("carol",),
        "approver_groups": ("dba",),
        "channels": ("console", "slack:#dba"),
    }
    return View(**(usual | changes))


def decided(**changes: Any) -> View:
    return a_view(**({"state": "approved", "decided_by": "carol", "decided_words": "fine", "given": 1} | changes))
