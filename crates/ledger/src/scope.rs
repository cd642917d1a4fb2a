//! What an accreditation covers, and when one scope lies inside another.

use std::collections::BTreeSet;

use crate::codec::{cbor_array, code_enum};

/// Longest credential type or schema id, in bytes.
pub const TYPE_ID_BYTES_MAX: usize = 256;
/// "Any": allowed in a root's scope only.
pub const ANY: &str = "*";

code_enum! {
    /// What an accreditation lets its subject do; the numbers are EBSI's.
    pub enum Role: u8 {
        /// Stands at the top of a chain; named in the genesis.
        RootTao = 1,
        /// Trusted accreditation organisation: accredits others.
        Tao = 2,
        /// Trusted issuer: anchors credentials.
        Ti = 3,
    }
}

impl Role {
    /// Whether its holder may accredit others.
    pub fn accredits(self) -> bool {
        matches!(self, Self::RootTao | Self::Tao)
    }

    /// EBSI's name of the role.
    pub fn name(self) -> &'static str {
        match self {
            Self::RootTao => "RootTAO",
            Self::Tao => "TAO",
            Self::Ti => "TI",
        }
    }
}

cbor_array! {
    /// Three sets of exact strings and two optional limits. An empty set covers nothing; `*` (roots only) covers all.
    pub struct Scope {
        /// Credential types: values of `type`, of ELM `credentialProfiles`, or a `vct`.
        pub types: BTreeSet<String>,
        /// Schema ids.
        pub schemas: BTreeSet<String>,
        /// Jurisdictions, as written by the accreditor; there is no hierarchy among them.
        pub jurisdictions: BTreeSet<String>,
        /// Levels of the European Qualifications Framework (1 to 8); absent means not limited.
        pub eqf_levels: Option<BTreeSet<u8>>,
        /// ISCED-F fields of education; absent means not limited.
        pub isced_fields: Option<BTreeSet<String>>,
    }
}

impl Scope {
    /// Whether everything it covers is covered by `parent`.
    pub fn is_inside(&self, parent: &Self) -> bool {
        set_inside(&self.types, &parent.types)
            && set_inside(&self.schemas, &parent.schemas)
            && set_inside(&self.jurisdictions, &parent.jurisdictions)
            && limit_inside(&self.eqf_levels, &parent.eqf_levels)
            && limit_inside(&self.isced_fields, &parent.isced_fields)
    }

    /// Whether it covers credentials of `credential_type`.
    pub fn covers_type(&self, credential_type: &str) -> bool {
        self.types.contains(credential_type) || self.types.contains(ANY)
    }

    /// Whether `*` occurs, which only a root's scope may hold.
    pub fn has_any(&self) -> bool {
        [&self.types, &self.schemas, &self.jurisdictions].iter().any(|set| set.contains(ANY))
    }

    /// Whether every entry has a form that may be recorded: printable ASCII of bounded length, EQF levels 1 to 8.
    pub fn is_well_formed(&self) -> bool {
        let texts = [&self.types, &self.schemas, &self.jurisdictions].into_iter().chain(&self.isced_fields);
        texts.flatten().all(|text| is_type_id(text))
            && self.eqf_levels.iter().flatten().all(|level| (1..=8).contains(level))
    }
}

/// Whether `text` can be a credential type or schema id: 1 to 256 printable ASCII characters without spaces.
///
/// Names that look alike must not be different names, so nothing beyond ASCII.
pub fn is_type_id(text: &str) -> bool {
    (1..=TYPE_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn set_inside(child: &BTreeSet<String>, parent: &BTreeSet<String>) -> bool {
    parent.contains(ANY) || child.is_subset(parent)
}

fn limit_inside<T: Ord>(child: &Option<BTreeSet<T>>, parent: &Option<BTreeSet<T>>) -> bool {
    match (child, parent) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(child), Some(parent)) => child.is_subset(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(types: &str, eqf: Option<&[u8]>) -> Scope {
        let set = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Scope {
            types: set(types),
            schemas: set("s"),
            jurisdictions: set("SE"),
            eqf_levels: eqf.map(|levels| levels.iter().copied().collect()),
            isced_fields: None,
        }
    }

    #[test]
    fn inside_means_subset() {
        for (child, parent, inside) in [
            (scope("a", None), scope("a b", None), true),
            (scope("a b", None), scope("a b", None), true),
            (scope("", None), scope("a", None), true),
            (scope("a c", None), scope("a b", None), false),
            (scope("a", None), scope("", None), false),
            (scope("a", None), scope("*", None), true),
            (scope("*", None), scope("a", None), false),
            (scope("a", Some(&[5])), scope("a", None), true),
            (scope("a", Some(&[5])), scope("a", Some(&[5, 6])), true),
            (scope("a", Some(&[7])), scope("a", Some(&[5, 6])), false),
            (scope("a", None), scope("a", Some(&[5, 6])), false),
        ] {
            assert_eq!(child.is_inside(&parent), inside, "{child:?} in {parent:?}");
        }
    }
}
