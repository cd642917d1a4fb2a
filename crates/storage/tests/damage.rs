//! What a store does about a disk that lies: everything here is found when the store is opened, set aside, and never deleted.

use std::fs;
use std::path::{Path, PathBuf};

use kvitto_ledger::Height;
use kvitto_storage::disk::{KeptBlocks, Opened, Options, set_aside};
use kvitto_storage::faults::Faults;
use kvitto_storage::files::{Directory, OsDirectory};
use kvitto_storage::head::{HEAD_FILE, HeadFile};
use kvitto_storage::suite::certificate;
use kvitto_storage::suite::history::History;
use kvitto_storage::{Damage, MemoryDisk, MemoryStore, Published, Read, SledStore, Store, StoreError, audit};
use tempfile::TempDir;

fn options() -> Options {
    Options { ballast_bytes: 50_000, cache_bytes: 8 * 1024 * 1024, ..Options::default() }
}

fn open(path: &Path, history: &History) -> Opened {
    let holds = |header: &kvitto_ledger::Header, bytes: &[u8]| bytes == certificate(header.height);
    SledStore::open(path, &options(), &history.blocks[0], &holds).expect("opens, if anew")
}

/// A folder with the blocks up to `height`, closed.
fn filled(history: &History, height: usize) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    extend(folder.path(), history, height);
    folder
}

fn extend(path: &Path, history: &History, height: usize) {
    let mut store = open(path, history).store;
    for block in &history.blocks[store.head().height.0 as usize + 1..=height] {
        store.commit(block, &certificate(block.header.height)).expect("committed");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// Replaces the database by that of another folder.
fn put_database(from: &Path, to: &Path) {
    fs::remove_dir_all(to.join("sled")).expect("removed");
    copy(&from.join("sled"), &to.join("sled"));
}

/// Opening finds `expected`, keeps the damaged database and HEAD, and begins anew; the blocks can be committed again.
fn check_set_aside(path: &Path, history: &History, expected: &Damage, lost: Option<Height>) {
    let opened = open(path, history);
    let set_aside = opened.set_aside.expect("damage is found");
    assert_eq!(&set_aside.damage, expected);
    assert_eq!(set_aside.path, path.join("damaged-1"));
    assert!(set_aside.path.join("sled").join("db").exists(), "the database is kept");
    assert_eq!(opened.lost.map(|head| head.height), lost);
    assert_eq!(opened.store.head().height, Height(0));
    drop(opened.store);
    let again = open(path, history);
    assert!(again.set_aside.is_none() && again.lost.map(|head| head.height) == lost);
    drop(again.store);
    extend(path, history, history.blocks.len() - 1);
    let again = open(path, history);
    audit::everything(&again.store.reader(), &mut |_| ()).expect("all in order");
}

#[test]
fn a_database_behind_head_is_damage() {
    let history = History::small();
    let (old, new) = (filled(&history, 5), filled(&history, 9));
    put_database(old.path(), new.path());
    let expected = Damage::BehindHead { head: Height(9), store: Height(5) };
    check_set_aside(new.path(), &history, &expected, Some(Height(9)));
}

#[test]
fn blocks_of_a_database_that_was_set_aside_can_be_read_and_it_stays_as_it_is() {
    let history = History::small();
    let (old, new) = (filled(&history, 5), filled(&history, 9));
    put_database(old.path(), new.path());
    // Held, as by whoever salvages.
    let opened = open(new.path(), &history);
    let kept = set_aside(new.path()).expect("readable");
    assert_eq!(kept, [new.path().join("damaged-1")]);
    let bytes = || fs::read(kept[0].join("sled").join("db")).expect("readable");
    let before = bytes();
    {
        let blocks = KeptBlocks::open(&kept[0], options().cache_bytes).expect("opens");
        for block in &history.blocks[1..=5] {
            let found = blocks.block(block.header.height).expect("readable").expect("there");
            assert_eq!(
                (found.header, found.certificate),
                (block.header.clone(), certificate(block.header.height))
            );
            assert_eq!(found.body, block.body.encode());
        }
        assert!(blocks.block(Height(6)).expect("readable").is_none());
    }
    assert_eq!(bytes(), before);
    assert!(!new.path().join("salvage").exists());
    drop(opened);
}

#[test]
fn an_empty_database_under_a_head_is_damage() {
    let history = History::small();
    let folder = filled(&history, 4);
    fs::remove_dir_all(folder.path().join("sled")).expect("removed");
    fs::create_dir(folder.path().join("sled")).expect("made");
    let opened = open(folder.path(), &history);
    assert_eq!(opened.set_aside.expect("found").damage, Damage::Empty { head: Height(4) });
    assert_eq!(opened.lost.map(|head| head.height), Some(Height(4)));
}

#[test]
fn a_database_that_was_only_begun_is_begun_again() {
    let history = History::small();
    let folder = tempfile::tempdir().expect("a folder");
    let sled = folder.path().join("sled");
    fs::create_dir(&sled).expect("made");
    // As a crash leaves it before the checksum.
    fs::write(sled.join("conf"), "segment_size: 524288\nuse_compression: false\n").expect("written");
    let opened = open(folder.path(), &history);
    assert!(opened.set_aside.is_none() && opened.store.head().height == Height(0));
}

#[test]
fn a_database_one_block_ahead_is_normal_and_two_are_damage() {
    let history = History::small();
    let (old, new) = (filled(&history, 5), filled(&history, 7));
    let next = filled(&history, 6);
    put_database(next.path(), old.path());
    let opened = open(old.path(), &history);
    assert!(opened.set_aside.is_none() && opened.store.head().height == Height(6));
    drop(opened.store);
    let old = filled(&history, 5);
    put_database(new.path(), old.path());
    let expected = Damage::AheadOfHead { head: Height(5), store: Height(7) };
    check_set_aside(old.path(), &history, &expected, Some(Height(5)));
}

#[test]
fn a_lost_head_is_damage_and_one_bad_copy_is_not() {
    let history = History::small();
    let folder = filled(&history, 6);
    let head = folder.path().join(HEAD_FILE);
    let whole = fs::read(&head).expect("readable");
    let flip = |bytes: &mut Vec<u8>, slot: usize| bytes[slot * 4_096 + 25] ^= 1;
    for slot in 0..4 {
        let mut bytes = whole.clone();
        flip(&mut bytes, slot);
        fs::write(&head, &bytes).expect("written");
        let opened = open(folder.path(), &history);
        assert!(opened.set_aside.is_none() && opened.store.head().height == Height(6));
        drop(opened.store);
    }
    let mut bytes = whole;
    (0..4).for_each(|slot| flip(&mut bytes, slot));
    fs::write(&head, &bytes).expect("written");
    check_set_aside(folder.path(), &history, &Damage::HeadLost, None);
    fs::remove_file(&head).expect("removed");
    let opened = open(folder.path(), &history);
    assert_eq!(opened.set_aside.expect("found").damage, Damage::HeadLost);
}

/// A row in the database would go back with the newest part of sled's log, which one flipped bit can take away.
#[test]
fn the_checkpoint_does_not_go_back_with_the_database() {
    let history = History::small();
    let folder = filled(&history, 6);
    let published = |height: usize| {
        let header = &history.blocks[height].header;
        Published { height: header.height, size: header.tree_size, note: format!("note {height}").into() }
    };
    let mut store = open(folder.path(), &history).store;
    (3..=6).for_each(|height| store.put_checkpoint(&published(height)).expect("written"));
    drop(store);
    let bytes = fs::read(folder.path().join("sled").join("db")).expect("readable");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("not empty");
    for at in (0..800).step_by(16).map(|back| end - back) {
        let damaged = tempfile::tempdir().expect("a folder");
        copy(folder.path(), damaged.path());
        let mut bytes = bytes.clone();
        bytes[at] ^= 4;
        fs::write(damaged.path().join("sled").join("db"), &bytes).expect("written");
        let opened = open(damaged.path(), &history);
        let stayed = opened.store.reader().published() == Some(published(6));
        assert!(stayed || opened.set_aside.is_some(), "byte {at}");
    }
}

#[test]
fn a_checkpoint_of_a_block_that_is_lost_is_damage() {
    let history = History::small();
    let (old, new) = (filled(&history, 5), filled(&history, 6));
    let header = &history.blocks[6].header;
    let note = "a note".into();
    let published = Published { height: header.height, size: header.tree_size, note };
    open(new.path(), &history).store.put_checkpoint(&published).expect("written");
    fs::copy(new.path().join("CHECKPOINT"), old.path().join("CHECKPOINT")).expect("copied");
    let expected = Damage::BehindHead { head: Height(6), store: Height(5) };
    check_set_aside(old.path(), &history, &expected, Some(Height(5)));
}

/// One flipped bit in sled's log can take single rows away while all the others stay.
#[test]
fn a_row_that_is_not_there_is_damage() {
    let history = History::small();
    let whole = filled(&history, history.blocks.len() - 1);
    for (tree, found_when_opened) in [
        ("identifier", true),
        ("registrant", true),
        ("accreditation", true),
        ("child", true),
        ("usage", true),
        ("status chunk", true),
        ("status node", true),
        ("status record", true),
        ("certificate", false),
        ("body", false),
        ("page of outcomes", false),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        copy(whole.path(), folder.path());
        let db = sled::open(folder.path().join("sled")).expect("opens");
        let (key, _) = db.open_tree(tree).expect("opens").pop_max().expect("removed").expect("not empty");
        drop(db);
        let opened = open(folder.path(), &history);
        match opened.set_aside {
            Some(set_aside) => assert!(found_when_opened, "{tree} {key:?}: {}", set_aside.damage),
            None => {
                assert!(!found_when_opened, "{tree} {key:?}");
                let audited = audit::everything(&opened.store.reader(), &mut |_| ());
                assert!(audited.is_err_and(|error| error.damage().is_some()), "{tree} {key:?}");
            }
        }
    }
}

/// Such a row has a checksum that holds, and no record tells its value.
#[test]
fn a_row_as_it_was_earlier_is_damage() {
    let history = History::small();
    let earlier: Vec<_> = (1..history.blocks.len()).map(|height| filled(&history, height)).collect();
    let rows = |folder: &TempDir| {
        let db = sled::open(folder.path().join("sled")).expect("opens");
        let tree = db.open_tree("usage").expect("opens");
        tree.iter().collect::<Result<Vec<_>, _>>().expect("readable")
    };
    let newest = rows(earlier.last().expect("some blocks"));
    let mut replaced = 0;
    for (key, value) in earlier.iter().flat_map(rows) {
        if !newest.iter().any(|(newest_key, newest)| *newest_key == key && *newest != value) {
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        copy(earlier.last().expect("some blocks").path(), folder.path());
        let db = sled::open(folder.path().join("sled")).expect("opens");
        db.open_tree("usage").expect("opens").insert(key, value).expect("written");
        drop(db);
        let expected = Damage::Sum { what: "usage" };
        check_set_aside(
            folder.path(),
            &history,
            &expected,
            Some(history.blocks.last().expect("some").header.height),
        );
        replaced += 1;
    }
    assert!(replaced > 0, "some quota was used twice");
}

#[test]
fn a_head_with_another_root_is_damage() {
    let history = History::small();
    let folder = filled(&history, 6);
    let files = OsDirectory::open(folder.path(), Faults::none()).expect("opens");
    let (mut file, head) = HeadFile::open(files).expect("readable");
    let mut head = head.expect("written");
    head.log_root.0[0] ^= 1;
    file.write(&head).expect("written");
    let expected = Damage::Mismatch { what: "root", height: Height(6) };
    check_set_aside(folder.path(), &history, &expected, Some(Height(6)));
}

/// sled itself finds some of these, panics over others, and opens with blocks missing over the rest. Whatever it does, the store
/// never shows a wrong answer: it is complete, or the database was set aside, or a read reports the damage.
#[test]
fn a_flipped_bit_in_the_database_is_never_a_wrong_answer() {
    let history = History::small();
    let newest = history.blocks.len() - 1;
    let folder = tempfile::tempdir().expect("a folder");
    let crashed = tempfile::tempdir().expect("a folder");
    extend(folder.path(), &history, newest - 1);
    {
        // A copy that was never closed, as after a loss of power.
        let mut store = open(folder.path(), &history).store;
        store.commit(&history.blocks[newest], &certificate(Height(newest as u64))).expect("committed");
        copy(folder.path(), crashed.path());
    }
    let db = fs::read(crashed.path().join("sled").join("db")).expect("readable");
    let used = db.iter().rposition(|byte| *byte != 0).expect("not empty");
    let (mut set_aside, mut reported) = (0, 0);
    for number in 0..24 {
        let damaged = tempfile::tempdir().expect("a folder");
        copy(crashed.path(), damaged.path());
        let mut bytes = db.clone();
        bytes[used * (2 * number + 1) / 48] ^= 1 << (number % 8);
        fs::write(damaged.path().join("sled").join("db"), &bytes).expect("written");
        let opened = open(damaged.path(), &history);
        if opened.set_aside.is_some() {
            set_aside += 1;
            assert_eq!(opened.lost.map(|head| head.height), Some(Height(newest as u64)));
            continue;
        }
        assert_eq!(opened.store.head().height, Height(newest as u64));
        match audit::everything(&opened.store.reader(), &mut |_| ()) {
            Ok(()) => {}
            Err(StoreError::Damaged(_)) => reported += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(set_aside > 0, "of 24 flips {set_aside} were set aside and {reported} reported later");
}

#[test]
fn files_cut_off_or_overwritten_are_damage_or_harmless() {
    let history = History::small();
    let newest = history.blocks.len() - 1;
    let half = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let empty = |bytes: &mut Vec<u8>| bytes.clear();
    let zeros = |bytes: &mut Vec<u8>| bytes.fill(0);
    let noise = |bytes: &mut Vec<u8>| bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(37) ^ 0x5a);
    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, Change); 4] = [("half", half), ("empty", empty), ("zeros", zeros), ("noise", noise)];
    for file in ["db", "conf"] {
        for (name, change) in changes {
            let folder = filled(&history, newest);
            let path = folder.path().join("sled").join(file);
            let mut bytes = fs::read(&path).expect("readable");
            change(&mut bytes);
            fs::write(&path, bytes).expect("written");
            let opened = open(folder.path(), &history);
            if opened.set_aside.is_none() {
                let audited = audit::everything(&opened.store.reader(), &mut |_| ());
                assert!(audited.is_ok() && file == "conf", "{file} {name}: {audited:?}");
            }
        }
    }
}

#[test]
fn a_partial_snapshot_is_removed_before_sled_reads_it() {
    let history = History::small();
    let folder = filled(&history, 6);
    let partial = folder.path().join("sled").join("snap.ffffffffffffffff.generating");
    fs::write(&partial, b"partial").expect("written");
    let opened = open(folder.path(), &history);
    assert!(opened.set_aside.is_none() && !partial.exists());
    assert_eq!(opened.store.head().height, Height(6));
}

#[test]
fn only_one_process_has_it_open() {
    let history = History::small();
    let folder = filled(&history, 1);
    let first = open(folder.path(), &history);
    let second = SledStore::open(folder.path(), &options(), &history.blocks[0], &|_, _| true);
    assert!(matches!(second, Err(StoreError::InUse)));
    drop(first.store);
    assert_eq!(open(folder.path(), &history).store.head().height, Height(1));
}

/// Names and contents of everything in a folder, what sled itself rewrites excepted.
fn contents(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(path)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .map(|path| (path.clone(), fs::read(&path).unwrap_or_default()))
        .collect();
    found.sort();
    found
}

#[test]
fn opening_to_read_reports_damage_and_changes_nothing() {
    let history = History::small();
    let read = |path: &Path| {
        let holds = |header: &kvitto_ledger::Header, bytes: &[u8]| bytes == certificate(header.height);
        SledStore::open_to_read(path, &options(), &history.blocks[0], &holds)
    };
    let (old, new, next) = (filled(&history, 5), filled(&history, 9), filled(&history, 6));
    let mut store = read(new.path()).expect("in order");
    audit::everything(&store.reader(), &mut |_| ()).expect("all in order");
    let refused = store.commit(&history.blocks[10], &[]);
    assert!(matches!(refused, Err(StoreError::Poisoned)) && !store.is_writable());
    drop(store);

    put_database(old.path(), new.path());
    let before = contents(new.path());
    let error = read(new.path()).expect_err("behind HEAD");
    assert_eq!(error.damage(), Some(&Damage::BehindHead { head: Height(9), store: Height(5) }));
    assert_eq!(contents(new.path()), before);

    put_database(next.path(), old.path());
    let before = contents(old.path());
    assert_eq!(read(old.path()).expect("one ahead is normal").head().height, Height(6));
    assert_eq!(contents(old.path()), before);

    let empty = tempfile::tempdir().expect("a folder");
    assert!(matches!(read(empty.path()), Err(StoreError::Failed { .. })));
    fs::copy(old.path().join(HEAD_FILE), empty.path().join(HEAD_FILE)).expect("copied");
    let error = read(empty.path()).expect_err("nothing under HEAD");
    assert_eq!(error.damage(), Some(&Damage::Empty { head: Height(5) }));
    assert!(!empty.path().join("sled").exists(), "nothing is begun");
}

#[test]
fn only_folders_count_as_databases_that_were_set_aside() {
    let history = History::small();
    let folder = filled(&history, 2);
    fs::write(folder.path().join("damaged-1.tar.gz"), b"an archive").expect("written");
    assert_eq!(open(folder.path(), &history).lost, None);
}

/// `/dev/full` stands for a full disk: whoever writes to it is told that there is no room.
#[test]
fn a_store_on_a_full_disk_is_read_until_there_is_room_again() {
    let history = History::small();
    for file in ["ballast", "room"] {
        let folder = filled(&history, 4);
        let path = folder.path().join(file);
        // The ballast may be there; the room beside it never is.
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink("/dev/full", &path).expect("linked");
        let mut opened = open(folder.path(), &history);
        assert!(opened.disk_full && opened.set_aside.is_none() && !opened.store.is_writable(), "{file}");
        assert!(!folder.path().join("ballast").exists(), "its room is given up");
        audit::everything(&opened.store.reader(), &mut |_| ()).expect("all in order");
        assert!(matches!(opened.store.commit(&history.blocks[5], &[]), Err(StoreError::Poisoned)));
        drop(opened.store);
        assert!(!open(folder.path(), &history).disk_full, "the file is gone, and with it the want of room");
    }
}

#[test]
fn ballast_is_laid_in_and_nothing_lies_outside_of_the_synced_file() {
    let history = History::wide();
    let folder = filled(&history, history.blocks.len() - 1);
    assert_eq!(fs::metadata(folder.path().join("ballast")).expect("there").len(), 50_000);
    // sled puts pages of more than 128 KiB into files of their own, which nobody syncs.
    let blobs: Vec<PathBuf> = fs::read_dir(folder.path().join("sled").join("blobs"))
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    assert_eq!(blobs, Vec::<PathBuf>::new());
}

#[test]
fn the_twin_in_memory_finds_the_same() {
    let history = History::small();
    let filled = || {
        let disk = MemoryDisk::new();
        let mut store = MemoryStore::open(disk.clone(), &history.blocks[0], &|_, _| true).expect("opens");
        history.blocks[1..6].iter().for_each(|block| store.commit(block, &[]).expect("committed"));
        disk
    };
    let check = |disk: &MemoryDisk, expected: Option<Damage>| {
        let opened = MemoryStore::open(disk.copy(), &history.blocks[0], &|_, _| true);
        match expected {
            None => assert_eq!(opened.expect("opens").reader().committed(), Height(5)),
            Some(damage) => assert_eq!(opened.expect_err("damaged").damage(), Some(&damage)),
        }
    };
    let disk = filled();
    check(&disk, None);
    let flip = |slot: usize| disk.files().tamper(HEAD_FILE, |bytes| bytes[slot * 4_096 + 25] ^= 1);
    (0..3).for_each(flip);
    check(&disk, None);
    flip(3);
    check(&disk, Some(Damage::HeadLost));
    let disk = filled();
    disk.forget(2);
    check(&disk, Some(Damage::BehindHead { head: Height(5), store: Height(3) }));
    assert!(disk.files().read("journal").expect("readable").is_none());
}
