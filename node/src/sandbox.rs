//! The files of a ledger whose members all live on one machine: for the demo, `localnet` and tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kvitto_cli::keyfile::KeyFile;
use kvitto_ledger::{AccreditationId, TimeMs};
use kvitto_merkle::sha256;
use kvitto_verifier::TrustFile;

use crate::core::now;
use crate::file::{self, Access};
use crate::genesis_file::{GenesisFile, LimitsEntry, RootEntry, Timeouts, format_time};
use crate::init::{self, CONFIG_FILE, NewMember};

/// The ledger's name.
pub const ORIGIN: &str = "kvitto.localhost/sandbox";
/// How long the root may accredit: ten years.
const ROOT_VALIDITY_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// Ports of a member's node.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// For peers.
    pub peers: u16,
    /// For clients.
    pub api: u16,
    /// For the operator.
    pub operator: u16,
}

/// A ledger's folder.
#[derive(Clone, Debug)]
pub struct Sandbox {
    folder: PathBuf,
    members: usize,
}

impl Sandbox {
    /// Makes a ledger in `folder`: a folder for each member, the root's key, genesis and trust file.
    ///
    /// # Errors
    /// When something is there already or cannot be written.
    pub fn make(folder: &Path, ports: &[Ports], timeouts: Timeouts) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let sandbox = Self { folder: folder.to_owned(), members: ports.len() };
        let mut members = Vec::new();
        for (index, ports) in ports.iter().enumerate() {
            let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let new = NewMember {
                origin: ORIGIN.into(),
                name: member_name(index),
                listen: at(ports.peers),
                address: at(ports.peers).to_string(),
                api: at(ports.api),
                operator: at(ports.operator),
            };
            members.push(init::init(&sandbox.member_folder(index), &new)?);
        }
        let root = KeyFile::generate(None)?;
        root.create(&sandbox.root_key())?;
        let genesis_file = GenesisFile {
            origin: ORIGIN.into(),
            time: format_time(now()),
            public_base_url: "https://kvitto.localhost".into(),
            limits: LimitsEntry::default(),
            timeouts,
            members,
            roots: vec![root_entry(&root)],
        };
        for index in 0..sandbox.members {
            init::put_genesis(&sandbox.member_folder(index), &genesis_file)?;
        }
        let trust = TrustFile::from_genesis(genesis_file.genesis()?)?;
        file::create(&sandbox.trust_file(), trust.to_json().as_bytes(), Access::Public)?;
        Ok(sandbox)
    }

    /// A ledger that was made before; `None` where there is none.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let mut sandbox = Self { folder: folder.to_owned(), members: 0 };
        if !sandbox.trust_file().try_exists()? {
            return Ok(None);
        }
        while sandbox.config(sandbox.members).try_exists()? {
            sandbox.members += 1;
        }
        Ok(Some(sandbox))
    }

    /// Number of members.
    pub fn members(&self) -> usize {
        self.members
    }

    /// The folder of member `index`, from 0.
    pub fn member_folder(&self, index: usize) -> PathBuf {
        self.folder.join(format!("member-{}", index + 1))
    }

    /// The configuration of member `index`, from 0.
    pub fn config(&self, index: usize) -> PathBuf {
        self.member_folder(index).join(CONFIG_FILE)
    }

    /// The Root TAO's key file.
    pub fn root_key(&self) -> PathBuf {
        self.folder.join("root.key")
    }

    /// The id of the Root TAO's accreditation.
    ///
    /// # Errors
    /// When the genesis cannot be read.
    pub fn root_accreditation(&self) -> Result<String> {
        let (_, genesis) = GenesisFile::read(&self.member_folder(0).join(init::GENESIS_FILE))?;
        let root = genesis.config.roots.first().context("a genesis has a root")?;
        Ok(root.accreditation.to_string())
    }

    /// The trust file for verifiers.
    pub fn trust_file(&self) -> PathBuf {
        self.folder.join("trust.json")
    }
}

/// The name of member `index`, from 0.
pub fn member_name(index: usize) -> String {
    format!("member-{}.localhost/kvitto", index + 1)
}

fn root_entry(root: &KeyFile) -> RootEntry {
    let any = || vec!["*".to_owned()];
    let from = now();
    RootEntry {
        did: root.did(),
        key: root.key().public().bytes(),
        legal_name: "Sandbox Root TAO".into(),
        country: "SE".into(),
        accreditation: AccreditationId(sha256(&[b"root accreditation", root.did().as_bytes()]).0),
        types: any(),
        schemas: any(),
        jurisdictions: any(),
        valid_from: format_time(from),
        valid_until: format_time(TimeMs(from.0 + ROOT_VALIDITY_MS)),
    }
}
