//! The closure of "is above": `user_reach` holds a pair for every user and everyone at or below them. It
//! is kept in the transaction that changes the tree, one change of the tree at a time.

use entity::UserId;
use sea_orm::Statement;

use super::guards::Guard;
use super::tx::Tx;
use crate::error::{Error, Result};
use crate::say;

impl Tx {
    /// Takes the tree for this transaction: two moves at once could close a circle.
    ///
    /// # Errors
    /// From the database.
    pub async fn lock_tree(&self) -> Result<()> {
        self.hold(Guard::Tree).await
    }

    /// Puts a new user below `manager` (or at the top). Call [`Self::lock_tree`] first.
    ///
    /// # Errors
    /// `FORBIDDEN` unless the viewer is an administrator; from the database.
    pub async fn tree_insert(&self, user: UserId, manager: Option<UserId>) -> Result<()> {
        self.require_admin()?;
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "INSERT INTO user_reach (manager_id, user_id, depth) \
             SELECT u.id, u.id, 0 FROM users u WHERE u.id = $1 UNION ALL \
             SELECT r.manager_id, u.id, r.depth + 1 FROM user_reach r CROSS JOIN users u \
             WHERE r.user_id = $2 AND u.id = $1",
            [user.into(), manager.into()],
        );
        self.execute_raw(statement).await?;
        Ok(())
    }

    /// Moves a user with everyone below them under `manager` (or to the top). Call [`Self::lock_tree`]
    /// first.
    ///
    /// # Errors
    /// `RULE_VIOLATED` `users.manager_circle` when `manager` is the user or below them; `FORBIDDEN` unless
    /// the viewer is an administrator.
    pub async fn tree_move(&self, user: UserId, manager: Option<UserId>) -> Result<()> {
        self.require_admin()?;
        if let Some(manager) = manager
            && self.reaches(user, manager).await?
        {
            return Err(Error::rule(
                "users.manager_circle",
                say!("a user cannot report to themselves or to somebody below them"),
            )
            .field("managerId"));
        }
        let below = "SELECT user_id FROM user_reach WHERE manager_id = $1";
        let detach = Statement::from_sql_and_values(
            self.backend(),
            format!(
                "DELETE FROM user_reach WHERE user_id IN ({below}) AND manager_id NOT IN ({below}) \
                 RETURNING manager_id"
            ),
            [user.into()],
        );
        self.note_managers(detach).await?;
        let attach = Statement::from_sql_and_values(
            self.backend(),
            "INSERT INTO user_reach (manager_id, user_id, depth) \
             SELECT above.manager_id, below.user_id, above.depth + below.depth + 1 \
             FROM user_reach above CROSS JOIN user_reach below \
             WHERE above.user_id = $2 AND below.manager_id = $1 RETURNING manager_id",
            [user.into(), manager.into()],
        );
        self.note_managers(attach).await
    }

    /// Changes the closure by `statement`, which answers those who see other people now.
    async fn note_managers(&self, statement: Statement) -> Result<()> {
        let rows = self.query_all_raw(statement).await?;
        let managers = rows
            .iter()
            .map(|row| Ok(row.try_get("", "manager_id")?))
            .collect::<Result<Vec<UserId>>>()?;
        self.note_viewers(managers);
        Ok(())
    }

    fn require_admin(&self) -> Result<()> {
        if self.viewer().is_admin() {
            return Ok(());
        }
        Err(Error::forbidden(say!(
            "only administrators may change who reports to whom"
        )))
    }
}

impl super::session::Session {
    /// Whether `user` is `manager` or below them.
    ///
    /// # Errors
    /// From the database.
    pub async fn reaches(&self, manager: UserId, user: UserId) -> Result<bool> {
        let statement = Statement::from_sql_and_values(
            self.backend(),
            "SELECT 1 AS found FROM user_reach WHERE manager_id = $1 AND user_id = $2",
            [manager.into(), user.into()],
        );
        Ok(self.query_one_raw(statement).await?.is_some())
    }
}
