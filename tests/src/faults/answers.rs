//! Everything that readers can be told about a ledger, asked of a whole store and then of one that may be damaged.

use std::collections::BTreeSet;
use std::fmt::Debug;

use anyhow::Result;
use kvitto_ledger::state::AccreditationKey;
use kvitto_ledger::{Commitment, Did, Height, LeafIndex, Position, Record, RecordBody, StatementId};
use kvitto_storage::{Read, StoreError};

/// What a store answers, in the order of the questions; `Err` where it says that it cannot.
pub type Answers = Vec<Result<String, String>>;

/// What is asked: about everything that the records of a whole store speak of.
#[derive(Debug, Default)]
pub struct Questions {
    newest: Height,
    size: u64,
    statements: BTreeSet<StatementId>,
    organisations: BTreeSet<Did>,
    accreditations: BTreeSet<AccreditationKey>,
    commitments: BTreeSet<Commitment>,
}

/// How a damaged store's answers differ from a whole one's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Number of answers that say that the store failed.
    pub refused: usize,
    /// Answers that are none of the whole store's, without a word.
    pub wrong: Vec<String>,
}

impl Questions {
    /// About everything in this store.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn about(reader: &impl Read) -> Result<Self> {
        let newest = reader.committed();
        let size = reader.header(newest)?.map_or(0, |header| header.tree_size);
        let mut questions = Self { newest, size, ..Self::default() };
        for index in 0..size {
            let leaf = reader.leaf(LeafIndex(index))?.unwrap_or_default();
            questions.about_record(&Record::decode(&leaf)?);
        }
        Ok(questions)
    }

    fn about_record(&mut self, record: &Record) {
        self.statements.insert(record.statement_id);
        match &record.body {
            RecordBody::Identifier(identifier) => {
                self.organisations.insert(identifier.did);
            }
            RecordBody::Accreditation(accreditation) => {
                let key = AccreditationKey { subject: accreditation.subject, id: accreditation.id };
                self.organisations.insert(accreditation.subject);
                self.accreditations.insert(key);
            }
            RecordBody::Anchored(anchored) => {
                self.commitments.insert(anchored.commitment);
            }
            _ => {}
        }
    }

    /// Asks all of it, and what is the newest block and checkpoint.
    pub fn ask(&self, reader: &impl Read) -> Answers {
        let mut asked = self.ask_of_blocks(reader);
        asked.push(Ok(format!("{:?} {:?}", reader.committed(), reader.published())));
        asked
    }

    /// Asks all of it that is about blocks, and so stays true while others are added.
    pub fn ask_of_blocks(&self, reader: &impl Read) -> Answers {
        let mut asked = Asked(Vec::new());
        self.ask_log(reader, &mut asked);
        for height in 0..=self.newest.0 {
            self.ask_block(reader, Height(height), &mut asked);
        }
        // As of an early, a middle and the newest block.
        for at in BTreeSet::from([self.newest.0 / 4, self.newest.0 / 2, self.newest.0]) {
            self.ask_state(reader, Height(at), &mut asked);
        }
        asked.0
    }

    fn ask_log(&self, reader: &impl Read, asked: &mut Asked) {
        for index in 0..self.size {
            asked.push(reader.leaf(LeafIndex(index)));
            asked.push(reader.height_of_leaf(LeafIndex(index)));
        }
        asked.push(reader.leaves(0..self.size, usize::MAX));
        for level in 0..=self.size.ilog2() {
            for index in 0..self.size >> level {
                asked.push(reader.log_node(level as u8, index));
            }
        }
        asked.push(reader.height_of_size(self.size));
    }

    fn ask_block(&self, reader: &impl Read, height: Height, asked: &mut Asked) {
        let header = reader.header(height);
        if let Ok(Some(header)) = &header {
            asked.push(reader.height_at(header.time));
        }
        asked.push(header);
        asked.push(reader.body(height));
        asked.push(reader.certificate(height));
        asked.push(reader.positions_at(height));
    }

    fn ask_state(&self, reader: &impl Read, at: Height, asked: &mut Asked) {
        let positions = reader.positions_at(at).unwrap_or_default();
        for position in (0..positions).map(Position) {
            asked.push(reader.place_at(at, position));
            asked.push(reader.status_leaf_at(at, position));
        }
        let chunks = positions.div_ceil(1_024);
        for index in 0..chunks {
            asked.push(reader.status_chunk_at(at, index));
            asked.push(reader.status_node_at(at, 0, index));
        }
        asked.push(reader.identifiers_at(at, None, usize::MAX));
        for did in &self.organisations {
            let identifier = reader.identifier_at(at, did);
            if let Ok(Some(identifier)) = &identifier {
                let commitments: Vec<_> = self.commitments.iter().copied().collect();
                asked.push(reader.anchors_at(at, identifier.number, &commitments));
                asked.push(reader.registrant_at(at, identifier.number));
            }
            asked.push(identifier);
            asked.push(reader.accreditations_at(at, did));
        }
        for key in &self.accreditations {
            asked.push(reader.accreditation_at(at, key));
            asked.push(reader.children_at(at, key, None, usize::MAX));
        }
        for id in &self.statements {
            asked.push(reader.outcome_at(at, id));
        }
    }
}

struct Asked(Answers);

impl Asked {
    fn push<T: Debug>(&mut self, answer: Result<T, StoreError>) {
        self.0.push(answer.map(|answer| format!("{answer:?}")).map_err(|error| error.to_string()));
    }
}

impl Comparison {
    /// Of a store that may be damaged with a whole one.
    ///
    /// A question that follows from another's answer is not asked where that was refused; then the rest cannot be aligned, and what
    /// matters is whether any answer that was given is none of the whole store's.
    pub fn of(damaged: &Answers, whole: &Answers) -> Self {
        let refused = damaged.iter().filter(|answer| answer.is_err()).count();
        let wrong = if damaged.len() == whole.len() {
            let pairs = damaged.iter().zip(whole).filter(|(one, other)| one.is_ok() && one != other);
            pairs.map(|(one, other)| format!("{one:?} instead of {other:?}")).collect()
        } else {
            let known: BTreeSet<&String> = whole.iter().flatten().collect();
            damaged.iter().flatten().filter(|answer| !known.contains(answer)).cloned().collect()
        };
        Self { refused, wrong }
    }
}
