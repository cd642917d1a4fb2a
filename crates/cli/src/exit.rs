//! Exit codes: the one list, the same for every command. `COMMANDS.md` shows it to readers.

use serde::Serialize;

macro_rules! exits {
    ($($(#[$meta:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// How a command ended, for scripts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Exit { $($(#[$meta])* $variant = $code),* }

        impl Exit {
            /// Every exit code, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// What the process returns.
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// Stable name, in `--json` errors.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

exits! {
    /// Done; for `verify`: in order.
    Ok = 0, "ok";
    /// Something in this program is broken.
    Internal = 1, "internal";
    /// The command line, or what it names, does not make sense.
    Usage = 2, "usage";
    /// `verify`: not in order.
    NotInOrder = 3, "not_in_order";
    /// `verify`: cannot tell.
    CannotTell = 4, "cannot_tell";
    /// `verify`: nothing speaks against it, but the checkpoint is older than asked for.
    TooOld = 5, "too_old";
    /// The trust file does not know the ledger's present members.
    TrustOutOfDate = 6, "trust_out_of_date";
    /// The ledger's rules refuse what was asked for, or a part of it.
    Refused = 7, "refused";
    /// No node answered, or took the question, or too few members are there to decide.
    Unreachable = 8, "unreachable";
    /// The ledger, or the register, has no such thing.
    NotFound = 9, "not_found";
    /// A file is not what it should be.
    Input = 10, "input";
    /// Reading or writing on this machine failed.
    Io = 11, "io";
    /// Not finished: taken by a node but not final yet, or a receipt is still missing. Run the same command again.
    Pending = 12, "pending";
    /// A node's answer does not verify.
    Untrusted = 13, "untrusted";
    /// Another process works with the same register.
    Busy = 14, "busy";
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Serialize for Exit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
