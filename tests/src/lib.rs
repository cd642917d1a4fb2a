//! kvitto-tests
