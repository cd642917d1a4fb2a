//! Collects the effects of one input and puts them in order: persist, send, commit, answer.

use std::sync::Arc;

use crate::effect::Effect;
use crate::evidence::Evidence;

/// Effects of the input in progress.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    reset: bool,
    early: Vec<Effect>,
    journal: Vec<Arc<[u8]>>,
    evidence: Vec<Effect>,
    signed: bool,
    sends: Vec<Effect>,
    commit: Option<Effect>,
    answers: Vec<Effect>,
}

impl Outbox {
    /// The journal's content is in the store. Goes before everything that is appended with the same input.
    pub(crate) fn reset_journal(&mut self) {
        self.reset = true;
    }

    /// Sends something that binds nobody, such as a body: it need not wait for the disk.
    pub(crate) fn send_early(&mut self, effect: Effect) {
        self.early.push(effect);
    }

    pub(crate) fn journal(&mut self, entry: impl Into<Arc<[u8]>>) {
        self.journal.push(entry.into());
    }

    pub(crate) fn evidence(&mut self, evidence: Evidence) {
        self.evidence.push(Effect::Evidence(evidence));
    }

    /// Something was signed: nothing that is sent may leave before journal and guard are durable.
    pub(crate) fn signed(&mut self) {
        self.signed = true;
    }

    pub(crate) fn send(&mut self, effect: Effect) {
        self.sends.push(effect);
    }

    pub(crate) fn commit(&mut self, effect: Effect) {
        self.commit = Some(effect);
    }

    pub(crate) fn answer(&mut self, effect: Effect) {
        self.answers.push(effect);
    }

    pub(crate) fn take(&mut self) -> Vec<Effect> {
        let Self { reset, early, journal, evidence, signed, sends, commit, answers } = std::mem::take(self);
        let mut effects = early;
        effects.extend(reset.then_some(Effect::ResetJournal));
        effects.extend(journal.into_iter().map(Effect::Journal));
        effects.extend(evidence);
        effects.extend(signed.then_some(Effect::Sync));
        effects.extend(sends);
        effects.extend(commit);
        effects.extend(answers);
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{TimerId, Topic};

    #[test]
    fn nothing_signed_is_sent_before_the_disk_has_it() {
        let mut outbox = Outbox::default();
        outbox.answer(Effect::CancelTimer(TimerId::Sync));
        outbox.send(Effect::Publish { topic: Topic::Consensus, bytes: Arc::from(*b"vote") });
        outbox.signed();
        outbox.journal(*b"entry");
        outbox.reset_journal();
        outbox.send_early(Effect::Push { to: vec![], bytes: Arc::from(*b"body") });
        let effects = outbox.take();
        assert!(matches!(
            effects[..],
            [
                Effect::Push { .. },
                Effect::ResetJournal,
                Effect::Journal(_),
                Effect::Sync,
                Effect::Publish { .. },
                Effect::CancelTimer(_)
            ]
        ));
        assert!(outbox.take().is_empty());
    }
}
