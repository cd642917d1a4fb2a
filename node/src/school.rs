//! An agency and a school, registered and accredited by the Root TAO of a sandbox: for the demo and for `localnet`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kvitto_cli::{Exit, KeyFile};

use crate::file::{self, Access};
use crate::sandbox::Sandbox;
use crate::shell::{Shell, say};

const TAO_ACCREDITATION: &str = "7a00000000000000000000000000000000000000000000000000000000000001";
const SCHOOL_ACCREDITATION: &str = "7a00000000000000000000000000000000000000000000000000000000000002";

/// The key files of both, and what the school may anchor, in one folder.
#[derive(Clone, Debug)]
pub(crate) struct School {
    folder: PathBuf,
}

impl School {
    /// The school whose files are, or will be, in `folder`.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The key file of the agency that accredits the school.
    fn tao_key(&self) -> PathBuf {
        self.folder.join("tao.key")
    }

    /// The school's key file.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("school.key")
    }

    /// One type a line. Written last: where it is missing, there is no accredited school yet.
    fn types_file(&self) -> PathBuf {
        self.folder.join("school.types")
    }

    /// The types of credentials that it may anchor; `None` where it is not founded.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub(crate) fn types(&self) -> Result<Option<Vec<String>>> {
        let path = self.types_file();
        if !path.try_exists()? {
            return Ok(None);
        }
        Ok(Some(file::read_text(&path)?.lines().map(str::to_owned).collect()))
    }

    /// Makes the keys, and has both organisations registered and accredited for these credential types, by way of `node`.
    /// Keys that an interrupted founding has left are replaced: nobody knows their organisations.
    ///
    /// # Errors
    /// When a command does not succeed.
    pub(crate) async fn found(
        &self,
        shell: &Shell,
        sandbox: &Sandbox,
        node: &str,
        types: &[String],
    ) -> Result<()> {
        say("\nAn agency and a school make their keys. They never leave their files.")?;
        let [root, tao, school] =
            [sandbox.root_key(), self.tao_key(), self.key()].map(|path| path.display().to_string());
        for key in [&tao, &school] {
            if Path::new(key).try_exists()? {
                std::fs::remove_file(key).with_context(|| format!("cannot remove {key}"))?;
            }
        }
        shell.run(&["key", "new", "--key", &tao], &[Exit::Ok]).await?;
        shell.run(&["key", "new", "--key", &school], &[Exit::Ok]).await?;

        say("\nThe Root TAO registers the agency, and accredits it to accredit others (TAO).")?;
        let agency = New {
            key: &tao,
            legal_name: "Myndigheten för exempel",
            legal_id: "registration:202100-0001",
            role: "tao",
            accreditation: TAO_ACCREDITATION,
        };
        let sponsor = Sponsor { key: &root, accreditation: &sandbox.root_accreditation()? };
        admit(shell, node, &sponsor, &agency, types).await?;

        say("\nThe agency registers a school, and accredits it to anchor these types of credentials (TI).")?;
        let university = New {
            key: &school,
            legal_name: "Högskolan Exempelstad",
            legal_id: "registration:202100-0000",
            role: "ti",
            accreditation: SCHOOL_ACCREDITATION,
        };
        admit(shell, node, &Sponsor { key: &tao, accreditation: TAO_ACCREDITATION }, &university, types)
            .await?;
        file::create(&self.types_file(), (types.join("\n") + "\n").as_bytes(), Access::Public)
    }
}

/// Who registers and accredits.
struct Sponsor<'a> {
    key: &'a str,
    accreditation: &'a str,
}

/// Who is registered and accredited.
struct New<'a> {
    key: &'a str,
    legal_name: &'a str,
    legal_id: &'a str,
    role: &'a str,
    accreditation: &'a str,
}

async fn admit(
    shell: &Shell,
    node: &str,
    sponsor: &Sponsor<'_>,
    new: &New<'_>,
    types: &[String],
) -> Result<()> {
    let by_sponsor = ["--node", node, "--key", sponsor.key];
    let mut onboard = vec!["onboard", "direct", "--subject-key", new.key, "--legal-name", new.legal_name];
    onboard.extend(["--legal-id", new.legal_id, "--country", "SE"]);
    onboard.extend(["--sponsor-accreditation", sponsor.accreditation]);
    onboard.extend(by_sponsor);
    shell.run(&onboard, &[Exit::Ok]).await?;

    let did = KeyFile::read(Path::new(new.key))?.did().to_string();
    let mut accredit = vec!["accredit", &did, "--role", new.role, "--id", new.accreditation];
    accredit.extend(types.iter().flat_map(|name| ["--type", name]));
    accredit.extend(by_sponsor);
    shell.run(&accredit, &[Exit::Ok]).await
}
