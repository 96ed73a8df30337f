//! Steps that build the database.
