//! What a node says and nothing proves, kept apart by its type.

/// A node's word: there is no proof of it, or none was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unproved<T>(T);

impl<T> Unproved<T> {
    pub(crate) fn new(said: T) -> Self {
        Self(said)
    }

    /// What the node says. The caller decides what to make of it.
    pub fn as_said(&self) -> &T {
        &self.0
    }

    /// Takes what the node says. The caller decides what to make of it.
    pub fn into_said(self) -> T {
        self.0
    }
}
