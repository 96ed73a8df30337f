//! What a device asks and is answered: plain data, so that the same devices can be driven against rows in
//! memory or against the service.

use clientele::sync::merge::Fields;
use clientele::sync::plan::Surface;
use clientele::sync::push::{OpKind, Status};
use clientele::sync::{CollectionSet, RowKey, ScopeKey};
use uuid::Uuid;

/// Who asks, and from which installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    pub user: Uuid,
    pub device: Uuid,
}

/// A row as the service shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub row: RowKey,
    pub version: i64,
    /// What it belongs under.
    pub scope: ScopeKey,
    pub fields: Fields,
}

#[derive(Clone, Debug)]
pub struct PullRequest {
    pub session: Session,
    pub surface: Surface,
    pub collections: CollectionSet,
    pub token: Option<String>,
    pub limit: usize,
}

#[derive(Clone, Debug)]
pub enum PullAnswer {
    Page(PulledPage),
    /// The RxDB surface has no word for starting over: it is an error, and the app clears the collection.
    ResyncRequired,
}

#[derive(Clone, Debug)]
pub struct PulledPage {
    /// Whether rows that this pull does not name are to go.
    pub replaces: bool,
    pub documents: Vec<Document>,
    pub tombstones: Vec<RowKey>,
    pub token: String,
    pub has_more: bool,
    pub watermark: u64,
}

/// An operation of a hand-written client.
#[derive(Clone, Debug)]
pub struct Op {
    pub id: Uuid,
    pub seq: u64,
    pub kind: OpKind,
    pub row: RowKey,
    /// What a new row goes under.
    pub scope: Option<ScopeKey>,
    pub base_version: Option<i64>,
    pub depends_on: Vec<Uuid>,
    pub patch: Fields,
    /// What the device saw in the fields of the patch.
    pub seen: Fields,
    /// All that the person saw of the row. Not sent: the model judges by it.
    pub view: Fields,
}

#[derive(Clone, Debug)]
pub struct PushRequest {
    pub session: Session,
    pub all_or_nothing: bool,
    pub ops: Vec<Op>,
}

#[derive(Clone, Debug)]
pub struct OpResult {
    pub op: Uuid,
    pub status: Status,
    pub version: Option<i64>,
    pub seq: u64,
}

/// A row as stock RxDB pushes it.
#[derive(Clone, Debug)]
pub struct PushedRow {
    pub row: RowKey,
    pub scope: ScopeKey,
    pub assumed: Option<(i64, Fields)>,
    /// What it is to be; none: deleted.
    pub new: Option<Fields>,
    /// Which edits of a person are in it, by field. Not sent: the model judges by it.
    pub edits: Vec<(u64, &'static str)>,
}

/// What RxDB is answered for a row that it may not have as it pushed it.
#[derive(Clone, Debug)]
pub enum Master {
    Document(Document),
    Tombstone(RowKey),
}

/// The service, to a device.
pub trait Remote {
    fn pull(&mut self, request: &PullRequest) -> PullAnswer;
    fn push(&mut self, request: &PushRequest) -> Vec<OpResult>;
    fn push_rows(&mut self, session: Session, rows: &[PushedRow]) -> Vec<Master>;
}
