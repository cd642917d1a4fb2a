//! `RegistryService`: organisations and accreditations as of any published moment, with proof.

use std::sync::Arc;

use kvitto_ledger::state::{Accreditation, AccreditationKey, Identifier};
use kvitto_ledger::{AccreditationId, Did, Height, LeafIndex};
use kvitto_proto::convert::{self, Moment, RegistryProof};
use kvitto_proto::v1::registry_service_server::RegistryService;
use kvitto_proto::v1::{
    self, GetAccreditationRequest, GetAccreditationResponse, GetIdentifierRequest, GetIdentifierResponse,
    GetIssuerRequest, GetIssuerResponse, GetTrustChainRequest, GetTrustChainResponse,
    ListAccreditationsRequest, ListAccreditationsResponse, ListIdentifiersRequest, ListIdentifiersResponse,
};
use kvitto_storage::prove::Prover;
use kvitto_storage::{Damage, Read, StoreError};
use tonic::{Request, Response, Status};

use crate::context::Context;
use crate::moment::{self, as_of, checkpoint};
use crate::reason::{Reason, refuse, store_failed};

const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 200;

pub(crate) struct Registry<R> {
    pub(crate) context: Arc<Context<R>>,
}

#[tonic::async_trait]
impl<R: Read> RegistryService for Registry<R> {
    async fn get_identifier(
        &self,
        request: Request<GetIdentifierRequest>,
    ) -> Result<Response<GetIdentifierResponse>, Status> {
        let request = request.into_inner();
        let did = did(&request.did)?;
        let prover = self.prover(request.at)?;
        let identifier = identifier(&prover, &did)?;
        let proof = prove(&prover, Some(&identifier), &[]).map_err(store_failed)?;
        Ok(Response::new(GetIdentifierResponse {
            as_of: Some(as_of(&prover).into()),
            identifier: Some((&identifier).into()),
            proof: Some(proof.into()),
        }))
    }

    async fn list_identifiers(
        &self,
        request: Request<ListIdentifiersRequest>,
    ) -> Result<Response<ListIdentifiersResponse>, Status> {
        let request = request.into_inner();
        let limit = page_size(request.page_size)?;
        let cursor = Cursor::<16>::read(&request.cursor)?;
        let prover = self.page_prover(request.at, cursor.as_ref())?;
        let after = cursor.map(|cursor| Did::new(cursor.after));
        let found = prover.reader().identifiers_at(prover.height(), after.as_ref(), limit + 1);
        let found = found.map_err(store_failed)?;
        let (page, last) = page_of(&found, limit);
        Ok(Response::new(ListIdentifiersResponse {
            as_of: Some(as_of(&prover).into()),
            identifiers: page.iter().map(Into::into).collect(),
            next_cursor: last.map_or_else(String::new, |last| {
                Cursor { height: prover.height(), after: *last.did.as_bytes() }.write()
            }),
        }))
    }

    async fn get_issuer(
        &self,
        request: Request<GetIssuerRequest>,
    ) -> Result<Response<GetIssuerResponse>, Status> {
        let request = request.into_inner();
        let did = did(&request.did)?;
        let limit = page_size(request.page_size)?;
        let cursor = Cursor::<32>::read(&request.cursor)?;
        let prover = self.page_prover(request.at, cursor.as_ref())?;
        let identifier = identifier(&prover, &did)?;
        let after = cursor.map(|cursor| AccreditationId(cursor.after));
        let (accreditations, last) = held_by(&prover, &did, after, limit).map_err(store_failed)?;
        let proof = prove(&prover, Some(&identifier), &accreditations).map_err(store_failed)?;
        Ok(Response::new(GetIssuerResponse {
            as_of: Some(as_of(&prover).into()),
            identifier: Some((&identifier).into()),
            accreditations: accreditations.iter().map(Into::into).collect(),
            proof: Some(proof.into()),
            next_cursor: last
                .map_or_else(String::new, |last| Cursor { height: prover.height(), after: last.0 }.write()),
        }))
    }

    async fn get_accreditation(
        &self,
        request: Request<GetAccreditationRequest>,
    ) -> Result<Response<GetAccreditationResponse>, Status> {
        let request = request.into_inner();
        let key = key(&request.subject_did, &request.id)?;
        let prover = self.prover(request.at)?;
        let found = prover.reader().accreditation_at(prover.height(), &key).map_err(store_failed)?;
        let found = found.ok_or_else(|| refuse(Reason::AccreditationUnknown))?;
        let proof = prove(&prover, None, std::slice::from_ref(&found)).map_err(store_failed)?;
        Ok(Response::new(GetAccreditationResponse {
            as_of: Some(as_of(&prover).into()),
            accreditation: Some((&found).into()),
            proof: Some(proof.into()),
        }))
    }

    async fn list_accreditations(
        &self,
        request: Request<ListAccreditationsRequest>,
    ) -> Result<Response<ListAccreditationsResponse>, Status> {
        let request = request.into_inner();
        let limit = page_size(request.page_size)?;
        let parent = key(&request.parent_subject_did, &request.parent_id)?;
        let cursor = Cursor::<48>::read(&request.cursor)?;
        let prover = self.page_prover(request.at, cursor.as_ref())?;
        let (read, at) = (prover.reader(), prover.height());
        if read.accreditation_at(at, &parent).map_err(store_failed)?.is_none() {
            return Err(refuse(Reason::AccreditationUnknown));
        }
        let after = cursor.map(|cursor| split_key(&cursor.after));
        let keys = read.children_at(at, &parent, after.as_ref(), limit + 1).map_err(store_failed)?;
        let (page, last) = page_of(&keys, limit);
        let accreditation = |key| Ok(v1::Accreditation::from(&listed(&prover, key)?));
        let page: Result<Vec<_>, StoreError> = page.iter().map(accreditation).collect();
        Ok(Response::new(ListAccreditationsResponse {
            as_of: Some(as_of(&prover).into()),
            accreditations: page.map_err(store_failed)?,
            next_cursor: last
                .map_or_else(String::new, |last| Cursor { height: at, after: join_key(last) }.write()),
        }))
    }

    async fn get_trust_chain(
        &self,
        request: Request<GetTrustChainRequest>,
    ) -> Result<Response<GetTrustChainResponse>, Status> {
        let request = request.into_inner();
        let key = key(&request.subject_did, &request.id)?;
        let prover = self.prover(request.at)?;
        let links = prover.chain(&key).map_err(store_failed)?;
        if links.is_empty() {
            return Err(refuse(Reason::AccreditationUnknown));
        }
        let proof = prove(&prover, None, &links).map_err(store_failed)?;
        Ok(Response::new(GetTrustChainResponse {
            as_of: Some(as_of(&prover).into()),
            links: links.iter().map(Into::into).collect(),
            proof: Some(proof.into()),
        }))
    }
}

impl<R: Read> Registry<R> {
    fn prover(&self, at: Option<v1::At>) -> Result<Prover<R>, Status> {
        moment::at(&self.context.read, at.into())
    }

    /// Later pages are as of the block that the cursor names.
    fn page_prover<const N: usize>(
        &self,
        at: Option<v1::At>,
        cursor: Option<&Cursor<N>>,
    ) -> Result<Prover<R>, Status> {
        match cursor {
            None => self.prover(at),
            Some(cursor) => moment::at(&self.context.read, Moment::Height(cursor.height))
                .map_err(|_| refuse(Reason::CursorInvalid)),
        }
    }
}

fn did(text: &str) -> Result<Did, Status> {
    convert::did("did", text).map_err(|_| refuse(Reason::Did))
}

fn key(subject: &str, id: &[u8]) -> Result<AccreditationKey, Status> {
    let id = convert::accreditation_id("id", id).map_err(|_| refuse(Reason::AccreditationId));
    Ok(AccreditationKey { subject: did(subject)?, id: id? })
}

fn page_size(asked: u32) -> Result<usize, Status> {
    match asked {
        0 => Ok(PAGE_DEFAULT as usize),
        1..=PAGE_MAX => Ok(asked as usize),
        _ => Err(refuse(Reason::PageSize)),
    }
}

/// At most `limit` of what was found, and the last of them where there is more.
fn page_of<T>(found: &[T], limit: usize) -> (&[T], Option<&T>) {
    match found.get(..limit) {
        Some(page) if found.len() > limit => (page, page.last()),
        _ => (found, None),
    }
}

fn identifier<R: Read>(prover: &Prover<R>, did: &Did) -> Result<Identifier, Status> {
    let found = prover.reader().identifier_at(prover.height(), did).map_err(store_failed)?;
    found.ok_or_else(|| refuse(Reason::IdentifierUnknown))
}

/// Up to `limit` accreditations of an organisation with ids above `after`, and the last id where there are more.
fn held_by<R: Read>(
    prover: &Prover<R>,
    did: &Did,
    after: Option<AccreditationId>,
    limit: usize,
) -> Result<(Vec<Accreditation>, Option<AccreditationId>), StoreError> {
    let mut ids = prover.reader().accreditations_at(prover.height(), did)?;
    ids.retain(|id| after.is_none_or(|after| *id > after));
    let (page, last) = page_of(&ids, limit);
    let accreditation = |id: &AccreditationId| listed(prover, &AccreditationKey { subject: *did, id: *id });
    Ok((page.iter().map(accreditation).collect::<Result<_, _>>()?, last.copied()))
}

/// An accreditation that the store has listed.
fn listed<R: Read>(prover: &Prover<R>, key: &AccreditationKey) -> Result<Accreditation, StoreError> {
    let found = prover.reader().accreditation_at(prover.height(), key)?;
    found
        .ok_or_else(|| StoreError::Damaged(Damage::Missing { what: "accreditation", at: key.id.to_string() }))
}

/// Records in the order that the .proto file promises: identifier, accreditations, withdrawals.
fn prove<R: Read>(
    prover: &Prover<R>,
    identifier: Option<&Identifier>,
    accreditations: &[Accreditation],
) -> Result<RegistryProof, StoreError> {
    let identifier = identifier.map(|identifier| identifier.leaf.unwrap_or(LeafIndex(0)));
    let given = accreditations.iter().map(|accreditation| accreditation.leaf);
    let withdrawn = accreditations.iter().filter_map(|link| Some(link.withdrawal.as_ref()?.leaf));
    let records = identifier.into_iter().chain(given).chain(withdrawn);
    Ok(RegistryProof {
        checkpoint: checkpoint(prover.published()),
        block: prover.block()?,
        records: records.map(|leaf| prover.leaf_proof(leaf)).collect::<Result<_, _>>()?,
        chunks: prover.chunks(accreditations.iter().map(|link| link.position))?,
        next_block: prover.next_block()?,
    })
}

/// Where a page ended: the block that the listing is as of, and the last key. Opaque to clients; it holds nothing secret and
/// grants nothing, so it needs no signature.
struct Cursor<const N: usize> {
    height: Height,
    after: [u8; N],
}

impl<const N: usize> Cursor<N> {
    fn write(&self) -> String {
        format!("{:016x}{}", self.height.0, hex::encode(self.after))
    }

    /// `None` where the text is empty: the first page.
    fn read(text: &str) -> Result<Option<Self>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        let invalid = || refuse(Reason::CursorInvalid);
        let bytes = hex::decode(text).map_err(|_| invalid())?;
        let (height, after) = bytes.split_first_chunk().ok_or_else(invalid)?;
        let after = after.try_into().map_err(|_| invalid())?;
        Ok(Some(Self { height: Height(u64::from_be_bytes(*height)), after }))
    }
}

fn join_key(key: &AccreditationKey) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..16].copy_from_slice(key.subject.as_bytes());
    bytes[16..].copy_from_slice(&key.id.0);
    bytes
}

fn split_key(bytes: &[u8; 48]) -> AccreditationKey {
    let (mut subject, mut id) = ([0; 16], [0; 32]);
    subject.copy_from_slice(&bytes[..16]);
    id.copy_from_slice(&bytes[16..]);
    AccreditationKey { subject: Did::new(subject), id: AccreditationId(id) }
}
