//! Why nothing is being decided, or what might soon stand against it: what a node knows of itself, said member by member, with
//! what to do. Pure; worst first.

use kvitto_api::{Diagnosis, Severity};
use kvitto_ledger::TimeMs;
use kvitto_ledger::genesis::quorum;
use kvitto_replica::{MemberStatus, Status};

/// A member that was not heard of for so long, while a block is being decided, is worth a look. Cosignatures come every 10 s.
const SILENCE_MS: u64 = 30_000;
/// A clock may be so far from the others' before their proposals are untimely (RULES 2.1).
const CLOCK_MS_MAX: u64 = 5_000;

/// What a node knows of itself.
#[derive(Clone, Debug)]
pub(crate) struct Situation<'a> {
    /// The replica's word; `None` before its first.
    pub(crate) status: Option<&'a Status>,
    /// The members' names, in the order of the configuration.
    pub(crate) names: &'a [String],
    /// This member's place.
    pub(crate) member: usize,
    /// When the node started.
    pub(crate) started: TimeMs,
    /// What time it is.
    pub(crate) now: TimeMs,
    /// The disk was full at the start.
    pub(crate) disk_full: bool,
    /// What is wrong with the store.
    pub(crate) store_fault: Option<String>,
    /// Pieces of evidence against members.
    pub(crate) evidence: usize,
}

/// Whether a peer is so far ahead that blocks are fetched, not decided.
pub(crate) fn is_syncing(status: &Status) -> bool {
    status.best_peer.is_some_and(|best| best.0 > status.height.0 + 1)
}

/// Members in reach, this one counted.
pub(crate) fn connected(status: &Status) -> usize {
    status.members.iter().filter(|member| member.connected).count()
}

/// Whether enough members are in reach to decide, this one counted.
pub(crate) fn has_quorum(status: &Status) -> bool {
    connected(status) >= quorum(status.members.len())
}

impl Situation<'_> {
    /// Everything that was found, worst first; never nothing.
    pub(crate) fn findings(&self) -> Vec<Diagnosis> {
        let mut findings = Vec::new();
        if self.disk_full {
            findings.push(failure(
                "store.disk",
                "the disk was full when the node started: it answers readers and decides nothing",
                "free some space, more than the ballast takes, and start the node again",
            ));
        }
        if let Some(fault) = &self.store_fault {
            let remedy =
                "stop the node, move its data folder away, and start it: it fetches everything again";
            findings.push(failure("store", fault, remedy));
        }
        match self.status {
            None => findings.push(failure(
                "replica",
                "the replica has not started",
                "wait, then look into the log",
            )),
            // Its status was made up from the store.
            Some(_) if self.disk_full => {}
            Some(status) => self.of_status(status, &mut findings),
        }
        if self.evidence > 0 {
            let message = format!(
                "there are {} pieces of evidence against members that contradicted themselves",
                self.evidence
            );
            let remedy = "kvitto evidence fetch -o DIR, and give it to the consortium";
            findings.push(warning("evidence", message, remedy));
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }

    fn of_status(&self, status: &Status, findings: &mut Vec<Diagnosis>) {
        if status.halted {
            let message = "the node has halted, because going on could break a promise";
            findings.push(failure(
                "safety",
                message,
                "look into the log for the reason; do not start it again before",
            ));
        }
        findings.extend(self.quorum(status));
        findings.extend(self.clock(status));
        findings.extend(signing(status));
        findings.extend(sync(status));
        findings.extend(self.missing(status));
        findings.push(self.progress(status));
    }

    fn quorum(&self, status: &Status) -> Option<Diagnosis> {
        let (members, needed) = (status.members.len(), quorum(status.members.len()));
        let missing: Vec<String> = self
            .each(status)
            .filter(|(_, member)| !member.connected)
            .map(|(name, member)| format!("{name} ({})", self.since(member)))
            .collect();
        let message = format!(
            "{} of {members} members are in reach, {needed} are needed to decide; missing: {}",
            connected(status),
            missing.join(", ")
        );
        let remedy = "start the members that are missing, or mend the network";
        (!has_quorum(status)).then(|| failure("peers.quorum", message, remedy))
    }

    /// The own clock beside those of the members that cosigned in the last half minute.
    fn clock(&self, status: &Status) -> Option<Diagnosis> {
        let mut offsets: Vec<i64> = self
            .others(status)
            .filter_map(|(_, member)| member.cosigned)
            .filter(|cosigned| cosigned.fresh || cosigned.timestamp_s > cosigned.heard_at.seconds())
            .filter(|cosigned| self.ago(cosigned.heard_at) <= SILENCE_MS)
            .map(|cosigned| cosigned.timestamp_s.saturating_mul(1000) as i64 - cosigned.heard_at.0 as i64)
            .collect();
        offsets.sort_unstable();
        let median = *offsets.get(offsets.len() / 2)?;
        // A timestamp has whole seconds, and a message takes its time.
        if median.unsigned_abs() <= CLOCK_MS_MAX + 1000 {
            return None;
        }
        let direction = if median > 0 { "behind" } else { "ahead of" };
        let message = format!(
            "this machine's clock is about {} s {direction} that of the other members",
            median.unsigned_abs() / 1000
        );
        Some(failure("clock", message, "set the clock, and keep it set: timedatectl, chronyc tracking"))
    }

    /// Members that are missing, or silent while something is decided.
    fn missing<'a>(&'a self, status: &'a Status) -> impl Iterator<Item = Diagnosis> + 'a {
        let deciding = status.round.is_some();
        self.others(status).filter_map(move |(name, member)| {
            let silent = || self.ago(member.heard_at.unwrap_or(self.started)) > SILENCE_MS;
            let what = match member.connected {
                false => "is not connected",
                true if deciding && silent() => "is connected, and silent",
                true => return None,
            };
            let message = format!("{name} {what} ({})", self.since(member));
            Some(warning("peers", message, "ask its operator"))
        })
    }

    /// Where the ledger stands: what is being decided, by whom, or that there is nothing to decide.
    fn progress(&self, status: &Status) -> Diagnosis {
        let waiting = match status.mempool_count {
            0 => "no statement waits".to_owned(),
            count => format!("{count} statements of {} bytes wait", status.mempool_bytes),
        };
        let Some(round) = &status.round else {
            let message = format!(
                "block {} is the newest, of {} s ago; {waiting}, and blocks are made only when there is something to order",
                status.height,
                self.ago(status.block_time) / 1000
            );
            return Diagnosis { severity: Severity::Ok, ..failure("progress", message, "") };
        };
        let proposer = self.names.get(round.proposer).map_or("an unknown member", String::as_str);
        let voted = |(name, member): (&String, &MemberStatus)| {
            (member.voted.is_some_and(|(height, _)| height == round.height)).then(|| name.clone())
        };
        let voters: Vec<String> = self.each(status).filter_map(voted).collect();
        let message = format!(
            "block {} is being decided: round {}, step {}, {proposer} proposes; {waiting}; votes came from {}",
            round.height,
            round.round,
            round.step,
            if voters.is_empty() { "nobody".to_owned() } else { voters.join(", ") }
        );
        let is_slow = round.round > 0;
        let remedy = if is_slow { "see who is missing; rounds end by themselves" } else { "" };
        let severity = if is_slow { Severity::Warning } else { Severity::Ok };
        Diagnosis { severity, ..failure("progress", message, remedy) }
    }

    fn each<'a>(&'a self, status: &'a Status) -> impl Iterator<Item = (&'a String, &'a MemberStatus)> {
        self.names.iter().zip(&status.members)
    }

    fn others<'a>(&'a self, status: &'a Status) -> impl Iterator<Item = (&'a String, &'a MemberStatus)> {
        self.each(status).enumerate().filter(|(place, _)| *place != self.member).map(|(_, member)| member)
    }

    fn ago(&self, time: TimeMs) -> u64 {
        self.now.0.saturating_sub(time.0)
    }

    fn since(&self, member: &MemberStatus) -> String {
        match member.heard_at {
            Some(at) => format!("last heard of {} s ago", self.ago(at) / 1000),
            None => format!("not heard of since this node started {} s ago", self.ago(self.started) / 1000),
        }
    }
}

/// Why this member signs nothing, where it does not.
fn signing(status: &Status) -> Option<Diagnosis> {
    let (message, remedy) = match (status.catching_up, status.observing, status.muted) {
        (Some(height), _, _) => (
            format!(
                "blocks up to {height} were lost here: this member signs nothing until it has them again"
            ),
            "wait while it fetches them; it needs another member that has them",
        ),
        (None, true, _) => (
            "this member follows but signs nothing: its guard was lost".to_owned(),
            "it signs again after the next block; see \"When something is lost\" in deploy/README.md",
        ),
        (None, false, true) => (
            "this member is silent at this height: its guard remembers another message".to_owned(),
            "nothing: it signs again at the next height",
        ),
        (None, false, false) => return None,
    };
    Some(warning("signing", message, remedy))
}

fn sync(status: &Status) -> Option<Diagnosis> {
    let best = status.best_peer.filter(|_| is_syncing(status))?;
    Some(warning(
        "sync",
        format!("block {} of {best}: blocks that others have are fetched", status.height),
        "wait",
    ))
}

fn failure(check: &str, message: impl Into<String>, remedy: &str) -> Diagnosis {
    Diagnosis {
        check: check.into(),
        severity: Severity::Failure,
        message: message.into(),
        remedy: remedy.into(),
    }
}

fn warning(check: &str, message: impl Into<String>, remedy: &str) -> Diagnosis {
    Diagnosis { severity: Severity::Warning, ..failure(check, message, remedy) }
}

#[cfg(test)]
mod tests {
    use kvitto_ledger::Height;
    use kvitto_replica::{Cosigned, RoundStatus};

    use super::*;

    const NOW: TimeMs = TimeMs(1_000_000_000);

    fn status() -> Status {
        let member = MemberStatus {
            connected: true,
            voted: None,
            voted_at: None,
            heard_at: Some(TimeMs(NOW.0 - 2_000)),
            cosigned: Some(Cosigned {
                timestamp_s: NOW.0 / 1000 - 2,
                heard_at: TimeMs(NOW.0 - 2_000),
                fresh: true,
            }),
            height: Some(Height(7)),
        };
        let block_time = TimeMs(NOW.0 - 60_000);
        Status {
            best_peer: Some(Height(7)),
            ..Status::quiet(Height(7), block_time, Some(Height(7)), vec![member; 4])
        }
    }

    fn deciding(round: u32) -> Status {
        let round = RoundStatus { height: Height(8), round, step: "prevote", proposer: 2 };
        Status { round: Some(round), mempool_count: 3, mempool_bytes: 900, ..status() }
    }

    fn with(change: impl Fn(&mut Status)) -> Status {
        let mut status = status();
        change(&mut status);
        status
    }

    fn lost(status: &mut Status, members: &[usize]) {
        for member in members {
            status.members[*member].connected = false;
            status.members[*member].heard_at = Some(TimeMs(NOW.0 - 90_000));
        }
    }

    fn offset(status: &mut Status, seconds: i64) {
        for member in &mut status.members {
            let cosigned = member.cosigned.as_mut().expect("set above");
            cosigned.timestamp_s = cosigned.timestamp_s.saturating_add_signed(seconds);
        }
    }

    /// What state, the replica's word, which checks speak and how badly, and words in the first of them.
    type Row = (&'static str, Option<Status>, Vec<(&'static str, Severity)>, &'static [&'static str]);

    /// Each state, the checks that speak, worst first, and words that must be in the first finding.
    #[test]
    fn what_stands_against_progress_is_said_worst_first() {
        use Severity::{Failure, Ok, Warning};
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let rows: Vec<Row> = vec![
            ("idle", Some(status()), vec![("progress", Ok)], &["block 7", "no statement waits"]),
            ("not started", None, vec![("replica", Failure)], &["has not started"]),
            (
                "deciding",
                Some(deciding(0)),
                vec![("progress", Ok)],
                &[
                    "block 8",
                    "round 0",
                    "step prevote",
                    "c proposes",
                    "3 statements of 900 bytes",
                    "from nobody",
                ],
            ),
            ("slow", Some(deciding(4)), vec![("progress", Warning)], &["round 4"]),
            (
                "one is missing",
                Some(with(|status| lost(status, &[3]))),
                vec![("peers", Warning), ("progress", Ok)],
                &["d is not connected", "last heard of 90 s ago"],
            ),
            (
                "two are missing",
                Some(with(|status| {
                    lost(status, &[1, 3]);
                    status.members[3].heard_at = None;
                })),
                vec![("peers.quorum", Failure), ("peers", Warning), ("peers", Warning), ("progress", Ok)],
                &[
                    "2 of 4 members",
                    "3 are needed",
                    "b (last heard of 90 s ago)",
                    "d (not heard of since this node started 600 s",
                ],
            ),
            (
                "one is silent while a block is decided",
                Some({
                    let mut status = deciding(1);
                    status.members[2].heard_at = Some(TimeMs(NOW.0 - 45_000));
                    status.members[1].voted = Some((Height(8), 0));
                    status
                }),
                vec![("peers", Warning), ("progress", Warning)],
                &["c is connected, and silent", "45 s ago"],
            ),
            (
                "the clock is behind",
                Some(with(|status| offset(status, 20))),
                vec![("clock", Failure), ("progress", Ok)],
                &["20 s behind"],
            ),
            (
                "the clock is ahead",
                Some(with(|status| offset(status, -20))),
                vec![("clock", Failure), ("progress", Ok)],
                &["20 s ahead of"],
            ),
            (
                "the clock is a little off",
                Some(with(|status| offset(status, 5))),
                vec![("progress", Ok)],
                &[],
            ),
            (
                "the guard is lost",
                Some(with(|status| status.observing = true)),
                vec![("signing", Warning), ("progress", Ok)],
                &["its guard was lost"],
            ),
            (
                "blocks are lost",
                Some(with(|status| (status.observing, status.catching_up) = (true, Some(Height(9))))),
                vec![("signing", Warning), ("progress", Ok)],
                &["blocks up to 9 were lost"],
            ),
            (
                "muted",
                Some(with(|status| status.muted = true)),
                vec![("signing", Warning), ("progress", Ok)],
                &["silent at this height"],
            ),
            (
                "behind",
                Some(with(|status| status.best_peer = Some(Height(20)))),
                vec![("sync", Warning), ("progress", Ok)],
                &["block 7 of 20"],
            ),
            (
                "halted",
                Some(with(|status| status.halted = true)),
                vec![("safety", Failure), ("progress", Ok)],
                &["halted"],
            ),
        ];
        for (about, status, expected, words) in rows {
            let situation = situation(&names, status.as_ref());
            let findings = situation.findings();
            let found: Vec<_> =
                findings.iter().map(|finding| (finding.check.as_str(), finding.severity)).collect();
            assert_eq!(found, expected, "{about}");
            for word in words {
                assert!(findings[0].message.contains(word), "{about}: {:?}", findings[0]);
            }
            for finding in &findings {
                assert!(finding.severity == Ok || !finding.remedy.is_empty(), "{about}: {finding:?}");
            }
        }
    }

    #[test]
    fn the_disk_the_store_and_evidence_speak_too() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let status = status();
        let checks = |situation: Situation| {
            let findings = situation.findings();
            findings.into_iter().map(|finding| finding.check).collect::<Vec<_>>()
        };
        let usual = situation(&names, Some(&status));
        assert_eq!(checks(Situation { disk_full: true, ..usual.clone() }), ["store.disk"]);
        assert_eq!(
            checks(Situation { store_fault: Some("the store is damaged".into()), ..usual.clone() }),
            ["store", "progress"]
        );
        assert_eq!(checks(Situation { evidence: 2, ..usual }), ["evidence", "progress"]);
    }

    fn situation<'a>(names: &'a [String], status: Option<&'a Status>) -> Situation<'a> {
        Situation {
            status,
            names,
            member: 0,
            started: TimeMs(NOW.0 - 600_000),
            now: NOW,
            disk_full: false,
            store_fault: None,
            evidence: 0,
        }
    }
}
