//! kvitto-ledger
