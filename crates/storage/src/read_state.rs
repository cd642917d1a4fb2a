//! How a reader answers as the rules' [`ReadState`](kvitto_ledger::ReadState): about the newest committed block.

use std::sync::Arc;

use kvitto_ledger::ids::RegistrantNumber;
use kvitto_ledger::state::{Accreditation, AccreditationKey, Identifier, Usage};
use kvitto_ledger::{Did, Tip};

use crate::error::StoreError;
use crate::store::Read;

/// What only the rules need, and only about the newest block.
pub(crate) trait Newest: Read {
    fn newest_tip(&self) -> Tip;

    fn newest_usage(&self, registrant: RegistrantNumber) -> Result<Usage, StoreError>;

    fn newest_identifier(&self, did: &Did) -> Result<Option<Arc<Identifier>>, StoreError> {
        Ok(self.identifier_at(self.committed(), did)?.map(Arc::new))
    }

    fn newest_accreditation(&self, key: &AccreditationKey) -> Result<Option<Arc<Accreditation>>, StoreError> {
        Ok(self.accreditation_at(self.committed(), key)?.map(Arc::new))
    }
}

/// Implements `ReadState` for `$type` by asking the [`Newest`] that `$reader` gets from `$this`.
macro_rules! impl_read_state {
    ($type:ty, |$this:ident| $reader:expr) => {
        impl kvitto_ledger::ReadState for $type {
            fn tip(&self) -> Result<kvitto_ledger::Tip, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::read_state::Newest::newest_tip($reader))
            }

            fn identifier(
                &self,
                did: &kvitto_ledger::Did,
            ) -> Result<Option<std::sync::Arc<kvitto_ledger::state::Identifier>>, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::read_state::Newest::newest_identifier($reader, did)?)
            }

            fn accreditation(
                &self,
                key: &kvitto_ledger::state::AccreditationKey,
            ) -> Result<Option<std::sync::Arc<kvitto_ledger::state::Accreditation>>, kvitto_ledger::StateError>
            {
                let $this = self;
                Ok($crate::read_state::Newest::newest_accreditation($reader, key)?)
            }

            fn anchors(
                &self,
                issuer: kvitto_ledger::RegistrantNumber,
                commitments: &[kvitto_ledger::Commitment],
            ) -> Result<Vec<Option<kvitto_ledger::Position>>, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::Read::anchors_at($reader, $crate::Read::committed($reader), issuer, commitments)?)
            }

            fn place(
                &self,
                position: kvitto_ledger::Position,
            ) -> Result<Option<kvitto_ledger::state::Place>, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::Read::place_at($reader, $crate::Read::committed($reader), position)?)
            }

            fn log_leaf(
                &self,
                index: kvitto_ledger::LeafIndex,
            ) -> Result<Option<Vec<u8>>, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::Read::leaf($reader, index)?)
            }

            fn log_hash(
                &self,
                level: u8,
                index: u64,
            ) -> Result<Option<kvitto_merkle::Hash>, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::Read::log_node($reader, level, index)?)
            }

            fn status_leaf(
                &self,
                position: kvitto_ledger::Position,
            ) -> Result<Option<kvitto_ledger::LeafIndex>, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::Read::status_leaf_at($reader, $crate::Read::committed($reader), position)?)
            }

            fn status_chunk(
                &self,
                index: u64,
            ) -> Result<Option<kvitto_merkle::status::Chunk>, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::Read::status_chunk_at($reader, $crate::Read::committed($reader), index)?)
            }

            fn status_node(
                &self,
                level: u8,
                index: u64,
            ) -> Result<Option<kvitto_merkle::Hash>, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::Read::status_node_at($reader, $crate::Read::committed($reader), level, index)?)
            }

            fn usage(
                &self,
                registrant: kvitto_ledger::RegistrantNumber,
            ) -> Result<kvitto_ledger::state::Usage, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::read_state::Newest::newest_usage($reader, registrant)?)
            }

            fn outcome(
                &self,
                id: &kvitto_ledger::StatementId,
            ) -> Result<Option<kvitto_ledger::state::Outcome>, kvitto_ledger::StateError> {
                let $this = self;
                Ok($crate::Read::outcome_at($reader, $crate::Read::committed($reader), id)?)
            }
        }
    };
}
pub(crate) use impl_read_state;
