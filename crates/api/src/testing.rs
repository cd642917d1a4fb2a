//! A node in memory behind the real services, for tests of this crate and of clients: it executes what it is given by the real
//! rules, one block at a time, and signs checkpoints with all its members' keys.
//!
//! Behind the cargo feature `testing`; nothing here is fit for production. Time is the newest block's, plus a second a block.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kvitto_ledger::execute::{build, genesis_block, judge, signer_key};
use kvitto_ledger::keys::SigningKey;
use kvitto_ledger::scope::Role;
use kvitto_ledger::statement::Body;
use kvitto_ledger::statement::envelope::sign;
use kvitto_ledger::testing::{Actor, HOUR_MS, START, World};
use kvitto_ledger::{Checked, Envelope, Height, Nonce, ReadState, Rejection, Statement, StatementId, TimeMs};
use kvitto_merkle::note::{Cosignature, NoteSignature, SignatureType, VerifierKey, cosignature_message};
use kvitto_merkle::{Checkpoint, Hash};
use kvitto_storage::{MemoryDisk, MemoryStore, Published, Read, Store};
use kvitto_verifier::TrustFile;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::{
    Admitted, Config, Diagnosis, Dossier, Health, Listeners, NodeInfo, Notices, Peer, Peers, Rejected,
    ServeError, Severity, Submit, SubmitError, serve,
};

/// The reader of a [`MemoryNode`].
pub type Reader = <MemoryStore as Store>::Reader;

/// A ledger of one process. Cheap to clone; all clones are the same node.
#[derive(Clone)]
pub struct MemoryNode(Arc<Inner>);

struct Inner {
    world: World,
    reader: Reader,
    notices: Notices,
    health: watch::Sender<Health>,
    evidence: Dossier,
    state: Mutex<State>,
}

struct State {
    store: MemoryStore,
    mempool: Vec<Checked>,
    /// Whether each statement gets a block and a checkpoint at once.
    automatic: bool,
    refuse_with: Option<SubmitError>,
    nonce: u128,
    /// How much later than usual the next block comes.
    passed_ms: u64,
}

/// Services on loopback ports.
pub struct Served {
    /// Address of the public listener.
    pub public: SocketAddr,
    /// Address of the operator's listener.
    pub operator: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl MemoryNode {
    /// A ledger of so many members after block 0, with a published checkpoint; statements are final at once.
    pub fn new(members: usize) -> Self {
        let world = World::new(members);
        let genesis = genesis_block(&world.genesis);
        let evidence = Dossier::new(TrustFile::from_genesis(world.genesis.clone()).expect("a good genesis"));
        let store = MemoryStore::open(MemoryDisk::new(), &genesis, &|_, _| true).expect("memory opens");
        let node = Self(Arc::new(Inner {
            reader: store.reader(),
            notices: Notices::default(),
            health: watch::Sender::new(Health { reads: true, writes: true }),
            evidence,
            state: Mutex::new(State {
                store,
                mempool: Vec::new(),
                automatic: true,
                refuse_with: None,
                nonce: 0,
                passed_ms: 0,
            }),
            world,
        }));
        node.publish();
        node
    }

    /// The same, after the root has accredited a TAO, and the TAO a school.
    pub fn with_school(members: usize) -> Self {
        let node = Self::new(members);
        let (root, tao, school) = (Actor::new("root"), Actor::new("tao"), Actor::new("school"));
        node.accredit(&root, &tao, Role::Tao);
        node.accredit(&tao, &school, Role::Ti);
        node
    }

    /// Onboards and accredits `subject`.
    pub fn accredit(&self, by: &Actor, subject: &Actor, role: Role) {
        self.act(by, by.onboards(subject, &self.0.world.ledger_id));
        self.act(by, by.accredits(subject, role));
    }

    /// Genesis and keys.
    pub fn world(&self) -> &World {
        &self.0.world
    }

    /// The store's concurrent half.
    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// What the services listen to.
    pub fn notices(&self) -> &Notices {
        &self.0.notices
    }

    /// What health checks see.
    pub fn set_health(&self, health: Health) {
        self.0.health.send_replace(health);
    }

    /// Time of the newest block.
    pub fn now(&self) -> TimeMs {
        self.0.reader.tip().expect("memory is readable").header.time
    }

    /// The signed bytes of a statement, executable for an hour.
    pub fn statement(&self, signer: &Actor, body: impl Into<Body>) -> Vec<u8> {
        let nonce = {
            let mut state = self.state();
            state.nonce += 1;
            Nonce(state.nonce.to_be_bytes())
        };
        let now = self.now();
        let statement =
            Statement { not_before: now, not_after: TimeMs(now.0 + HOUR_MS), nonce, body: body.into() };
        sign(&statement, signer.did, &signer.key, &self.0.world.ledger_id)
    }

    /// Submits a statement that the rules must accept, commits it and publishes the checkpoint.
    ///
    /// # Panics
    /// When the rules refuse it.
    pub fn act(&self, signer: &Actor, body: impl Into<Body>) -> StatementId {
        let bytes = self.statement(signer, body);
        let admitted = self.admit(&bytes).expect("a statement that the rules accept");
        self.commit();
        self.publish();
        match admitted {
            Admitted::Accepted(id) | Admitted::Executed(id, _) => id,
        }
    }

    /// From now on statements wait in the mempool until [`MemoryNode::commit`].
    pub fn stop_committing(&self) {
        self.state().automatic = false;
    }

    /// From now on every submission is answered with this; `None` ends that.
    pub fn refuse_with(&self, error: Option<SubmitError>) {
        self.state().refuse_with = error;
    }

    /// Makes a block of the mempool; statements that do not execute are dropped.
    pub fn commit(&self) {
        let mut state = self.state();
        let candidates = std::mem::take(&mut state.mempool);
        let time = TimeMs(self.now().0 + 1000 + std::mem::take(&mut state.passed_ms));
        let statements: BTreeMap<_, _> =
            candidates.iter().map(|statement| (statement.id(), statement.clone())).collect();
        let built =
            build(&state.store, &self.0.world.genesis.config, time, candidates).expect("memory is readable");
        let block = built.block;
        state.store.commit(&block, b"certificate").expect("memory is writable");
        self.0.notices.committed(block.header.height, block.changes.outcomes);
        let verdict = |(id, rejection)| verdict(&statements[&id], rejection);
        self.0.notices.dropped(built.refused.into_iter().map(verdict));
    }

    /// The next block comes so much later than a second after this one.
    pub fn pass(&self, ms: u64) {
        self.state().passed_ms += ms;
    }

    /// Drops everything in the mempool, as if the rules refused it with this reason.
    pub fn drop_waiting(&self, rejection: Rejection) {
        let dropped = std::mem::take(&mut self.state().mempool);
        self.0.notices.dropped(dropped.iter().map(|statement| verdict(statement, rejection)));
    }

    /// Publishes a checkpoint of the newest block, signed by every member at the block's time.
    pub fn publish(&self) {
        let mut state = self.state();
        let header = state.store.tip().expect("memory is readable").header;
        let note = self.note(header.tree_size, header.log_root, header.time.seconds());
        let published = Published { height: header.height, size: header.tree_size, note: note.into() };
        state.store.put_checkpoint(&published).expect("memory is writable");
        self.0.notices.published(header.height);
    }

    /// A checkpoint of any tree, signed by every member at `time_s`.
    pub fn note(&self, size: u64, root: Hash, time_s: u64) -> String {
        let origin = self.0.world.genesis.origin.parse().expect("a checked genesis");
        let mut note = Checkpoint { origin, size, root }.to_note();
        for member in &self.0.world.members {
            let key = verifier_key(&self.0.world.genesis.origin, SignatureType::Ed25519, &member.log);
            let signature = member.log.sign(note.text().as_bytes());
            note.push(NoteSignature::of_log(&key, &signature.0)).expect("room for all members");
            let key = verifier_key(&member.name, SignatureType::CosignatureV1, &member.cosignature);
            let signature = member.cosignature.sign(&cosignature_message(time_s, note.text())).0;
            let cosignature = Cosignature { timestamp_s: time_s, signature };
            note.push(NoteSignature::of_cosigner(&key, &cosignature)).expect("room for all members");
        }
        note.to_string()
    }

    /// Serves this node on loopback ports.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn serve(&self, config: Config) -> Served {
        let bind = || TcpListener::bind("127.0.0.1:0");
        let listeners = Listeners {
            public: bind().await.expect("a port"),
            operator: Some(bind().await.expect("a port")),
        };
        let address = |listener: &TcpListener| listener.local_addr().expect("a bound port");
        let (public, operator) =
            (address(&listeners.public), address(listeners.operator.as_ref().expect("just bound")));
        let (stop, stopped) = oneshot::channel::<()>();
        let node = self.clone();
        let task = tokio::spawn(async move {
            let (read, notices) = (node.0.reader.clone(), node.0.notices.clone());
            let shutdown = async { drop(stopped.await) };
            serve(config, listeners, node.clone(), read, node, notices, shutdown).await
        });
        Served { public, operator, stop: Some(stop), task }
    }

    fn admit(&self, bytes: &[u8]) -> Result<Admitted, SubmitError> {
        let mut state = self.state();
        if let Some(error) = &state.refuse_with {
            return Err(error.clone());
        }
        let (world, store) = (&self.0.world, &state.store);
        let config = &world.genesis.config;
        let rejected = |id, rejection: Rejection, is_late| {
            let is_final = rejection.is_for_ever() || is_late;
            SubmitError::Rejected(Rejected { id, rejection, is_final, statement: None })
        };
        let envelope = Envelope::decode(bytes, &world.ledger_id)
            .map_err(|rejection| rejected(None, rejection, false))?;
        let (id, kind) = (envelope.id(), envelope.statement().body.kind());
        let is_late = envelope.statement().not_after < self.now();
        if let Some(outcome) = store.outcome(&id).expect("memory is readable") {
            return Ok(Admitted::Executed(id, outcome));
        }
        let key = signer_key(store, &envelope.key_id(), kind).expect("memory is readable");
        let refuse = |rejection| rejected(Some(id), rejection, is_late);
        let checked = key.and_then(|key| envelope.verify(&key)).map_err(refuse)?;
        let time = TimeMs(self.now().0 + 1000);
        if let Err(rejection) = judge(store, config, time, &checked).expect("memory is readable") {
            return Err(SubmitError::Rejected(verdict(&checked, rejection)));
        }
        self.0.notices.accepted(&id);
        if !state.mempool.iter().any(|waiting| waiting.id() == id) {
            state.mempool.push(checked);
        }
        Ok(Admitted::Accepted(id))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the rules say about a statement in the next block. One that has expired by then has for ever.
fn verdict(statement: &Checked, rejection: Rejection) -> Rejected {
    Rejected {
        id: Some(statement.id()),
        rejection,
        is_final: rejection.is_for_ever() || rejection == Rejection::StatementExpired,
        statement: (rejection == Rejection::NothingNew).then(|| statement.clone()),
    }
}

fn verifier_key(name: &str, signature_type: SignatureType, key: &SigningKey) -> VerifierKey {
    VerifierKey::new(name.parse().expect("a checked genesis"), signature_type, key.public().bytes().0)
}

impl Submit for MemoryNode {
    async fn submit(&self, statement: Bytes) -> Result<Admitted, SubmitError> {
        let admitted = self.admit(&statement)?;
        let automatic = self.state().automatic;
        if automatic && matches!(admitted, Admitted::Accepted(_)) {
            self.commit();
            self.publish();
            // A node may be done with a statement before who brought it hears that it was taken.
            tokio::task::yield_now().await;
        }
        Ok(admitted)
    }

    fn is_waiting(&self, id: &StatementId) -> bool {
        self.state().mempool.iter().any(|waiting| waiting.id() == *id)
    }
}

impl Peers for MemoryNode {
    fn info(&self) -> NodeInfo {
        let world = &self.0.world;
        NodeInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            origin: world.genesis.origin.clone(),
            ledger_id: world.ledger_id,
            member: world.members.first().map(|member| member.name.clone()),
            height: self.0.reader.committed(),
            mempool_statements: u32::try_from(self.state().mempool.len()).unwrap_or(u32::MAX),
            mempool_bytes: 0,
            syncing: false,
            signing: true,
        }
    }

    fn peers(&self) -> Vec<Peer> {
        let peer = |member: &kvitto_ledger::testing::MemberKeys| Peer {
            member: Some(member.name.clone()),
            peer_id: member.peer.public().bytes().to_string(),
            connected: true,
            addresses: Vec::new(),
            height: Some(Height(0)),
            cosigned: Some(START),
        };
        self.0.world.members.iter().skip(1).map(peer).collect()
    }

    async fn diagnose(&self) -> Vec<Diagnosis> {
        vec![Diagnosis {
            check: "store.head".to_owned(),
            severity: Severity::Ok,
            message: "kept in memory".to_owned(),
            remedy: String::new(),
        }]
    }

    fn evidence(&self) -> Dossier {
        self.0.evidence.clone()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.0.health.subscribe()
    }
}

impl Served {
    /// The public endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.public)
    }

    /// Gives the signal to stop.
    pub fn signal(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Gives the signal to stop and waits for the end.
    ///
    /// # Errors
    /// As [`serve`].
    ///
    /// # Panics
    /// When the server does not end within a minute.
    pub async fn stop(mut self) -> Result<(), ServeError> {
        self.signal();
        let ended = tokio::time::timeout(Duration::from_secs(60), self.task).await;
        ended.expect("the server ends in time").expect("the server does not panic")
    }
}
