//! Goal: one flipped bit in any file of a stopped node is never a wrong answer.
//!
//! Method: `kvitto_tests::faults::bit_rot` with few rounds; the program `faults` runs many. In a process of its own: stores and
//! registers are opened here, and a process that other tests start would hold their locks until it has begun.

use std::path::PathBuf;

use kvitto_tests::faults::{Plan, bit_rot};

#[test]
fn a_flipped_bit_is_never_a_wrong_answer() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_faults"));
    let outcome = bit_rot::run(&Plan { rounds: 40, seed: 1, program, visible: false }).unwrap();
    assert_eq!(outcome.violations(), [] as [String; 0], "{outcome}");
    assert!(outcome.of("mended") == 1 && outcome.of("harmless") > 0, "{outcome}");
}
