//! What the files of a stopped node say: configuration, keys, guard, HEAD, damaged stores, ballast and room. Nothing is opened for
//! writing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use kvitto_client::{Finding, Severity};
use kvitto_ledger::Genesis;
use kvitto_replica::signer::Guard;
use kvitto_storage::disk::set_aside;
use kvitto_storage::faults::Faults;
use kvitto_storage::files::OsDirectory;
use kvitto_storage::head::HeadFile;
use kvitto_storage::{Head, StoreError};

use crate::config::Config;
use crate::genesis_file::GenesisFile;
use crate::keys::MemberKeys;
use crate::signer::read_guard;

/// Room that a node should have: a good many blocks.
const ROOM_BYTES_MIN: u64 = 1 << 30;
const PRIVATE_FOLDER_MODE_BITS: u32 = 0o022;

/// Everything that can be said, in the order of a start.
pub(crate) fn inspect(config: Result<Config>) -> Vec<Finding> {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            let remedy = "mend the configuration; the message says what is wrong with it";
            return vec![failure("config", format!("{error:#}"), remedy)];
        }
    };
    let mut findings = vec![ok("config", "the configuration can be used")];
    let genesis = match GenesisFile::read(&config.genesis) {
        Ok((_, genesis)) => {
            findings.push(ok("genesis", &format!("ledger {} ({})", genesis.origin, genesis.ledger_id())));
            Some(genesis)
        }
        Err(error) => {
            let remedy = "get the genesis again from the other members: it is the same file on every node";
            findings.push(failure("genesis", format!("{error:#}"), remedy));
            None
        }
    };
    findings.push(keys(&config, genesis.as_ref()));
    let (guard, of_guard) = guard(&config.guard);
    findings.push(of_guard);
    findings.extend(data(&config, guard.as_ref()));
    findings.push(warning("node", "no node answers at its operator's address", "start it: kvitto-node run"));
    findings
}

/// The private keys are private, and those of a member.
fn keys(config: &Config, genesis: Option<&Genesis>) -> Finding {
    let read = || -> Result<String> {
        let keys = MemberKeys::read(&config.keys)?;
        let Some(genesis) = genesis else { return Ok("the key file can be read".to_owned()) };
        let key = keys.consensus.public().bytes();
        let member = genesis.config.members.iter().find(|member| member.consensus.key == key);
        let member = member.context("the keys are not those of a member of this genesis")?;
        let mode = fs::metadata(config.keys.parent().unwrap_or(Path::new(".")))?.mode();
        ensure!(mode & PRIVATE_FOLDER_MODE_BITS == 0, "others may replace files in the folder of the keys");
        Ok(format!("the keys are those of {}, and private", member.name))
    };
    match read() {
        Ok(message) => ok("keys", &message),
        Err(error) => failure("keys", format!("{error:#}"), "put the member's own key file there, mode 0600"),
    }
}

/// The guard is there: without it the member signs nothing for a while, or (n <= 3) nothing at all.
fn guard(folder: &Path) -> (Option<Guard>, Finding) {
    match read_guard(folder) {
        Ok(Some(guard)) => {
            let committed =
                guard.committed().map_or("nothing yet".to_owned(), |height| format!("block {height}"));
            let finding = ok("guard", &format!("the guard is there; this member has cosigned {committed}"));
            (Some(guard), finding)
        }
        Ok(None) => {
            let message = format!("there is no guard in {} that can be read", folder.display());
            let remedy =
                "see \"When something is lost\" in deploy/README.md; never restore a guard from a backup";
            (None, failure("guard", message, remedy))
        }
        Err(error) => (None, failure("guard", format!("{error:#}"), "check the folder and its owner")),
    }
}

fn data(config: &Config, guard: Option<&Guard>) -> Vec<Finding> {
    let data = &config.data;
    if !data.exists() {
        let acknowledged = guard.and_then(Guard::committed);
        return vec![match acknowledged {
            None => ok("store", "the node has never run: there is no data folder yet"),
            Some(height) => {
                let message = format!("there is no data folder, but block {height} had been acknowledged");
                let remedy = "start the node: it fetches everything from the other members; a lone member needs its data back";
                failure("store", message, remedy)
            }
        }];
    }
    let mut findings = vec![head(data, guard)];
    findings.extend(kept(data));
    findings.extend(room(config));
    findings
}

fn head(data: &Path, guard: Option<&Guard>) -> Finding {
    match read_head(data) {
        Ok(None) => ok("store.head", "nothing was committed yet"),
        Ok(Some(head)) => {
            let cosigned = guard.and_then(Guard::committed).filter(|cosigned| *cosigned > head.height);
            match cosigned {
                None => ok("store.head", &format!("block {} is durable, {} leaves", head.height, head.size)),
                Some(cosigned) => {
                    let message =
                        format!("block {} is durable, but this member has cosigned {cosigned}", head.height);
                    let remedy = "put the data folder back as it was, or start the node: it fetches what is missing first";
                    failure("store.head", message, remedy)
                }
            }
        }
        Err(error) => {
            let remedy = "start the node: it sets the store aside and fetches everything again";
            failure("store.head", format!("{:#}", anyhow::anyhow!(error)), remedy)
        }
    }
}

fn read_head(data: &Path) -> Result<Option<Head>, StoreError> {
    let failed = |source| StoreError::Failed { operation: "open the data folder", source };
    let directory = OsDirectory::open(data, Faults::none()).map_err(failed)?;
    HeadFile::open(directory).map(|(_, head)| head)
}

fn kept(data: &Path) -> Option<Finding> {
    match set_aside(data) {
        Ok(kept) if kept.is_empty() => None,
        Ok(kept) => {
            let message = format!(
                "{} damaged stores were set aside; the last is {}",
                kept.len(),
                kept.last()?.display()
            );
            let remedy = "once the node has caught up and kvitto-node check is content, they can go; \
                          kvitto-node salvage takes blocks back from them";
            Some(warning("store.set_aside", message, remedy))
        }
        Err(error) => {
            Some(failure("store", format!("{:#}", anyhow::anyhow!(error)), "check the data folder's owner"))
        }
    }
}

fn room(config: &Config) -> Vec<Finding> {
    let ballast = fs::metadata(config.data.join("ballast")).map_or(0, |found| found.len());
    let mut findings = Vec::new();
    if ballast < config.store.ballast_bytes() {
        let remedy = "free some space, more than the ballast takes, and start the node: it lays it in again";
        let message = "the ballast is not whole: the disk was full, or the node has never run";
        findings.push(warning("store.ballast", message, remedy));
    }
    match rustix::fs::statvfs(&config.data) {
        Err(error) => findings.push(failure(
            "disk",
            format!("cannot ask for the room on the disk: {error}"),
            "check the disk",
        )),
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let message = format!("{} MiB are free on the disk of the data folder", free >> 20);
            findings.push(match free {
                0..ROOM_BYTES_MIN => warning("disk", message, "free some space, or enlarge the disk"),
                _ => ok("disk", &message),
            });
        }
    }
    findings
}

fn ok(check: &str, message: &str) -> Finding {
    Finding { check: check.into(), severity: Severity::Ok, message: message.into(), remedy: None }
}

fn warning(check: &str, message: impl Into<String>, remedy: &str) -> Finding {
    Finding { severity: Severity::Warning, ..failure(check, message, remedy) }
}

fn failure(check: &str, message: impl Into<String>, remedy: &str) -> Finding {
    Finding {
        check: check.into(),
        severity: Severity::Failure,
        message: message.into(),
        remedy: Some(remedy.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use crate::genesis_file::Timeouts;
    use crate::sandbox::{Ports, Sandbox};

    use super::*;

    fn sandbox(folder: &Path) -> (Sandbox, Config) {
        let free = Ports { peers: 0, api: 0, operator: 0 };
        let sandbox = Sandbox::make(&folder.join("ledger"), &[free], Timeouts::default()).expect("made");
        let config = Config::read(&sandbox.config(0)).expect("read");
        (sandbox, config)
    }

    fn worst(config: &Config) -> Vec<(String, Severity)> {
        let mut findings = inspect(Ok(config.clone()));
        findings.retain(|finding| finding.severity != Severity::Ok && finding.check != "node");
        findings.into_iter().map(|finding| (finding.check, finding.severity)).collect()
    }

    /// One thing after another is taken from a new member, and named.
    #[test]
    fn what_is_missing_from_a_stopped_node_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, config) = sandbox(folder.path());
        assert_eq!(worst(&config), [], "new, and never run");
        let keys = fs::read(&config.keys).expect("keys");
        fs::set_permissions(&config.keys, fs::Permissions::from_mode(0o644)).expect("changed");
        assert_eq!(worst(&config), [("keys".to_owned(), Severity::Failure)]);
        fs::set_permissions(&config.keys, fs::Permissions::from_mode(0o600)).expect("changed");

        let other = tempfile::tempdir().expect("a folder");
        let (_, stranger) = sandbox(other.path());
        fs::copy(&stranger.keys, &config.keys).expect("copied");
        assert_eq!(worst(&config), [("keys".to_owned(), Severity::Failure)], "another member's");
        fs::write(&config.keys, keys).expect("written");

        fs::rename(&config.genesis, config.genesis.with_extension("away")).expect("moved");
        assert_eq!(worst(&config), [("genesis".to_owned(), Severity::Failure)]);
        fs::rename(config.genesis.with_extension("away"), &config.genesis).expect("moved");

        fs::create_dir_all(config.data.join("damaged-1")).expect("made");
        let found = worst(&config);
        assert!(found.contains(&("store.set_aside".to_owned(), Severity::Warning)), "{found:?}");
        assert!(found.contains(&("store.ballast".to_owned(), Severity::Warning)), "{found:?}");
        fs::write(config.data.join("HEAD"), [0xff; 8192]).expect("written");
        assert!(worst(&config).contains(&("store.head".to_owned(), Severity::Failure)));

        fs::remove_dir_all(&config.guard).expect("removed");
        let found = worst(&config);
        assert!(found.contains(&("guard".to_owned(), Severity::Failure)), "{found:?}");
        assert!(!config.guard.exists(), "nothing is made in its place");
        let broken = inspect(Err(anyhow::anyhow!("line 3")));
        assert_eq!((broken.len(), broken[0].check.as_str()), (1, "config"));
    }
}
