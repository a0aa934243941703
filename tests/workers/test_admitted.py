"""What tells the server's connections apart."""

from dataclasses import replace

from gateway.audit.defined import SessionCard
from gateway.audit.records import SessionInfo
from gateway.identity.principal import Principal
from gateway.settings import Database
from tests.gateway.session.rig import READ, scope_of
from workers.admitted import Admission, shape_of
from workers.upstream import Target


def test_sessions_of_another_role_or_other_parameters_share_no_connection() -> None:
    target = Target((("127.0.0.1", 1),), "shop", "sluice", None, "disable")
    rights = scope_of(READ).rights
    principal = Principal("ann", "idp", (), (), 2e9, "t")
    parameters = (("application_name", "desk"),)
    card = SessionCard(SessionInfo("s", "ann"))
    one = Admission(principal, Database(name="shop", user="sluice"), target, rights, parameters, card, "s")
    assert shape_of(one) == (target, parameters)
    assert shape_of(replace(one, rights=replace(rights, role="app_ro"))) == (target, (*parameters, ("role", "app_ro")))
    assert shape_of(replace(one, parameters=())) != shape_of(one)
