//! Clients that anchor and revoke without pause, at all members, as long as faults are made; they keep account of what they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{StreamExt, stream};
use kvitto_client::{Answer, Client, ClientError, Final, ManyOptions, Options, SignedStatement, Submitted};
use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget};
use kvitto_ledger::statement::body::{StatusCode, StatusItem, StatusTarget};
use kvitto_ledger::statement::{Anchor, AnchorItem, Reason};
use kvitto_ledger::{Commitment, Position};
use kvitto_merkle::status::StatusValue;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::accounts::Accounts;
use super::ledger::{Ledger, School, TYPE};

/// One in so many anchored commitments is revoked,
const REVOKED: u64 = 8;
/// and for one in so many it is tried to take that back.
const REINSTATED: u64 = 32;
/// Between two tries where no node answers.
const PAUSE: Duration = Duration::from_millis(20);
/// A statement that is not final after this long never will be.
const STALLED: Duration = Duration::from_secs(180);

/// How fast clients write.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many write at once.
    pub writers: usize,
    /// Each pauses so long after each statement.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { writers: 4, pause: Duration::from_millis(50) }
    }
}

/// How a client of this suite behaves: it gives up early, and comes again itself.
pub fn options() -> Options {
    Options {
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(5),
        retry_for: Duration::ZERO,
        keep_alive: Duration::from_secs(2),
        ..Options::default()
    }
}

/// Signs, submits, and writes down what it is told.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    school: School,
    accounts: Arc<Accounts>,
    numbers: Arc<AtomicU64>,
}

impl Writer {
    /// The next commitments that nobody has anchored yet, in one statement.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn statement(&self, items: u64) -> Result<SignedStatement> {
        let first = self.numbers.fetch_add(items, Ordering::Relaxed);
        let item = |number: u64| AnchorItem { commitment: commitment(number), reserved: None };
        Ok(self.school.organisation.anchor(Anchor {
            accreditation: self.school.accreditation,
            credential_type: TYPE.into(),
            algorithm: DigestAlgorithm::Sha256,
            target: DigestTarget::Jcs,
            bare: false,
            items: (first..first + items).map(item).collect(),
        })?)
    }

    /// Anchors commitments, and waits for their receipts.
    ///
    /// # Errors
    /// When the ledger refuses, lies, or stalls.
    pub async fn anchor(&self, items: u64) -> Result<Final> {
        self.submit(&self.statement(items)?).await
    }

    /// Submits a statement as often as it takes to become final.
    ///
    /// # Errors
    /// When the ledger refuses, lies, or stalls.
    pub async fn submit(&self, statement: &SignedStatement) -> Result<Final> {
        let start = Instant::now();
        loop {
            match self.client.submit_final(statement).await {
                Ok(Submitted::Final(done)) => {
                    self.accounts.acknowledged(&done, start.elapsed())?;
                    return Ok(done);
                }
                Ok(Submitted::NothingNew(_)) => bail!("a commitment is on the ledger that nobody anchored"),
                Err(ClientError::Unavailable(why)) if start.elapsed() > STALLED => {
                    return Err(why).context("a statement stalls");
                }
                Err(ClientError::Unavailable(_)) => sleep(PAUSE).await,
                Err(error) => return Err(error).context("an honest statement was not taken"),
            }
        }
    }

    /// Writes for so long as much as its node takes, and waits for what is under way then; how many statements became final.
    ///
    /// # Errors
    /// When the ledger refuses, or does not answer.
    pub async fn all_it_can(&self, items: u64, in_flight: usize, lasts: Duration) -> Result<u64> {
        let end = Instant::now() + lasts;
        let writer = self.clone();
        let statements = stream::iter(std::iter::from_fn(move || writer.statement(items).ok()));
        let statements = statements.take_while(move |_| std::future::ready(Instant::now() < end));
        let mut answers = self.client.submit_many(statements, ManyOptions { in_flight, receipts: false });
        let mut done = 0;
        while let Some(answered) = answers.next().await {
            match answered.context("writing without pause")?.answer {
                Answer::Final(_) => done += 1,
                other => bail!("an honest statement was not taken: {other:?}"),
            }
        }
        Ok(done)
    }

    /// Anchors commitments in bulk: their records are proved, and their receipts not fetched.
    ///
    /// # Errors
    /// When the ledger refuses, lies, or stalls.
    pub async fn record(&self, items: u64) -> Result<()> {
        let statement = self.statement(items)?;
        let start = Instant::now();
        loop {
            match self.recorded(&statement).await {
                Ok(Some(done)) => return self.accounts.acknowledged(&done, start.elapsed()),
                Ok(None) | Err(ClientError::Unavailable(_)) if start.elapsed() < STALLED => {
                    sleep(PAUSE).await
                }
                Ok(None) => bail!("a statement stalls"),
                Err(error) => return Err(error).context("an honest statement was not taken"),
            }
        }
    }

    async fn recorded(&self, statement: &SignedStatement) -> Result<Option<Final>, ClientError> {
        let Answer::Final(outcome) = self.client.submit(statement).await? else { return Ok(None) };
        let outcome = outcome.into_said();
        let records = self.client.prove_outcome(statement, &outcome).await?;
        Ok(Some(Final { id: statement.id(), outcome, records, receipts: Vec::new() }))
    }

    async fn revoke(&self, anchored: &Final) -> Result<()> {
        let receipt = anchored.receipts.first().context("an anchor has a receipt")?;
        let (commitment, position) = (receipt.verdict.anchored.commitment, receipt.position());
        self.submit(&self.change(position, StatusValue::Revoked)?).await?;
        self.accounts.revoked(commitment, position);
        if position.0.is_multiple_of(REINSTATED) {
            self.reinstate_in_vain(position).await?;
        }
        Ok(())
    }

    async fn reinstate_in_vain(&self, position: Position) -> Result<()> {
        let statement = self.change(position, StatusValue::Valid)?;
        let start = Instant::now();
        loop {
            match self.client.submit_final(&statement).await {
                Ok(_) => bail!("position {} was revoked, and has been reinstated", position.0),
                Err(ClientError::Refused(_)) => return Ok(()),
                Err(ClientError::Unavailable(_)) if start.elapsed() < STALLED => sleep(PAUSE).await,
                Err(error) => return Err(error).context("reinstating what is revoked"),
            }
        }
    }

    fn change(&self, position: Position, status: StatusValue) -> Result<SignedStatement> {
        let target = StatusTarget::Position(position);
        let item = StatusItem { target, status: StatusCode(status), successor: None };
        Ok(self.school.organisation.set_status(vec![item], Reason::IssuedInError)?)
    }

    /// Writes until told to stop.
    async fn run(self, pause: Duration, stopped: watch::Receiver<bool>) -> Result<()> {
        while !*stopped.borrow() {
            let done = self.anchor(1).await?;
            let first = done.records.first().context("an anchor has a record")?.0;
            if first.0.is_multiple_of(REVOKED) {
                self.revoke(&done).await?;
            }
            sleep(pause).await;
        }
        Ok(())
    }
}

fn commitment(number: u64) -> Commitment {
    let mut commitment = Commitment::default();
    commitment.0[..8].copy_from_slice(&number.to_be_bytes());
    commitment
}

/// Clients that write.
pub struct Load {
    /// What they were told.
    pub accounts: Arc<Accounts>,
    school: School,
    numbers: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    writers: JoinSet<Result<()>>,
}

impl Load {
    /// Lets clients write, each to another member first.
    ///
    /// # Errors
    /// When the school is not there, or receipts cannot be kept.
    pub async fn start(ledger: &Ledger, pace: Pace) -> Result<Self> {
        let mut load = Self::quiet(ledger).await?;
        for index in 0..pace.writers {
            let mut urls = ledger.urls();
            let count = urls.len();
            urls.rotate_left(index % count);
            let client = Client::connect(&urls, ledger.trust().clone(), options())?;
            let writer = load.writer(client);
            load.writers.spawn(writer.run(pace.pause, load.stop.subscribe()));
        }
        Ok(load)
    }

    /// Accounts for writers of the caller's own, and nobody who writes by himself.
    ///
    /// # Errors
    /// As [`Load::start`].
    pub async fn quiet(ledger: &Ledger) -> Result<Self> {
        Ok(Self {
            accounts: Arc::new(Accounts::open(ledger.folder())?),
            school: ledger.school().await?,
            numbers: Arc::default(),
            stop: watch::channel(false).0,
            writers: JoinSet::new(),
        })
    }

    /// Another writer on the same accounts.
    pub fn writer(&self, client: Client) -> Writer {
        Writer {
            client,
            school: self.school.clone(),
            accounts: Arc::clone(&self.accounts),
            numbers: Arc::clone(&self.numbers),
        }
    }

    /// The same for a school of the caller's.
    pub fn writer_of(&self, school: School, client: Client) -> Writer {
        Writer { school, ..self.writer(client) }
    }

    /// How long it takes from now on until this member alone makes a statement final, with a receipt: it is in step with the others.
    ///
    /// # Errors
    /// As [`Writer::submit`].
    pub async fn until_served_by(&self, ledger: &Ledger, index: usize) -> Result<Duration> {
        let start = Instant::now();
        self.writer(ledger.client(index, options())?).anchor(1).await?;
        Ok(start.elapsed())
    }

    /// Waits until so many more statements are final. A writer that has met a violation ends the wait with it.
    ///
    /// # Errors
    /// When that takes longer than `within`, or a writer has ended.
    pub async fn more(&mut self, count: u64, within: Duration) -> Result<()> {
        let accounts = Arc::clone(&self.accounts);
        tokio::select! {
            more = accounts.more(count, within) => more,
            Some(ended) = self.writers.join_next() => ended?.and_then(|()| bail!("a writer has ended")),
        }
    }

    /// Lets the writers finish what they have begun.
    ///
    /// # Errors
    /// What one of them met.
    pub async fn stop(mut self) -> Result<Arc<Accounts>> {
        self.stop.send_replace(true);
        while let Some(ended) = self.writers.join_next().await {
            ended??;
        }
        Ok(self.accounts)
    }
}
