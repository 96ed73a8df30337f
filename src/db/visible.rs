//! A row proven to be in the viewer's scope. Only this layer makes one, from a scoped statement.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::error::{Error, Result};

/// A row the viewer may see. Cheap to clone.
///
/// It knows its siblings, the rows that the same statement fetched, so that an edge is loaded once for
/// all of them: the number of statements depends on the shape of a request, never on the number of rows.
pub struct Visible<M> {
    row: Arc<M>,
    family: Arc<Family<M>>,
}

struct Family<M> {
    rows: Vec<Arc<M>>,
    edges: Mutex<HashMap<String, Arc<Slot>>>,
}

type Slot = OnceCell<Result<Arc<dyn Any + Send + Sync>>>;

impl<M> Clone for Visible<M> {
    fn clone(&self) -> Self {
        Self {
            row: Arc::clone(&self.row),
            family: Arc::clone(&self.family),
        }
    }
}

impl<M> Deref for Visible<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.row
    }
}

impl<M: std::fmt::Debug> std::fmt::Debug for Visible<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.row.fmt(f)
    }
}

impl<M: Send + Sync + 'static> Visible<M> {
    /// Rows of one scoped statement.
    pub(super) fn family(rows: Vec<M>) -> Vec<Self> {
        let rows: Vec<Arc<M>> = rows.into_iter().map(Arc::new).collect();
        let family = Arc::new(Family {
            rows: rows.clone(),
            edges: Mutex::default(),
        });
        rows.into_iter()
            .map(|row| Self {
                row,
                family: Arc::clone(&family),
            })
            .collect()
    }

    /// One row of a scoped statement.
    pub(super) fn single(row: M) -> Self {
        let row = Arc::new(row);
        Self {
            family: Arc::new(Family {
                rows: vec![Arc::clone(&row)],
                edges: Mutex::default(),
            }),
            row,
        }
    }

    /// What [`Self::shared`] made for `edge`, where it is done.
    ///
    /// # Errors
    /// What it failed with.
    pub(super) fn made<T: Any + Send + Sync>(&self, edge: &str) -> Option<Result<Arc<T>>> {
        let edges = self.family.edges.lock();
        let edges = edges.unwrap_or_else(PoisonError::into_inner);
        Some(unpacked(edge, edges.get(edge)?.get()?))
    }

    /// What `load` makes of all siblings, made once per `edge` however many siblings ask.
    ///
    /// `edge` names the edge with its arguments. `load` must return the same type for the same name.
    ///
    /// # Errors
    /// What `load` fails with, to every sibling.
    pub async fn shared<T, F, Fut>(&self, edge: &str, load: F) -> Result<Arc<T>>
    where
        T: Any + Send + Sync,
        F: FnOnce(Vec<Arc<M>>) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        let slot = {
            let mut edges = self
                .family
                .edges
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match edges.get(edge) {
                Some(slot) => Arc::clone(slot),
                None => Arc::clone(edges.entry(edge.to_owned()).or_default()),
            }
        };
        let loaded = slot
            .get_or_init(|| async {
                // Boxed: what waits for it is made for each sibling.
                let load = Box::pin(load(self.family.rows.clone()));
                let value: Arc<dyn Any + Send + Sync> = Arc::new(load.await?);
                Ok(value)
            })
            .await;
        unpacked(edge, loaded)
    }
}

fn unpacked<T: Any + Send + Sync>(
    edge: &str,
    loaded: &Result<Arc<dyn Any + Send + Sync>>,
) -> Result<Arc<T>> {
    Arc::clone(loaded.as_ref().map_err(Clone::clone)?)
        .downcast()
        .map_err(|_| Error::bug(format!("edge {edge} was loaded as another type")))
}
