//! Disks that write 1 MB a second, under clients who submit all they can: of one member, then of all. The ledger becomes slow, or that
//! member late; nobody's memory fills up, and nothing is lost.
//!
//! The disk is a file behind a loop device, and the kernel slows down what the member's process writes to it (cgroups, version 1).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kvitto_client::Options;

use super::tools::{self, Mounted};
use super::{Outcome, Plan};
use crate::live::load::options;
use crate::live::{Checker, Launch, Ledger, Load, Pace, on_ledger};

const MEMBERS: usize = 4;
/// The member whose disk is slow where one is.
const VICTIM: usize = MEMBERS - 1;
const BYTES_PER_SECOND: u64 = 1_000_000;
const DISK_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// A node may have so much memory at once.
const MEMORY_MAX: u64 = 768 * 1024 * 1024;
/// Statements that wait for a receipt, of 40 KB each; what is begun is waited for.
const IN_FLIGHT: usize = 256;
/// What is begun may take so much longer than the writing lasts.
const PATIENCE: Duration = Duration::from_secs(60);
/// Commitments of one statement.
const ITEMS: u64 = 1_000;
const CGROUP: &str = "/sys/fs/cgroup/blkio";

/// What is measured, as it is called.
struct Names {
    per_second: &'static str,
    memory: &'static str,
    in_step: &'static str,
}

const ONE: Names = Names {
    per_second: "one slow disk: commitments final per second",
    memory: "one slow disk: MiB that a node had at most",
    in_step: "one slow disk: in step after it is fast again",
};
const ALL: Names = Names {
    per_second: "four slow disks: commitments final per second",
    memory: "four slow disks: MiB that a node had at most",
    in_step: "four slow disks: in step after they are fast again",
};

/// In every round one slow disk for so long, then four.
///
/// # Errors
/// When disks cannot be made, or the ledger does not start.
pub fn run(plan: &Plan, lasts: Duration) -> Result<Outcome> {
    let no_cgroup = || (!Path::new(CGROUP).is_dir()).then(|| format!("there is no {CGROUP}"));
    if let Some(missing) = tools::missing_for_disks().or_else(no_cgroup) {
        return Ok(Outcome::skipped(missing));
    }
    on_ledger(plan, MEMBERS, async |ledger, outcome| rounds(plan, lasts, ledger, outcome).await)
}

async fn rounds(plan: &Plan, lasts: Duration, ledger: &mut Ledger, outcome: &mut Outcome) -> Result<()> {
    let progress = plan.progress(2 * plan.rounds);
    let mut load = Load::start(ledger, Pace { writers: 2, pause: Duration::from_millis(100) }).await?;
    let patient = Options { timeout: lasts + PATIENCE, ..options() };
    let writer = load.writer_of(ledger.second_school().await?, ledger.client(0, patient)?);
    for _ in 0..plan.rounds {
        for (names, members) in [(ONE, VICTIM..MEMBERS), (ALL, 0..MEMBERS)] {
            let mut disks = Vec::new();
            for member in members.clone() {
                disks.push(SlowDisk::put_under(ledger, member).await?);
            }
            let start = Instant::now();
            let done = writer.all_it_can(ITEMS, IN_FLIGHT, lasts).await?;
            outcome.add(names.per_second, done * ITEMS / start.elapsed().as_secs().max(1));
            for member in 0..MEMBERS {
                let peak = ledger.member(member)?.peak_bytes()?;
                ensure!(peak <= MEMORY_MAX, "member {} had {} MiB", member + 1, peak >> 20);
                outcome.highest(names.memory, peak >> 20);
            }
            for disk in &disks {
                let written = disk.written()?;
                let possible = BYTES_PER_SECOND * start.elapsed().as_secs();
                ensure!(
                    2 * written > possible,
                    "{written} bytes were written in {possible}: the disk was not the limit"
                );
                disk.set_speed(None)?;
            }
            let mut in_step = Vec::new();
            for member in members {
                in_step.push(load.until_served_by(ledger, member).await?);
            }
            outcome.times(names.in_step, in_step);
            load.more(1, Duration::from_secs(60)).await?;
            for disk in disks {
                disk.take_away(ledger).await?;
            }
            progress.inc(1);
        }
    }
    let accounts = load.stop().await?;
    Checker::new(ledger)?.finish(ledger, &accounts).await?.report(outcome);
    Ok(())
}

/// A slow disk in the place of a member's data, and the group of processes for which it is slow.
struct SlowDisk {
    member: usize,
    data: PathBuf,
    before: PathBuf,
    device: String,
    group: PathBuf,
    _file: tempfile::NamedTempFile,
    mounted: Option<Mounted>,
}

impl SlowDisk {
    /// Restarts a member on a disk that writes [`BYTES_PER_SECOND`].
    async fn put_under(ledger: &mut Ledger, member: usize) -> Result<Self> {
        ledger.kill_member(member).await?;
        let data = ledger.data(member)?;
        let before = data.with_extension("before");
        let file = tempfile::NamedTempFile::new()?;
        File::options().write(true).open(file.path())?.set_len(DISK_BYTES)?;
        tools::run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(file.path()))?;
        fs::rename(&data, &before)?;
        fs::create_dir(&data)?;
        let mounted = Mounted::loop_disk(file.path(), &data)?;
        tools::copy_folder(&before, &data)?;
        // Else it would be the member whose first fsync writes all this, slowly.
        tools::run(Command::new("sync").arg("-f").arg(&data))?;
        let group = Path::new(CGROUP).join(format!("kvitto-{}-{member}", std::process::id()));
        fs::create_dir_all(&group)?;
        let device = device_of(&data)?;
        let disk = Self { member, data, before, device, group, _file: file, mounted: Some(mounted) };
        disk.set_speed(Some(BYTES_PER_SECOND))?;
        let script = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", disk.group.display());
        let within = ["sh", "-c", &script, "sh"].map(Into::into).to_vec();
        ledger.set_launch(member, Launch { within, ..Launch::default() });
        ledger.start_member(member).await?;
        Ok(disk)
    }

    /// So many bytes per second, or as many as there are.
    fn set_speed(&self, bytes: Option<u64>) -> Result<()> {
        let line = format!("{} {}", self.device, bytes.unwrap_or(0));
        Ok(fs::write(self.group.join("blkio.throttle.write_bps_device"), line)?)
    }

    /// Bytes that the member has written to it.
    fn written(&self) -> Result<u64> {
        let table = fs::read_to_string(self.group.join("blkio.throttle.io_service_bytes"))?;
        let prefix = format!("{} Write ", self.device);
        let line =
            table.lines().find_map(|line| line.strip_prefix(&prefix)).context("nothing was written")?;
        Ok(line.trim().parse()?)
    }

    /// Restarts the member on the disk that it had, with what this one has.
    async fn take_away(mut self, ledger: &mut Ledger) -> Result<()> {
        ledger.kill_member(self.member).await?;
        fs::remove_dir_all(&self.before)?;
        tools::copy_folder(&self.data, &self.before)?;
        self.mounted = None;
        fs::remove_dir(&self.data)?;
        fs::rename(&self.before, &self.data)?;
        ledger.set_launch(self.member, Launch::default());
        ledger.start_member(self.member).await
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // It stays while a process is in it; then somebody has to look anyway.
        let _ = fs::remove_dir(&self.group);
    }
}

/// `major:minor` of the file system that is mounted here.
fn device_of(mount: &Path) -> Result<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mount = mount.to_str().context("a path of ours")?;
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = fields.rfind(|fields| fields.get(4) == Some(&mount)).context("it is not mounted")?;
    Ok(found.get(2).context("its device is not named")?.to_string())
}
