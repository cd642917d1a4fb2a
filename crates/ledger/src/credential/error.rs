//! Why a file was not taken as a credential: a stable reason, and a sentence that says what to do.

use crate::commitment::DigestTarget;

/// Why a file was not taken as a credential.
///
/// Scripts branch on [`CredentialError::reason`], which never changes; people read the message. Messages quote
/// member names and numbers of the file, never its texts, so that they may be logged by the issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The file is larger than the caller allows.
    #[error(
        "the file has {bytes} bytes, more than the {bytes_max} allowed; raise the limit if it really is one credential"
    )]
    FileTooLarge {
        /// Length of the file.
        bytes: usize,
        /// The limit, [`super::ReadOptions::bytes_max`].
        bytes_max: usize,
    },

    /// The file has no content but white space.
    #[error("the file is empty; check that the export of the credential was complete")]
    EmptyFile,

    /// Neither JSON nor a JSON Web Signature: a PDF, an image, a text in another encoding.
    #[error(
        "the file is neither JSON nor a JSON Web Signature; to anchor a file of another kind, ask for its bytes (target `bytes`)"
    )]
    UnknownFormat,

    /// It begins like JSON, and breaks the grammar of RFC 8259 or is not UTF-8.
    #[error("not well-formed JSON: {detail}; export the credential again")]
    MalformedJson {
        /// What the parser met, with line and column.
        detail: String,
    },

    /// Objects and arrays lie too deep in each other.
    #[error("objects and arrays are nested deeper than {depth_max} levels; no credential needs that")]
    NestedTooDeep {
        /// The deepest nesting that is read.
        depth_max: usize,
    },

    /// A member name occurs twice in one object: readers would disagree about which one counts.
    #[error(
        "the member {name:?} occurs twice in one object, so readers may see different credentials; have the issuer's system write it once"
    )]
    DuplicateMember {
        /// The name, shortened.
        name: String,
    },

    /// A `\u` escape names half of a surrogate pair, which is no character.
    #[error(
        "the text at byte {offset} holds half of a surrogate pair, which is no character; have the issuer's system write valid Unicode"
    )]
    LoneSurrogate {
        /// Where the escape begins, from 0.
        offset: usize,
    },

    /// A number changes when it is read as an IEEE 754 double, as RFC 8785 requires.
    #[error(
        "the number {literal} does not survive being read as a double, so its canonical form would say something else; have it written as a string, or anchor the bytes (target `bytes`)"
    )]
    NumberNotPreserved {
        /// The number as written, shortened.
        literal: String,
    },

    /// A JSON object that is not a credential and holds one in a member.
    #[error(
        "this is not a credential but a wrapper around one: ask for the inner one by its member (unwrap `{member}`)"
    )]
    WrappedCredential {
        /// The member that holds the credential.
        member: String,
    },

    /// A JSON object that holds several credentials.
    #[error("the file holds several credentials ({found}); anchor them one at a time")]
    SeveralCredentials {
        /// Where they are.
        found: String,
    },

    /// The member that the caller asked to unwrap is not there.
    #[error("there is no member {member:?} at the top of the file to unwrap; found {found}")]
    UnwrapMemberMissing {
        /// The member asked for.
        member: String,
        /// What the file is instead.
        found: String,
    },

    /// A verifiable presentation: made by a holder for one verifier, and different each time.
    #[error(
        "this is a presentation ({found}), which a holder makes anew for each verifier; anchor the credential inside it"
    )]
    Presentation {
        /// By which member or type it is one.
        found: String,
    },

    /// Only the header of a JSON Web Signature: content and signature are missing.
    #[error(
        "this is only the header of a JSON Web Signature (alg {algorithm}); the content and the signature that belong after it, separated by dots, are missing: ask the issuer for the complete file"
    )]
    HeaderOnly {
        /// The header's `alg`, shortened.
        algorithm: String,
    },

    /// A JSON Web Encryption: what is inside cannot be read here.
    #[error(
        "the file is encrypted (JSON Web Encryption); decrypt it first and anchor the credential inside it"
    )]
    Encrypted,

    /// It looks like a JSON Web Signature and breaks RFC 7515, RFC 7797 or the SD-JWT format.
    #[error("not a well-formed JSON Web Signature: {detail}; ask the issuer for the file as it was sealed")]
    MalformedSeal {
        /// What is wrong.
        detail: String,
    },

    /// A JSON Web Signature without its content: the credential lies in another file.
    #[error("the seal is detached: the sealed content is not in this file; anchor the file that holds it")]
    DetachedSeal,

    /// A JSON Web Token with `alg` `none` or an empty signature: it looks sealed and is not.
    #[error(
        "the file has the form of a seal but no signature, so nobody sealed it; ask the issuer for the sealed file"
    )]
    NotSealed,

    /// A sealed text that is not a JSON object, such as a sealed PDF.
    #[error(
        "the sealed content is not a JSON object ({detail}); to anchor it anyway, ask for the file's bytes (target `bytes`)"
    )]
    SealedContentNotJson {
        /// What it is or what the parser met.
        detail: String,
    },

    /// Well-formed, and not a credential in any form known here.
    #[error(
        "this is not a credential: found {found}; a credential has a `type` and a `credentialSubject`, or a `vct`"
    )]
    NotACredential {
        /// What the file is instead.
        found: String,
    },

    /// The file has no such digest target: a compact JWS has no canonical JSON, an unsealed file no payload.
    #[error("this file has no digest target `{target}`; its own is `{default}`")]
    TargetNotAvailable {
        /// The target asked for.
        target: DigestTarget,
        /// The target that suits the file.
        default: DigestTarget,
    },
}

impl CredentialError {
    /// The stable name of this reason, for scripts and structured output.
    pub const fn reason(&self) -> &'static str {
        match self {
            CredentialError::FileTooLarge { .. } => "FILE_TOO_LARGE",
            CredentialError::EmptyFile => "EMPTY_FILE",
            CredentialError::UnknownFormat => "UNKNOWN_FORMAT",
            CredentialError::MalformedJson { .. } => "MALFORMED_JSON",
            CredentialError::NestedTooDeep { .. } => "NESTED_TOO_DEEP",
            CredentialError::DuplicateMember { .. } => "DUPLICATE_MEMBER",
            CredentialError::LoneSurrogate { .. } => "LONE_SURROGATE",
            CredentialError::NumberNotPreserved { .. } => "NUMBER_NOT_PRESERVED",
            CredentialError::WrappedCredential { .. } => "WRAPPED_CREDENTIAL",
            CredentialError::SeveralCredentials { .. } => "SEVERAL_CREDENTIALS",
            CredentialError::UnwrapMemberMissing { .. } => "UNWRAP_MEMBER_MISSING",
            CredentialError::Presentation { .. } => "PRESENTATION",
            CredentialError::HeaderOnly { .. } => "HEADER_ONLY",
            CredentialError::Encrypted => "ENCRYPTED",
            CredentialError::MalformedSeal { .. } => "MALFORMED_SEAL",
            CredentialError::DetachedSeal => "DETACHED_SEAL",
            CredentialError::NotSealed => "NOT_SEALED",
            CredentialError::SealedContentNotJson { .. } => "SEALED_CONTENT_NOT_JSON",
            CredentialError::NotACredential { .. } => "NOT_A_CREDENTIAL",
            CredentialError::TargetNotAvailable { .. } => "TARGET_NOT_AVAILABLE",
        }
    }
}

/// At most 60 characters of a text from the file, so that a message stays one line.
pub(super) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
