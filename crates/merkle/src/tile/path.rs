//! The paths of tiles and entry bundles below a log's URL prefix.

use std::fmt;
use std::str::FromStr;

use super::coordinates::{Tile, TileError};
use super::{TILE_HEIGHT, TILE_WIDTH};
use crate::text::decimal;

/// A resource of a tiled log: `tile/<level>/<index>[.p/<width>]` or
/// `tile/entries/<index>[.p/<width>]`, the index in groups of three digits with an `x` before all
/// but the last, so 1234067 is `x001/x234/067`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TilePath {
    /// A tile of hashes.
    Hashes(Tile),
    /// The bundle of entries whose hashes are in this tile of level 0.
    Entries {
        /// Zero-based index of the bundle.
        index: u64,
        /// The number of entries, 1 to 256.
        width: u16,
    },
}

/// The text is not the path of a tile or an entry bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is not of the form `tile/<level or "entries">/<index>[.p/<width>]`.
    #[error("not the path of a tile")]
    Form,
    /// The form is right, but no tree has such a tile.
    #[error(transparent)]
    NoSuchTile(#[from] TileError),
}

impl From<Tile> for TilePath {
    fn from(tile: Tile) -> TilePath {
        TilePath::Hashes(tile)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, width) = match self {
            TilePath::Hashes(tile) => {
                write!(formatter, "tile/{}/", tile.level())?;
                (tile.index(), tile.width())
            }
            TilePath::Entries { index, width } => {
                formatter.write_str("tile/entries/")?;
                (*index, *width)
            }
        };
        let digits = index.to_string();
        let padded = format!("{digits:0>width$}", width = digits.len().div_ceil(3) * 3);
        for start in (0..padded.len() - 3).step_by(3) {
            write!(formatter, "x{}/", &padded[start..start + 3])?;
        }
        formatter.write_str(&padded[padded.len() - 3..])?;
        if width < TILE_WIDTH { write!(formatter, ".p/{width}") } else { Ok(()) }
    }
}

impl FromStr for TilePath {
    type Err = PathError;

    fn from_str(path: &str) -> Result<TilePath, PathError> {
        let (kind, place) =
            path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(PathError::Form)?;
        let (index, width) = match place.split_once(".p/") {
            Some((index, width)) => (index, partial_width(width).ok_or(PathError::Form)?),
            None => (place, TILE_WIDTH),
        };
        let index = tile_index(index).ok_or(PathError::Form)?;
        if kind == "entries" {
            // A bundle exists where its tile does.
            Tile::new(0, index, width)?;
            return Ok(TilePath::Entries { index, width });
        }
        let level = decimal(kind).filter(|&level| level <= 63).ok_or(PathError::Form)?;
        Ok(TilePath::Hashes(Tile::new(level as u8, index, width)?))
    }
}

/// A partial tile has 1 to 255 hashes; the width of a full one is never written.
fn partial_width(text: &str) -> Option<u16> {
    let width = decimal(text)?;
    (1..u64::from(TILE_WIDTH)).contains(&width).then_some(width as u16)
}

fn tile_index(text: &str) -> Option<u64> {
    let mut groups = text.split('/').rev();
    let last = three_digits(groups.next()?)?;
    let (mut index, mut unit, mut first_group) = (last, 1_000_u64, None);
    for group in groups {
        let value = three_digits(group.strip_prefix('x')?)?;
        index = index.checked_add(value.checked_mul(unit)?)?;
        unit = unit.checked_mul(1_000)?;
        first_group = Some(value);
    }
    // A leading group of zeros would be a second path for the same tile.
    (first_group != Some(0)).then_some(index)
}

fn three_digits(text: &str) -> Option<u64> {
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

// The height is part of every path, though it is not written in it.
const _: () = assert!(TILE_HEIGHT == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let hashes = |level, index, width| TilePath::Hashes(Tile::new(level, index, width).expect("exists"));
        for (path, text) in [
            (hashes(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (hashes(0, 0, 256), "tile/0/000"),
            (hashes(0, 999, 256), "tile/0/999"),
            (hashes(0, 1_000, 256), "tile/0/x001/000"),
            (hashes(1, 0, 1), "tile/1/000.p/1"),
            (hashes(2, 12, 255), "tile/2/012.p/255"),
            (TilePath::Entries { index: 1, width: 44 }, "tile/entries/001.p/44"),
            (TilePath::Entries { index: 1_000_000, width: 256 }, "tile/entries/x001/x000/000"),
        ] {
            assert_eq!(path.to_string(), text);
            assert_eq!(text.parse(), Ok(path));
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "tile/0/000/",
            "tile/00/000",
            "tile/+0/000",
            "tile/64/000",
            "tile/x/000",
            "tile/data/000",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/0/x001/x000",
            "tile/0/001/000",
            "tile/0/x01/000",
            "tile/0/000.p",
            "tile/0/000.p/",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/1.p/1",
            "tile/0/0a0",
            "tile/0/000 ",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(text.parse::<TilePath>(), Err(PathError::Form), "{text}");
        }
        for text in ["tile/8/000", "tile/63/000", "tile/7/000", "tile/entries/x999/x999/x999/x999/x999/999"] {
            assert!(matches!(text.parse::<TilePath>(), Err(PathError::NoSuchTile(_))), "{text}");
        }
    }
}
