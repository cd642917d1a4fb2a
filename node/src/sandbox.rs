//! The files of a ledger whose members all live on one machine: for the demo, `localnet` and tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kvitto_cli::keyfile::KeyFile;
use kvitto_ledger::{AccreditationId, TimeMs};
use kvitto_merkle::sha256;
use kvitto_verifier::TrustFile;

use crate::config::Config;
use crate::core::now;
use crate::file::{self, Access};
use crate::genesis_file::{GenesisFile, LimitsEntry, RootEntry, Timeouts, format_time};
use crate::init::{self, CONFIG_FILE, NewMember};

/// The ledger's name.
pub const ORIGIN: &str = "kvitto.localhost/sandbox";
/// How long the root may accredit: ten years.
const ROOT_VALIDITY_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// Ports of a member's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// All of it comes to be beside `folder`, under a name ending in `.unfinished`, and moves there in one step; what an
    /// earlier attempt has left under that name goes.
    ///
    /// # Errors
    /// When something is in `folder` already, or cannot be written.
    pub fn make(folder: &Path, ports: &[Ports], timeouts: Timeouts) -> Result<Self> {
        let name = folder.file_name().with_context(|| format!("{} is no new folder", folder.display()))?;
        let mut unfinished = name.to_owned();
        unfinished.push(".unfinished");
        let unfinished = folder.with_file_name(unfinished);
        if unfinished.try_exists()? {
            std::fs::remove_dir_all(&unfinished)
                .with_context(|| format!("cannot remove {}", unfinished.display()))?;
        }
        let members = Self::make_unfinished(&unfinished, ports, timeouts)?.members;
        std::fs::rename(&unfinished, folder).and_then(|()| file::sync_parent(folder)).with_context(|| {
            format!(
                "cannot make {}, which must be new or empty, from {}",
                folder.display(),
                unfinished.display()
            )
        })?;
        Ok(Self { folder: folder.to_owned(), members })
    }

    fn make_unfinished(folder: &Path, ports: &[Ports], timeouts: Timeouts) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let sandbox = Self { folder: folder.to_owned(), members: ports.len() };
        let mut members = Vec::new();
        for (index, ports) in ports.iter().enumerate() {
            let new = NewMember {
                origin: ORIGIN.into(),
                name: member_name(index),
                listen: local(ports.peers),
                address: local(ports.peers).to_string(),
                api: local(ports.api),
                operator: local(ports.operator),
                data: "data".into(),
                guard: "guard".into(),
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

    /// Where the members listen.
    ///
    /// # Errors
    /// When a configuration cannot be read.
    pub fn ports(&self) -> Result<Vec<Ports>> {
        let ports = |index| {
            let Config { network, api, .. } = Config::read(&self.config(index))?;
            let peers = network.listen.first().context("a node listens for peers")?.port();
            Ok(Ports { peers, api: api.listen.port(), operator: api.operator.port() })
        };
        (0..self.members).map(ports).collect()
    }

    /// Lets the members listen on other ports from their next start on.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn set_ports(&self, ports: &[Ports]) -> Result<()> {
        ensure!(ports.len() == self.members, "there are {} members", self.members);
        let (mut genesis_file, _) = GenesisFile::read(&self.member_folder(0).join(init::GENESIS_FILE))?;
        for (member, ports) in genesis_file.members.iter_mut().zip(ports) {
            member.addresses = vec![local(ports.peers).to_string()];
        }
        for (index, ports) in ports.iter().enumerate() {
            let mut config = Config::as_written(&self.config(index))?;
            config.network.listen = vec![local(ports.peers)];
            config.api.listen = local(ports.api);
            config.api.operator = local(ports.operator);
            file::replace(&self.config(index), config.to_toml().as_bytes())?;
            let genesis = self.member_folder(index).join(init::GENESIS_FILE);
            file::replace(&genesis, genesis_file.to_toml().as_bytes())?;
        }
        Ok(())
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        &self.folder
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

/// On this machine only.
pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The name of member `index`, from 0.
pub fn member_name(index: usize) -> String {
    format!("member-{}.localhost/kvitto", index + 1)
}

/// A root that may accredit anything.
pub(crate) fn root_entry(root: &KeyFile) -> RootEntry {
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

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [Ports; 1] = [Ports { peers: 1, api: 2, operator: 3 }];

    #[test]
    fn a_half_made_ledger_is_made_anew_and_a_used_folder_stays() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("ledger");
        // As a process leaves it that was killed while it made the members.
        let torn = parent.path().join("ledger.unfinished/member-1");
        std::fs::create_dir_all(&torn).unwrap();
        std::fs::write(torn.join("member.keys"), "consensus = ").unwrap();

        assert!(Sandbox::open(&folder).unwrap().is_none());
        Sandbox::make(&folder, &ONE, Timeouts::default()).unwrap();
        assert_eq!(Sandbox::open(&folder).unwrap().unwrap().members(), 1);
        assert!(!parent.path().join("ledger.unfinished").exists());

        let trust = std::fs::read(folder.join("trust.json")).unwrap();
        let error = Sandbox::make(&folder, &ONE, Timeouts::default()).unwrap_err().to_string();
        assert!(error.contains("new or empty"), "{error}");
        assert_eq!(std::fs::read(folder.join("trust.json")).unwrap(), trust);
    }

    #[test]
    fn members_move_to_other_ports_and_the_ledger_stays_the_same() {
        let parent = tempfile::tempdir().unwrap();
        let ports = [ONE[0], Ports { peers: 4, api: 5, operator: 6 }];
        let sandbox = Sandbox::make(&parent.path().join("ledger"), &ports, Timeouts::default()).unwrap();
        let read = |index| GenesisFile::read(&sandbox.member_folder(index).join(init::GENESIS_FILE)).unwrap();
        let ledger = read(0).1.ledger_id();

        let moved = [Ports { peers: 11, api: 12, operator: 13 }, Ports { peers: 14, api: 15, operator: 16 }];
        sandbox.set_ports(&moved).unwrap();
        assert_eq!(sandbox.ports().unwrap(), moved);
        for index in [0, 1] {
            let (genesis_file, genesis) = read(index);
            assert_eq!(genesis.ledger_id(), ledger);
            let addresses: Vec<_> =
                genesis_file.members.iter().flat_map(|member| &member.addresses).collect();
            assert_eq!(addresses, ["127.0.0.1:11", "127.0.0.1:14"]);
        }
    }
}
