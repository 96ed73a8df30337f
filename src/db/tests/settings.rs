//! The settings that safety rests on are in force on every connection, not only asked for.

use super::*;
use crate::error::Code;

async fn text(connection: &DatabaseConnection, sql: &str) -> String {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index::<String>(0)
        .or_else(|_| row.try_get_by_index::<i64>(0).map(|n| n.to_string()))
        .or_else(|_| row.try_get_by_index::<i32>(0).map(|n| n.to_string()))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_its_promises_on_every_connection() {
    run(DbBackend::Sqlite, 3, async |ground: Ground| {
        let (read, write) = (&ground.database.inner.read, &ground.database.inner.write);
        // All readers at once, so that each connection is asked.
        let watched = ground.database.inner.readers.as_ref().unwrap();
        assert_eq!(watched.connections().count(), 3);
        let mut readers = Vec::new();
        for connection in watched.connections().chain([read]) {
            let pool = connection.get_sqlite_connection_pool();
            readers.push(pool.acquire().await.unwrap());
        }
        for reader in &mut readers {
            for (pragma, expected) in [
                ("journal_mode", "wal"),
                ("synchronous", "2"),
                ("foreign_keys", "1"),
                ("query_only", "1"),
                ("busy_timeout", "5000"),
            ] {
                let sql = sea_orm::sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
                let row = sea_orm::sqlx::query(sql)
                    .fetch_one(&mut **reader)
                    .await
                    .unwrap();
                let found =
                    sea_orm::sqlx::Row::try_get::<String, _>(&row, 0).unwrap_or_else(|_| {
                        sea_orm::sqlx::Row::try_get::<i64, _>(&row, 0)
                            .unwrap()
                            .to_string()
                    });
                assert_eq!(found, expected, "{pragma} of a reader");
            }
        }
        drop(readers);
        for (pragma, expected) in [
            ("journal_mode", "wal"),
            ("synchronous", "2"),
            ("foreign_keys", "1"),
            ("query_only", "0"),
            ("busy_timeout", "5000"),
        ] {
            let found = text(write, &format!("PRAGMA {pragma}")).await;
            assert_eq!(found, expected, "{pragma} of the writer");
        }
        for sql in [
            "DELETE FROM clients",
            "CREATE TABLE t (a)",
            "INSERT INTO settings VALUES ('a', 'b')",
        ] {
            assert!(
                read.execute_unprepared(sql).await.is_err(),
                "a reader did {sql}"
            );
        }
        assert_eq!(
            ground
                .database
                .inner
                .write
                .get_sqlite_connection_pool()
                .options()
                .get_max_connections(),
            1
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_its_promises_on_every_connection() {
    run(DbBackend::Postgres, 3, async |ground: Ground| {
        let pool = ground.database.inner.write.get_postgres_connection_pool();
        let mut connections = Vec::new();
        for _ in 0..3 {
            connections.push(pool.acquire().await.unwrap());
        }
        for connection in &mut connections {
            for (setting, expected) in [
                ("statement_timeout", "5s"),
                ("lock_timeout", "2s"),
                ("idle_in_transaction_session_timeout", "15s"),
                ("timezone", "UTC"),
                ("transaction_isolation", "read committed"),
            ] {
                let sql = sea_orm::sqlx::AssertSqlSafe(format!("SHOW {setting}"));
                let row = sea_orm::sqlx::query(sql)
                    .fetch_one(&mut **connection)
                    .await
                    .unwrap();
                let found: String = sea_orm::sqlx::Row::try_get(&row, 0).unwrap();
                assert_eq!(found, expected, "{setting}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_database_that_each_connection_would_have_alone_is_refused() {
    for url in [
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:",
        "mysql://x/y",
    ] {
        let config = DatabaseConfig::new(url, [7; 32]);
        let outcome = Database::connect(&config, Clock::default()).await;
        let error = outcome.err().unwrap_or_else(|| panic!("{url} was opened"));
        assert_eq!(error.code(), Code::BadUserInput, "{url}");
    }
}
