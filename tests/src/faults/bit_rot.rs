//! Bit rot: one bit of one file of a stopped node is flipped, many times, each time in a fresh copy.
//!
//! What readers can be told is then compared with what the whole store says, before and after an audit of everything. A flip is
//! harmless (all answers are the same), or found: the store is refused or set aside, or the answer is that it failed. What must not
//! be is another answer. The same for the guard and the journal: they say what they said, or that they cannot be read.
//!
//! Two stores take turns: that of a member of two that was stopped, and that of a writer that was killed, with more blocks. Some of the stores that were set aside are then started again beside the other member, and must come to
//! the same answers.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use kvitto_ledger::execute::genesis_block;
use kvitto_ledger::{Genesis, Height};
use kvitto_node::cluster::Cluster;
use kvitto_node::config::Config;
use kvitto_node::genesis_file::GenesisFile;
use kvitto_node::report::Audit;
use kvitto_node::sandbox::Sandbox;
use kvitto_replica::is_certified;
use kvitto_replica::testing::Random;
use kvitto_storage::disk::{Opened, Options, SledStore};
use kvitto_storage::faults::Faults;
use kvitto_storage::files::OsDirectory;
use kvitto_storage::journal::{JOURNAL_FILE, Journal};
use kvitto_storage::slots::{Content, SlotFile, SlotFormat};
use kvitto_storage::{Store, StoreError, audit};

use super::answers::{Answers, Comparison, Questions};
use super::chain::Chain;
use super::tools::copy_folder;
use super::writer::{self, Said, Task, Writer};
use super::{Outcome, Plan};
use crate::world::World;

/// Blocks of the store whose writer was killed.
const BLOCKS: u64 = 120;
/// One store that was set aside is mended for so many rounds.
const MENDED_EVERY: u64 = 100;
/// The guard's file, as the node writes it.
const GUARD: SlotFormat = SlotFormat { name: "guard", magic: b"kvguard1", content_bytes_max: 64 * 1024 };
const TYPE: &str = "MicroCredential";

/// See the module's head.
///
/// # Errors
/// When the stores cannot be made.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let specimens = [Specimen::member(&runtime)?, Specimen::killed_writer(plan)?];
    let progress = plan.progress(plan.rounds);
    let mut outcome = Outcome::default();
    for what in ["harmless", "refused", "set aside", "found by a reader", "found by the audit", "mended"] {
        outcome.add(what, 0);
    }
    for round in 0..plan.rounds {
        let specimen = &specimens[usize::from(round % 2 == 1)];
        let mut random = plan.random(round);
        let flip = Flip::choose(&specimen.files, &mut random);
        let place = format!("seed {}, round {round}, {flip}", plan.seed);
        let copy = specimen.copy()?;
        flip.apply(copy.path())?;
        outcome.count("flips");
        let mended = outcome.of("mended");
        match specimen.look(copy.path()) {
            Ok(Seen::SetAside) if specimen.whole.is_some() && mended < plan.rounds.div_ceil(MENDED_EVERY) => {
                outcome.count("set aside");
                match runtime.block_on(specimen.mend(&flip)) {
                    Ok(()) => outcome.count("mended"),
                    Err(error) => outcome.violation(format!("{place}: not mended: {error:#}")),
                }
            }
            Ok(seen) => outcome.count(seen.name()),
            Err(error) => outcome.violation(format!("{place}: {error:#}")),
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(outcome)
}

/// A bit of a file.
#[derive(Debug)]
struct Flip {
    file: PathBuf,
    byte: u64,
    bit: u8,
}

impl std::fmt::Display for Flip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bit {} of byte {} of {}", self.bit, self.byte, self.file.display())
    }
}

impl Flip {
    /// Every second one in the database, the others in any of the small files; three of four where something was written.
    fn choose(files: &BTreeMap<PathBuf, Vec<u8>>, random: &mut Random) -> Self {
        let (large, small): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| path.ends_with("sled/db"));
        let among = if random.chance(500) || small.is_empty() { large } else { small };
        let (file, bytes) = among[random.below(among.len() as u64) as usize];
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
        let range = if random.chance(750) { written } else { bytes.len() };
        let (byte, bit) = (random.below(range as u64), random.below(8) as u8);
        Self { file: file.clone(), byte, bit }
    }

    fn apply(&self, folder: &Path) -> Result<()> {
        let path = folder.join(&self.file);
        let mut bytes = fs::read(&path)?;
        bytes[usize::try_from(self.byte)?] ^= 1 << self.bit;
        Ok(fs::write(path, bytes)?)
    }
}

/// What a flip has done, where it did nothing wrong.
enum Seen {
    Harmless,
    Refused,
    BesideLost,
    SetAside,
    ByReader,
    ByAudit,
}

impl Seen {
    fn name(&self) -> &'static str {
        match self {
            Self::Harmless => "harmless",
            Self::Refused => "refused",
            Self::BesideLost => "guard or journal said to be lost",
            Self::SetAside => "set aside",
            Self::ByReader => "found by a reader",
            Self::ByAudit => "found by the audit",
        }
    }
}

/// The files of a stopped process, and what they say.
struct Specimen {
    _folder: tempfile::TempDir,
    /// The part of the folder that is copied and damaged.
    part: PathBuf,
    /// Where the store is in that part.
    store: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
    genesis: Genesis,
    questions: Questions,
    answers: Answers,
    /// What guard and journal say, where there are any.
    beside: Option<Beside>,
    /// The whole ledger, where there are other members.
    whole: Option<Sandbox>,
}

/// What a member has besides its store.
#[derive(Debug, PartialEq, Eq)]
struct Beside {
    guard: Content,
    journal: Vec<Vec<u8>>,
}

impl Specimen {
    /// The first of two members.
    fn member(runtime: &tokio::runtime::Runtime) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ledger = folder.path().join("ledger");
        runtime.block_on(stopped_ledger(&ledger))?;
        let sandbox = Sandbox::open(&ledger)?.context("the ledger was just made")?;
        let part = sandbox.member_folder(0);
        let (_, genesis) = GenesisFile::read(&Config::read(&sandbox.config(0))?.genesis)?;
        Self::of(folder, part, "data".into(), genesis, Some(sandbox))
    }

    fn killed_writer(plan: &Plan) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let part = folder.path().join("member");
        fs::create_dir(&part)?;
        let task = Task::WriteStore { newest: Height(BLOCKS + 100) };
        let mut writer = Writer::start(plan, &[], task, &part.join("data"))?;
        writer.until(|said| *said == Said::Ack(Height(BLOCKS)))?;
        writer.kill()?;
        Self::of(folder, part, "data".into(), Chain::default().world().genesis.clone(), None)
    }

    fn of(
        folder: tempfile::TempDir,
        part: PathBuf,
        store: PathBuf,
        genesis: Genesis,
        whole: Option<Sandbox>,
    ) -> Result<Self> {
        let mut files = BTreeMap::new();
        for place in [store.clone(), "guard".into()] {
            list(&part, &place, &mut files)?;
        }
        let mut specimen = Self {
            _folder: folder,
            part,
            store,
            files,
            genesis,
            questions: Questions::default(),
            answers: Vec::new(),
            beside: None,
            whole,
        };
        // Asked of a copy: opening writes.
        let copy = specimen.copy()?;
        let opened = specimen.open(copy.path())?;
        ensure!(opened.set_aside.is_none(), "the whole store is whole");
        specimen.questions = Questions::about(&opened.store.reader())?;
        specimen.answers = specimen.questions.ask(&opened.store.reader());
        drop(opened);
        specimen.beside = specimen.whole.is_some().then(|| beside(copy.path())).transpose()?.flatten();
        ensure!(specimen.whole.is_none() || specimen.beside.is_some(), "the member has a guard");
        Ok(specimen)
    }

    fn copy(&self) -> Result<tempfile::TempDir> {
        let copy = tempfile::tempdir()?;
        copy_folder(&self.part, copy.path())?;
        Ok(copy)
    }

    fn open(&self, folder: &Path) -> Result<Opened, StoreError> {
        match self.whole {
            None => writer::open(&folder.join(&self.store), &Chain::default()),
            Some(_) => {
                let options = Options { ballast_bytes: 0, cache_bytes: 8 << 20, ..Options::default() };
                let certified = |header: &_, bytes: &[u8]| is_certified(&self.genesis, header, bytes);
                SledStore::open(
                    &folder.join(&self.store),
                    &options,
                    &genesis_block(&self.genesis),
                    &certified,
                )
            }
        }
    }

    /// What comes of a damaged copy.
    fn look(&self, folder: &Path) -> Result<Seen> {
        if let Some(whole) = &self.beside {
            match beside(folder)? {
                None => return Ok(Seen::BesideLost),
                Some(found) => {
                    ensure!(found.guard == whole.guard, "the guard has silently gone back");
                    let is_beginning = whole.journal.starts_with(&found.journal);
                    ensure!(is_beginning, "the journal silently says something else");
                }
            }
        }
        let looked = catch_unwind(AssertUnwindSafe(|| self.look_at_store(folder)));
        looked.unwrap_or_else(|_| Err(anyhow!("a panic has reached the caller")))
    }

    fn look_at_store(&self, folder: &Path) -> Result<Seen> {
        let opened = match self.open(folder) {
            Err(_) => return Ok(Seen::Refused),
            Ok(opened) if opened.set_aside.is_some() => return Ok(Seen::SetAside),
            Ok(opened) => opened,
        };
        let reader = opened.store.reader();
        let before = Comparison::of(&self.questions.ask(&reader), &self.answers);
        let audited = audit::everything(&reader, &mut |_| ());
        let after = Comparison::of(&self.questions.ask(&reader), &self.answers);
        let refused = before.refused + after.refused;
        for (when, compared) in [("before", &before), ("after", &after)] {
            let wrong = compared.wrong.first();
            ensure!(wrong.is_none(), "{when} the audit: {:.1000}", wrong.map_or("", String::as_str));
        }
        Ok(match (refused, audited) {
            (0, Ok(())) => Seen::Harmless,
            (0, Err(_)) => Seen::ByAudit,
            _ => Seen::ByReader,
        })
    }

    /// Starts the whole ledger with a damaged member, which must come to the same answers.
    async fn mend(&self, flip: &Flip) -> Result<()> {
        let whole = self.whole.as_ref().context("there are other members")?;
        let folder = tempfile::tempdir()?;
        copy_folder(whole.folder(), folder.path())?;
        let sandbox = Sandbox::open(folder.path())?.context("a copy of a ledger is one")?;
        flip.apply(&sandbox.member_folder(0))?;
        let cluster = Cluster::start(&sandbox).await?;
        cluster.caught_up(0).await?;
        for index in 0..sandbox.members() {
            let member = cluster.member(index).context("it runs")?;
            let audited = member.report().audit().wait_for(|audit| *audit != Audit::Running).await?.clone();
            ensure!(audited == Audit::Good, "member {index}: {audited:?}");
        }
        cluster.stop().await?;
        let opened = self.open(&sandbox.member_folder(0))?;
        let reader = opened.store.reader();
        let (found, expected) = (self.questions.ask_of_blocks(&reader), &self.answers);
        ensure!(found[..] == expected[..expected.len() - 1], "the answers are other ones");
        Ok(())
    }
}

/// Guard and journal; `None` where one says that it is lost.
fn beside(folder: &Path) -> Result<Option<Beside>> {
    let files = |name: &str| OsDirectory::open(&folder.join(name), Faults::none());
    let (_, guard) = SlotFile::open(files("guard")?, GUARD)?;
    let journal = match Journal::open(files("data")?) {
        Ok((_, entries)) => entries.into_iter().map(|entry| entry.bytes).collect(),
        Err(error) if error.damage().is_some() => return Ok(None),
        Err(error) => return Err(error).context(JOURNAL_FILE),
    };
    Ok(matches!(guard, Content::Newest(_)).then_some(Beside { guard, journal }))
}

fn list(folder: &Path, place: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    let path = folder.join(place);
    if path.is_dir() {
        for entry in fs::read_dir(&path)? {
            list(folder, &place.join(entry?.file_name()), files)?;
        }
    } else if path.exists() {
        let bytes = fs::read(&path)?;
        if !bytes.is_empty() {
            files.insert(place.to_owned(), bytes);
        }
    }
    Ok(())
}

/// A ledger of two members, in which something of every kind is recorded.
async fn stopped_ledger(folder: &Path) -> Result<()> {
    let world = World::new(2, &[TYPE]).await?;
    let (school, register) = (world.school(), world.path("register").display().to_string());
    let mut files = Vec::new();
    for number in 0..9 {
        let path = world.path(&format!("credential-{number}.json"));
        let credential = serde_json::json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiableCredential", TYPE],
            "issuer": "did:ebsi:zZeKyEJfUTGwajhNyNX928z",
            "credentialSubject": { "achievement": number.to_string() },
        });
        fs::write(&path, credential.to_string())?;
        files.push(path.display().to_string());
    }
    for part in files.chunks(3) {
        let mut words = vec!["anchor", "--register", &register, "--type", TYPE];
        words.extend(part.iter().map(String::as_str));
        world.succeed(0, &school, &words).await?;
    }
    for (word, file) in [("revoke", &files[0]), ("suspend", &files[1]), ("suspend", &files[2])] {
        world.succeed(0, &school, &[word, file, "--register", &register]).await?;
    }
    world.succeed(0, &school, &["reinstate", &files[2], "--register", &register]).await?;
    world.cluster.caught_up(1).await?;
    world.cluster.stop().await?;
    copy_folder(world.sandbox.folder(), folder)
}
