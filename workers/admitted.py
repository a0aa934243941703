"""Somebody who may come in: what the sign-in has found out, and what the session is made of."""

from dataclasses import dataclass

from gateway.audit.defined import SessionCard
from gateway.identity.principal import Principal
from gateway.policy.table import Rights
from gateway.settings import Database
from workers.upstream import Target
from workers.warm import Shape


@dataclass(slots=True)
class Admission:
    """A verified sign-in: who, where to, with which rights, and the parameters for the server's start-up packet."""

    principal: Principal
    database: Database
    target: Target
    rights: Rights
    parameters: tuple[tuple[str, str], ...]
    card: SessionCard
    session_id: str


def shape_of(admission: Admission) -> Shape:
    """What tells the server's connections for such sessions apart."""
    role = admission.rights.role
    return admission.target, (*admission.parameters, *(() if role is None else (("role", role),)))
