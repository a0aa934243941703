"""The demo's world: a shop with people in it, the policy that guards it, and what its visitors ask for."""

from dataclasses import dataclass
from typing import Literal

SCHEMA = """
create table customers (
    id integer primary key, name text not null, email text not null, ssn text not null, phone text, city text);
create table orders (
    id integer primary key, customer_id integer not null references customers, total numeric(10, 2) not null,
    status text not null default 'paid', placed_at timestamptz not null);
insert into customers
select n,
       (array['Ada','Bjorn','Chen','Dora','Emeka','Freya','Goran','Hana'])[1 + n % 8] || ' '
           || (array['Lindqvist','Okafor','Petrov','Quinn','Rossi','Sato'])[1 + n % 6],
       'person' || n || '@mail.example',
       (100 + n)::text || '-' || lpad((n % 90 + 10)::text, 2, '0') || '-' || lpad((n * 7 % 10000)::text, 4, '0'),
       '+1-555-01' || lpad((n % 100)::text, 2, '0') || '-' || lpad((n * 31 % 10000)::text, 4, '0'),
       (array['Oslo','Lima','Rome','Kyoto'])[1 + n % 4]
from generate_series(1, 400) n;
insert into orders
select n, 1 + n * 7 % 400, (n * 13 % 900) / 4.0 + 5, 'paid', timestamptz '2026-01-01 00:00+00' + n * interval '3 hours'
from generate_series(1, 2000) n;
analyze;
"""

POLICY = """
[[grant]]
name = "analysts work in the shop"
groups = ["analysts"]
databases = ["shop"]
allow = ["read", "write"]
granted_by = "data-lead@example.com"
reason = "DEMO-1"

[[grant]]
name = "agents help analysts"        # never with more than the analyst may; writes are held below
groups = ["analysts"]
actors = ["*"]
databases = ["shop"]
allow = ["read", "write"]
granted_by = "data-lead@example.com"
reason = "DEMO-2"

[[grant]]
name = "engineers of the recommender work in the shop"
groups = ["ml"]
databases = ["shop"]
allow = ["read", "write"]
granted_by = "data-lead@example.com"
reason = "DEMO-3"

[[grant]]
name = "agents fine-tune the recommender"
groups = ["ml"]
actors = ["orchestrator", "trainer"] # every agent of a chain is one of these
databases = ["shop"]
allow = ["read", "write"]
max_rows_per_hour = 500
granted_by = "data-lead@example.com"
reason = "DEMO-4"

[[guardrail]]
name = "agents ask before they write"
databases = ["shop"]
actors = ["*"]
statements = ["INSERT", "UPDATE", "DELETE", "MERGE"]
effect = "hold"
message = "A person must look at what an agent changes."

[[approval]]                         # who that is: never the one whose agent it is
name = "the shop's administrators"
approvers = { groups = ["dba"] }
databases = ["shop"]
preview = true                       # tried first and rolled back: who decides sees what it would change
wait_seconds = 60

[[mask]]
labels = ["ssn"]
with = "hash"                        # the same value gives the same token: it still joins and counts
"""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sends statements: a person, or the agents that act for one, outermost first, and the run that they are on."""

    user: str
    groups: str
    actors: tuple[str, ...] = ()
    run: str = ""

    @property
    def words(self) -> str:
        """The chain as people say it."""
        return " for ".join((*self.actors, self.user))


@dataclass(frozen=True, slots=True)
class Scene:
    """One statement: who sends it, what comes of it, what a viewer should watch for."""

    title: str
    visitor: Visitor
    statement: str
    remark: str
    outcome: Literal["rows", "refused", "held"] = "rows"


ANALYST = Visitor("ann", "analysts")
BATCH = Visitor("mia", "ml", ("trainer", "orchestrator"), "fine-tune-17")
ADMINISTRATOR = Visitor("bo", "dba")
PLACE = "#db-approvals"
MEMBERS = {"UMIA": BATCH, "UBO": ADMINISTRATOR}  # of the local Slack

SCENES = (
    Scene(
        "a read of personal data",
        ANALYST,
        "select id, name, email, ssn, phone, city from customers order by id limit 3",
        "Nobody labelled a column: names, e-mails, numbers and phones were found and masked. The city is clear.",
    ),
    Scene(
        "an aggregate",
        ANALYST,
        "select c.city, count(*) as orders, sum(o.total) as revenue"
        " from orders o join customers c on c.id = o.customer_id group by c.city order by c.city",
        "Nothing personal flows into the result, so nothing is masked.",
    ),
    Scene(
        "a fine-tuning batch reads customers",
        BATCH,
        "select id, upper(email) as contact, city from customers where id <= 250 order by id",
        "Within its budget, and masked: an expression over a masked column is masked as a whole.",
    ),
    Scene(
        "the batch tidies up",
        BATCH,
        "/* cleanup, see the ticket */ DrOp TABLE customers",
        "Blocked before it reached PostgreSQL.",
        "refused",
    ),
    Scene(
        "the batch hides a DELETE in a SELECT",
        BATCH,
        "with gone as (delete from customers returning *) select count(*) from gone",
        "What a statement does is read, not guessed from its first word.",
        "refused",
    ),
    Scene(
        "the batch normalises a column",
        BATCH,
        "update customers set city = 'Lima (PE)' where city = 'Lima'",
        "Held on the wire, and tried first. Its own person may not release it; an administrator may, once, for these rows.",
        "held",
    ),
    Scene(
        "the batch reads on",
        BATCH,
        "select id, upper(email) as contact, city from customers where id > 50 order by id",
        "500 rows an hour is what its grant allows, over all its sessions.",
        "refused",
    ),
    Scene(
        "the analyst counts the customers",
        ANALYST,
        "select count(*) as customers_left from customers",
        "All of them are still there, and no visitor's session was dropped.",
    ),
)
