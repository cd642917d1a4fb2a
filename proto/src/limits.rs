//! How much one call may ask for: what the .proto files say, a server refuses to exceed, and a client does not exceed.

/// Most credentials of one `BatchGetStatus`.
pub const BATCH_CREDENTIALS_MAX: usize = 512;
/// Most credentials of one `WatchStatus`.
pub const WATCH_CREDENTIALS_MAX: usize = 256;
/// Most leaves of one `GetEntries`.
pub const ENTRIES_MAX: u32 = 4096;

/// Most answers of one `ListEvidence`.
pub const EVIDENCE_PAGE_MAX: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proto_files_state_the_same() {
        let statuses = include_str!("../kvitto/v1/status.proto");
        for count in [BATCH_CREDENTIALS_MAX, WATCH_CREDENTIALS_MAX] {
            assert!(statuses.contains(&format!("// The status of up to {count} credentials")));
            assert!(statuses.contains(&format!("// 1 to {count} credentials")));
        }
        let entries = format!("1 to {},{:03};", ENTRIES_MAX / 1000, ENTRIES_MAX % 1000);
        let log = include_str!("../kvitto/v1/log.proto");
        assert!(log.contains(&entries) && log.contains(&format!("Most answers: 1 to {EVIDENCE_PAGE_MAX};")));
    }
}
