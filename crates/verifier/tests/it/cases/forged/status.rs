//! Blocks and statuses that are not those of the checkpoint, or not of the time asked about (RULES 8.3, 8.4).

use kvitto_ledger::{Record, RecordBody, TimeMs};
use kvitto_merkle::leaf_hash;
use kvitto_merkle::status::{Chunk, StatusValue};
use kvitto_verifier::Question;
use kvitto_verifier::receipt::Receipt;

use super::Forger;
use crate::cases::Case;
use crate::scenario::{LAST, Scenario, block_s, minute_s, question};

pub(super) fn blocks(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "revoked", "8.3");
    let older = s.history.leaves[s.history.blocks[4].leaf as usize].clone();
    let (older_index, size) = (s.history.blocks[4].leaf, s.history.size(LAST));
    f.change(
        "older-block",
        "the Block record of a time before the revocation",
        "LEAF_NOT_INCLUDED",
        |receipt| {
            receipt.block.leaf = older.clone();
            receipt.block.path = s.history.nodes().path(older_index, size);
            receipt.status.chunks = vec![s.history.chunk(4, 0), s.history.chunk(4, 1)];
            receipt.status.record = None;
        },
    );
    f.change(
        "other-positions",
        "another number of positions in the Block record",
        "LEAF_NOT_INCLUDED",
        |receipt| {
            let mut record = Record::decode(&receipt.block.leaf).expect("a record");
            if let RecordBody::Block(block) = &mut record.body {
                block.positions += 1;
            }
            receipt.block.leaf = record.encode();
        },
    );
    f.forge("block-misplaced", "the block says that it begins after its end", "BLOCK_MISPLACED", |history| {
        history.edit_block(LAST, |block| block.first_leaf.0 = size);
    });
    f.cases
}

pub(super) fn chunks(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "revoked", "8.4");
    f.change("hidden-revocation", "the revoked bit set to zero", "CHUNK_NOT_INCLUDED", |receipt| {
        receipt.status.chunks[1].bytes = vec![0; 256];
        receipt.status.record = None;
    });
    f.change("stale-chunk", "the chunk of an earlier block with its path", "CHUNK_NOT_INCLUDED", |receipt| {
        receipt.status.chunks = vec![s.history.chunk(4, 0), s.history.chunk(4, 1)];
        receipt.status.record = None;
    });
    f.change("short-chunk", "a chunk of 255 bytes", "CHUNK_LENGTH", |receipt| {
        receipt.status.chunks[1].bytes.pop();
    });
    f.change("long-chunk", "a chunk of 257 bytes", "CHUNK_LENGTH", |receipt| {
        receipt.status.chunks[1].bytes.push(0)
    });
    f.change("missing-chunk", "the credential's chunk left out", "CHUNK_MISSING", |receipt| {
        receipt.status.chunks.pop();
    });
    f.change("missing-link-chunk", "the accreditations' chunk left out", "CHUNK_MISSING", |receipt| {
        receipt.status.chunks.remove(0);
    });
    f.change("doubled-chunk", "a chunk is there twice", "CHUNK_UNEXPECTED", |receipt| {
        receipt.status.chunks.push(receipt.status.chunks[1].clone());
    });
    f.change("unsorted-chunks", "chunks in descending order", "CHUNK_UNEXPECTED", |receipt| {
        receipt.status.chunks.reverse();
    });
    f.change("needless-chunk", "a chunk that no position needs", "CHUNK_UNEXPECTED", |receipt| {
        let mut needless = receipt.status.chunks[1].clone();
        needless.index = 2;
        receipt.status.chunks.push(needless);
    });
    f.change("swapped-chunks", "the chunks under each other's index", "CHUNK_NOT_INCLUDED", |receipt| {
        receipt.status.chunks.reverse();
        receipt.status.chunks[0].index = 0;
        receipt.status.chunks[1].index = 1;
        // A chunk without a value, so that only its place is wrong.
        receipt.status.chunks[1].bytes = vec![0; 256];
    });
    f.change("chunk-path", "a chunk's path with a changed hash", "CHUNK_NOT_INCLUDED", |receipt| {
        receipt.status.chunks[1].path = receipt.status.chunks[0].path.clone();
    });
    f.cases
}

pub(super) fn statuses(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "revoked", "8.3");
    f.forge(
        "past-the-end",
        "the last chunk has values past the last position",
        "CHUNK_PAST_END",
        |history| {
            history.edit_statuses(LAST, |end| end.chunks[1].set(2047, StatusValue::Revoked));
        },
    );
    f.forge(
        "untagged-chunks",
        "the status tree hashes chunks without the tag",
        "CHUNK_NOT_INCLUDED",
        |history| {
            history.edit_statuses(LAST, |end| end.hash = |chunk: &Chunk| leaf_hash(chunk.as_bytes()));
        },
    );
    f.forge(
        "position-not-counted",
        "the block counts fewer positions than the credential's",
        "POSITION_OUT_OF_RANGE",
        |history| {
            history.edit_block(LAST, |block| block.positions = 1025);
        },
    );
    f.rule = "8.4";
    let size = s.history.size(LAST);
    let status_of = |name: &str| {
        let position = s.history.anchored(s.items[name].commitment).1.position;
        let is =
            |body: &RecordBody| matches!(body, RecordBody::Status(record) if record.position == position);
        s.history.leaf_proof(s.history.find(size, is).expect("recorded"), size)
    };
    f.change(
        "other-status-record",
        "the Status record of another credential",
        "STATUS_RECORD_CONTRADICTS",
        |receipt| {
            receipt.status.record = Some(status_of("suspended"));
        },
    );
    f.change("status-record-type", "another record for the Status record", "LEAF_OF_OTHER_TYPE", |receipt| {
        receipt.status.record = Some(receipt.identifiers[0].clone());
    });
    f.base = "reinstated";
    f.change(
        "older-status-record",
        "the record of the suspension after the reinstatement",
        "STATUS_RECORD_CONTRADICTS",
        |receipt| {
            let position = s.history.anchored(s.items["reinstated"].commitment).1.position;
            let is =
                |body: &RecordBody| matches!(body, RecordBody::Status(record) if record.position == position);
            let suspension = s.history.find(s.history.size(6), is).expect("recorded");
            receipt.status.record = Some(s.history.leaf_proof(suspension, size));
        },
    )
    .credential = Some("reinstated");
    f.cases
}

pub(super) fn as_of(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "revoked", "8.7");
    let asked = |minute| Question { as_of_s: Some(minute_s(minute)), ..question(LAST) };
    let size = s.history.size(LAST);
    let honest = || s.receipt("revoked", LAST, Some(4));
    let block = |index: usize| s.history.leaf_proof(s.history.blocks[index].leaf, size);
    let mut add = |name, about, reason, question, change: &dyn Fn(&mut Receipt)| {
        let mut receipt = honest();
        change(&mut receipt);
        f.add(name, about, reason, &receipt).question = question;
    };
    let as_of = |receipt: &mut Receipt, change: &dyn Fn(&mut kvitto_verifier::receipt::AsOf)| {
        change(receipt.as_of.as_mut().expect("as of"));
    };
    add(
        "skipped-block",
        "the block with the revocation is passed over",
        "BLOCKS_NOT_CONSECUTIVE",
        asked(25),
        &|receipt| {
            as_of(receipt, &|as_of| as_of.next_block = block(6));
        },
    );
    add("same-block-twice", "a block follows itself", "BLOCKS_NOT_CONSECUTIVE", asked(15), &|receipt| {
        as_of(receipt, &|as_of| as_of.next_block = block(4));
    });
    add(
        "next-is-no-block",
        "another record for the next block",
        "LEAF_OF_OTHER_TYPE",
        asked(15),
        &|receipt| {
            let other = receipt.identifiers[0].clone();
            as_of(receipt, &|as_of| as_of.next_block = other.clone());
        },
    );
    add("block-not-included", "a block of another time", "LEAF_NOT_INCLUDED", asked(15), &|receipt| {
        as_of(receipt, &|as_of| {
            let mut record = Record::decode(&as_of.block.leaf).expect("a record");
            record.time = TimeMs(record.time.0 - 1);
            as_of.block.leaf = record.encode();
        });
    });
    add(
        "statuses-of-another-block",
        "today's chunks for an earlier block",
        "CHUNK_NOT_INCLUDED",
        asked(15),
        &|receipt| {
            let status = receipt.status.clone();
            as_of(receipt, &|as_of| as_of.status = status.clone());
        },
    );
    add(
        "later-status-record",
        "a Status record later than the block",
        "STATUS_RECORD_CONTRADICTS",
        asked(15),
        &|receipt| {
            let record = receipt.status.record.clone();
            as_of(receipt, &|as_of| as_of.status.record = record.clone());
        },
    );
    f.cases
}

pub(super) fn times(s: &Scenario) -> Vec<Case> {
    let mut f = Forger::new(s, "revoked", "8.7");
    let asked = |minute| Question { as_of_s: Some(minute_s(minute)), ..question(LAST) };
    let receipt = s.receipt("revoked", LAST, Some(4));
    let about = "asked about a time after the next block";
    f.add("asked-too-late", about, "TIME_NOT_COVERED", &receipt).question = asked(25);
    let about = "asked about a time before the block";
    f.add("asked-too-early", about, "TIME_NOT_COVERED", &receipt).question = asked(9);
    let receipt = s.receipt("revoked", LAST, Some(3));
    f.add("not-anchored-yet", "as of a block before the anchoring", "NOT_ANCHORED_YET", &receipt).question =
        asked(5);
    f.rule = "3.3";
    let receipt = s.receipt("revoked", LAST, None);
    f.add(
        "after-freshness",
        "asked about a time after the checkpoint's freshness",
        "TIME_NOT_COVERED",
        &receipt,
    )
    .question = Question { as_of_s: Some(block_s(LAST) + 30), ..question(LAST) };
    f.cases
}
