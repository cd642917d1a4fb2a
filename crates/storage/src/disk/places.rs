//! Pages of places: for each of 1,024 positions, whose it is and what for.
//!
//! ```text
//! row     0  1  0 nothing, 1 accreditation, 2 reserved, 3 anchored
//!         1  4  owner's number
//!         5  8  with 3: leaf - position, so that the rows of a batch are all the same and compress to nothing
//! ```

use kvitto_ledger::ids::RegistrantNumber;
use kvitto_ledger::state::{Place, PlaceContent};
use kvitto_ledger::{LeafIndex, Position};

use super::keys::{self, PLACES_PER_PAGE};
use super::trees::{TreeName, Trees};
use crate::error::{Damage, StoreError};

const ROW_BYTES: usize = 13;

/// A page, its rows as bytes.
#[derive(Clone, Debug)]
pub(super) struct PlacePage(Vec<u8>);

impl PlacePage {
    /// The page with this index; an empty one where nothing was stored.
    pub(super) fn read(trees: &Trees, index: u64) -> Result<Self, StoreError> {
        let page = trees.blob(TreeName::Places, &keys::number(index))?;
        let page = page.unwrap_or_default();
        if page.len() % ROW_BYTES != 0 || page.len() > PLACES_PER_PAGE as usize * ROW_BYTES {
            return Err(Damage::unreadable(TreeName::Places.name(), index).into());
        }
        Ok(Self(page))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn place(&self, position: Position) -> Result<Option<Place>, StoreError> {
        let at = row_at(position);
        let Some(row) = self.0.get(at..at + ROW_BYTES) else { return Ok(None) };
        let owner = RegistrantNumber(u32::from_be_bytes(row[1..5].try_into().expect("four bytes")));
        let distance = u64::from_be_bytes(row[5..].try_into().expect("eight bytes"));
        let content = match row[0] {
            0 => return Ok(None),
            1 => PlaceContent::Accreditation,
            2 => PlaceContent::Reserved,
            3 => PlaceContent::Anchored { leaf: LeafIndex(distance.wrapping_add(position.0)) },
            _ => return Err(Damage::unreadable(TreeName::Places.name(), position).into()),
        };
        Ok(Some(Place { owner, content }))
    }

    pub(super) fn set(&mut self, position: Position, place: &Place) {
        let at = row_at(position);
        self.0.resize(self.0.len().max(at + ROW_BYTES), 0);
        let (kind, distance) = match place.content {
            PlaceContent::Accreditation => (1, 0),
            PlaceContent::Reserved => (2, 0),
            PlaceContent::Anchored { leaf } => (3, leaf.0.wrapping_sub(position.0)),
        };
        let row = &mut self.0[at..at + ROW_BYTES];
        row[0] = kind;
        row[1..5].copy_from_slice(&place.owner.0.to_be_bytes());
        row[5..].copy_from_slice(&distance.to_be_bytes());
    }
}

/// The page that a position is in.
pub(super) fn page_of(position: Position) -> u64 {
    position.0 / PLACES_PER_PAGE
}

fn row_at(position: Position) -> usize {
    (position.0 % PLACES_PER_PAGE) as usize * ROW_BYTES
}
