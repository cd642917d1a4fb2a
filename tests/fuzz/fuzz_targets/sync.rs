//! Fuzzes the target `sync`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvitto_fuzz::targets::sync(bytes));
