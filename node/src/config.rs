//! `node.toml`: where a node finds its genesis, keys and data, and where it listens. The fields' documentation is the manual.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::file;

/// The file's content. Relative paths start at the file's own folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The genesis: the same file on every node.
    pub genesis: PathBuf,
    /// This member's private keys, mode 0600.
    pub keys: PathBuf,
    /// The store's folder: everything in it can be had again from the other members.
    pub data: PathBuf,
    /// What this member signed last. Never copy, restore or delete it: a member without it must not sign.
    pub guard: PathBuf,
    /// Towards other nodes.
    pub network: NetworkConfig,
    /// Towards clients.
    pub api: ApiConfig,
    /// The store.
    #[serde(default)]
    pub store: StoreConfig,
    /// Logging.
    #[serde(default)]
    pub log: LogConfig,
}

/// Towards other nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Addresses to listen on for peers.
    pub listen: Vec<SocketAddr>,
}

/// Towards clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Address of the public gRPC listener.
    pub listen: SocketAddr,
    /// Address of the operator's gRPC listener; loopback only.
    pub operator: SocketAddr,
    /// TLS on the public listener. Absent: plain text, for loopback or behind a proxy.
    pub tls: Option<TlsConfig>,
}

/// TLS on the public listener.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file with the certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the private key, mode 0600.
    pub key: PathBuf,
}

/// The store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Size of the database's cache, in MiB.
    pub cache_mib: u32,
    /// Space set aside so that a node on a full disk can still open and serve, in MiB.
    pub ballast_mib: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { cache_mib: 64, ballast_mib: 64 }
    }
}

impl StoreConfig {
    /// Size of the database's cache, in bytes.
    pub fn cache_bytes(&self) -> u64 {
        u64::from(self.cache_mib) << 20
    }

    /// Space set aside, in bytes.
    pub fn ballast_bytes(&self) -> u64 {
        u64::from(self.ballast_mib) << 20
    }
}

/// Logging, to standard error.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Filter in the form of the `tracing` ecosystem, e.g. `info,kvitto_network=debug`. Default: `info`, and less of the
    /// libraries for the network and consensus.
    pub filter: Option<String>,
    /// One JSON object per line instead of text.
    pub json: bool,
}

impl Config {
    /// Reads and checks a configuration; paths become absolute or relative to the working folder.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(path: &Path) -> Result<Self> {
        let mut config = Self::as_written(path)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let at = |relative: &mut PathBuf| *relative = folder.join(&*relative);
        [&mut config.genesis, &mut config.keys, &mut config.data, &mut config.guard].into_iter().for_each(at);
        if let Some(tls) = &mut config.api.tls {
            [&mut tls.certificate, &mut tls.key].into_iter().for_each(at);
        }
        config.check().with_context(|| format!("{} is not a usable configuration", path.display()))?;
        Ok(config)
    }

    /// Reads a configuration with its paths as they are written.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn as_written(path: &Path) -> Result<Self> {
        toml::from_str(&file::read_text(path)?)
            .with_context(|| format!("{} is not a usable configuration", path.display()))
    }

    /// Checks what can be checked without looking at the machine.
    ///
    /// # Errors
    /// The first broken relation.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.api.operator.ip().is_loopback(), "api.operator must be a loopback address");
        ensure!(
            !self.guard.starts_with(&self.data),
            "the guard must lie outside the data folder: the folder can be replaced, the guard never"
        );
        ensure!((1..=65_536).contains(&self.store.cache_mib), "store.cache_mib must be 1 to 65,536");
        ensure!(self.store.ballast_mib <= 65_536, "store.ballast_mib must be at most 65,536");
        Ok(())
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a configuration holds nothing that TOML cannot express")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        genesis = "genesis.toml"
        keys = "member.keys"
        data = "data"
        guard = "guard"
        [network]
        listen = ["127.0.0.1:7000"]
        [api]
        listen = "127.0.0.1:7100"
        operator = "127.0.0.1:7200"
    "#;

    fn read(text: &str) -> Result<Config> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("node.toml");
        std::fs::write(&path, text)?;
        let mut config = Config::read(&path)?;
        config.data = config.data.strip_prefix(folder.path())?.to_owned();
        Ok(config)
    }

    #[test]
    fn paths_start_at_the_files_folder() {
        assert_eq!(read(GOOD).unwrap().data, Path::new("data"));
    }

    #[test]
    fn the_sample_for_operators_is_usable_and_agrees_with_the_service() {
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
        let config = Config::read(&deploy.join("sample/node.toml")).unwrap();
        assert!(config.api.tls.is_some());
        let unit = std::fs::read_to_string(deploy.join("systemd/kvitto-node.service")).unwrap();
        let state = Path::new("/var/lib").join(value(&unit, "StateDirectory="));
        // Everything else is read-only for the service.
        assert!(config.data.starts_with(&state) && config.guard.starts_with(&state));
    }

    fn value<'a>(unit: &'a str, name: &str) -> &'a str {
        unit.lines().find_map(|line| line.strip_prefix(name)).unwrap()
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (from, to, expected) in [
            ("keys = \"member.keys\"", "", "missing field"),
            ("guard = \"guard\"", "guard = \"data/guard\"", "outside the data folder"),
            ("operator = \"127.0.0.1:7200\"", "operator = \"192.0.2.1:7200\"", "loopback"),
            ("data = \"data\"", "date = \"data\"", "unknown field"),
            ("[network]", "store = { cache_mib = 0 }\n[network]", "cache_mib"),
        ] {
            let error = format!("{:#}", read(&GOOD.replace(from, to)).unwrap_err());
            assert!(error.contains(expected), "{error} should speak of {expected}");
        }
    }
}
