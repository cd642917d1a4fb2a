//! Links between members are cut, in both directions or one, lose packets, are slow, or come and go; under load, and healed again.
//!
//! [`run`] has every member in a network namespace of its own, so that packets are dropped; [`run_relayed`] has them joined by relays,
//! so that bytes are held or delayed, and needs nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kvitto_ledger::genesis::quorum;

use super::{Outcome, Plan};
use crate::live::namespaces::{self, Namespaces};
use crate::live::relay::Flow;
use crate::live::{Checker, Ledger, Load, Pace, Program, on, on_ledger, runtime};

/// How long a fault lasts.
const LASTS: Duration = Duration::from_secs(15);
/// Flapping links change so often, so many times.
const FLAP: Duration = Duration::from_secs(5);
const FLAPS: u32 = 4;
/// Of a hundred packets, on a link that loses some.
const LOST: u8 = 30;
/// On a slow link.
const SLOW: Flow = Flow::Open { delay: Duration::from_millis(50), jitter: Duration::from_millis(100) };
/// How long members that can reach each other may need to make something final.
const GOES_ON: Duration = Duration::from_secs(90);
/// After healing, decisions are to resume within this time.
const RESUMES: Duration = Duration::from_secs(10);

/// A link from one member to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Good,
    Cut,
    Lossy,
    Slow,
}

/// What happens to a network.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    name: &'static str,
    /// Of `members`, the link between the two.
    link: fn(members: usize, from: usize, to: usize) -> Link,
    /// Whether the links come and go.
    flaps: bool,
}

impl Scenario {
    const fn new(name: &'static str, link: fn(usize, usize, usize) -> Link) -> Self {
        Self { name, link, flaps: false }
    }

    /// Whether the ledger must go on meanwhile: a quorum of members can all reach each other, over others or not.
    fn goes_on(&self, members: usize, needs: Needs) -> bool {
        let reached: Vec<_> = (0..members).map(|from| self.reached_from(members, needs, from)).collect();
        let together =
            |one: usize| (0..members).filter(|other| reached[one][*other] && reached[*other][one]).count();
        (0..members).any(|one| together(one) >= quorum(members))
    }

    fn reached_from(&self, members: usize, needs: Needs, from: usize) -> Vec<bool> {
        let is_there = |from, to| (self.link)(members, from, to) != Link::Cut;
        let carries = |from, to| is_there(from, to) && (needs == Needs::OneWay || is_there(to, from));
        let (mut reached, mut next) = (vec![false; members], vec![from]);
        while let Some(one) = next.pop() {
            if !std::mem::replace(&mut reached[one], true) {
                next.extend((0..members).filter(|other| carries(one, *other)));
            }
        }
        reached
    }
}

/// What bytes need to get from one member to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// The link in their direction.
    OneWay,
    /// Packets back, too.
    BothWays,
}

/// Cut where `is_cut`.
const fn cut(is_cut: bool) -> Link {
    if is_cut { Link::Cut } else { Link::Good }
}

const SCENARIOS: [Scenario; 9] = [
    Scenario::new("halves apart", halves),
    // Less than a third: one of four, two of seven.
    Scenario::new("a minority apart", |members, from, to| {
        let minority = (members - 1) / 3;
        cut((from < minority) != (to < minority))
    }),
    Scenario::new("one hears and is not heard", |_, from, _| cut(from == 0)),
    Scenario::new("one is heard and does not hear", |_, _, to| cut(to == 0)),
    Scenario::new("each is not heard by the next", |members, from, to| cut(to == (from + 1) % members)),
    // Sovrin, 2018: the primary kept links to a third of the others.
    Scenario::new("one loses two thirds of its links", |members, from, to| {
        let kept = (members - 1) / 3;
        cut((from == 0 && to > kept) || (to == 0 && from > kept))
    }),
    Scenario::new("30 % of packets lost", |_, _, _| Link::Lossy),
    Scenario::new("50 to 150 ms on every link", |_, _, _| Link::Slow),
    Scenario { flaps: true, ..Scenario::new("halves apart, on and off", halves) },
];

const fn halves(members: usize, from: usize, to: usize) -> Link {
    cut((from < members / 2) != (to < members / 2))
}

/// Who moves the bytes.
enum Net<'a> {
    Relays,
    Namespaces(&'a Namespaces),
}

impl Net<'_> {
    fn can(&self, scenario: &Scenario, members: usize) -> bool {
        let links = [(scenario.link)(members, 0, 1), (scenario.link)(members, members - 1, 0)];
        match self {
            Self::Relays => !links.contains(&Link::Lossy),
            Self::Namespaces(_) => !links.contains(&Link::Slow),
        }
    }

    fn needs(&self) -> Needs {
        match self {
            Self::Relays => Needs::OneWay,
            Self::Namespaces(_) => Needs::BothWays,
        }
    }

    fn set(&self, ledger: &Ledger, link: impl Fn(usize, usize) -> Link) -> Result<()> {
        match self {
            Self::Relays => {
                for from in 0..ledger.members() {
                    for to in (0..ledger.members()).filter(|to| *to != from) {
                        ledger.set_flow(
                            from,
                            to,
                            match link(from, to) {
                                Link::Cut => Flow::Cut,
                                Link::Slow => SLOW,
                                Link::Good | Link::Lossy => Flow::FREE,
                            },
                        );
                    }
                }
                Ok(())
            }
            Self::Namespaces(namespaces) => namespaces.set(|from, to| match link(from, to) {
                Link::Cut => 100,
                Link::Lossy => LOST,
                Link::Good | Link::Slow => 0,
            }),
        }
    }

    fn heal(&self, ledger: &Ledger) -> Result<()> {
        self.set(ledger, |_, _| Link::Good)
    }
}

/// Every scenario in every round, or the only one with this name, with four and with seven members in namespaces, and with four joined
/// by relays.
///
/// # Errors
/// When a ledger does not start.
pub fn run(plan: &Plan, only: Option<&str>) -> Result<Outcome> {
    if let Some(missing) = namespaces::missing() {
        return Ok(Outcome::skipped(format!("network namespaces: {missing}")));
    }
    let mut outcome = Outcome::default();
    for members in [4, 7] {
        outcome.join(run_in_namespaces(plan, members, only)?);
    }
    outcome.join(run_relayed(plan, LASTS, only)?);
    Ok(outcome)
}

fn run_in_namespaces(plan: &Plan, members: usize, only: Option<&str>) -> Result<Outcome> {
    let namespaces = Namespaces::lay(members)?;
    runtime()?.block_on(async {
        let ledger = namespaces.start(&Program::at(&plan.program)).await?;
        let net = Net::Namespaces(&namespaces);
        Ok(on(ledger, plan, async |ledger, outcome| suffer(plan, (LASTS, only), ledger, &net, outcome).await)
            .await)
    })
}

/// Every scenario in every round, with four members joined by relays; each fault lasts so long.
///
/// # Errors
/// When the ledger does not start.
pub fn run_relayed(plan: &Plan, lasts: Duration, only: Option<&str>) -> Result<Outcome> {
    on_ledger(plan, 4, async |ledger, outcome| {
        suffer(plan, (lasts, only), ledger, &Net::Relays, outcome).await
    })
}

async fn suffer(
    plan: &Plan,
    (lasts, only): (Duration, Option<&str>),
    ledger: &mut Ledger,
    net: &Net<'_>,
    outcome: &mut Outcome,
) -> Result<()> {
    let members = ledger.members();
    let place = match net {
        Net::Relays => format!("{members} members, relays"),
        Net::Namespaces(_) => format!("{members} members"),
    };
    let is_wanted = |scenario: &&Scenario| only.is_none_or(|only| scenario.name == only);
    let scenarios = || SCENARIOS.iter().filter(|scenario| net.can(scenario, members)).filter(is_wanted);
    let progress = plan.progress(plan.rounds * scenarios().count() as u64);
    let mut load = Load::start(ledger, Pace::default()).await?;
    let mut checker = Checker::new(ledger)?;
    let mut in_step = Vec::new();
    for scenario in scenarios() {
        let mut resumed = Vec::new();
        for _ in 0..plan.rounds {
            progress.set_message(scenario.name);
            let mut doing = async || {
                load.more(1, GOES_ON).await?;
                last(scenario, lasts, ledger, net, &mut load).await?;
                net.heal(ledger)?;
                let start = Instant::now();
                load.more(1, GOES_ON).await.context("after healing")?;
                resumed.push(start.elapsed());
                for index in 0..members {
                    load.until_served_by(ledger, index).await?;
                }
                in_step.push(start.elapsed());
                checker.compare(&load.accounts).await
            };
            doing().await.with_context(|| format!("{members} members, {}", scenario.name))?;
            outcome.count("faults of the network healed");
            progress.inc(1);
        }
        let late = resumed.iter().filter(|time| **time > RESUMES).count();
        outcome.add("decisions resumed later than 10 s after healing", late as u64);
        outcome.times(format!("{place}, {}: to the next decision", scenario.name), resumed);
    }
    let accounts = load.stop().await?;
    checker.finish(ledger, &accounts).await?.report(outcome);
    outcome.times(format!("{place}: from healing to all in step"), in_step);
    Ok(())
}

/// Lets a fault last; the ledger goes on, if it can.
async fn last(
    scenario: &Scenario,
    lasts: Duration,
    ledger: &Ledger,
    net: &Net<'_>,
    load: &mut Load,
) -> Result<()> {
    let link = |from, to| (scenario.link)(ledger.members(), from, to);
    if scenario.flaps {
        for _ in 0..FLAPS {
            net.set(ledger, link)?;
            tokio::time::sleep(FLAP.min(lasts)).await;
            net.heal(ledger)?;
            tokio::time::sleep(FLAP.min(lasts)).await;
        }
        return net.set(ledger, link);
    }
    net.set(ledger, link)?;
    let end = tokio::time::Instant::now() + lasts;
    if scenario.goes_on(ledger.members(), net.needs()) {
        load.more(1, GOES_ON).await.context("while the fault lasted")?;
    }
    tokio::time::sleep_until(end).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_goes_on_where_a_quorum_reaches_each_other() {
        use Needs::{BothWays, OneWay};
        for (name, members, needs, expected) in [
            ("halves apart", 4, OneWay, false),
            ("halves apart", 7, OneWay, false),
            ("halves apart, on and off", 7, OneWay, false),
            ("a minority apart", 4, BothWays, true),
            ("a minority apart", 7, BothWays, true),
            ("one is heard and does not hear", 4, BothWays, true),
            ("each is not heard by the next", 4, OneWay, true),
            // The first and the third, and the second and the fourth.
            ("each is not heard by the next", 4, BothWays, false),
            ("each is not heard by the next", 7, BothWays, true),
            ("30 % of packets lost", 4, BothWays, true),
        ] {
            let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).expect("a scenario");
            assert_eq!(scenario.goes_on(members, needs), expected, "{name}, {members} members, {needs:?}");
        }
    }
}
