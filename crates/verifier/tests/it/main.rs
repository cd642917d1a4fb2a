//! The verifier against a small real ledger, and against forgeries of it.
//!
//! ```text
//! ledger     four members, a root, an accreditor, schools: real statements, executed by kvitto-ledger
//! history    its leaves and statuses, which a forger may change; makes trees, checkpoints and receipts over them
//! scenario   what happens on the ledger, with fixed keys, times and texts
//! cases      receipts that verify, and at least 40 that must not
//! replay     the whole log again, honest and forged
//! largest    the longest chain of the largest records still has a receipt
//! vectors    the cases as committed files: the normal run compares, KVITTO_UPDATE_VECTORS=1 writes them
//! ```

mod ledger;

mod history;

mod scenario;

mod cases;

mod vectors;

mod properties;

mod schema;

mod largest;

mod trust;

mod evidence;

mod replay;
