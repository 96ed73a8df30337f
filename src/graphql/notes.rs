//! Notes on the wire.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, SimpleObject};
use entity::{ClientId, NoteId, client, note, user};
use sea_orm::ColumnTrait;

use super::clients::{Archived, Client};
use super::connection::{Connection, Node, binding};
use super::context::{nullable, session, write};
use super::direct::ready;
use super::input::required;
use super::scalars::{DateTime, int};
use super::users::User;
use crate::db::{Asked, Children, KeyKind, PageRequest, Sort, SortKey, Visible};
use crate::domain::notes::{self, NewNote};
use crate::error::Result;

/// What somebody wrote down about a client.
#[derive(Clone)]
pub struct Note(pub Visible<note::Model>);

impl From<Visible<note::Model>> for Note {
    fn from(row: Visible<note::Model>) -> Self {
        Self(row)
    }
}

impl Node for Note {
    type Entity = note::Entity;
}

ready!(
    Note: "id" | "body" | "isPinned" | "version" | "createdAt" | "updatedAt" | "archivedAt";
);

/// What somebody wrote down about a client.
#[Object]
impl Note {
    /// The id.
    pub async fn id(&self) -> NoteId {
        self.0.id
    }

    /// The client it is about.
    async fn client(&self, ctx: &Context<'_>) -> Option<Result<Client>> {
        nullable(
            async {
                let client = session(ctx)?
                    .one_of::<client::Entity, _, _>(&self.0, "client", |row| Some(row.client_id))
                    .await?;
                Ok(client.map(Client))
            }
            .await,
        )
    }

    /// Who wrote it.
    async fn author(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        nullable(
            async {
                let author = session(ctx)?
                    .one_of::<user::Entity, _, _>(&self.0, "author", |row| Some(row.author_id))
                    .await?;
                Ok(author.map(User))
            }
            .await,
        )
    }

    /// The text.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// Whether it is to stay on top.
    async fn is_pinned(&self) -> bool {
        self.0.is_pinned
    }

    /// The number of writes to this note; send it back with an update.
    async fn version(&self) -> Result<i32> {
        int(self.0.version)
    }

    /// When it was written.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// When it was archived; null while it is in use.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }
}

/// Which notes. All parts that are given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct NoteFilter {
    /// Whether they are pinned.
    is_pinned: Option<bool>,
    /// Whether archived notes are listed; by default they are not.
    archived: Option<Archived>,
}

/// The notes of a client, newest first.
///
/// # Errors
/// `BAD_USER_INPUT` for a page that makes no sense.
pub async fn of_client(
    ctx: &Context<'_>,
    client: &Visible<client::Model>,
    filter: Option<NoteFilter>,
    page: (Option<i32>, Option<String>, Option<i32>, Option<String>),
) -> Result<Connection<Note>> {
    let own = |client: &client::Model| client.id.0;
    let asked = async {
        let session = session(ctx)?;
        let (first, after, last, before) = page;
        let binding = binding("client.notes", &filter, &());
        let page = PageRequest::new(first, after, last, before, binding)?;
        let NoteFilter {
            is_pinned,
            archived,
        } = filter.unwrap_or_default();
        let condition = archived
            .unwrap_or_default()
            .condition(note::Column::ArchivedAt)
            .add_option(is_pinned.map(|is_pinned| note::Column::IsPinned.eq(is_pinned)));
        let children = Children {
            parent: note::Column::ClientId,
            select: session.select::<note::Entity>().filter(condition),
        };
        let newest = SortKey::column(note::Column::CreatedAt, KeyKind::Instant);
        let sort = Sort::descending(vec![newest]);
        Ok(Asked::new(children, sort, page))
    };
    Connection::children(ctx, client, "notes", own, asked).await
}

/// Reading notes.
#[derive(Default)]
pub struct NoteQuery;

#[Object]
impl NoteQuery {
    /// The note with this id; null when there is none, or it is not about a client of yours.
    async fn note(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the note.")] id: NoteId,
    ) -> Option<Result<Note>> {
        nullable(
            async {
                let note = session(ctx)?.select::<note::Entity>().id(id).find().await?;
                Ok(note.map(Note))
            }
            .await,
        )
    }
}

/// A note to write down. You are its author.
#[derive(Clone, Debug, InputObject)]
pub struct NoteCreateInput {
    /// An id made by the caller (`note_` and a UUID, best of version 7). Sending the same create again with it answers the note that is there.
    id: Option<NoteId>,
    /// The client it is about; it stays so.
    client_id: ClientId,
    /// The text, 1 to 10,000 characters.
    body: String,
    /// Whether it is to stay on top.
    #[graphql(default)]
    is_pinned: bool,
}

impl NoteCreateInput {
    /// The note to be.
    pub(super) fn parse(self) -> NewNote {
        let Self {
            id,
            client_id,
            body,
            is_pinned,
        } = self;
        NewNote {
            id,
            client: client_id,
            author: None,
            body,
            is_pinned,
        }
    }
}

/// Changes to a note. A field that is absent stays as it is.
#[derive(Clone, Debug, InputObject)]
pub struct NoteUpdateInput {
    /// The note.
    id: NoteId,
    /// The version you saw.
    version: i32,
    /// The text, 1 to 10,000 characters.
    body: MaybeUndefined<String>,
    /// Whether it is to stay on top.
    is_pinned: MaybeUndefined<bool>,
}

impl NoteUpdateInput {
    /// Which note, in which version, its text and whether it is pinned.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`.
    pub(super) fn parse(self) -> Result<(NoteId, i64, Option<String>, Option<bool>)> {
        let Self {
            id,
            version,
            body,
            is_pinned,
        } = self;
        let body = required("body", body)?;
        let is_pinned = required("isPinned", is_pinned)?;
        Ok((id, i64::from(version), body, is_pinned))
    }
}

/// Names a note in the version you saw.
#[derive(Clone, Debug, InputObject)]
pub struct NoteVersionInput {
    /// The note.
    id: NoteId,
    /// The version you saw.
    version: i32,
}

/// The note after the change.
#[derive(SimpleObject)]
pub struct NotePayload {
    /// The note.
    note: Note,
}

impl From<Visible<note::Model>> for NotePayload {
    fn from(row: Visible<note::Model>) -> Self {
        Self { note: Note(row) }
    }
}

/// Writing notes.
#[derive(Default)]
pub struct NoteMutation;

#[Object]
impl NoteMutation {
    /// Writes a note about a client.
    async fn note_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The note to write down.")] input: NoteCreateInput,
    ) -> Result<NotePayload> {
        let new = input.parse();
        let row = write(ctx, move |tx| {
            let new = new.clone();
            async move { notes::create(&tx, new).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Changes a note. Only its author, managers above them and administrators may.
    async fn note_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The note and the changes.")] input: NoteUpdateInput,
    ) -> Result<NotePayload> {
        let (id, version, body, is_pinned) = input.parse().map_err(|error| error.under("input"))?;
        let row = write(ctx, move |tx| {
            let body = body.clone();
            async move { notes::update(&tx, id, version, body, is_pinned).await }
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Hides a note from lists. Only its author, managers above them and administrators may. It can be restored.
    async fn note_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The note to hide.")] input: NoteVersionInput,
    ) -> Result<NotePayload> {
        let NoteVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            notes::archive(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }

    /// Brings an archived note back. Only its author, managers above them and administrators may.
    async fn note_restore(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The note to bring back.")] input: NoteVersionInput,
    ) -> Result<NotePayload> {
        let NoteVersionInput { id, version } = input;
        let row = write(ctx, move |tx| async move {
            notes::restore(&tx, id, i64::from(version)).await
        })
        .await
        .map_err(|error| error.under("input"))?;
        Ok(row.into())
    }
}
