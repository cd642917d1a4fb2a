//! Fuzzes the target `payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvitto_fuzz::targets::payload(bytes));
