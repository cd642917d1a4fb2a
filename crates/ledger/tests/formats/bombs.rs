//! Bytes that announce more than they hold, or hold themselves: refused on a small stack, at once.
//!
//! 256 KiB of counter-signatures nested in protected headers made a general COSE decoder overflow the stack, which ends the
//! process; no decoder of ours may follow them.

use kvitto_ledger::block::BlockBody;
use kvitto_ledger::statement::{Body, Onboard};
use kvitto_ledger::{Header, Record, Rejection};

use crate::{Parts, byte_string, decode, ledger};

/// Less than a tenth of what a thread has by default.
const STACK_BYTES: usize = 160 * 1024;

fn on_a_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).expect("a thread starts");
    thread.join().expect("no decoder panics")
}

/// Items that say they are longer than anything, of every major type that has a length.
fn announcements() -> Vec<Vec<u8>> {
    let mut bombs = Vec::new();
    for major in [0x40, 0x60, 0x80, 0xa0_u8] {
        for len in [1 << 32, 1 << 63, u64::MAX] {
            bombs.push([&[major | 27][..], &len.to_be_bytes()].concat());
        }
        bombs.push([&[major | 26][..], &u32::MAX.to_be_bytes()].concat());
    }
    bombs
}

/// 100,000 items, each in the one before.
fn nestings() -> Vec<Vec<u8>> {
    let units: [&[u8]; 7] =
        [&[0x81], &[0x9f], &[0xa1, 0x00], &[0xbf, 0x00], &[0xc0], &[0xd8, 24], &[0x82, 0x00]];
    units.into_iter().map(|unit| unit.repeat(100_000)).collect()
}

/// A header with a counter-signature with a header with a counter-signature …
fn counter_signatures(bytes_max: usize) -> Vec<u8> {
    let mut header = vec![0xa0];
    loop {
        let outer = [&[0xa1, 0x07, 0x83][..], &byte_string(&header), &[0xa0, 0x40]].concat();
        if outer.len() > bytes_max {
            return header;
        }
        header = outer;
    }
}

#[test]
fn envelopes_are_refused_without_being_followed() {
    on_a_small_stack(|| {
        for bomb in announcements().into_iter().chain(nestings()) {
            for at in 0..5 {
                let (mut parts, _, _) = Parts::good();
                let part = match at {
                    0 => &mut parts.head,
                    1 => &mut parts.protected,
                    2 => &mut parts.unprotected,
                    3 => &mut parts.payload,
                    _ => &mut parts.signature,
                };
                *part = if at == 0 { [&[0xd2][..], &bomb].concat() } else { bomb.clone() };
                assert_eq!(decode(&parts.bytes()), Err(Rejection::CoseMalformed));
            }
            let (mut parts, _, _) = Parts::good();
            parts.protected = byte_string(&bomb);
            assert_eq!(decode(&parts.bytes()), Err(Rejection::CoseMalformed));
            let (mut parts, _, _) = Parts::good();
            parts.payload = byte_string(&bomb);
            assert_eq!(decode(&parts.bytes()), Err(Rejection::CborMalformed));
        }
    });
}

#[test]
fn counter_signatures_are_not_followed() {
    on_a_small_stack(|| {
        let header = counter_signatures(250 * 1024);
        let (mut parts, good, _) = Parts::good();
        parts.protected = byte_string(&header);
        assert_eq!(decode(&parts.bytes()), Err(Rejection::Algorithm));
        // Behind a good alg and kid, and in the unprotected header.
        let inner = byte_string(&header[..]);
        parts.protected =
            byte_string(&[&[0xa3][..], &good[1..], &[0x07, 0x83], &inner, &[0xa0, 0x40]].concat());
        assert_eq!(decode(&parts.bytes()), Err(Rejection::CoseNotCanonical));
        let (mut parts, _, _) = Parts::good();
        parts.unprotected = [&[0xa1, 0x07, 0x83][..], &inner, &[0xa0, 0x40]].concat();
        assert_eq!(decode(&parts.bytes()), Err(Rejection::CoseNotCanonical));
    });
}

#[test]
fn counter_signatures_in_a_possession_proof_are_not_followed() {
    on_a_small_stack(|| {
        let mut ledger = ledger();
        let (tao, new) = (ledger.tao.clone(), kvitto_ledger::testing::Actor::new("new"));
        let header = byte_string(&counter_signatures(200 * 1024));
        let possession = [&[0xd2, 0x84][..], &header, &[0xa0, 0x40], &byte_string(&[1; 64])].concat();
        let body = Onboard { possession: possession.into(), ..tao.onboards(&new, &ledger.world.ledger_id) };
        assert_eq!(ledger.act(&tao, Body::from(body)), Err(Rejection::PossessionProof));
    });
}

#[test]
fn other_decoders_refuse_them_too() {
    on_a_small_stack(|| {
        for bomb in announcements().into_iter().chain(nestings()) {
            assert!(Record::decode(&bomb).is_err());
            assert!(Header::decode(&bomb).is_err());
            assert!(BlockBody::decode(&bomb).is_err());
            // In the place of the first field, and of a statement.
            assert!(Record::decode(&[&[0x85][..], &bomb].concat()).is_err());
            assert!(BlockBody::decode(&[&[0x81][..], &bomb].concat()).is_err());
        }
    });
}
