//! What a genesis must hold (RULES 1): a table, one row a broken relation.

use kvitto_ledger::genesis::{Genesis, GenesisError, KeyRole, Member, MemberKey};
use kvitto_ledger::scope::Scope;
use kvitto_ledger::testing::{MemberKeys, World, signing_key};
use kvitto_ledger::{KeyBytes, SigningKey};

const ROLES: [KeyRole; 5] =
    [KeyRole::Consensus, KeyRole::Cosignature, KeyRole::Log, KeyRole::Operator, KeyRole::Peer];

fn check(change: impl FnOnce(&mut Genesis)) -> Result<(), GenesisError> {
    let mut genesis = World::new(2).genesis;
    change(&mut genesis);
    genesis.check()
}

fn place(member: &mut Member, role: KeyRole) -> &mut MemberKey {
    match role {
        KeyRole::Consensus => &mut member.consensus,
        KeyRole::Cosignature => &mut member.cosignature,
        KeyRole::Log => &mut member.log,
        KeyRole::Operator => &mut member.operator,
        KeyRole::Peer => &mut member.peer,
    }
}

fn key(keys: &MemberKeys, role: KeyRole) -> &SigningKey {
    match role {
        KeyRole::Consensus => &keys.consensus,
        KeyRole::Cosignature => &keys.cosignature,
        KeyRole::Log => &keys.log,
        KeyRole::Operator => &keys.operator,
        KeyRole::Peer => &keys.peer,
    }
}

/// Member 1 uses, as its `second` key, the key that `owner` has for `first`; its own signature is on it.
fn key_used_again(owner: usize, first: KeyRole, second: KeyRole) -> (Result<(), GenesisError>, KeyBytes) {
    let world = World::new(2);
    let shared = key(&world.members[owner], first);
    let verdict = check(|genesis| {
        let Genesis { origin, config, .. } = genesis;
        let member = &mut config.members[1];
        *place(member, second) = MemberKey::prove(shared, origin, second, &member.name);
    });
    (verdict, shared.public().bytes())
}

/// RULES 1.2: every member key, of all members, is distinct. With one key for two purposes what is signed for one could be read as
/// the other; with one for two members somebody would count twice.
#[test]
fn every_member_key_is_distinct() {
    for first in ROLES {
        for second in ROLES {
            let (verdict, key) = key_used_again(0, first, second);
            assert_eq!(verdict, Err(GenesisError::Twice(key.to_string())), "{first:?} again as {second:?}");
            let (verdict, key) = key_used_again(1, first, second);
            let expected = if first == second { Ok(()) } else { Err(GenesisError::Twice(key.to_string())) };
            assert_eq!(verdict, expected, "{first:?} of the same member as {second:?}");
        }
    }
}

/// RULES 1.2: and comes with a signature by itself over origin, role and member name.
#[test]
fn every_member_key_is_proved() {
    for role in ROLES {
        let expected = |genesis: &Genesis| {
            let member = genesis.config.members[1].name.clone();
            Err(GenesisError::MemberKey { member, role: role.name() })
        };
        let genesis = World::new(2).genesis;
        let other = signing_key("other");
        for (origin, said_role, name) in [
            ("kvitto.example/other", role, "member-1.example/kvitto"),
            ("kvitto.example/test", role, "member-0.example/kvitto"),
            ("kvitto.example/test", ROLES[(role as usize + 1) % 5], "member-1.example/kvitto"),
        ] {
            let proof = MemberKey::prove(&other, origin, said_role, name);
            let verdict = check(|genesis| *place(&mut genesis.config.members[1], role) = proof);
            assert_eq!(verdict, expected(&genesis), "{origin} {said_role:?} {name}");
        }
        let verdict =
            check(|genesis| place(&mut genesis.config.members[1], role).key = other.public().bytes());
        assert_eq!(verdict, expected(&genesis), "another's signature");
    }
}

#[test]
fn a_genesis_is_judged_as_the_table_says() {
    use GenesisError::{Count, Limits, Name, Root, RulesVersion, Twice};
    let root = World::new(1).root.did;
    type Change = fn(&mut Genesis);
    let table: Vec<(&str, Change, Result<(), GenesisError>)> = vec![
        ("as it is", |_| (), Ok(())),
        ("an origin with a space", |g| g.origin = "a b".into(), Err(Name("a b".into()))),
        ("an origin with a +", |g| g.origin = "a+b".into(), Err(Name("a+b".into()))),
        ("other rules", |g| g.config.rules_version = 2, Err(RulesVersion(2))),
        ("no members", |g| g.config.members.clear(), Err(Count)),
        ("no roots", |g| g.config.roots.clear(), Err(Count)),
        ("too few reservations", |g| g.config.limits.reserved_unused_max = 4095, Err(Limits)),
        ("too few revocations", |g| g.config.limits.revocations_per_hour_max = 4095, Err(Limits)),
        (
            "a member twice",
            |g| g.config.members[1] = g.config.members[0].clone(),
            Err(Twice("member-0.example/kvitto".into())),
        ),
        (
            "a member with the ledger's name",
            |g| g.config.members[0].name.clone_from(&g.origin),
            Err(Twice("kvitto.example/test".into())),
        ),
        ("a root twice", |g| g.config.roots.push(g.config.roots[0].clone()), Err(Twice(root.to_string()))),
        ("a root without a name", |g| g.config.roots[0].legal_name.clear(), Err(Root(root))),
        ("a root with another's key", |g| g.config.roots[0].key = KeyBytes([2; 32]), Err(Root(root))),
        (
            "a root for no time",
            |g| g.config.roots[0].valid_until = g.config.roots[0].valid_from,
            Err(Root(root)),
        ),
        (
            "a root whose scope is no ASCII",
            |g| {
                let scope = g.config.roots[0].scope.clone();
                g.config.roots[0].scope = Scope { types: ["é".to_owned()].into(), ..scope };
            },
            Err(Root(root)),
        ),
    ];
    for (name, change, expected) in table {
        assert_eq!(check(change), expected, "{name}");
    }
}
