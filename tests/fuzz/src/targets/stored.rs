//! What a node finds on its own disk.

use std::sync::LazyLock;

use kvitto_ledger::Tip;
use kvitto_ledger::codec::{decode_strict, encode};
use kvitto_ledger::state::{Accreditation, Identifier, Usage};
use kvitto_replica::signer::Guard;
use kvitto_replica::testing::DECODERS;
use kvitto_storage::Journal;
use kvitto_storage::disk::{ForgedRows, ROW_READERS};
use kvitto_storage::files::MemoryDirectory;
use kvitto_storage::head::{HEAD_FILE, HeadFile};
use kvitto_storage::journal::JOURNAL_FILE;

use super::assert_same;

fn directory(file: &str, content: &[u8]) -> MemoryDirectory {
    let directory = MemoryDirectory::default();
    directory.tamper(file, |bytes| *bytes = content.to_vec());
    directory
}

/// Journal, HEAD and guard: the first byte says whether checksums are made to hold.
pub fn files(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    assert_same("guard", bytes, Guard::decode(bytes).ok().map(|guard| guard.encode()));
    let journal_entry = DECODERS.iter().find(|(name, _)| *name == "journal").expect("there is one");
    assert_same("journal entry", bytes, journal_entry.1(bytes));
    let sealed = mode % 2 == 1;
    journal(&if sealed { framed(bytes) } else { bytes.to_vec() });
    head(&if sealed { slot(bytes) } else { bytes.to_vec() });
}

/// What is read from a journal is read again when it is opened again; what is appended comes behind it.
fn journal(content: &[u8]) {
    let directory = directory(JOURNAL_FILE, content);
    let Ok((mut journal, found)) = Journal::open(directory.clone()) else { return };
    assert!(journal.bytes_len() <= content.len() as u64);
    journal.append(200, b"next").expect("memory has room");
    journal.sync().expect("memory has room");
    let (_, mut again) = Journal::open(directory).expect("it was opened before");
    let next = again.pop().expect("one was appended");
    assert_eq!((next.kind, &next.bytes[..]), (200, &b"next"[..]));
    assert!(again == found, "what was found is found again");
}

/// What HEAD says is written and read as the same.
fn head(content: &[u8]) {
    let Ok((mut file, Some(head))) = HeadFile::open(directory(HEAD_FILE, content)) else { return };
    file.write(&head).expect("memory has room");
    let other = MemoryDirectory::default();
    HeadFile::open(other.clone()).expect("empty").0.write(&head).expect("memory has room");
    assert_eq!(HeadFile::open(other).expect("just written").1, Some(head));
}

/// Bytes as frames of a journal with checksums that hold: each with its kind, how far the file is said to be synced, and its length.
fn framed(mut bytes: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    while let Some(([kind, synced, len], rest)) = bytes.split_first_chunk::<3>() {
        let (content, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        bytes = rest;
        let synced = u64::from(*synced) * 4;
        let checked = [&synced.to_be_bytes()[..], &[*kind], content].concat();
        let mut crc = crc32fast::Hasher::new();
        for part in [&(file.len() as u64).to_be_bytes()[..], &(checked.len() as u64).to_be_bytes(), &checked]
        {
            crc.update(part);
        }
        let len = content.len() as u32;
        file.extend(
            [&b"kvjf"[..], &len.to_be_bytes(), &[0; 4], &crc.finalize().to_be_bytes(), &checked].concat(),
        );
    }
    file
}

/// Bytes as the content of HEAD's first slot.
fn slot(bytes: &[u8]) -> Vec<u8> {
    let mut slot =
        [&b"kvhead02"[..], &1_u64.to_be_bytes(), &(bytes.len() as u32).to_be_bytes(), bytes].concat();
    slot.extend(crc32fast::hash(&slot).to_be_bytes());
    slot
}

/// Rows of the database under checksums that hold: the first byte says of which kind.
pub fn rows(bytes: &[u8]) {
    static ROWS: LazyLock<(tempfile::TempDir, ForgedRows)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let rows = ForgedRows::new(&folder.path().join("rows")).expect("opens");
        (folder, rows)
    });
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let kind = usize::from(*kind) % (ROW_READERS.len() + 1);
    if let Some((name, reader)) = ROW_READERS.get(kind) {
        assert_same(name, bytes, reader(&ROWS.1, bytes));
    } else {
        assert_same(
            "identifier",
            bytes,
            decode_strict::<Identifier>(bytes, 1 << 20).ok().map(|row| encode(&row)),
        );
        assert_same(
            "accreditation",
            bytes,
            decode_strict::<Accreditation>(bytes, 1 << 20).ok().map(|row| encode(&row)),
        );
        assert_same("usage", bytes, decode_strict::<Usage>(bytes, 1 << 20).ok().map(|row| encode(&row)));
        assert_same("tip", bytes, decode_strict::<Tip>(bytes, 1 << 20).ok().map(|row| encode(&row)));
    }
}
