//! Which credentials a command is about: files, the issuer's own references, or a CSV of them; and what the ledger may hold for each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use kvitto_client::CredentialName;
use kvitto_ledger::commitment::{DigestAlgorithm, DigestTarget, Opening, SaltKey};
use kvitto_ledger::{Commitment, Did, Record, RecordBody};
use kvitto_verifier::Receipt;
use kvitto_verifier::receipt::ReceiptOpening;

use crate::bundle::{BUNDLE_BYTES_MAX, Bundle, is_bundle};
use crate::credentials::{CredentialFile, ReadingArgs, expand};
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::input_file::{self, FILE_BYTES_MAX};
use crate::register::Register;

/// Which credentials.
#[derive(Args, Debug)]
pub struct SelectionArgs {
    /// Credential files, directories of them, receipts or bundles.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A credential by the issuer's own reference in the register.
    #[arg(long = "ref", value_name = "REFERENCE")]
    pub references: Vec<String>,
    /// A CSV file with a header line and the column `file` or `ref`.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// The issuer's register.
    #[arg(long, env = "KVITTO_REGISTER", hide_env_values = true, value_name = "DIR")]
    pub register: Option<PathBuf>,
    /// How credential files are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// A credential that a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// How the person named it.
    pub label: String,
    /// What was named.
    pub source: Source,
    /// What may be on the ledger for it; usually one of them is.
    pub candidates: Vec<Candidate>,
}

/// What a person named a credential by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Its file.
    Credential(PathBuf),
    /// A receipt of it.
    Receipt(PathBuf),
    /// A bundle of it and a receipt.
    Bundle(PathBuf, Box<Bundle>),
    /// The issuer's own reference.
    Reference,
}

/// A commitment that may be on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who anchored it.
    pub issuer: Did,
    /// The commitment.
    pub commitment: Commitment,
    /// What opens it, for receipts.
    pub opening: Option<ReceiptOpening>,
}

/// Who selects, with what.
pub struct Selector<'a> {
    /// The issuer whose anchors are looked for.
    pub issuer: Option<Did>,
    /// Its salt key.
    pub salt_key: Option<SaltKey>,
    /// Its register.
    pub register: Option<&'a Register>,
    /// How credential files are read.
    pub reading: &'a ReadingArgs,
}

/// A line of a CSV file.
pub struct CsvLine {
    /// Which one, from 1.
    pub number: u64,
    /// The values of the columns asked for.
    pub values: BTreeMap<String, String>,
}

impl SelectionArgs {
    /// Whether anything was named.
    pub fn names_any(&self) -> bool {
        !self.files.is_empty() || !self.references.is_empty() || self.csv.is_some()
    }

    /// Everything that was named, in the order of the command line; nothing named is an error.
    ///
    /// # Errors
    /// Files that cannot be read, references that are not in the register.
    pub fn select(&self, selector: &Selector<'_>) -> Result<Vec<Selected>, Failure> {
        let mut selected = Vec::new();
        if !self.files.is_empty() {
            for file in expand(&self.files)? {
                selected.push(selector.file(&file)?);
            }
        }
        for reference in &self.references {
            selected.push(selector.reference(reference)?);
        }
        if let Some(csv) = &self.csv {
            for line in read_csv(csv, &["file", "ref"])? {
                selected.push(selector.csv_line(csv, &line, "file", "ref")?);
            }
        }
        if selected.is_empty() {
            let next = "name credential files, or use --ref or --csv";
            return Err(Failure::usage("NOTHING_SELECTED", "no credential was named", next));
        }
        Ok(selected)
    }
}

impl Selector<'_> {
    /// A credential, receipt or bundle file.
    ///
    /// # Errors
    /// That it cannot be read, or nothing is known to look for.
    pub fn file(&self, path: &Path) -> Result<Selected, Failure> {
        let bytes = input_file::read(path, BUNDLE_BYTES_MAX)?;
        let label = path.display().to_string();
        if is_bundle(&bytes) {
            let bundle = Bundle::from_json(&bytes).map_err(|error| {
                let message = format!("{label}: {}", chain(&error));
                Failure::new(Exit::Input, "BUNDLE_MALFORMED", message, "ask for the file again")
            })?;
            let candidates = vec![candidate_of(path, &bundle.receipt)?];
            return Ok(Selected {
                label,
                source: Source::Bundle(path.to_owned(), Box::new(bundle)),
                candidates,
            });
        }
        if let Ok(receipt) = Receipt::from_json(&bytes) {
            let candidates = vec![candidate_of(path, &receipt)?];
            return Ok(Selected { label, source: Source::Receipt(path.to_owned()), candidates });
        }
        let candidates = self.candidates_of(&self.reading.read(path)?)?;
        Ok(Selected { label, source: Source::Credential(path.to_owned()), candidates })
    }

    /// A credential by the issuer's own reference.
    ///
    /// # Errors
    /// There is no register, or no such reference in it.
    pub fn reference(&self, reference: &str) -> Result<Selected, Failure> {
        let issuer = self.issuer.ok_or_else(|| {
            let message = "a reference needs the issuer's key file";
            Failure::usage("ISSUER_NOT_NAMED", message, "name it with --key FILE or KVITTO_KEY")
        })?;
        let register = self.register.ok_or_else(|| {
            let next = "name it with --register DIR or KVITTO_REGISTER";
            Failure::usage("REGISTER_NOT_NAMED", "a reference needs the issuer's register", next)
        })?;
        let rows = register.rows_named(reference);
        if rows.is_empty() {
            let message = format!("the register has no credential with the reference {reference:?}");
            return Err(Failure::new(Exit::NotFound, "REFERENCE_UNKNOWN", message, "check the reference"));
        }
        let candidates =
            rows.into_iter().map(|row| Candidate::of(issuer, &row.credential.opening())).collect();
        Ok(Selected { label: reference.to_owned(), source: Source::Reference, candidates })
    }

    /// A line of a CSV file, by the column that is filled in.
    ///
    /// # Errors
    /// As [`Selector::file`] and [`Selector::reference`]; a line without either.
    pub fn csv_line(
        &self,
        csv: &Path,
        line: &CsvLine,
        file_column: &str,
        reference_column: &str,
    ) -> Result<Selected, Failure> {
        let selected = match (line.values.get(file_column), line.values.get(reference_column)) {
            // A path in a CSV file is meant from where the CSV file is.
            (Some(file), _) => self.file(&csv.parent().unwrap_or(Path::new("")).join(file)),
            (None, Some(reference)) => self.reference(reference),
            (None, None) => {
                let message = format!("neither {file_column} nor {reference_column} is filled in");
                Err(Failure::new(Exit::Input, "CSV_LINE", message, "fill in one of the two in every line"))
            }
        };
        selected.map_err(|failure| {
            let message = format!("{}, line {}: {}", csv.display(), line.number, failure.message);
            Failure { message, ..failure }
        })
    }

    /// All that the issuer may have anchored for a file: by every algorithm and target, salted and bare, and as the register says.
    fn candidates_of(&self, file: &CredentialFile) -> Result<Vec<Candidate>, Failure> {
        let issuer = self.issuer.ok_or_else(|| {
            let next = "name the issuer's key file with --key, or give its receipt instead of the credential";
            let message = format!("{}: who anchored it is not known", file.path.display());
            Failure::usage("ISSUER_NOT_NAMED", message, next)
        })?;
        let mut found: BTreeMap<Commitment, Candidate> = BTreeMap::new();
        let mut add = |opening: Opening| {
            let candidate = Candidate::of(issuer, &opening);
            found.entry(candidate.commitment).or_insert(candidate);
        };
        for algorithm in DigestAlgorithm::ALL {
            for target in DigestTarget::ALL {
                let Ok(digest) = file.credential.digest(algorithm, target) else { continue };
                add(Opening { algorithm, target, salt: None, digest });
                if let Some(salt_key) = &self.salt_key {
                    add(salt_key.opening_for(algorithm, target, digest));
                }
                let row = self.register.and_then(|register| register.row_of(&(algorithm, target, digest)));
                row.into_iter().map(|row| row.credential.opening()).for_each(&mut add);
            }
        }
        Ok(found.into_values().collect())
    }
}

impl Candidate {
    /// How the ledger is asked about it.
    pub fn name(&self) -> CredentialName {
        CredentialName::Commitment { issuer: self.issuer, commitment: self.commitment }
    }

    fn of(issuer: Did, opening: &Opening) -> Self {
        Self { issuer, commitment: opening.commitment(), opening: Some(receipt_opening(opening)) }
    }
}

/// An opening as a receipt holds it.
pub fn receipt_opening(opening: &Opening) -> ReceiptOpening {
    ReceiptOpening { algorithm: opening.algorithm, target: opening.target, salt: opening.salt.clone() }
}

/// Reads the named columns of a CSV file with a header line. Empty fields are left out, and lines without any field.
///
/// # Errors
/// That it cannot be read, is malformed, or has none of the columns.
pub fn read_csv(path: &Path, columns: &[&str]) -> Result<Vec<CsvLine>, Failure> {
    let malformed = |detail: String| {
        let message = format!("{}: {detail}", path.display());
        let next = format!("write a header line with the columns {}, in UTF-8", columns.join(", "));
        Failure::new(Exit::Input, "CSV_MALFORMED", message, next)
    };
    let bytes = input_file::read(path, FILE_BYTES_MAX)?;
    // Spreadsheets put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).delimiter(delimiter_of(bytes)).from_reader(bytes);
    let headers = reader.headers().map_err(|error| malformed(error.to_string()))?.clone();
    let headers: Vec<String> = headers.iter().map(str::to_ascii_lowercase).collect();
    if !headers.iter().any(|header| columns.contains(&header.as_str())) {
        return Err(malformed("none of the expected columns is there".to_owned()));
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| malformed(error.to_string()))?;
        let fields = headers.iter().zip(record.iter());
        let wanted = fields.filter(|(header, field)| columns.contains(&header.as_str()) && !field.is_empty());
        let values: BTreeMap<_, _> =
            wanted.map(|(header, field)| (header.clone(), field.to_owned())).collect();
        if !values.is_empty() {
            lines.push(CsvLine { number: record.position().map_or(0, csv::Position::line), values });
        }
    }
    Ok(lines)
}

/// Spreadsheets of countries that write decimals with a comma separate fields by semicolons.
fn delimiter_of(csv: &[u8]) -> u8 {
    let header = csv.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if header.contains(&b';') { b';' } else { b',' }
}

fn candidate_of(path: &Path, receipt: &Receipt) -> Result<Candidate, Failure> {
    match Record::decode(&receipt.anchored.leaf).map(|record| record.body) {
        Ok(RecordBody::Anchored(anchored)) => Ok(Candidate {
            issuer: anchored.issuer,
            commitment: anchored.commitment,
            opening: receipt.opening.clone(),
        }),
        _ => {
            let message = format!("{}: the receipt holds no anchored commitment", path.display());
            Err(Failure::new(Exit::Input, "RECEIPT_MALFORMED", message, "ask the issuer for another receipt"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        selection: SelectionArgs,
    }

    fn selection(words: &[&str]) -> SelectionArgs {
        Line::parse_from([&["x"], words].concat()).selection
    }

    const CREDENTIAL: &str = r#"{"type":["VerifiableCredential"],"credentialSubject":{"id":"urn:x"}}"#;

    #[test]
    fn a_file_is_looked_for_in_every_way_it_can_have_been_anchored() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.json");
        fs::write(&file, CREDENTIAL).unwrap();
        let args = selection(&[file.to_str().unwrap()]);
        let issuer = Did::new([1; 16]);
        let select = |salt_key| {
            let selector =
                Selector { issuer: Some(issuer), salt_key, register: None, reading: &args.reading };
            args.select(&selector).unwrap()[0].candidates.len()
        };
        // Two algorithms, two targets (jcs and bytes); bare, and salted with a key.
        assert_eq!(select(None), 4);
        assert_eq!(select(Some(SaltKey::new([1; 32]))), 8);
    }

    #[test]
    fn what_is_missing_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.json");
        fs::write(&file, CREDENTIAL).unwrap();
        for (words, reason) in [
            (vec![], "NOTHING_SELECTED"),
            (vec![file.to_str().unwrap()], "ISSUER_NOT_NAMED"),
            (vec!["--ref", "a"], "ISSUER_NOT_NAMED"),
        ] {
            let args = selection(&words);
            let selector = Selector { issuer: None, salt_key: None, register: None, reading: &args.reading };
            assert_eq!(args.select(&selector).unwrap_err().reason, reason, "{words:?}");
            let selector = Selector { issuer: Some(Did::new([1; 16])), ..selector };
            if words.contains(&"--ref") {
                assert_eq!(args.select(&selector).unwrap_err().reason, "REGISTER_NOT_NAMED");
            }
        }
    }

    #[test]
    fn csv_files_name_files_beside_themselves() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.json"), CREDENTIAL).unwrap();
        for (text, expected) in [
            ("file\na.json\n", Ok(1)),
            ("\u{feff}ref,file\n,a.json\n\n,a.json\n", Ok(2)),
            ("file,other\na.json,x\n", Ok(1)),
            ("Ref;File\r\n;a.json\r\n", Ok(1)),
            ("name\na.json\n", Err("CSV_MALFORMED")),
            ("file\na.json,b\n", Err("CSV_MALFORMED")),
            ("file\nmissing.json\n", Err("FILE_UNREADABLE")),
            ("file\n", Err("NOTHING_SELECTED")),
        ] {
            let csv = directory.path().join("list.csv");
            fs::write(&csv, text).unwrap();
            let args = selection(&["--csv", csv.to_str().unwrap()]);
            let issuer = Some(Did::new([1; 16]));
            let selector = Selector { issuer, salt_key: None, register: None, reading: &args.reading };
            let found =
                args.select(&selector).map(|selected| selected.len()).map_err(|failure| failure.reason);
            assert_eq!(found, expected.map_err(str::to_owned), "{text:?}");
        }
    }
}
