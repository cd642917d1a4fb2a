//! Every reason for which the rules refuse a statement, with its stable code. `REJECTIONS.md` is the same list for readers.

use std::fmt;

/// What kind of refusal it is; a gRPC status code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The bytes or their content can never be right (`INVALID_ARGUMENT`).
    Invalid,
    /// Not signed by whom it says (`UNAUTHENTICATED`).
    Unauthenticated,
    /// Signed by someone who may not do this (`PERMISSION_DENIED`).
    Denied,
    /// Speaks of something that is not there (`NOT_FOUND`).
    NotFound,
    /// It is there already (`ALREADY_EXISTS`).
    Exists,
    /// Not in the state that things are in (`FAILED_PRECONDITION`).
    Precondition,
    /// A quota is used up for now; the same statement may go through later (`RESOURCE_EXHAUSTED`).
    Exhausted,
}

macro_rules! rejections {
    ($($(#[$meta:meta])* $variant:ident = $code:literal, $reason:literal, $class:ident, $text:literal;)*) => {
        /// A refusal by the rules: the same on every node that looks at the same state.
        ///
        /// The order of the list is the order in which checks are made; the first that fails is the answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rejection { $($(#[$meta])* #[doc = $text] $variant = $code),* }

        impl Rejection {
            /// Every rejection, in the order of checks.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable number.
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The rejection with this number.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// Stable name: `ErrorInfo.reason` in answers.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason),* }
            }

            /// What kind of refusal it is.
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class),* }
            }

            /// One sentence for a person: what must hold.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

rejections! {
    // Form: decided by the bytes alone.
    StatementTooLarge = 100, "STATEMENT_TOO_LARGE", Invalid, "a statement is at most 256 KiB long";
    CoseMalformed = 101, "COSE_MALFORMED", Invalid, "a statement is a tagged COSE_Sign1 with a payload and a 64-byte signature";
    Algorithm = 102, "ALGORITHM", Invalid, "statements are signed with EdDSA (-8)";
    KidSyntax = 103, "KID_SYNTAX", Invalid, "kid is did:ebsi version 1, #, and the RFC 7638 thumbprint of the key";
    CoseNotCanonical = 104, "COSE_NOT_CANONICAL", Invalid, "a statement is in deterministic CBOR, with exactly alg and kid in its protected header and nothing in the other";
    CborMalformed = 105, "CBOR_MALFORMED", Invalid, "the payload is a CBOR array [version, not_before, not_after, nonce, kind, body]";
    StatementVersion = 106, "STATEMENT_VERSION", Invalid, "the version of the payload's layout is 1";
    StatementKind = 107, "STATEMENT_KIND", Invalid, "the kind is one that this version of the rules executes";
    SchemaViolation = 108, "SCHEMA_VIOLATION", Invalid, "the body has exactly the fields of its kind, in their types";
    CborNotCanonical = 109, "CBOR_NOT_CANONICAL", Invalid, "the payload is in deterministic CBOR";
    ValidityRange = 110, "VALIDITY_RANGE", Invalid, "not_after is later than not_before by at most 24 hours";
    LegalName = 111, "LEGAL_NAME", Invalid, "a legal name is 1 to 256 bytes in NFC, without control or bidirectional characters or outer spaces";
    LegalIdentifier = 112, "LEGAL_IDENTIFIER", Invalid, "a legal identifier's scheme and value are 1 to 128 printable ASCII characters";
    Country = 113, "COUNTRY", Invalid, "a country is two upper-case letters (ISO 3166-1)";
    DocumentKeys = 114, "DOCUMENT_KEYS", Invalid, "a DID document lists 1 to 32 distinct well-formed keys, each with a known relationship";
    KeyInvalid = 115, "KEY_INVALID", Invalid, "a ledger key is a canonically written Ed25519 key of large order";
    PossessionProof = 116, "POSSESSION_PROOF", Invalid, "the new organisation's key has signed its identifier, its key, and the sponsor with its accreditation";
    DocumentServices = 117, "DOCUMENT_SERVICES", Invalid, "a DID document lists at most 16 services with distinct ids and https URLs";
    LastLedgerKey = 118, "LAST_LEDGER_KEY", Invalid, "an Ed25519 key with capabilityInvocation stays";
    RoleUnknown = 119, "ROLE", Invalid, "accreditations are given to TAOs and trusted issuers; roots stand in the genesis";
    ScopeForm = 120, "SCOPE_FORM", Invalid, "a scope holds printable ASCII of at most 256 bytes, EQF levels 1 to 8, and no * outside a root's";
    AccreditationValidityRange = 121, "ACCREDITATION_VALIDITY_RANGE", Invalid, "an accreditation ends after it begins";
    PolicyUrl = 122, "POLICY_URL", Invalid, "a policy URL is https, ASCII, at most 2 KiB";
    CredentialType = 123, "CREDENTIAL_TYPE", Invalid, "a credential type is 1 to 256 printable ASCII characters";
    ItemCount = 124, "ITEM_COUNT", Invalid, "a statement has 1 to 4,096 items, a reservation 1 to 131,072 positions";
    ItemOrder = 125, "ITEM_ORDER", Invalid, "items are strictly ascending, so none occurs twice and their order says nothing; no reserved position occurs twice";
    StatusCode = 126, "STATUS_CODE", Invalid, "a status change names a status that this kind of position can take";
    SuccessorForm = 127, "SUCCESSOR_FORM", Invalid, "a successor stands with status superseded, and only there";
    EffectiveFromForm = 128, "EFFECTIVE_FROM_FORM", Invalid, "effective_from belongs to withdrawals only";
    LeafTooLarge = 129, "LEAF_TOO_LARGE", Invalid, "a DID document or accreditation is at most 48 KiB long, so that its record fits into a leaf";

    // Who signed: decided by the bytes and one key.
    SignerUnknown = 200, "SIGNER_UNKNOWN", Denied, "the signer is a registered organisation";
    SignerDeactivated = 201, "SIGNER_DEACTIVATED", Denied, "the signer's identifier is not deactivated";
    KeyUnknown = 202, "KEY_UNKNOWN", Denied, "the signer's DID document lists the key";
    KeyRelationship = 203, "KEY_RELATIONSHIP", Denied, "the key stands in the relationship that this kind needs: assertionMethod to anchor, reserve and change statuses, capabilityInvocation for everything else";
    SignatureInvalid = 204, "SIGNATURE_INVALID", Unauthenticated, "the signature is the named key's, over these bytes, for this ledger";

    // When: decided by the bytes and the block's time.
    StatementNotYet = 300, "STATEMENT_NOT_YET", Precondition, "not_before is not later than the block's time";
    StatementExpired = 301, "STATEMENT_EXPIRED", Precondition, "the block's time is not later than not_after";
    StatementExecuted = 302, "STATEMENT_EXECUTED", Exists, "a statement is executed once";

    // Accreditation.
    AccreditationMissing = 400, "ACCREDITATION_MISSING", Denied, "the signer holds the accreditation it names";
    AccreditationWithdrawn = 401, "ACCREDITATION_WITHDRAWN", Denied, "no link of the accreditation's chain is withdrawn";
    AccreditationSuspended = 402, "ACCREDITATION_SUSPENDED", Denied, "no link of the accreditation's chain is suspended";
    AccreditationNotYet = 403, "ACCREDITATION_NOT_YET", Denied, "every link of the accreditation's chain has begun";
    AccreditationExpired = 404, "ACCREDITATION_EXPIRED", Denied, "no link of the accreditation's chain has expired";
    AccreditorRole = 405, "ACCREDITOR_ROLE", Denied, "only a root or a TAO onboards and accredits";
    IssuerRole = 406, "ISSUER_ROLE", Denied, "only a trusted issuer (TI) anchors and reserves";
    AccreditationScope = 407, "ACCREDITATION_SCOPE", Denied, "the credential type is in the accreditation's scope";

    // Registry.
    IdentifierUnknown = 500, "IDENTIFIER_UNKNOWN", NotFound, "the subject is a registered organisation";
    IdentifierExists = 501, "IDENTIFIER_EXISTS", Exists, "the identifier is new, or onboarded by the same sponsor with one of its keys";
    IdentifierDeactivated = 502, "IDENTIFIER_DEACTIVATED", Precondition, "the subject's identifier is not deactivated";
    NotSponsor = 503, "NOT_SPONSOR", Denied, "the signer is the subject itself or its sponsor";
    AccreditationExists = 504, "ACCREDITATION_EXISTS", Exists, "an accreditation with this id is the same accreditor's, differs in a later end, policy or credential only, and is not withdrawn";
    AccreditationCycle = 505, "ACCREDITATION_CYCLE", Precondition, "no organisation occurs twice in a chain";
    AccreditationDepth = 506, "ACCREDITATION_DEPTH", Precondition, "a chain has at most 8 links, root included";
    ScopeWidened = 507, "SCOPE_WIDENED", Denied, "the scope lies inside the parent's";
    ValidityWidened = 508, "VALIDITY_WIDENED", Denied, "the validity lies inside the parent's";
    AccreditationUnknown = 509, "ACCREDITATION_UNKNOWN", NotFound, "the accreditation is in the registry";
    RootByChangeOnly = 510, "ROOT_BY_CHANGE_ONLY", Denied, "a root's accreditation changes only by a vote of the members";
    NotAccreditor = 511, "NOT_ACCREDITOR", Denied, "the signer is the accreditor or one of its ancestors";
    AccreditationFinal = 512, "ACCREDITATION_FINAL", Precondition, "a withdrawn accreditation stays withdrawn";
    AccreditationTransition = 513, "ACCREDITATION_TRANSITION", Precondition, "only an effective accreditation is suspended and only a suspended one is reinstated";
    NotWhoSuspended = 514, "NOT_WHO_SUSPENDED", Denied, "a suspension is lifted by who imposed it, or an ancestor of that one";
    EffectiveFromRange = 515, "EFFECTIVE_FROM_RANGE", Precondition, "a withdrawal takes effect between the accreditation's start and now";

    // Credentials.
    ReservationQuota = 600, "RESERVATION_QUOTA", Exhausted, "an issuer's reserved and unused positions are bounded";
    PositionUnknown = 601, "POSITION_UNKNOWN", NotFound, "the position is in use";
    PositionNotReserved = 602, "POSITION_NOT_RESERVED", Precondition, "the position is reserved by the signer and not used";
    NothingNew = 603, "NOTHING_NEW", Exists, "at least one commitment is not anchored by the signer yet";
    NotIssuer = 604, "NOT_ISSUER", Denied, "the signer is the issuer, or, while the accreditation under which the credential was anchored is suspended for key compromise, an accreditor above that";
    AnchorUnknown = 605, "ANCHOR_UNKNOWN", NotFound, "the commitment or position was anchored by the issuer";
    PositionUnused = 606, "POSITION_UNUSED", Precondition, "a reserved position has a credential before its status changes";
    StatusFrozen = 607, "STATUS_FROZEN", Denied, "while a link of the chain under which a credential was anchored is suspended for key compromise, its issuer does not change its status";
    AlreadyRevoked = 608, "ALREADY_REVOKED", Precondition, "revoked is final";
    StatusTransition = 609, "STATUS_TRANSITION", Precondition, "valid can be revoked, suspended, superseded; suspended can be revoked, superseded, and reinstated by who suspended it; superseded can be revoked";
    SuccessorUnknown = 610, "SUCCESSOR_UNKNOWN", NotFound, "the successor is another commitment anchored by the issuer, with status valid";
    RevocationQuota = 611, "REVOCATION_QUOTA", Exhausted, "an issuer's revocations per hour are capped";

    // The rules themselves.
    RulesPanic = 700, "RULES_PANIC", Invalid, "the rules broke on this statement; it is set aside, please report it";
}

/// Rejections with lower codes are about the form: the bytes alone.
const FORM_CODES_END: u16 = 200;

impl Rejection {
    /// Whether it holds for ever: about the bytes alone, or because the statement was executed.
    pub const fn is_for_ever(self) -> bool {
        self.code() < FORM_CODES_END || matches!(self, Self::SignatureInvalid | Self::StatementExecuted)
    }

    /// Whether the same statement may execute later without anyone's doing, as time passes.
    pub const fn is_for_now(self) -> bool {
        matches!(self, Self::StatementNotYet | Self::AccreditationNotYet | Self::RevocationQuota)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason(), self.text())
    }
}

impl std::error::Error for Rejection {}
