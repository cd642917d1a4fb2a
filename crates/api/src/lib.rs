//! kvitto-api
