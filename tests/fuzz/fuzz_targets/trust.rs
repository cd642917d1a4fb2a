//! Fuzzes the target `trust`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvitto_fuzz::targets::trust(bytes));
