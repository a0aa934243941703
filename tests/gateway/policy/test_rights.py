"""Rights: equal keys for equal decisions."""



from tests.gateway.policy.grants import grants, rights, who


def test_equal_keys_are_for_equal_rights() -> None:
    text = grants("", 'users = ["bob"]\nallow = ["all"]')
    alice, carol, bob = (rights(text, who(user)) for user in ("alice", "carol", "bob"))
    assert alice == carol
    assert hash(alice) == hash(carol)
    assert alice != bob
    assert rights(text, database="dev") != alice
    assert rights(text + "# another\n") == alice
    assert rights(grants("", 'users = ["bob"]')) != alice


def test_production_and_replication_are_told() -> None:
    assert rights(grants("")).production
    assert not rights(grants(""), database="dev").production
    assert rights(grants('allow = ["all"]\nunmask = ["*"]')).replication
    assert not rights(grants('allow = ["all"]')).replication
    assert not rights(grants('unmask = ["*"]')).replication
