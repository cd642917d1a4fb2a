//! `kvitto-node demo`: four members and one credential, from accreditation to revocation, told in plain words.
//!
//! The members run in this process, each with its own store, keys and loopback ports. Everything that a person would do is done by
//! the command line `kvitto` itself, over gRPC like any client; each step prints the command that repeats it by hand, and its
//! answer is checked. A step that does not come out as it should ends the demo with an error.

mod subject;
mod verdict;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use kvitto_cli::Exit;
use kvitto_ledger::TimeMs;

use crate::cluster::Cluster;
use crate::core::now;
use crate::genesis_file::{Timeouts, format_time};
use crate::interrupt::Interrupt;
use crate::sandbox::{ORIGIN, Ports, Sandbox};
use crate::school::School;
use crate::shell::{Shell, say};

use subject::Subject;

/// Members of the demo's ledger: the fewest that survive the loss of one.
const MEMBERS: usize = 4;
/// Credentials by us. The first, a micro-credential in the European Learning Model, is anchored when the user names no file;
/// the first that is not anchored yet, while a member is down.
const SAMPLES: [(&str, &str); 3] = [
    ("microcredential.json", include_str!("../samples/microcredential.json")),
    ("course.json", include_str!("../samples/course.json")),
    ("openbadge.json", include_str!("../samples/openbadge.json")),
];

/// What `kvitto-node demo` takes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Credentials of your own to anchor. Default: a sample in the European Learning Model.
    #[arg(long = "credential", value_name = "FILE", num_args = 1..)]
    pub credentials: Vec<PathBuf>,
    /// Take credentials that are in a wrapper from under this member of it.
    #[arg(long, value_name = "MEMBER", requires = "credentials")]
    pub unwrap: Option<String>,
    /// Folder for keys, data and receipts, which is kept; it must not exist. Default: a temporary one, removed at the end.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Leave the ledger running at the end, until interrupted, and print its addresses.
    #[arg(long)]
    pub keep: bool,
}

/// Tells the story.
///
/// # Errors
/// The first step that is not as it should be, or that it was interrupted.
pub async fn run(args: &DemoArgs) -> Result<()> {
    let started = Instant::now();
    let paths = args.credentials.iter().map(PathBuf::as_path);
    let own = Subject::read_all(paths, args.unwrap.as_deref())?;
    let mut interrupt = Interrupt::listen()?;
    let folder = Folder::new(args)?;
    let mut story = Story::begin(own, folder.path()).await?;
    let told = tokio::select! {
        told = story.tell(args, started) => told,
        () = interrupt.wait() => Err(anyhow!("interrupted")),
    };
    if told.is_ok() && args.keep {
        interrupt.wait().await;
    }
    // However it went, the members stop before their folder goes.
    told.and(story.cluster.stop().await)
}

/// Where the demo works.
enum Folder {
    /// Kept.
    Named(PathBuf),
    /// Removed at the end.
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn new(args: &DemoArgs) -> Result<Self> {
        let Some(named) = &args.dir else {
            return Ok(Self::Temporary(tempfile::tempdir().context("cannot make a temporary folder")?));
        };
        ensure!(!named.exists(), "{} exists already; the demo needs a folder of its own", named.display());
        std::fs::create_dir_all(named).with_context(|| format!("cannot create {}", named.display()))?;
        Ok(Self::Named(named.clone()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Named(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// The demo in progress.
struct Story {
    cluster: Cluster,
    shell: Shell,
    sandbox: Sandbox,
    school: School,
    folder: PathBuf,
    /// What goes through every status.
    subjects: Vec<Subject>,
    /// Whether they are the user's: then another school may have made them.
    are_own: bool,
    /// Anchored while a member is down.
    later: Subject,
}

impl Story {
    async fn begin(own: Vec<Subject>, folder: &Path) -> Result<Self> {
        let are_own = !own.is_empty();
        let mut samples = SAMPLES.into_iter().map(|(name, content)| {
            let path = folder.join(name);
            std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
            Subject::read(&path, None)
        });
        let subjects = if are_own { own } else { samples.by_ref().take(1).collect::<Result<_>>()? };
        let is_new = |sample: &Result<Subject>| {
            sample.as_ref().map_or(true, |sample| !subjects.iter().any(|subject| subject.is_same(sample)))
        };
        let later = samples.find(is_new).context("leave one of the samples for when a member is down")??;
        let free = Ports { peers: 0, api: 0, operator: 0 };
        let sandbox = Sandbox::make(&folder.join("ledger"), &[free; MEMBERS], Timeouts::default())?;
        Ok(Self {
            cluster: Cluster::start(&sandbox).await?,
            shell: Shell::new(sandbox.trust_file()),
            school: School::in_folder(sandbox.folder()),
            folder: folder.to_owned(),
            sandbox,
            subjects,
            are_own,
            later,
        })
    }

    async fn tell(&mut self, args: &DemoArgs, started: Instant) -> Result<()> {
        self.introduce(args)?;
        let all = self.subjects.iter().chain([&self.later]);
        let types: BTreeSet<_> = all.map(|subject| subject.credential_type.clone()).collect();
        let types: Vec<String> = types.into_iter().collect();
        self.school.found(&self.shell, &self.sandbox, &self.cluster.url(0), &types).await?;
        self.anchor().await?;
        let moment = quiet_second().await;
        self.change_status().await?;
        self.look_back(moment).await?;
        self.lose_a_member().await?;
        say(&format!("\nEverything was as it should be. It took {} s.", started.elapsed().as_secs()))?;
        self.leave(args)
    }

    fn introduce(&self, args: &DemoArgs) -> Result<()> {
        say(&format!(
            "{MEMBERS} members run in this process, each with its own store, keys and ports on this machine.\n\
             Together they keep the ledger {ORIGIN}. Any three of them decide."
        ))?;
        self.say_addresses()?;
        say("Every step shows its command.")?;
        match args.keep && args.dir.is_some() {
            true => say(
                "Repeat them in another terminal when the demo has ended: the ledger goes on. What is made only once,\n\
                 a key, an accreditation or a file for the holder, needs another name or id then.",
            ),
            false => say(
                "To repeat them by hand, run the demo with --keep --dir FOLDER: the ledger then goes on, and its files stay.",
            ),
        }
    }

    /// The school anchors, the holder gets one file, anyone verifies it offline.
    async fn anchor(&self) -> Result<()> {
        say(
            "\nThe school anchors a micro-credential: the ledger gets a salted commitment, never the credential.\n\
             The answer comes when a quorum of members has it on disk, with a receipt.",
        )?;
        for (number, subject) in self.subjects.iter().enumerate() {
            self.anchor_one(subject, &self.path("receipts", number)).await?;
        }

        say("\nThe holder gets credential and receipt in one file.")?;
        for (number, subject) in self.subjects.iter().enumerate() {
            let (receipt, bundle) =
                (self.receipt("receipts", number, None), self.path("holder.json", number));
            let mut words = vec!["bundle", &subject.file, &receipt, "--output", &bundle];
            words.extend(subject.reading());
            self.shell.run(&words, &[Exit::Ok]).await?;
        }

        say("\nAnyone can verify it, offline: this command reads no network.")?;
        self.verify_bundles().await
    }

    /// Suspended, reinstated, revoked; seen from another member each time.
    async fn change_status(&self) -> Result<()> {
        for (change, told, expected) in [
            ("suspend", "The school suspends it. Another member says so, with proof.", "suspended"),
            ("reinstate", "It is reinstated.", "not_revoked"),
            ("revoke", "It is revoked, for good.", "revoked"),
        ] {
            say(&format!("\n{told}"))?;
            for subject in &self.subjects {
                self.as_school(0, change, subject, &[], Exit::Ok).await?;
                self.check_status(1, subject, expected).await?;
            }
        }
        say("\nRevoked stays revoked.")?;
        for subject in &self.subjects {
            self.as_school(0, "reinstate", subject, &[], Exit::Refused).await?;
        }
        Ok(())
    }

    /// What the old receipt proves, a new one, and one for an earlier moment.
    async fn look_back(&self, moment: TimeMs) -> Result<()> {
        say(
            "\nThe holder's old receipt still proves what was true as of its checkpoint, and says how old that is.",
        )?;
        self.verify_bundles().await?;

        say("\nA new receipt, from yet another member, says what is true now.")?;
        for (number, subject) in self.subjects.iter().enumerate() {
            let out = self.path("renewed", number);
            self.as_school(2, "receipt", subject, &["--out", &out], Exit::Ok).await?;
            let renewed = self.receipt("renewed", number, None);
            let mut words = vec!["verify", &renewed, "--credential", &subject.file];
            words.extend(subject.reading());
            self.verify(&words, Some("REVOKED")).await?;
        }

        let moment = format_time(moment);
        say(&format!(
            "\nThe ledger can also prove, today, what was true at {moment}, before the first change."
        ))?;
        for (number, subject) in self.subjects.iter().enumerate() {
            let out = self.path("earlier", number);
            self.as_school(3, "receipt", subject, &["--at", &moment, "--out", &out], Exit::Ok).await?;
            let earlier = self.receipt("earlier", number, Some(&moment));
            let mut words = vec!["verify", &earlier, "--credential", &subject.file, "--as-of", &moment];
            words.extend(subject.reading());
            self.verify(&words, None).await?;
        }
        Ok(())
    }

    /// One member stops, the rest go on, it comes back and catches up.
    async fn lose_a_member(&mut self) -> Result<()> {
        let last = MEMBERS - 1;
        say(&format!(
            "\nMember {MEMBERS} stops. Three are enough to decide.\n  \
             By hand, when this demo has ended: kvitto-node localnet --dir {} gives each member\n  \
             a process of its own; kill the one that it names for member {MEMBERS}.",
            self.sandbox.folder().display()
        ))?;
        self.cluster.stop_member(last).await?;
        self.anchor_one(&self.later, &self.path("receipts", 0)).await?;

        say(&format!(
            "\nMember {MEMBERS} starts again, fetches what it missed, and answers like the others.\n  \
             By hand: kvitto-node run --config {}",
            self.sandbox.config(last).display()
        ))?;
        self.cluster.start_member(&self.sandbox, last).await?;
        self.check_status(last, &self.later, "not_revoked").await
    }

    /// Writes down where the members listen, so that the ledger can go on in processes; says what goes on now.
    fn leave(&self, args: &DemoArgs) -> Result<()> {
        self.sandbox.set_ports(&self.cluster.ports()?)?;
        if args.keep {
            say("\nThe ledger goes on; press Ctrl-C to stop.")?;
            self.say_addresses()?;
            say(&format!("  trust file: {}", self.sandbox.trust_file().display()))?;
            say(&format!("  root key:   {}", self.sandbox.root_key().display()))?;
            say(&format!("  school key: {}", self.school.key().display()))?;
        }
        Ok(())
    }

    fn say_addresses(&self) -> Result<()> {
        let mut urls = (1..).zip(self.cluster.urls());
        urls.try_for_each(|(number, url)| say(&format!("  member {number}: {url}")))
    }

    async fn anchor_one(&self, subject: &Subject, out: &str) -> Result<()> {
        let more = ["--type", &subject.credential_type, "--out", out];
        self.as_school(0, "anchor", subject, &more, Exit::Ok).await
    }

    /// Another member's answer, which must be `expected`.
    async fn check_status(&self, member: usize, subject: &Subject, expected: &str) -> Result<()> {
        self.as_school(member, "status", subject, &[], Exit::Ok).await?;
        let line = self.school_line(member, "status", subject, &[]).await?;
        let answer = self.shell.ask(&line.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let status = &answer["credentials"][0]["anchors"][0]["status"];
        ensure!(status == expected, "{} is {status}, not {expected}", subject.file);
        Ok(())
    }

    async fn verify_bundles(&self) -> Result<()> {
        for number in 0..self.subjects.len() {
            self.verify(&["verify", &self.path("holder.json", number)], None).await?;
        }
        Ok(())
    }

    /// Shows a verdict and checks it; `status` is the one concern about the status that there must be.
    async fn verify(&self, words: &[&str], status: Option<&str>) -> Result<()> {
        let expected: &[Exit] = match (self.are_own, status) {
            (true, _) => &[Exit::Ok, Exit::NotInOrder, Exit::CannotTell],
            (false, None) => &[Exit::Ok],
            (false, Some(_)) => &[Exit::NotInOrder],
        };
        self.shell.run(words, expected).await?;
        let reasons = verdict::check(&self.shell.ask(words).await?, status, self.are_own)?;
        if !reasons.is_empty() {
            say(&format!(
                "  The receipt proves who anchored this very credential, when, and what became of it. \
                 It is not called in order, because {}.",
                reasons.join(", and ")
            ))?;
        }
        Ok(())
    }

    /// Does something about a credential as the school, on a member's node.
    async fn as_school(
        &self,
        member: usize,
        command: &str,
        subject: &Subject,
        more: &[&str],
        expected: Exit,
    ) -> Result<()> {
        let line = self.school_line(member, command, subject, more).await?;
        self.shell.run(&line.iter().map(String::as_str).collect::<Vec<_>>(), &[expected]).await
    }

    /// The command line, when the member has all that any member has told.
    async fn school_line(
        &self,
        member: usize,
        command: &str,
        subject: &Subject,
        more: &[&str],
    ) -> Result<Vec<String>> {
        self.cluster.caught_up(member).await?;
        let (register, key) = (self.path("register", 0), self.school.key().display().to_string());
        let mut line = vec![command, &subject.file, "--register", &register];
        line.extend(more);
        line.extend(subject.reading());
        let node = self.cluster.url(member);
        line.extend(["--node", &node, "--key", &key]);
        Ok(line.into_iter().map(str::to_owned).collect())
    }

    /// A path in the demo's folder, for the subject with this number, from 0.
    fn path(&self, name: &str, number: usize) -> String {
        let name = if number == 0 { name.to_owned() } else { format!("{}-{name}", number + 1) };
        self.folder.join(name).display().to_string()
    }

    fn receipt(&self, folder: &str, number: usize, at: Option<&str>) -> String {
        let receipt = self.subjects[number].receipt_name(at);
        Path::new(&self.path(folder, number)).join(receipt).display().to_string()
    }
}

/// Lets a whole second pass, in which nothing happens, and gives it: receipts tell time in seconds.
async fn quiet_second() -> TimeMs {
    let quiet = TimeMs((now().0 / 1000 + 1) * 1000);
    let after = quiet.0 + 1000;
    while now().0 < after {
        tokio::time::sleep(Duration::from_millis(after.saturating_sub(now().0))).await;
    }
    quiet
}
